//! A decoded picture, opaque and reference-counted, with its times.
//!
//! Hardware decoders have few output buffers and stop when these are held: to keep a picture, copy it. The memory of the pixels is
//! hidden behind traits, which `media` implements.

use std::sync::Arc;
use std::time::Duration;

use super::Size;

/// The memory layout of a picture's samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PixelFormat {
    /// Planes Y, U, V; the chroma planes have half the width and height, rounded up.
    I420,
    /// Planes Y and interleaved UV of half the height.
    Nv12,
    /// One plane, three bytes per pixel.
    Rgb,
}

/// The coefficients of luma.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColorMatrix {
    /// Standard definition.
    Bt601,
    /// High definition.
    Bt709,
}

/// The values of black and white.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColorRange {
    /// 16–235, as used by televisions and most cameras.
    Limited,
    /// 0–255.
    Full,
}

/// The conversion of YUV samples to colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Colorimetry {
    /// The matrix.
    pub matrix: ColorMatrix,
    /// The range.
    pub range: ColorRange,
}

impl Colorimetry {
    /// The default for streams without this information: BT.709 from 720 lines on, BT.601 below, limited range.
    pub fn assumed(size: Size) -> Self {
        let matrix = if size.height >= 720 {
            ColorMatrix::Bt709
        } else {
            ColorMatrix::Bt601
        };
        Self {
            matrix,
            range: ColorRange::Limited,
        }
    }
}

/// One plane of samples.
#[derive(Debug, Clone, Copy)]
pub struct Plane<'a> {
    /// Rows, `stride` bytes apart.
    pub bytes: &'a [u8],
    /// Bytes from one row to the next.
    pub stride: usize,
}

/// Pixels in ordinary memory.
pub trait HostPixels: Send + Sync {
    /// How the planes are laid out.
    fn format(&self) -> PixelFormat;
    /// Plane `index` of [`HostPixels::format`]; an empty plane if the format does not have it.
    fn plane(&self, index: usize) -> Plane<'_>;
    /// The size of the planes if it differs from [`FrameMeta::size`]: hardware has scaled the picture, or its pixels are not
    /// square.
    fn scaled(&self) -> Option<Size> {
        None
    }
}

/// Pixels in a device's memory.
pub trait DmaBuf: Send + Sync {
    /// As [`HostPixels::scaled`].
    fn scaled(&self) -> Option<Size> {
        None
    }
    /// Maps the pixels for reading. Only for frames that are used, because drivers may have to synchronise caches.
    ///
    /// # Errors
    /// A description, if the device does not permit it.
    fn map(&self) -> Result<Arc<dyn HostPixels>, String>;
}

/// The pixels of a frame.
#[derive(Clone)]
pub enum Pixels {
    /// Ordinary memory.
    Host(Arc<dyn HostPixels>),
    /// A device's buffer.
    DmaBuf(Arc<dyn DmaBuf>),
}

impl Pixels {
    /// The pixels for reading. Those of a device are mapped for the lifetime of the result.
    ///
    /// # Errors
    /// A description, if the device does not permit it.
    pub fn host(&self) -> Result<Arc<dyn HostPixels>, String> {
        match self {
            Self::Host(pixels) => Ok(pixels.clone()),
            Self::DmaBuf(pixels) => pixels.map(),
        }
    }
}

/// The clock of a frame's capture time.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum CaptureClock {
    /// The camera's, from RTCP sender reports.
    Ntp,
    /// The processor's, at the arrival of the access unit.
    Arrival,
}

/// Everything but the pixels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FrameMeta {
    /// Number of the decoded frame of its source, from 0 since the process's start, across sessions.
    pub frame_id: u64,
    /// The size of the picture to which boxes refer: cropped, upright and in square pixels, as stated by the stream
    /// ([`super::PictureShape`]). The planes are cropped and upright too; they may have fewer pixels, or pixels that are not
    /// square ([`HostPixels::scaled`]).
    pub size: Size,
    /// Its colorimetry.
    pub colorimetry: Colorimetry,
    /// Media time within its session.
    pub pts: Option<Duration>,
    /// Arrival of its access unit, by [`super::Clock`].
    pub arrival: Duration,
    /// Estimated capture time since the Unix epoch, by `clock`. Published as the event's timestamp.
    pub captured_unix: Duration,
    /// The clock of `captured_unix`.
    pub clock: CaptureClock,
    /// RTCP NTP time as Unix nanoseconds: a key that identifies the frame in all sessions, even if the camera's clock is wrong.
    pub ntp_ns: Option<u64>,
}

/// A decoded picture. Cloning shares its pixels.
#[derive(Clone)]
pub struct Frame {
    /// Its times, size and number.
    pub meta: FrameMeta,
    /// Its pixels.
    pub pixels: Pixels,
}

impl Frame {
    /// The size of its planes: [`FrameMeta::size`], or the size of scaled or non-square pixels.
    pub fn planes_size(&self) -> Size {
        let scaled = match &self.pixels {
            Pixels::Host(pixels) => pixels.scaled(),
            Pixels::DmaBuf(pixels) => pixels.scaled(),
        };
        scaled.unwrap_or(self.meta.size)
    }
}

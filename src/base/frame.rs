//! A decoded picture, opaque and reference-counted, and what is known of its time.
//!
//! Hardware decoders have few output buffers and stop when they are held: whoever wants to keep a picture copies what it
//! needs. Nothing here knows where the pixels live; `media` implements the traits.

use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::time::Duration;

use super::Size;

/// How a picture's samples lie in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PixelFormat {
    /// Planes Y, U, V; the chroma planes have half the width and height, rounded up.
    I420,
    /// Planes Y and interleaved UV of half the height.
    Nv12,
    /// One plane, three bytes a pixel.
    Rgb,
}

/// Which primaries the luma was weighed by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColorMatrix {
    /// Standard definition.
    Bt601,
    /// High definition.
    Bt709,
}

/// Which code values are black and white.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColorRange {
    /// 16–235, as televisions and most cameras have it.
    Limited,
    /// 0–255.
    Full,
}

/// How YUV samples become colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Colorimetry {
    /// The matrix.
    pub matrix: ColorMatrix,
    /// The range.
    pub range: ColorRange,
}

impl Colorimetry {
    /// What a stream that says nothing means: BT.709 from 720 lines on, BT.601 below, limited range.
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
    /// Plane `index` of [`HostPixels::format`]; an index that the format lacks gives an empty plane.
    fn plane(&self, index: usize) -> Plane<'_>;
    /// The planes' size where it is not [`FrameMeta::size`]: hardware has scaled the picture, or its pixels are not square.
    fn scaled(&self) -> Option<Size> {
        None
    }
}

/// Pixels in a device's memory, shared as a file descriptor.
pub trait DmaBuf: Send + Sync {
    /// How the planes are laid out.
    fn format(&self) -> PixelFormat;
    /// The buffer; it lives as long as this value.
    fn fd(&self) -> BorrowedFd<'_>;
    /// The DRM format modifier (its tiling).
    fn modifier(&self) -> u64;
    /// Offset and stride of each plane in bytes.
    fn layout(&self) -> Vec<(u32, u32)>;
    /// As [`HostPixels::scaled`].
    fn scaled(&self) -> Option<Size> {
        None
    }
    /// The same pixels where they can be read. It may cost the driver some tidying of caches: for frames that are needed.
    ///
    /// # Errors
    /// In words, where the device does not let them be read.
    fn map(&self) -> Result<Arc<dyn HostPixels>, String>;
}

/// Where a frame's pixels are.
#[derive(Clone)]
pub enum Pixels {
    /// Ordinary memory.
    Host(Arc<dyn HostPixels>),
    /// A device's buffer.
    DmaBuf(Arc<dyn DmaBuf>),
}

impl Pixels {
    /// The pixels where they can be read; mapped for the time that the result lives, where they are a device's.
    ///
    /// # Errors
    /// In words, where the device does not let them be read.
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
    /// Which decoded frame of its source this is, counted from 0 since the process's start, across sessions.
    pub frame_id: u64,
    /// The size of the picture that the camera means, in which boxes are told: cropped, upright and in square pixels as its
    /// stream says ([`super::PictureShape`]). The planes are cropped and upright, too; they may have fewer pixels, or ones that are not
    /// square ([`HostPixels::scaled`]).
    pub size: Size,
    /// How its samples become colours.
    pub colorimetry: Colorimetry,
    /// Media time within its session.
    pub pts: Option<Duration>,
    /// When its access unit arrived, by [`super::Clock`].
    pub arrival: Duration,
    /// Capture time since the Unix epoch, by `clock`: an estimate, published as the event's timestamp.
    pub captured_unix: Duration,
    /// What `captured_unix` was told by.
    pub clock: CaptureClock,
    /// RTCP NTP time as Unix nanoseconds: a key that matches frames of two sessions, right or wrong as a clock.
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
    /// The size of its planes: its picture's own, or what that was scaled to, or had before its pixels were square.
    pub fn planes_size(&self) -> Size {
        let scaled = match &self.pixels {
            Pixels::Host(pixels) => pixels.scaled(),
            Pixels::DmaBuf(pixels) => pixels.scaled(),
        };
        scaled.unwrap_or(self.meta.size)
    }
}

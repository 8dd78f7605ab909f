//! Shows decoded frames without a copy: makes framebuffers from dma-bufs.

use std::io;
use std::os::fd::BorrowedFd;
use std::sync::Arc;

use drm::buffer::{self, DrmFourcc, DrmModifier, PlanarBuffer};
use drm::control::{Device as _, FbCmd2Flags, framebuffer};

use super::card::Card;
use super::formats::{BGR888, NV12, YUV420};
use crate::base::{ColorMatrix, ColorRange, Colorimetry, DmaBuf, Frame, PixelFormat, Pixels, Size};

/// Maximum number of sample planes in a buffer.
const PLANES: usize = 4;
/// The modifier of a buffer with a tiling that only its driver knows.
const INVALID: u64 = 0x00ff_ffff_ffff_ffff;

/// The memory layout of a buffer, in the kernel's terms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct BufferLayout {
    pub size: Size,
    pub fourcc: u32,
    pub modifier: u64,
    /// Offset and stride of each plane.
    pub planes: Vec<(u32, u32)>,
    /// Conversion to colours. `None` for RGB.
    pub colorimetry: Option<Colorimetry>,
}

/// A frame that a plane can show. It owns the framebuffer and keeps the memory of the frame.
pub(super) struct ImportedFrame {
    card: Arc<Card>,
    framebuffer: framebuffer::Handle,
    handle: buffer::Handle,
    pub layout: BufferLayout,
    _pixels: Arc<dyn DmaBuf>,
}

impl BufferLayout {
    /// The layout of a frame. `None` for a frame in ordinary memory.
    fn of(frame: &Frame) -> Option<(Self, Arc<dyn DmaBuf>)> {
        let Pixels::DmaBuf(pixels) = &frame.pixels else {
            return None;
        };
        let fourcc = fourcc(pixels.format());
        let planes = pixels.layout();
        let layout = Self {
            size: frame.planes_size(),
            fourcc,
            modifier: pixels.modifier(),
            planes,
            colorimetry: (fourcc != BGR888).then_some(frame.meta.colorimetry),
        };
        (layout.planes.len() <= PLANES).then(|| (layout, Arc::clone(pixels)))
    }

    /// The labels for the plane properties COLOR_ENCODING and COLOR_RANGE.
    pub(super) fn color_labels(&self) -> Option<(&'static str, &'static str)> {
        let colorimetry = self.colorimetry?;
        let encoding = match colorimetry.matrix {
            ColorMatrix::Bt601 => "ITU-R BT.601 YCbCr",
            ColorMatrix::Bt709 => "ITU-R BT.709 YCbCr",
        };
        let range = match colorimetry.range {
            ColorRange::Limited => "YCbCr limited range",
            ColorRange::Full => "YCbCr full range",
        };
        Some((encoding, range))
    }
}

/// The kernel's code of a format. The kernel names the bytes from the highest: RGB in memory is BGR888.
fn fourcc(format: PixelFormat) -> u32 {
    match format {
        PixelFormat::I420 => YUV420,
        PixelFormat::Nv12 => NV12,
        PixelFormat::Rgb => BGR888,
    }
}

impl ImportedFrame {
    /// Makes a framebuffer from a frame. `None` for a frame in ordinary memory.
    ///
    /// # Errors
    /// If the driver does not accept buffers of other devices, or not this format or tiling.
    pub(super) fn of(card: &Arc<Card>, frame: &Frame) -> io::Result<Option<Self>> {
        let Some((layout, pixels)) = BufferLayout::of(frame) else {
            return Ok(None);
        };
        let handle = handle_of(card, pixels.fd())?;
        match add_framebuffer(card, handle, &layout) {
            Ok(framebuffer) => Ok(Some(Self {
                card: Arc::clone(card),
                framebuffer,
                handle,
                layout,
                _pixels: pixels,
            })),
            Err(err) => {
                close_handle(card, handle);
                Err(err)
            }
        }
    }

    /// The id of the framebuffer.
    pub(super) fn framebuffer(&self) -> u32 {
        self.framebuffer.into()
    }
}

impl Drop for ImportedFrame {
    fn drop(&mut self) {
        let _ = self.card.destroy_framebuffer(self.framebuffer);
        close_handle(&self.card, self.handle);
    }
}

fn handle_of(card: &Card, fd: BorrowedFd<'_>) -> io::Result<buffer::Handle> {
    let handle = card.prime_fd_to_buffer(fd)?;
    card.add_handle_user(handle.into());
    Ok(handle)
}

fn close_handle(card: &Card, handle: buffer::Handle) {
    if card.remove_handle_user(handle.into()) {
        let _ = card.close_buffer(handle);
    }
}

fn add_framebuffer(
    card: &Card,
    handle: buffer::Handle,
    layout: &BufferLayout,
) -> io::Result<framebuffer::Handle> {
    let format = DrmFourcc::try_from(layout.fourcc)
        .map_err(|_| io::Error::new(io::ErrorKind::Unsupported, "unknown pixel format"))?;
    let with_modifier = card.has_modifiers() && layout.modifier != INVALID;
    let flags = if with_modifier {
        FbCmd2Flags::MODIFIERS
    } else {
        FbCmd2Flags::empty()
    };
    let buffer = PlanarBuffers {
        layout,
        handle,
        format,
        with_modifier,
    };
    card.add_planar_framebuffer(&buffer, flags)
}

/// A dma-buf that holds all planes.
struct PlanarBuffers<'a> {
    layout: &'a BufferLayout,
    handle: buffer::Handle,
    format: DrmFourcc,
    with_modifier: bool,
}

impl PlanarBuffers<'_> {
    fn each<T: Copy + Default>(&self, value: impl Fn((u32, u32)) -> T) -> [T; PLANES] {
        let mut values = [T::default(); PLANES];
        for (slot, plane) in values.iter_mut().zip(&self.layout.planes) {
            *slot = value(*plane);
        }
        values
    }
}

impl PlanarBuffer for PlanarBuffers<'_> {
    fn size(&self) -> (u32, u32) {
        (self.layout.size.width, self.layout.size.height)
    }

    fn format(&self) -> DrmFourcc {
        self.format
    }

    fn modifier(&self) -> Option<DrmModifier> {
        self.with_modifier
            .then(|| DrmModifier::from(self.layout.modifier))
    }

    fn pitches(&self) -> [u32; PLANES] {
        self.each(|(_, stride)| stride)
    }

    fn handles(&self) -> [Option<buffer::Handle>; PLANES] {
        self.each(|_| Some(self.handle))
    }

    fn offsets(&self) -> [u32; PLANES] {
        self.each(|(offset, _)| offset)
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;
    use std::time::Duration;

    use super::*;
    use crate::base::{CaptureClock, FrameMeta, HostPixels};

    struct FakeDmaBuf(std::fs::File, PixelFormat);

    impl DmaBuf for FakeDmaBuf {
        fn format(&self) -> PixelFormat {
            self.1
        }
        fn fd(&self) -> BorrowedFd<'_> {
            self.0.as_fd()
        }
        fn modifier(&self) -> u64 {
            0x0300_0000_0000_0014
        }
        fn layout(&self) -> Vec<(u32, u32)> {
            vec![(0, 1280), (1280 * 720, 1280)]
        }
        fn map(&self) -> Result<Arc<dyn HostPixels>, String> {
            Err("planes read it, nobody else does".to_owned())
        }
    }

    fn frame(format: PixelFormat, matrix: ColorMatrix) -> Frame {
        let size = Size::new(1280, 720);
        Frame {
            meta: FrameMeta {
                frame_id: 0,
                size,
                colorimetry: Colorimetry {
                    matrix,
                    range: ColorRange::Limited,
                },
                pts: None,
                arrival: Duration::ZERO,
                captured_unix: Duration::ZERO,
                clock: CaptureClock::Arrival,
                ntp_ns: None,
            },
            pixels: Pixels::DmaBuf(Arc::new(FakeDmaBuf(
                tempfile::tempfile().expect("a file"),
                format,
            ))),
        }
    }

    #[test]
    fn a_frames_layout_is_told_in_the_kernels_terms() {
        let (layout, _) =
            BufferLayout::of(&frame(PixelFormat::Nv12, ColorMatrix::Bt709)).expect("a dma-buf");
        assert_eq!(layout.fourcc, NV12);
        assert_eq!(layout.modifier, 0x0300_0000_0000_0014);
        assert_eq!(layout.planes, [(0, 1280), (921_600, 1280)]);
        assert_eq!(
            layout.color_labels(),
            Some(("ITU-R BT.709 YCbCr", "YCbCr limited range"))
        );
    }

    #[test]
    fn rgb_has_no_matrix_and_is_called_bgr_by_the_kernel() {
        let (layout, _) =
            BufferLayout::of(&frame(PixelFormat::Rgb, ColorMatrix::Bt601)).expect("a dma-buf");
        assert_eq!(super::super::formats::name(layout.fourcc), "BG24");
        assert_eq!(layout.color_labels(), None);
    }
}

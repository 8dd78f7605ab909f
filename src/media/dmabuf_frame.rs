#![expect(
    unsafe_code,
    reason = "GStreamer tells a dma-buf's descriptor as a number"
)]
//! Decoded pictures in the memory of a device: buffers of V4L2 decoders and similar ones, each a file descriptor.
//!
//! A display plane can show such a picture directly. It is mapped only when it is read: on boards with non-coherent
//! caches mapping costs time, also for pictures that a rate limit drops.

use std::os::fd::BorrowedFd;
use std::sync::Arc;

use gstreamer as gst;
use gstreamer_allocators::DmaBufMemory;
use gstreamer_video as gst_video;

use super::host_frame::{HostFrame, first_sample, format_of};
use super::turned_frame::TurnedFrame;
use crate::base::{Crop, DmaBuf, HostPixels, Orientation, PictureShape, PixelFormat, Pixels, Size};

/// DRM_FORMAT_MOD_LINEAR, the modifier of caps that state none.
const LINEAR: u64 = 0;

/// How the samples of a buffer become a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FrameView {
    /// The part of the samples.
    pub(super) crop: Crop,
    /// The orientation of the samples.
    pub(super) orientation: Orientation,
    /// The size that the frame states. It differs from the samples if hardware has scaled the picture, or if pixels are
    /// not square.
    pub(super) picture: Size,
}

impl FrameView {
    /// The view of pictures that were decoded with `decoded` samples and arrive in `planes`, which are smaller if
    /// hardware has scaled them.
    pub(super) fn new(shape: &PictureShape, decoded: Size, planes: Size) -> Self {
        let crop = shape.crop;
        let along = |value: u32, from: u32, to: u32| {
            let scaled = u64::from(value) * u64::from(to) / u64::from(from.max(1));
            u32::try_from(scaled).unwrap_or(to)
        };
        let scaled = Crop {
            left: along(crop.left, decoded.width, planes.width),
            top: along(crop.top, decoded.height, planes.height),
            size: Size::new(
                along(crop.size.width, decoded.width, planes.width),
                along(crop.size.height, decoded.height, planes.height),
            ),
        };
        Self {
            crop: scaled.within(planes),
            orientation: shape.orientation,
            picture: shape.picture(),
        }
    }
}

/// A buffer of one dma-buf.
struct DmaBufFrame {
    buffer: gst::Buffer,
    info: gst_video::VideoInfo,
    format: PixelFormat,
    crop: Crop,
    picture: Size,
    layout: Vec<(u32, u32)>,
}

/// The pixels of `buffer` by `view`; none if frames do not have its format or if it can't be mapped.
pub(super) fn pixels_of(
    buffer: gst::Buffer,
    info: &gst_video::VideoInfo,
    view: &FrameView,
) -> Option<Pixels> {
    let pixels = as_decoded(buffer, info, view)?;
    Some(if view.orientation.is_upright() {
        pixels
    } else {
        let turned = TurnedFrame::new(pixels, view.crop.size, view.orientation);
        Pixels::Host(Arc::new(turned))
    })
}

fn as_decoded(
    buffer: gst::Buffer,
    info: &gst_video::VideoInfo,
    view: &FrameView,
) -> Option<Pixels> {
    let FrameView { crop, picture, .. } = *view;
    let in_device = buffer.n_memory() == 1
        && buffer
            .peek_memory(0)
            .downcast_memory_ref::<DmaBufMemory>()
            .is_some();
    if !in_device {
        return Some(Pixels::Host(Arc::new(HostFrame::new(
            buffer, info, crop, picture,
        )?)));
    }
    let format = format_of(info)?;
    let mut layout = layout_of(&buffer, info)?;
    for (index, (offset, stride)) in layout.iter_mut().enumerate() {
        let first = first_sample(format, &crop, index, *stride as usize);
        *offset = offset.checked_add(u32::try_from(first).ok()?)?;
    }
    Some(Pixels::DmaBuf(Arc::new(DmaBufFrame {
        format,
        info: info.clone(),
        buffer,
        crop,
        picture,
        layout,
    })))
}

/// Offset and stride of each plane: the buffer's own, or those of its format.
fn layout_of(buffer: &gst::BufferRef, info: &gst_video::VideoInfo) -> Option<Vec<(u32, u32)>> {
    // A memory may start in the middle of its dma-buf.
    let begins = buffer.peek_memory(0).offset();
    let planes = |offsets: &[usize], strides: &[i32]| {
        std::iter::zip(offsets, strides)
            .map(|(offset, stride)| {
                Some((
                    u32::try_from(begins + offset).ok()?,
                    u32::try_from(*stride).ok()?,
                ))
            })
            .collect()
    };
    match buffer.meta::<gst_video::VideoMeta>() {
        Some(meta) => planes(meta.offset(), meta.stride()),
        None => planes(info.offset(), info.stride()),
    }
}

impl DmaBuf for DmaBufFrame {
    fn format(&self) -> PixelFormat {
        self.format
    }

    fn fd(&self) -> BorrowedFd<'_> {
        let memory = self.buffer.peek_memory(0);
        let memory = memory
            .downcast_memory_ref::<DmaBufMemory>()
            .expect("invariant: `pixels_of` has seen that it is one, and nobody exchanges a buffer's memory that is shared");
        // SAFETY: the memory owns the descriptor and closes it when it is freed; the buffer, which holds the memory, lives as
        // long as `self`, from which the result borrows.
        unsafe { BorrowedFd::borrow_raw(memory.fd()) }
    }

    fn modifier(&self) -> u64 {
        LINEAR
    }

    fn layout(&self) -> Vec<(u32, u32)> {
        self.layout.clone()
    }

    fn scaled(&self) -> Option<Size> {
        (self.crop.size != self.picture).then_some(self.crop.size)
    }

    fn map(&self) -> Result<Arc<dyn HostPixels>, String> {
        // GStreamer maps the buffer and tells the driver (DMA_BUF_IOCTL_SYNC). It undoes both when the last holder
        // drops it.
        HostFrame::new(self.buffer.clone(), &self.info, self.crop, self.picture)
            .map(|frame| Arc::new(frame) as Arc<dyn HostPixels>)
            .ok_or_else(|| "the driver does not allow its buffer to be mapped".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsRawFd;
    use std::os::unix::fs::FileExt;

    use gstreamer_allocators::{DmaBufAllocator, DmaBufAllocatorExtManual as _};

    use super::*;

    const SIZE: Size = Size::new(64, 32);
    /// As hardware lays it out: rows with padding.
    const STRIDE: usize = 256;
    const CHROMA_AT: usize = STRIDE * 32;
    const BYTES: usize = CHROMA_AT + STRIDE * 16;

    /// An NV12 picture whose samples hold the number of their row, in memory that replaces a device's.
    fn picture() -> (gst::Buffer, gst_video::VideoInfo, std::fs::File) {
        super::super::init().expect("GStreamer starts");
        let memory = rustix::fs::memfd_create("device", rustix::fs::MemfdFlags::CLOEXEC);
        let file = std::fs::File::from(memory.expect("memory"));
        for row in 0..BYTES / STRIDE {
            let line = [row as u8; STRIDE];
            file.write_all_at(&line, (row * STRIDE) as u64)
                .expect("it has room");
        }
        let info = gst_video::VideoInfo::builder(gst_video::VideoFormat::Nv12, 64, 32)
            .build()
            .expect("a legal format");
        let device = file.try_clone().expect("a second descriptor");
        // SAFETY: the descriptor is ours and is given away; the memory closes it.
        let memory = unsafe { DmaBufAllocator::new().alloc_dmabuf(device, BYTES) };
        let memory = memory.expect("a memory");
        let mut buffer = gst::Buffer::new();
        let inside = buffer.get_mut().expect("a new buffer");
        inside.append_memory(memory);
        gst_video::VideoMeta::add_full(
            inside,
            gst_video::VideoFrameFlags::empty(),
            gst_video::VideoFormat::Nv12,
            64,
            32,
            &[0, CHROMA_AT],
            &[STRIDE as i32, STRIDE as i32],
        )
        .expect("a layout");
        (buffer, info, file)
    }

    fn whole(picture: Size) -> FrameView {
        FrameView {
            crop: Crop::whole(SIZE),
            orientation: Orientation::default(),
            picture,
        }
    }

    #[test]
    fn a_crop_is_scaled_with_its_picture() {
        let shape = PictureShape {
            crop: Crop::whole(Size::new(1920, 1080)),
            ..PictureShape::plain(Size::new(1920, 1088))
        };
        let decoded = Size::new(1920, 1088);
        let view = FrameView::new(&shape, decoded, Size::new(640, 360));
        assert_eq!(view.crop, Crop::whole(Size::new(640, 357)));
        assert_eq!(view.picture, Size::new(1920, 1080));
        let view = FrameView::new(&shape, decoded, decoded);
        assert_eq!(view.crop.size, Size::new(1920, 1080));
    }

    #[test]
    fn a_cropped_picture_of_a_device_begins_further_on() {
        let (buffer, info, _file) = picture();
        let size = Size::new(32, 16);
        let view = FrameView {
            crop: Crop {
                left: 8,
                top: 4,
                size,
            },
            ..whole(size)
        };
        let pixels = pixels_of(buffer, &info, &view).expect("a frame's format");
        let Pixels::DmaBuf(device) = &pixels else {
            panic!("it is in a device's memory");
        };
        let (stride, chroma_at) = (STRIDE as u32, CHROMA_AT as u32);
        assert_eq!(
            device.layout(),
            [
                (4 * stride + 8, stride),
                (chroma_at + 2 * stride + 8, stride)
            ]
        );
        assert_eq!(device.scaled(), None);
        let host = pixels.host().expect("it can be mapped");
        assert_eq!((host.plane(0).bytes[0], host.plane(1).bytes[0]), (4, 34));
    }

    #[test]
    fn a_picture_that_lies_on_its_side_is_read_upright() {
        let (buffer, info, _file) = picture();
        let view = FrameView {
            orientation: Orientation {
                mirrored: false,
                quarters: 1,
            },
            ..whole(Size::new(32, 64))
        };
        let pixels = pixels_of(buffer, &info, &view).expect("a frame's format");
        let host = pixels.host().expect("it can be mapped");
        assert_eq!(host.scaled(), Some(Size::new(32, 64)));
        // Rows are columns now, the first one on the right.
        let first = host.plane(0).bytes[..32].to_vec();
        assert_eq!(first, (0..32).rev().collect::<Vec<u8>>());
    }

    #[test]
    fn a_device_s_picture_keeps_its_descriptor_and_is_mapped_when_read() {
        let (buffer, info, file) = picture();
        let camera = Size::new(1920, 960);
        let pixels = pixels_of(buffer, &info, &whole(camera)).expect("a frame's format");
        let Pixels::DmaBuf(device) = &pixels else {
            panic!("it is in a device's memory");
        };
        assert_eq!(device.format(), PixelFormat::Nv12);
        let stride = STRIDE as u32;
        assert_eq!(device.layout(), [(0, stride), (CHROMA_AT as u32, stride)]);
        assert_eq!(device.modifier(), 0);
        assert_eq!(device.scaled(), Some(SIZE));
        let inode = |fd: BorrowedFd<'_>| rustix::fs::fstat(fd).map(|stat| stat.st_ino).ok();
        assert_ne!(device.fd().as_raw_fd(), file.as_raw_fd());
        assert_eq!(inode(device.fd()), inode(std::os::fd::AsFd::as_fd(&file)));

        let host = pixels.host().expect("it can be mapped");
        assert_eq!(host.scaled(), Some(SIZE));
        for (plane, first, rows) in [(0, 0, 32), (1, 32, 16)] {
            let plane = host.plane(plane);
            assert_eq!(plane.stride, STRIDE);
            for row in 0..rows {
                assert_eq!(plane.bytes[row * STRIDE + 63], (first + row) as u8);
            }
        }
        // The next reader sees new data of the device: nothing was copied.
        drop(host);
        file.write_all_at(&[200], 0).expect("written");
        let host = pixels.host().expect("it can be mapped again");
        assert_eq!(host.plane(0).bytes[0], 200);
    }

    #[test]
    fn ordinary_memory_stays_ordinary() {
        let (_, info, _) = picture();
        let buffer = gst::Buffer::from_slice(vec![7u8; info.size()]);
        let pixels = pixels_of(buffer, &info, &whole(SIZE)).expect("a frame's format");
        assert!(matches!(pixels, Pixels::Host(_)));
        assert_eq!(pixels.host().map(|host| host.scaled()), Ok(None));
    }
}

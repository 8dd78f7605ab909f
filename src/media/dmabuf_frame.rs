//! Decoded pictures in the memory of a device: buffers of V4L2 decoders and similar ones, each a file descriptor.
//!
//! Such a picture is mapped only when it is read: on boards with non-coherent caches mapping costs time, also for pictures that a
//! rate limit drops.

use std::sync::Arc;

use gstreamer as gst;
use gstreamer_allocators::DmaBufMemory;
use gstreamer_video as gst_video;

use super::host_frame::{HostFrame, format_of};
use super::turned_frame::TurnedFrame;
use crate::base::{Crop, DmaBuf, HostPixels, Orientation, PictureShape, Pixels, Size};

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
    crop: Crop,
    picture: Size,
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
    format_of(info)?;
    Some(Pixels::DmaBuf(Arc::new(DmaBufFrame {
        info: info.clone(),
        buffer,
        crop,
        picture,
    })))
}

impl DmaBuf for DmaBufFrame {
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
    use std::os::unix::fs::FileExt;

    use gstreamer_allocators::{DmaBufAllocator, DmaBufAllocatorExtManual as _};

    use super::*;

    const SIZE: Size = Size::new(64, 32);
    /// As hardware lays it out: rows with padding.
    const STRIDE: usize = 256;
    const CHROMA_AT: usize = STRIDE * 32;
    const BYTES: usize = CHROMA_AT + STRIDE * 16;

    /// An NV12 picture whose samples hold the number of their row, in memory that replaces a device's.
    #[expect(unsafe_code, reason = "a descriptor is given away")]
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
    fn a_device_s_picture_is_mapped_when_it_is_read() {
        let (buffer, info, file) = picture();
        let camera = Size::new(1920, 960);
        let pixels = pixels_of(buffer, &info, &whole(camera)).expect("a frame's format");
        let Pixels::DmaBuf(device) = &pixels else {
            panic!("it is in a device's memory");
        };
        assert_eq!(device.scaled(), Some(SIZE));

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

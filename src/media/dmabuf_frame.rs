#![expect(
    unsafe_code,
    reason = "GStreamer tells a dma-buf's descriptor as a number"
)]
//! Decoded pictures in a device's memory: the buffers of V4L2 decoders and their like, each a file descriptor.
//!
//! A plane of a display takes such a picture as it is. It is mapped for who reads it, and not before: on boards whose caches don't
//! follow the device that costs time for each picture, also for those that a rate limit drops.

use std::os::fd::BorrowedFd;
use std::sync::Arc;

use gstreamer as gst;
use gstreamer_allocators::DmaBufMemory;
use gstreamer_video as gst_video;

use super::host_frame::{HostFrame, format_of, size_of};
use crate::base::{DmaBuf, HostPixels, PixelFormat, Pixels, Size};

/// DRM_FORMAT_MOD_LINEAR: what caps without a modifier mean.
const LINEAR: u64 = 0;

/// A buffer of one dma-buf.
struct DmaBufFrame {
    buffer: gst::Buffer,
    info: gst_video::VideoInfo,
    format: PixelFormat,
    picture: Size,
    layout: Vec<(u32, u32)>,
}

/// The pixels of `buffer`, a picture of the size `picture` that may have been scaled on the way; nothing where its format is none
/// of a frame's or it can't be mapped.
pub(super) fn pixels_of(
    buffer: gst::Buffer,
    info: &gst_video::VideoInfo,
    picture: Size,
) -> Option<Pixels> {
    let in_device = buffer.n_memory() == 1
        && buffer
            .peek_memory(0)
            .downcast_memory_ref::<DmaBufMemory>()
            .is_some();
    if !in_device {
        return Some(Pixels::Host(Arc::new(HostFrame::new(
            buffer, info, picture,
        )?)));
    }
    let layout = layout_of(&buffer, info)?;
    Some(Pixels::DmaBuf(Arc::new(DmaBufFrame {
        format: format_of(info)?,
        info: info.clone(),
        buffer,
        picture,
        layout,
    })))
}

/// Offset and stride of each plane: the buffer's own, or those of its format.
fn layout_of(buffer: &gst::BufferRef, info: &gst_video::VideoInfo) -> Option<Vec<(u32, u32)>> {
    // A memory may begin in the middle of its dma-buf.
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
        let size = size_of(&self.info);
        (size != self.picture).then_some(size)
    }

    fn map(&self) -> Result<Arc<dyn HostPixels>, String> {
        // GStreamer maps it and tells the driver (DMA_BUF_IOCTL_SYNC), and undoes both when the last holder lets go.
        HostFrame::new(self.buffer.clone(), &self.info, self.picture)
            .map(|frame| Arc::new(frame) as Arc<dyn HostPixels>)
            .ok_or_else(|| "the driver does not let its buffer be mapped".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsRawFd;
    use std::os::unix::fs::FileExt;

    use gstreamer_allocators::{DmaBufAllocator, DmaBufAllocatorExtManual as _};

    use super::*;

    const SIZE: Size = Size::new(64, 32);
    /// As hardware lays it out: rows further apart than they are long.
    const STRIDE: usize = 256;
    const CHROMA_AT: usize = STRIDE * 32;
    const BYTES: usize = CHROMA_AT + STRIDE * 16;

    /// An NV12 picture whose samples tell their row, in memory that stands for a device's.
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
        // SAFETY: the descriptor is ours and given away; the memory closes it.
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

    #[test]
    fn a_device_s_picture_keeps_its_descriptor_and_is_mapped_for_who_reads_it() {
        let (buffer, info, file) = picture();
        let camera = Size::new(1920, 960);
        let pixels = pixels_of(buffer, &info, camera).expect("a frame's format");
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
        // What the device writes next is seen by the next reader: nothing was copied.
        drop(host);
        file.write_all_at(&[200], 0).expect("written");
        let host = pixels.host().expect("it can be mapped again");
        assert_eq!(host.plane(0).bytes[0], 200);
    }

    #[test]
    fn ordinary_memory_stays_ordinary() {
        let (_, info, _) = picture();
        let buffer = gst::Buffer::from_slice(vec![7u8; info.size()]);
        let pixels = pixels_of(buffer, &info, SIZE).expect("a frame's format");
        assert!(matches!(pixels, Pixels::Host(_)));
        assert_eq!(pixels.host().map(|host| host.scaled()), Ok(None));
    }
}

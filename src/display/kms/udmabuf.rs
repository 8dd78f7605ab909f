#![expect(
    unsafe_code,
    reason = "the kernel's udmabuf device is controlled by ioctl"
)]
//! Makes a frame in a dma-buf from ordinary memory, like a frame of a hardware decoder, to test whether planes accept it.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, ftruncate, memfd_create};
use rustix::ioctl::{Ioctl, IoctlOutput, Opcode, ioctl, opcode};

use super::formats::LINEAR;
use crate::base::{DmaBuf, Frame, FrameMeta, HostPixels, PixelFormat, Pixels, Size};

const DEVICE: &str = "/dev/udmabuf";
const CLOEXEC: u32 = 1;
const PAGE: u64 = 4096;
/// Alignment of rows that display engines require.
const STRIDE_STEP: u32 = 64;

/// The kernel's `struct udmabuf_create`.
#[repr(C)]
struct UdmabufCreate {
    memfd: u32,
    flags: u32,
    offset: u64,
    size: u64,
}

// SAFETY: UDMABUF_CREATE reads one struct udmabuf_create, which UdmabufCreate is, and returns a new file descriptor.
unsafe impl Ioctl for UdmabufCreate {
    type Output = OwnedFd;
    const IS_MUTATING: bool = false;

    fn opcode(&self) -> Opcode {
        opcode::write::<Self>(b'u', 0x42)
    }

    fn as_ptr(&mut self) -> *mut std::ffi::c_void {
        std::ptr::from_mut(self).cast()
    }

    unsafe fn output_from_ptr(
        output: IoctlOutput,
        _: *mut std::ffi::c_void,
    ) -> rustix::io::Result<OwnedFd> {
        // SAFETY: the call succeeded, so the kernel has created this descriptor, and nothing else owns it.
        Ok(unsafe { OwnedFd::from_raw_fd(output) })
    }
}

struct UdmaBuf {
    buffer: OwnedFd,
    layout: [(u32, u32); 2],
}

impl DmaBuf for UdmaBuf {
    fn format(&self) -> PixelFormat {
        PixelFormat::Nv12
    }

    fn fd(&self) -> BorrowedFd<'_> {
        self.buffer.as_fd()
    }

    fn modifier(&self) -> u64 {
        LINEAR
    }

    fn layout(&self) -> Vec<(u32, u32)> {
        self.layout.to_vec()
    }

    fn map(&self) -> Result<Arc<dyn HostPixels>, String> {
        Err("a frame of the test card can't be mapped".to_owned())
    }
}

/// An NV12 frame in a dma-buf with a grey ramp, lighter from left to right.
///
/// # Errors
/// If the kernel has no udmabuf device, or this process has no right to it.
pub fn grey_ramp(size: Size) -> io::Result<Frame> {
    let stride = size.width.next_multiple_of(STRIDE_STEP);
    let chroma_at = stride * size.height;
    let rows = size.height + size.height.div_ceil(2);
    let bytes = u64::from(stride) * u64::from(rows);
    let memory = memfd_create("nvr-frame", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
    let whole = bytes.next_multiple_of(PAGE);
    ftruncate(&memory, whole)?;
    let memory = File::from(memory);
    // Limited range: 16 is black, 235 is white, and chroma 128 is grey.
    let luma: Vec<u8> = (0..stride)
        .map(|x| 16 + (x.min(size.width) * 219 / size.width.max(1)) as u8)
        .collect();
    let chroma = vec![128; stride as usize];
    for row in 0..rows {
        let line = if row < size.height { &luma } else { &chroma };
        memory.write_all_at(line, u64::from(row) * u64::from(stride))?;
    }
    // The device accepts only memory that can't shrink.
    fcntl_add_seals(&memory, SealFlags::SHRINK)?;
    let device = OpenOptions::new().read(true).write(true).open(DEVICE)?;
    let create = UdmabufCreate {
        memfd: memory.as_raw_fd().cast_unsigned(),
        flags: CLOEXEC,
        offset: 0,
        size: whole,
    };
    // SAFETY: the request has a descriptor that stays open during the call, and no pointer.
    let buffer = unsafe { ioctl(&device, create) }?;
    let meta = FrameMeta::untimed(size);
    let shared = UdmaBuf {
        buffer,
        layout: [(0, stride), (chroma_at, stride)],
    };
    Ok(Frame {
        meta,
        pixels: Pixels::DmaBuf(Arc::new(shared)),
    })
}

//! Owned memory: GPU memory, and pinned host memory that the GPU accesses directly.
#![expect(unsafe_code, reason = "the memory is CUDA's, behind bare pointers")]

use std::ffi::c_void;
use std::ptr::NonNull;
use std::sync::Arc;

use half::f16;

use super::cuda::Cuda;
use super::error::TensorRtError;

/// GPU memory. It is not read here.
pub(super) struct DeviceBuffer {
    cuda: Arc<Cuda>,
    pointer: NonNull<c_void>,
}

/// Page-locked memory of the host.
pub(super) struct PinnedBuffer {
    cuda: Arc<Cuda>,
    pointer: NonNull<c_void>,
    bytes: usize,
}

// SAFETY: the memory belongs to no thread; the owner of this struct is the only one who uses it.
unsafe impl Send for DeviceBuffer {}
// SAFETY: as above.
unsafe impl Send for PinnedBuffer {}

impl DeviceBuffer {
    /// Allocates this many bytes.
    ///
    /// # Errors
    /// CUDA's own error.
    pub(super) fn new(cuda: &Arc<Cuda>, bytes: usize) -> Result<Self, TensorRtError> {
        let pointer = cuda.allocate(bytes.max(1))?;
        Ok(Self {
            cuda: cuda.clone(),
            pointer: non_null("allocate memory of the GPU", pointer)?,
        })
    }

    /// The address in the GPU's address space.
    pub(super) fn address(&self) -> *mut c_void {
        self.pointer.as_ptr()
    }
}

impl Drop for DeviceBuffer {
    fn drop(&mut self) {
        // SAFETY: it is ours, this is the only place that frees it, and its user, an inference request, has waited for
        // its stream.
        unsafe { self.cuda.free(self.pointer.as_ptr()) };
    }
}

impl PinnedBuffer {
    /// Allocates this many bytes, all zero.
    ///
    /// # Errors
    /// CUDA's own error.
    pub(super) fn new(cuda: &Arc<Cuda>, bytes: usize) -> Result<Self, TensorRtError> {
        let pointer = non_null(
            "allocate pinned memory",
            cuda.allocate_pinned(bytes.max(1))?,
        )?;
        // SAFETY: CUDA gave us that many bytes; nobody else has the pointer yet.
        unsafe { pointer.as_ptr().write_bytes(0, bytes) };
        Ok(Self {
            cuda: cuda.clone(),
            pointer,
            bytes,
        })
    }

    /// The address.
    pub(super) fn address(&self) -> *mut c_void {
        self.pointer.as_ptr()
    }

    /// As 32-bit floats.
    pub(super) fn floats(&self) -> &[f32] {
        // SAFETY: page-locked memory is aligned to pages; it was zeroed, any bits are a number, and it lives as long as
        // `self`. No copy of the GPU's is under way: the inference request waits for its stream first.
        unsafe { std::slice::from_raw_parts(self.pointer.as_ptr().cast(), self.bytes / 4) }
    }

    /// As 32-bit floats, to be written.
    pub(super) fn floats_mut(&mut self) -> &mut [f32] {
        // SAFETY: as above, and `self` is borrowed alone.
        unsafe { std::slice::from_raw_parts_mut(self.pointer.as_ptr().cast(), self.bytes / 4) }
    }

    /// As 16-bit floats.
    pub(super) fn halves(&self) -> &[f16] {
        // SAFETY: as above; an `f16` is 16 bits, and any are one.
        unsafe { std::slice::from_raw_parts(self.pointer.as_ptr().cast(), self.bytes / 2) }
    }

    /// As 16-bit floats, to be written.
    pub(super) fn halves_mut(&mut self) -> &mut [f16] {
        // SAFETY: as above, and `self` is borrowed alone.
        unsafe { std::slice::from_raw_parts_mut(self.pointer.as_ptr().cast(), self.bytes / 2) }
    }
}

impl Drop for PinnedBuffer {
    fn drop(&mut self) {
        // SAFETY: it is ours, this is the only place that frees it, and its user, an inference request, has waited for
        // its stream.
        unsafe { self.cuda.free_pinned(self.pointer.as_ptr()) };
    }
}

fn non_null(action: &'static str, pointer: *mut c_void) -> Result<NonNull<c_void>, TensorRtError> {
    NonNull::new(pointer).ok_or(TensorRtError::Cuda {
        action,
        code: 0,
        words: "it gave nothing".to_owned(),
    })
}

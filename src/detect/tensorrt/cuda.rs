//! CUDA's runtime library, opened at run time: queries devices and has the few calls that move pictures.
#![expect(
    unsafe_code,
    reason = "CUDA's runtime is a C library that is opened at run time"
)]

use std::ffi::{CStr, c_char, c_int, c_uint, c_void};
use std::sync::{Arc, Once};

use libloading::Library;

use super::error::TensorRtError;

/// A stream's handle in CUDA.
pub(super) type RawStream = *mut c_void;

type Status = c_int;

/// `cudaMemcpyHostToDevice` and `cudaMemcpyDeviceToHost` of `cudaMemcpyKind`.
const TO_DEVICE: c_int = 1;
const TO_HOST: c_int = 2;
/// `cudaStreamNonBlocking`: the stream does not wait for the legacy default stream.
const NON_BLOCKING: c_uint = 1;
/// `cudaDeviceScheduleBlockingSync`: a thread that waits for the GPU sleeps. By default CUDA polls where the machine has more cores
/// than the process has contexts, so each lane would use a core while the GPU works.
const BLOCKING_SYNC: c_uint = 4;
/// `cudaDeviceAttr`: multiprocessors, compute capability.
const MULTIPROCESSORS: c_int = 16;
const CAPABILITY_MAJOR: c_int = 75;
const CAPABILITY_MINOR: c_int = 76;
/// `cudaDeviceProp` starts with the name, 256 bytes. All of it was never more than 1100 bytes, but it grows.
const NAME_BYTES: usize = 256;
const PROPERTIES_BYTES: usize = 16 * 1024;

/// The library and its functions. It stays open, because CUDA has its own threads and exit handlers.
pub(super) struct Cuda {
    get_device_count: unsafe extern "C" fn(*mut c_int) -> Status,
    set_device: unsafe extern "C" fn(c_int) -> Status,
    set_device_flags: unsafe extern "C" fn(c_uint) -> Status,
    get_attribute: unsafe extern "C" fn(*mut c_int, c_int, c_int) -> Status,
    get_properties: unsafe extern "C" fn(*mut c_void, c_int) -> Status,
    malloc: unsafe extern "C" fn(*mut *mut c_void, usize) -> Status,
    free: unsafe extern "C" fn(*mut c_void) -> Status,
    host_alloc: unsafe extern "C" fn(*mut *mut c_void, usize, c_uint) -> Status,
    free_host: unsafe extern "C" fn(*mut c_void) -> Status,
    memcpy_async:
        unsafe extern "C" fn(*mut c_void, *const c_void, usize, c_int, RawStream) -> Status,
    stream_create: unsafe extern "C" fn(*mut RawStream, c_uint) -> Status,
    stream_synchronize: unsafe extern "C" fn(RawStream) -> Status,
    stream_destroy: unsafe extern "C" fn(RawStream) -> Status,
    get_last_error: unsafe extern "C" fn() -> Status,
    get_error_string: unsafe extern "C" fn(Status) -> *const c_char,
    flags_set: Once,
    library: Library,
}

/// The first GPU, which is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Gpu {
    name: String,
    capability: (i32, i32),
    multiprocessors: i32,
}

impl Gpu {
    /// Its compute capability: major and minor number.
    pub(super) fn capability(&self) -> (i32, i32) {
        self.capability
    }

    /// A GPU of that compute capability.
    #[cfg(test)]
    pub(super) fn of_test(capability: (i32, i32)) -> Self {
        Self {
            name: "Test".to_owned(),
            capability,
            multiprocessors: 1,
        }
    }
}

impl std::fmt::Display for Gpu {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // All Orins have the same name, and engines of one are slow or wrong on another: their sizes distinguish them.
        write!(
            f,
            "{} (compute {}.{}, {} multiprocessors)",
            self.name, self.capability.0, self.capability.1, self.multiprocessors
        )
    }
}

impl Cuda {
    /// The functions of an opened library.
    ///
    /// # Errors
    /// The function that is missing.
    pub(super) fn of(library: Library, name: &str) -> Result<Self, TensorRtError> {
        macro_rules! function {
            ($symbol:literal) => {{
                // SAFETY: the types above are those of cuda_runtime_api.h, the same from CUDA 11 to 13; the pointer is
                // valid as long as the library, which stands in the same struct.
                match unsafe { library.get(concat!($symbol, "\0").as_bytes()) } {
                    Ok(function) => *function,
                    Err(_) => {
                        return Err(TensorRtError::Symbol {
                            library: name.to_owned(),
                            symbol: $symbol,
                        });
                    }
                }
            }};
        }
        Ok(Self {
            get_device_count: function!("cudaGetDeviceCount"),
            set_device: function!("cudaSetDevice"),
            set_device_flags: function!("cudaSetDeviceFlags"),
            get_attribute: function!("cudaDeviceGetAttribute"),
            get_properties: function!("cudaGetDeviceProperties"),
            malloc: function!("cudaMalloc"),
            free: function!("cudaFree"),
            host_alloc: function!("cudaHostAlloc"),
            free_host: function!("cudaFreeHost"),
            memcpy_async: function!("cudaMemcpyAsync"),
            stream_create: function!("cudaStreamCreateWithFlags"),
            stream_synchronize: function!("cudaStreamSynchronize"),
            stream_destroy: function!("cudaStreamDestroy"),
            get_last_error: function!("cudaGetLastError"),
            get_error_string: function!("cudaGetErrorString"),
            flags_set: Once::new(),
            library,
        })
    }

    /// The runtime's version and the newest version that the driver supports; `12060` is 12.6. None if they are
    /// unknown.
    pub(super) fn versions(&self) -> (Option<c_int>, Option<c_int>) {
        let ask = |symbol: &[u8]| {
            type GetVersion = unsafe extern "C" fn(*mut c_int) -> Status;
            // SAFETY: the type is that of cuda_runtime_api.h; the pointer is not used after the library.
            let get = unsafe { self.library.get::<GetVersion>(symbol) }.ok()?;
            let mut version = 0;
            // SAFETY: it writes one number to where the pointer leads.
            let status = unsafe { get(&raw mut version) };
            (status == 0).then_some(version)
        };
        (
            ask(b"cudaRuntimeGetVersion\0"),
            ask(b"cudaDriverGetVersion\0"),
        )
    }

    /// Lets this thread use the GPU; the first call sets how all threads wait for it. This takes GPU memory, which a mere query
    /// should not do.
    ///
    /// # Errors
    /// CUDA's own error.
    pub(super) fn choose_gpu(&self) -> Result<(), TensorRtError> {
        self.flags_set.call_once(|| self.sleep_while_waiting());
        // SAFETY: no memory of ours is involved.
        self.check("choose the GPU", unsafe { (self.set_device)(0) })
    }

    /// Sets the flags of the first GPU, which CUDA uses by default. Until CUDA 11 this must come before its context is made, which
    /// `cudaSetDevice` does from CUDA 12 on; later releases also change a context that exists.
    fn sleep_while_waiting(&self) {
        // SAFETY: no memory of ours is involved.
        let status = unsafe { (self.set_device_flags)(BLOCKING_SYNC) };
        if let Err(err) = self.check("let threads sleep while the GPU works", status) {
            tracing::warn!(%err, "each lane uses a core while it waits for the GPU");
            // SAFETY: no memory of ours is involved. TensorRT would take the error that CUDA remembers for one of its own.
            unsafe { (self.get_last_error)() };
        }
    }

    /// Describes the GPU.
    ///
    /// # Errors
    /// If there is none.
    pub(super) fn gpu(&self) -> Result<Gpu, TensorRtError> {
        let mut count = 0;
        // SAFETY: it writes one number to where the pointer leads.
        let status = unsafe { (self.get_device_count)(&raw mut count) };
        if status != 0 || count < 1 {
            let reason = if status == 0 {
                format!("{count} devices")
            } else {
                self.words(status)
            };
            return Err(TensorRtError::NoGpu {
                reason,
                tensorrt: None,
            });
        }
        let attribute = |which| {
            let mut value = 0;
            // SAFETY: it writes one number to where the pointer leads.
            let status = unsafe { (self.get_attribute)(&raw mut value, which, 0) };
            self.check("tell the GPU's size", status).map(|()| value)
        };
        Ok(Gpu {
            name: self.gpu_name()?,
            capability: (attribute(CAPABILITY_MAJOR)?, attribute(CAPABILITY_MINOR)?),
            multiprocessors: attribute(MULTIPROCESSORS)?,
        })
    }

    fn gpu_name(&self) -> Result<String, TensorRtError> {
        // As 64-bit numbers, because of their alignment.
        let mut properties = vec![0_u64; PROPERTIES_BYTES / 8];
        // SAFETY: it writes a cudaDeviceProp, which is smaller in every release than the buffer; the buffer is ours.
        let status = unsafe { (self.get_properties)(properties.as_mut_ptr().cast(), 0) };
        self.check("tell the GPU's name", status)?;
        let name: Vec<u8> = properties
            .iter()
            .flat_map(|word| word.to_ne_bytes())
            .take(NAME_BYTES)
            .take_while(|byte| *byte != 0)
            .collect();
        Ok(String::from_utf8_lossy(&name).into_owned())
    }

    /// Allocates GPU memory for [`super::buffers`], which frees it.
    pub(super) fn allocate(&self, bytes: usize) -> Result<*mut c_void, TensorRtError> {
        let mut pointer = std::ptr::null_mut();
        // SAFETY: it writes one pointer to where the pointer leads.
        let status = unsafe { (self.malloc)(&raw mut pointer, bytes) };
        self.check("allocate memory of the GPU", status)?;
        Ok(pointer)
    }

    /// Frees GPU memory.
    ///
    /// # Safety
    /// `pointer` is one of [`Cuda::allocate`]'s that was not given back, and nothing in flight uses it.
    pub(super) unsafe fn free(&self, pointer: *mut c_void) {
        // SAFETY: the caller's promise.
        let status = unsafe { (self.free)(pointer) };
        self.log_failure("free memory of the GPU", status);
    }

    /// Allocates pinned host memory for [`super::buffers`], which frees it.
    pub(super) fn allocate_pinned(&self, bytes: usize) -> Result<*mut c_void, TensorRtError> {
        let mut pointer = std::ptr::null_mut();
        // SAFETY: it writes one pointer to where the pointer leads.
        let status = unsafe { (self.host_alloc)(&raw mut pointer, bytes, 0) };
        self.check("allocate pinned memory", status)?;
        Ok(pointer)
    }

    /// Frees pinned memory.
    ///
    /// # Safety
    /// `pointer` is one of [`Cuda::allocate_pinned`]'s that was not given back, and nothing in flight uses it.
    pub(super) unsafe fn free_pinned(&self, pointer: *mut c_void) {
        // SAFETY: the caller's promise.
        let status = unsafe { (self.free_host)(pointer) };
        self.log_failure("free pinned memory", status);
    }

    fn check(&self, action: &'static str, status: Status) -> Result<(), TensorRtError> {
        if status == 0 {
            return Ok(());
        }
        Err(TensorRtError::Cuda {
            action,
            code: status,
            words: self.words(status),
        })
    }

    /// For freeing resources: errors only go to the log.
    fn log_failure(&self, action: &'static str, status: Status) {
        if let Err(err) = self.check(action, status) {
            tracing::warn!(%err, "CUDA could not free a resource");
        }
    }

    fn words(&self, status: Status) -> String {
        // SAFETY: it gives a text that is CUDA's and lives as long as the library, or null.
        let text = unsafe { (self.get_error_string)(status) };
        if text.is_null() {
            return format!("error {status}");
        }
        // SAFETY: it is not null, and CUDA's texts end with a zero.
        let text = unsafe { CStr::from_ptr(text) };
        text.to_string_lossy().into_owned()
    }
}

/// A queue of work for the GPU. Its work runs in order, in parallel with other streams.
pub(super) struct Stream {
    cuda: Arc<Cuda>,
    raw: RawStream,
}

// SAFETY: CUDA's handles may be used by any thread; this one is used by its owner alone.
unsafe impl Send for Stream {}

impl Stream {
    /// Makes a stream.
    ///
    /// # Errors
    /// CUDA's own error.
    pub(super) fn new(cuda: &Arc<Cuda>) -> Result<Self, TensorRtError> {
        let mut raw = std::ptr::null_mut();
        // SAFETY: it writes one handle to where the pointer leads; the handle is ours, and our `drop` destroys it.
        let status = unsafe { (cuda.stream_create)(&raw mut raw, NON_BLOCKING) };
        cuda.check("make a stream", status)?;
        Ok(Self {
            cuda: cuda.clone(),
            raw,
        })
    }

    /// Its handle, for TensorRT.
    pub(super) fn raw(&self) -> RawStream {
        self.raw
    }

    /// Puts a copy from pinned memory to the GPU into the queue.
    ///
    /// # Safety
    /// Both have `bytes` bytes, live, and are left alone until [`Stream::synchronize`].
    pub(super) unsafe fn upload(
        &self,
        from: *const c_void,
        to: *mut c_void,
        bytes: usize,
    ) -> Result<(), TensorRtError> {
        // SAFETY: the caller's promise.
        let status = unsafe { (self.cuda.memcpy_async)(to, from, bytes, TO_DEVICE, self.raw) };
        self.cuda.check("copy a picture to the GPU", status)
    }

    /// Puts a copy from the GPU to pinned memory into the queue.
    ///
    /// # Safety
    /// Both have `bytes` bytes, live, and are left alone until [`Stream::synchronize`].
    pub(super) unsafe fn download(
        &self,
        from: *const c_void,
        to: *mut c_void,
        bytes: usize,
    ) -> Result<(), TensorRtError> {
        // SAFETY: the caller's promise.
        let status = unsafe { (self.cuda.memcpy_async)(to, from, bytes, TO_HOST, self.raw) };
        self.cuda.check("copy an output from the GPU", status)
    }

    /// Waits until all work in the queue is done. Blocks.
    ///
    /// # Errors
    /// If some work failed, CUDA's own error.
    pub(super) fn synchronize(&self) -> Result<(), TensorRtError> {
        // SAFETY: the handle is ours and lives.
        let status = unsafe { (self.cuda.stream_synchronize)(self.raw) };
        self.cuda.check("finish an inference", status)
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        // SAFETY: the handle is ours, and this is the only place that destroys it.
        let status = unsafe { (self.cuda.stream_destroy)(self.raw) };
        self.cuda.log_failure("end a stream", status);
    }
}

//! The counters of the doubles' libraries: what lives on the GPU, what has run, what was allocated.
#![expect(unsafe_code, reason = "the doubles' counters are C functions")]

use super::site_dir;

/// The doubles' counters.
pub(super) struct Counters {
    cuda: libloading::Library,
    tensorrt: libloading::Library,
}

impl Counters {
    pub(super) fn new() -> Self {
        let library = std::env::var("TEST_LIBRARY").unwrap_or_else(|_| {
            let major = std::env::var("TEST_MAJOR").expect("the parent says it");
            format!("libnvinfer.so.{major}")
        });
        let open = |name: String| {
            let path = site_dir().join("libs").join(name);
            // SAFETY: the library is open already; this only counts one user more.
            unsafe { libloading::Library::new(path) }.expect("it is open")
        };
        Self {
            cuda: open("libcudart.so.12".to_owned()),
            tensorrt: open(library),
        }
    }

    fn read(library: &libloading::Library, name: &str) -> i64 {
        // SAFETY: `long double_…(void)` of tests/tensorrt, called while the library is held.
        unsafe {
            let counter = library.get::<unsafe extern "C" fn() -> std::ffi::c_long>(name);
            counter.expect("the double has it")()
        }
    }

    pub(super) fn of_cuda(&self, name: &str) -> i64 {
        Self::read(&self.cuda, name)
    }

    pub(super) fn of_tensorrt(&self, name: &str) -> i64 {
        Self::read(&self.tensorrt, name)
    }

    /// Objects of TensorRT, buffers of the GPU, pinned buffers, streams.
    pub(super) fn live(&self) -> [i64; 4] {
        [
            self.of_tensorrt("double_objects"),
            self.of_cuda("double_live_device"),
            self.of_cuda("double_live_pinned"),
            self.of_cuda("double_live_streams"),
        ]
    }
}

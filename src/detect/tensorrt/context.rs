//! An execution context: the state that an engine needs for inference, with its GPU memory. It runs one inference at a
//! time.
#![expect(
    unsafe_code,
    reason = "methods of C++ objects, called through their virtual tables"
)]

use std::ffi::{CStr, c_char, c_void};
use std::path::Path;
use std::sync::Arc;

use super::cuda::Stream;
use super::error::TensorRtError;
use super::kernels::{ContextSettings, Kernels};
use super::logger;
use super::object::{MOST_DIMS, NarrowDims, Object, WideDims, call};
use super::runtime::Engine;
use super::vtable::DimsLayout;

/// `IExecutionContext`: the state of one inference. It has one owner at a time.
pub(super) struct ExecutionContext {
    object: Object,
    // Dropped after the context.
    _settings: Option<ContextSettings>,
    _engine: Arc<Engine>,
}

/// Makes the contexts of an engine.
pub(super) struct Contexts {
    engine: Arc<Engine>,
    kernels: Option<Arc<Kernels>>,
}

impl Contexts {
    /// For `engine`, whose file is `path`.
    pub(super) fn of(engine: Engine, path: &Path) -> Self {
        let engine = Arc::new(engine);
        Self {
            kernels: Kernels::of(&engine, path),
            engine,
        }
    }

    /// The engine.
    pub(super) fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Makes a context with its own GPU memory. Where TensorRT compiles kernels for it, this blocks for ten seconds and more the first time.
    ///
    /// # Errors
    /// TensorRT's own error.
    pub(super) fn make(&self) -> Result<ExecutionContext, TensorRtError> {
        let settings = self.kernels.as_ref().map(Kernels::settings).transpose()?;
        ExecutionContext::new(&self.engine, settings)
    }

    /// Keeps what was compiled for the contexts so far, for the next start.
    pub(super) fn keep_kernels(&self) {
        if let Some(kernels) = &self.kernels {
            kernels.keep();
        }
    }
}

impl ExecutionContext {
    fn new(engine: &Arc<Engine>, settings: Option<ContextSettings>) -> Result<Self, TensorRtError> {
        let object = engine.object();
        let libraries = &object.libraries;
        let vtable = &libraries.vtables.engine;
        logger::forget();
        let pointer = if let (Some(settings), Some(slots)) = (&settings, &libraries.vtables.kernels)
        {
            // SAFETY: `IExecutionContext* createExecutionContextWithRuntimeConfig(IRuntimeConfig*)`; the settings outlive the context,
            // which is ours.
            unsafe {
                call!(object, slots.create_context, (*mut c_void) -> *mut c_void, settings.pointer())
            }
        } else if vtable.create_context_takes_strategy {
            // SAFETY: `IExecutionContext* createExecutionContext(ExecutionContextAllocationStrategy)`; 0 is kSTATIC. The
            // context that comes back is ours.
            unsafe { call!(object, vtable.create_context, (i32) -> *mut c_void, 0) }
        } else {
            // SAFETY: `IExecutionContext* createExecutionContext()`; as above.
            unsafe { call!(object, vtable.create_context, () -> *mut c_void,) }
        };
        let object = Object::of(pointer, libraries)
            .ok_or_else(|| logger::refused("make an execution context"))?;
        Ok(Self {
            object,
            _settings: settings,
            _engine: engine.clone(),
        })
    }

    /// Sets the dimensions of an input. Allocates nothing.
    ///
    /// # Errors
    /// If the engine's profile does not include them.
    pub(super) fn set_input_shape(
        &mut self,
        name: &CStr,
        dims: &[usize],
    ) -> Result<(), TensorRtError> {
        let libraries = self.object.libraries.clone();
        let slot = libraries.vtables.context.set_input_shape;
        logger::forget();
        let count = i32::try_from(dims.len()).unwrap_or(i32::MAX);
        let accepted = match libraries.vtables.dims {
            DimsLayout::Narrow => {
                let mut sizes = [0; MOST_DIMS];
                for (size, dim) in sizes.iter_mut().zip(dims) {
                    *size = i32::try_from(*dim).unwrap_or(i32::MAX);
                }
                let dims = NarrowDims { count, sizes };
                // SAFETY: `bool setInputShape(char const*, Dims const&)`; both are read during the call only.
                unsafe {
                    call!(self.object, slot, (*const c_char, *const NarrowDims) -> bool,
                        name.as_ptr(), &raw const dims)
                }
            }
            DimsLayout::Wide => {
                let mut sizes = [0; MOST_DIMS];
                for (size, dim) in sizes.iter_mut().zip(dims) {
                    *size = i64::try_from(*dim).unwrap_or(i64::MAX);
                }
                let dims = WideDims { count, sizes };
                // SAFETY: as above, with sizes of 64 bits.
                unsafe {
                    call!(self.object, slot, (*const c_char, *const WideDims) -> bool,
                        name.as_ptr(), &raw const dims)
                }
            }
        };
        taken(accepted, || {
            format!("take `{}` of {dims:?}", name.to_string_lossy())
        })
    }

    /// Sets the address of a tensor's memory.
    ///
    /// # Safety
    /// `address` is memory of the GPU, large enough for the tensor, that outlives what is put into a stream with this
    /// context.
    pub(super) unsafe fn set_address(
        &mut self,
        name: &CStr,
        address: *mut c_void,
    ) -> Result<(), TensorRtError> {
        let slot = self.object.libraries.vtables.context.set_tensor_address;
        logger::forget();
        // SAFETY: `bool setTensorAddress(char const*, void*)`; the address is the caller's promise.
        let accepted = unsafe {
            call!(self.object, slot, (*const c_char, *mut c_void) -> bool, name.as_ptr(), address)
        };
        taken(accepted, || {
            format!("take memory for `{}`", name.to_string_lossy())
        })
    }

    /// Puts one inference into `stream`. The error is TensorRT's own.
    ///
    /// # Safety
    /// Every tensor has its address, and neither it nor the context is touched until the stream was waited for.
    pub(super) unsafe fn enqueue(&mut self, stream: &Stream) -> Result<(), String> {
        let slot = self.object.libraries.vtables.context.enqueue;
        logger::forget();
        // SAFETY: `bool enqueueV3(cudaStream_t)`; the stream is ours and lives, the rest is the caller's promise.
        let accepted = unsafe { call!(self.object, slot, (*mut c_void) -> bool, stream.raw()) };
        accepted.then_some(()).ok_or_else(|| {
            let words = logger::errors();
            if words.is_empty() {
                "it did not start the inference and logged no reason".to_owned()
            } else {
                words
            }
        })
    }
}

fn taken(accepted: bool, action: impl FnOnce() -> String) -> Result<(), TensorRtError> {
    accepted
        .then_some(())
        .ok_or_else(|| logger::refused(action()))
}

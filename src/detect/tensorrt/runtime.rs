//! TensorRT's objects with owners: a runtime makes engines, an engine makes contexts, and each keeps its maker alive.
#![expect(
    unsafe_code,
    reason = "methods of C++ objects, called through their virtual tables"
)]

use std::ffi::{CStr, CString, c_char, c_void};
use std::path::Path;
use std::sync::Arc;

use super::cuda::Stream;
use super::error::TensorRtError;
use super::library::Libraries;
use super::logger;
use super::slots::DimsForm;

/// Below this no object lies: without a GPU, TensorRT answers with small numbers instead of null.
const LOWEST_ADDRESS: usize = 4096;

/// Most dimensions of a tensor: `Dims::MAX_DIMS`.
const MOST_DIMS: usize = 8;

/// `OptProfileSelector::kMIN` and `kMAX`.
const SMALLEST: i32 = 0;
const LARGEST: i32 = 2;

/// A tensor's dimensions; -1 where the context decides.
pub(super) type Dims = Vec<i64>;

#[repr(C)]
#[derive(Clone, Copy)]
struct NarrowDims {
    count: i32,
    sizes: [i32; MOST_DIMS],
}

#[repr(C)]
#[derive(Clone, Copy)]
struct WideDims {
    count: i32,
    sizes: [i64; MOST_DIMS],
}

/// A public object of TensorRT's, which is ours: `{ its own virtual table, implementation }`.
struct Object {
    pointer: *mut c_void,
    libraries: Arc<Libraries>,
}

// SAFETY: TensorRT's objects belong to no thread. Runtimes and engines may be used by several at once (its documentation,
// "Threading"); of contexts there is one owner, who needs `&mut`.
unsafe impl Send for Object {}
// SAFETY: as above.
unsafe impl Sync for Object {}

impl Object {
    /// Takes what a function of TensorRT's gave; nothing where that is no object.
    fn of(pointer: *mut c_void, libraries: &Arc<Libraries>) -> Option<Self> {
        (pointer.addr() >= LOWEST_ADDRESS).then(|| Self {
            pointer,
            libraries: libraries.clone(),
        })
    }

    /// The implementation, and its method in `slot`.
    fn method(&self, slot: usize) -> (*mut c_void, *const c_void) {
        // SAFETY: the object is ours and lives; its layout is the one of the module `slots`, whose numbers lie within the
        // virtual tables of the major version that was checked when the library was opened. Nothing is written.
        unsafe {
            let implementation = *self.pointer.cast::<*mut c_void>().add(1);
            let table = *implementation.cast::<*const *const c_void>();
            (implementation, *table.add(slot))
        }
    }
}

impl Drop for Object {
    fn drop(&mut self) {
        // SAFETY: the object is ours, this is the only place that destroys it, and what it made is gone: each of those
        // holds a reference to its maker. The destructor that frees is in the public table.
        unsafe {
            let table = *self.pointer.cast::<*const *const c_void>();
            let delete: unsafe extern "C" fn(*mut c_void) =
                std::mem::transmute(*table.add(self.libraries.slots.delete));
            delete(self.pointer);
        }
    }
}

/// Calls method `$slot` of `$object` as a function of these argument types. The caller says why that is safe.
macro_rules! call {
    ($object:expr, $slot:expr, ($($kind:ty),*) -> $result:ty, $($argument:expr),*) => {{
        let (implementation, method) = $object.method($slot);
        let method = std::mem::transmute::<
            *const c_void,
            unsafe extern "C" fn(*mut c_void $(, $kind)*) -> $result,
        >(method);
        method(implementation $(, $argument)*)
    }};
}

/// `IRuntime`.
pub(super) struct Runtime(Object);

/// `ICudaEngine`.
pub(super) struct Engine {
    // Fields are dropped in this order: the engine before what made it.
    object: Object,
    _runtime: Runtime,
}

/// `IExecutionContext`: an engine's state of one inference. One owner at a time.
pub(super) struct Context {
    object: Object,
    _engine: Arc<Engine>,
}

/// A tensor of an engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tensor {
    /// Its name.
    pub(super) name: CString,
    /// Whether it is fed; it is read otherwise.
    pub(super) is_input: bool,
    /// `DataType`.
    pub(super) element: i32,
    /// Its dimensions.
    pub(super) dims: Dims,
}

impl Runtime {
    /// A runtime of the opened library.
    ///
    /// # Errors
    /// When TensorRT gives none, with what it gave and said.
    pub(super) fn new(libraries: &Arc<Libraries>) -> Result<Self, TensorRtError> {
        logger::forget();
        let logger = logger::address(libraries.slots.logger).unwrap_or(std::ptr::null_mut());
        // SAFETY: the logger is a static; the number is the library's own. The object that comes back is ours.
        let pointer = unsafe { (libraries.create_runtime)(logger, libraries.version_number) };
        let runtime = Object::of(pointer, libraries).ok_or_else(|| TensorRtError::Runtime {
            version: libraries.version,
            answer: pointer.addr(),
            words: logger::errors(),
        })?;
        Ok(Self(runtime))
    }

    /// How many deep learning accelerators (DLA) the board has.
    pub(super) fn dla_cores(&self) -> i32 {
        // SAFETY: `int32_t getNbDLACores() const`.
        unsafe { call!(self.0, self.0.libraries.slots.runtime.dla_cores, () -> i32,) }
    }

    /// Which of them runs the engines that are loaded from now on.
    pub(super) fn set_dla_core(&mut self, core: i32) {
        // SAFETY: `void setDLACore(int32_t)`.
        unsafe { call!(self.0, self.0.libraries.slots.runtime.set_dla_core, (i32) -> (), core) }
    }

    /// The engine that `bytes`, the content of `path`, is. Blocks for a second or more.
    ///
    /// # Errors
    /// Each refusal of TensorRT's by its reason, as far as its words tell.
    pub(super) fn engine(self, bytes: &[u8], path: &Path) -> Result<Engine, TensorRtError> {
        let libraries = self.0.libraries.clone();
        let slots = &libraries.slots.runtime;
        let (blob, size) = (bytes.as_ptr().cast::<c_void>(), bytes.len());
        logger::forget();
        let pointer = if slots.deserialize_takes_plugins {
            // SAFETY: `ICudaEngine* deserializeCudaEngine(void const*, size_t, IPluginFactory*)`; TensorRT copies what it
            // needs of the bytes, null stands for no factory, and the engine that comes back is ours.
            unsafe {
                call!(self.0, slots.deserialize, (*const c_void, usize, *mut c_void) -> *mut c_void,
                    blob, size, std::ptr::null_mut())
            }
        } else {
            // SAFETY: as above, without the factory.
            unsafe {
                call!(self.0, slots.deserialize, (*const c_void, usize) -> *mut c_void, blob, size)
            }
        };
        match Object::of(pointer, &libraries) {
            Some(object) => Ok(Engine {
                object,
                _runtime: self,
            }),
            None => Err(refusal(&libraries, path, logger::errors())),
        }
    }
}

impl Engine {
    /// Its tensors, in its own order.
    ///
    /// # Errors
    /// When it has none, or one without a name: then it is not what its header said.
    pub(super) fn tensors(&self) -> Result<Vec<Tensor>, TensorRtError> {
        let slots = &self.object.libraries.slots.engine;
        // SAFETY: `int32_t getNbIOTensors() const`.
        let count = unsafe { call!(self.object, slots.tensors, () -> i32,) };
        (0..count).map(|index| self.tensor(index)).collect()
    }

    fn tensor(&self, index: i32) -> Result<Tensor, TensorRtError> {
        let slots = &self.object.libraries.slots.engine;
        // SAFETY: `char const* getIOTensorName(int32_t) const`, with an index below their number.
        let name = unsafe { call!(self.object, slots.tensor_name, (i32) -> *const c_char, index) };
        if name.is_null() {
            return Err(TensorRtError::Context {
                action: format!("tell the name of tensor {index}"),
                words: logger::errors(),
            });
        }
        // SAFETY: the text is the engine's, ends with a zero and lives as long as the engine; it is copied.
        let name = unsafe { CStr::from_ptr(name) }.to_owned();
        // SAFETY: `TensorIOMode getTensorIOMode(char const*) const`, an `enum class : int32_t`; the name is ours.
        let mode =
            unsafe { call!(self.object, slots.tensor_mode, (*const c_char) -> i32, name.as_ptr()) };
        // SAFETY: `DataType getTensorDataType(char const*) const`, an `enum class : int32_t`.
        let element =
            unsafe { call!(self.object, slots.tensor_type, (*const c_char) -> i32, name.as_ptr()) };
        Ok(Tensor {
            dims: self.shape(&name),
            is_input: mode == 1,
            element,
            name,
        })
    }

    fn shape(&self, name: &CStr) -> Dims {
        let libraries = &self.object.libraries;
        let slot = libraries.slots.engine.tensor_shape;
        match libraries.slots.dims {
            // SAFETY: `Dims getTensorShape(char const*) const`; a struct of this size is returned through a hidden pointer,
            // which C and C++ do alike.
            DimsForm::Narrow => narrow(unsafe {
                call!(self.object, slot, (*const c_char) -> NarrowDims, name.as_ptr())
            }),
            // SAFETY: as above, with sizes of 64 bits.
            DimsForm::Wide => wide(unsafe {
                call!(self.object, slot, (*const c_char) -> WideDims, name.as_ptr())
            }),
        }
    }

    /// The smallest and largest dimensions that an input may have by the engine's first profile.
    pub(super) fn limits(&self, name: &CStr) -> (Dims, Dims) {
        let libraries = &self.object.libraries;
        let slot = libraries.slots.engine.profile_shape;
        let ask = |selector: i32| match libraries.slots.dims {
            // SAFETY: `Dims getProfileShape(char const*, int32_t, OptProfileSelector) const`.
            DimsForm::Narrow => narrow(unsafe {
                call!(self.object, slot, (*const c_char, i32, i32) -> NarrowDims, name.as_ptr(), 0, selector)
            }),
            // SAFETY: as above, with sizes of 64 bits.
            DimsForm::Wide => wide(unsafe {
                call!(self.object, slot, (*const c_char, i32, i32) -> WideDims, name.as_ptr(), 0, selector)
            }),
        };
        (ask(SMALLEST), ask(LARGEST))
    }

    /// A context, with memory of the GPU of its own.
    ///
    /// # Errors
    /// In TensorRT's words.
    pub(super) fn context(self: &Arc<Self>) -> Result<Context, TensorRtError> {
        let libraries = &self.object.libraries;
        let slots = &libraries.slots.engine;
        logger::forget();
        let pointer = if slots.create_context_takes_strategy {
            // SAFETY: `IExecutionContext* createExecutionContext(ExecutionContextAllocationStrategy)`; 0 is kSTATIC. The
            // context that comes back is ours.
            unsafe { call!(self.object, slots.create_context, (i32) -> *mut c_void, 0) }
        } else {
            // SAFETY: `IExecutionContext* createExecutionContext()`; as above.
            unsafe { call!(self.object, slots.create_context, () -> *mut c_void,) }
        };
        let object = Object::of(pointer, libraries).ok_or_else(|| TensorRtError::Context {
            action: "make an execution context".to_owned(),
            words: logger::errors(),
        })?;
        Ok(Context {
            object,
            _engine: self.clone(),
        })
    }
}

impl Context {
    /// Says which dimensions an input has from now on. Allocates nothing.
    ///
    /// # Errors
    /// When the engine's profile does not have them.
    pub(super) fn set_input_shape(
        &mut self,
        name: &CStr,
        dims: &[usize],
    ) -> Result<(), TensorRtError> {
        let libraries = self.object.libraries.clone();
        let slot = libraries.slots.context.set_input_shape;
        logger::forget();
        let count = i32::try_from(dims.len()).unwrap_or(i32::MAX);
        let accepted = match libraries.slots.dims {
            DimsForm::Narrow => {
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
            DimsForm::Wide => {
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

    /// Says where a tensor's memory is.
    ///
    /// # Safety
    /// `address` is memory of the GPU, large enough for the tensor, that outlives what is put into a stream with this
    /// context.
    pub(super) unsafe fn set_address(
        &mut self,
        name: &CStr,
        address: *mut c_void,
    ) -> Result<(), TensorRtError> {
        let slot = self.object.libraries.slots.context.set_tensor_address;
        logger::forget();
        // SAFETY: `bool setTensorAddress(char const*, void*)`; the address is the caller's promise.
        let accepted = unsafe {
            call!(self.object, slot, (*const c_char, *mut c_void) -> bool, name.as_ptr(), address)
        };
        taken(accepted, || {
            format!("take memory for `{}`", name.to_string_lossy())
        })
    }

    /// Puts one inference into `stream`. Gives what TensorRT says where it refuses.
    ///
    /// # Safety
    /// Every tensor has its address, and neither it nor the context is touched until the stream was waited for.
    pub(super) unsafe fn enqueue(&mut self, stream: &Stream) -> Result<(), String> {
        let slot = self.object.libraries.slots.context.enqueue;
        logger::forget();
        // SAFETY: `bool enqueueV3(cudaStream_t)`; the stream is ours and lives, the rest is the caller's promise.
        let accepted = unsafe { call!(self.object, slot, (*mut c_void) -> bool, stream.raw()) };
        accepted.then_some(()).ok_or_else(|| {
            let words = logger::errors();
            if words.is_empty() {
                "it would not begin the inference, and does not say why".to_owned()
            } else {
                words
            }
        })
    }
}

fn taken(accepted: bool, action: impl FnOnce() -> String) -> Result<(), TensorRtError> {
    if accepted {
        return Ok(());
    }
    Err(TensorRtError::Context {
        action: action(),
        words: logger::errors(),
    })
}

fn narrow(dims: NarrowDims) -> Dims {
    let count = usize::try_from(dims.count).unwrap_or(0).min(MOST_DIMS);
    dims.sizes[..count].iter().copied().map(i64::from).collect()
}

fn wide(dims: WideDims) -> Dims {
    let count = usize::try_from(dims.count).unwrap_or(0).min(MOST_DIMS);
    dims.sizes[..count].to_vec()
}

/// TensorRT says why it loads no engine in words only; they are those of 8.5 to 10.
fn refusal(libraries: &Libraries, path: &Path, words: String) -> TensorRtError {
    let path = path.to_owned();
    let says = |parts: &[&str]| parts.iter().any(|part| words.contains(part));
    if says(&[
        "not compatible with this version",
        "stdVersionRead",
        "Version tag does not match",
    ]) {
        TensorRtError::EngineVersion {
            path,
            version: libraries.version,
            words,
        }
    } else if says(&[
        "incompatible device",
        "expecting compute",
        "different compute",
    ]) {
        TensorRtError::EngineGpu {
            path,
            gpu: libraries.gpu.to_string(),
            words,
        }
    } else if says(&[
        "magicTag",
        "Magic tag",
        "truncated",
        "sizeRead",
        "past the end",
        "out of bounds",
    ]) {
        TensorRtError::EngineDamaged { path, words }
    } else {
        TensorRtError::Engine {
            path,
            version: libraries.version,
            words,
        }
    }
}

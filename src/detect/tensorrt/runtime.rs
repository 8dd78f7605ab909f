//! Runtimes, which load engines, and engines, which describe their tensors. Each object keeps the one that made it
//! alive.
#![expect(
    unsafe_code,
    reason = "methods of C++ objects, called through their virtual tables"
)]

use std::ffi::{CStr, CString, c_char, c_void};
use std::path::Path;
use std::sync::Arc;

use super::error::TensorRtError;
use super::library::Libraries;
use super::logger;
use super::object::{Dims, NarrowDims, Object, WideDims, call, narrow, wide};
use super::vtable::DimsLayout;

/// `OptProfileSelector::kMIN` and `kMAX`.
const SMALLEST: i32 = 0;
const LARGEST: i32 = 2;

/// More inputs and outputs than the engine of a detector has; networks have about ten.
const MOST_TENSORS: i32 = 1024;

/// `IRuntime`.
pub(super) struct Runtime(Object);

/// `ICudaEngine`.
pub(super) struct Engine {
    // Fields are dropped in this order: the engine before the runtime.
    object: Object,
    _runtime: Runtime,
}

/// A tensor of an engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tensor {
    /// Its name.
    pub(super) name: CString,
    /// Whether it is an input; otherwise it is an output.
    pub(super) is_input: bool,
    /// `DataType`.
    pub(super) element: i32,
    /// Its dimensions.
    pub(super) dims: Dims,
}

impl Runtime {
    /// Makes a runtime of the opened library.
    ///
    /// # Errors
    /// If TensorRT makes none; with its result and its log.
    pub(super) fn new(libraries: &Arc<Libraries>) -> Result<Self, TensorRtError> {
        logger::forget();
        let logger = logger::address(libraries.vtables.logger);
        // SAFETY: the logger is a static; the number is the library's own. The object that comes back is ours.
        let pointer = unsafe { (libraries.create_runtime)(logger, libraries.version_number) };
        let runtime = Object::of(pointer, libraries).ok_or_else(|| TensorRtError::Runtime {
            version: libraries.version,
            answer: pointer.addr(),
            words: logger::errors(),
        })?;
        Ok(Self(runtime))
    }

    /// The number of deep learning accelerators (DLA) of the board.
    pub(super) fn dla_cores(&self) -> i32 {
        // SAFETY: `int32_t getNbDLACores() const`.
        unsafe { call!(self.0, self.0.libraries.vtables.runtime.dla_cores, () -> i32,) }
    }

    /// Sets the DLA core that runs the engines loaded from now on.
    pub(super) fn set_dla_core(&mut self, core: i32) {
        // SAFETY: `void setDLACore(int32_t)`.
        unsafe { call!(self.0, self.0.libraries.vtables.runtime.set_dla_core, (i32) -> (), core) }
    }

    /// Loads the engine `bytes`, the content of `path`. Blocks for a second or more.
    ///
    /// # Errors
    /// Each refusal with its reason, as far as TensorRT's log states it.
    pub(super) fn engine(self, bytes: &[u8], path: &Path) -> Result<Engine, TensorRtError> {
        let libraries = self.0.libraries.clone();
        let vtable = &libraries.vtables.runtime;
        let (blob, size) = (bytes.as_ptr().cast::<c_void>(), bytes.len());
        logger::forget();
        let pointer = if vtable.deserialize_takes_plugins {
            // SAFETY: `ICudaEngine* deserializeCudaEngine(void const*, size_t, IPluginFactory*)`; TensorRT copies what it
            // needs of the bytes, null stands for no factory, and the engine that comes back is ours.
            unsafe {
                call!(self.0, vtable.deserialize, (*const c_void, usize, *mut c_void) -> *mut c_void,
                    blob, size, std::ptr::null_mut())
            }
        } else {
            // SAFETY: as above, without the factory.
            unsafe {
                call!(self.0, vtable.deserialize, (*const c_void, usize) -> *mut c_void, blob, size)
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
    /// If it has none, or one without a name: then its virtual table has another order (TensorRT for RTX).
    pub(super) fn tensors(&self) -> Result<Vec<Tensor>, TensorRtError> {
        let vtable = &self.object.libraries.vtables.engine;
        // SAFETY: `int32_t getNbIOTensors() const`.
        let count = unsafe { call!(self.object, vtable.tensors, () -> i32,) };
        if !(1..=MOST_TENSORS).contains(&count) {
            return Err(TensorRtError::Interface {
                version: self.object.libraries.version,
                count,
            });
        }
        (0..count).map(|index| self.tensor(index)).collect()
    }

    fn tensor(&self, index: i32) -> Result<Tensor, TensorRtError> {
        let vtable = &self.object.libraries.vtables.engine;
        // SAFETY: `char const* getIOTensorName(int32_t) const`, with an index below their number.
        let name = unsafe { call!(self.object, vtable.tensor_name, (i32) -> *const c_char, index) };
        if name.is_null() {
            return Err(logger::refused(format!("tell the name of tensor {index}")));
        }
        // SAFETY: the text is the engine's, ends with a zero and lives as long as the engine; it is copied.
        let name = unsafe { CStr::from_ptr(name) }.to_owned();
        // SAFETY: `TensorIOMode getTensorIOMode(char const*) const`, an `enum class : int32_t`; the name is ours.
        let mode = unsafe {
            call!(self.object, vtable.tensor_mode, (*const c_char) -> i32, name.as_ptr())
        };
        // SAFETY: `DataType getTensorDataType(char const*) const`, an `enum class : int32_t`.
        let element = unsafe {
            call!(self.object, vtable.tensor_type, (*const c_char) -> i32, name.as_ptr())
        };
        Ok(Tensor {
            dims: self.shape(&name),
            is_input: mode == 1,
            element,
            name,
        })
    }

    fn shape(&self, name: &CStr) -> Dims {
        let libraries = &self.object.libraries;
        let slot = libraries.vtables.engine.tensor_shape;
        match libraries.vtables.dims {
            // SAFETY: `Dims getTensorShape(char const*) const`; a struct of this size is returned through a hidden pointer,
            // which C and C++ do alike.
            DimsLayout::Narrow => narrow(unsafe {
                call!(self.object, slot, (*const c_char) -> NarrowDims, name.as_ptr())
            }),
            // SAFETY: as above, with sizes of 64 bits.
            DimsLayout::Wide => wide(unsafe {
                call!(self.object, slot, (*const c_char) -> WideDims, name.as_ptr())
            }),
        }
    }

    /// The smallest and largest dimensions that an input may have by the engine's first profile.
    pub(super) fn limits(&self, name: &CStr) -> (Dims, Dims) {
        let libraries = &self.object.libraries;
        let slot = libraries.vtables.engine.profile_shape;
        let ask = |selector: i32| match libraries.vtables.dims {
            // SAFETY: `Dims getProfileShape(char const*, int32_t, OptProfileSelector) const`.
            DimsLayout::Narrow => narrow(unsafe {
                call!(self.object, slot, (*const c_char, i32, i32) -> NarrowDims, name.as_ptr(), 0, selector)
            }),
            // SAFETY: as above, with sizes of 64 bits.
            DimsLayout::Wide => wide(unsafe {
                call!(self.object, slot, (*const c_char, i32, i32) -> WideDims, name.as_ptr(), 0, selector)
            }),
        };
        (ask(SMALLEST), ask(LARGEST))
    }

    /// The libraries, for the contexts that it makes.
    pub(super) fn object(&self) -> &Object {
        &self.object
    }
}

/// TensorRT states only in its log why it refuses an engine; these are the texts of 8.5 to 10 and of RTX 1.4.
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
        "header.size == blobSize",
        "past the end",
        "out of bounds",
    ]) {
        TensorRtError::EngineDamaged { path, words }
    } else if says(&["Cuda Runtime", "Cuda Driver"]) {
        // Another engine would not help.
        TensorRtError::EngineCuda {
            version: libraries.version,
            path,
            words,
        }
    } else {
        TensorRtError::Engine {
            path,
            version: libraries.version,
            words,
        }
    }
}

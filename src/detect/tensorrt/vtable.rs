//! The slots of TensorRT's methods in its virtual tables, by major version, and the supported versions. All slot
//! numbers are in this file.
//!
//! TensorRT has no C interface: its objects are C++ classes whose public methods are inline and call a second object,
//! the implementation, through its virtual table. Every public object is `{ its own table, implementation }`. The
//! numbers include the two destructors (slots 0 and 1), as the Itanium C++ ABI places them, which both architectures
//! use.
//!
//! Source: the classes `apiv::V*` of `NvInferImpl.h` and `ILogger` of `NvInferRuntime*.h` in the released headers 8.5.1
//! to 9.3 (`TENSORRT_8`), 10.0 to 10.16 (`TENSORRT_10`), 11.0 and 11.1 (`TENSORRT_11`). Within each of these ranges the
//! numbers are the same, as `tests/tensorrt/slots.cpp` prints them. They are checked by driving one test double through
//! C++ that is compiled with these headers. `docs/tensorrt-abi.md` describes how to read those of another version.

use super::error::TensorRtError;
use super::version::Version;

/// The virtual tables of one major version.
#[derive(Debug)]
pub(super) struct VtableLayout {
    /// The major version.
    pub(super) major: u32,
    /// The deleting destructor, in an object's *public* table.
    pub(super) delete: usize,
    /// `IRuntime`.
    pub(super) runtime: RuntimeVtable,
    /// `ICudaEngine`.
    pub(super) engine: EngineVtable,
    /// `IExecutionContext`.
    pub(super) context: ContextVtable,
    /// The layout of `Dims` in memory.
    pub(super) dims: DimsLayout,
    /// The virtual table of an `ILogger`, which we build.
    pub(super) logger: LoggerLayout,
    /// Whether several contexts may use one optimization profile: from 10 on. Before, only the first one may.
    pub(super) contexts_share_profile: bool,
}

/// Methods of `apiv::VRuntime`.
#[derive(Debug)]
pub(super) struct RuntimeVtable {
    /// `deserializeCudaEngine(blob, size)`.
    pub(super) deserialize: usize,
    /// Whether it has a third argument, a plugin factory, which may be null.
    pub(super) deserialize_takes_plugins: bool,
    /// `setDLACore(core)`.
    pub(super) set_dla_core: usize,
    /// `getNbDLACores()`.
    pub(super) dla_cores: usize,
}

/// Methods of `apiv::VCudaEngine`.
#[derive(Debug)]
pub(super) struct EngineVtable {
    /// `createExecutionContext()`.
    pub(super) create_context: usize,
    /// Whether it has an argument, the allocation strategy; 0 is the usual one.
    pub(super) create_context_takes_strategy: bool,
    /// `getTensorShape(name)`.
    pub(super) tensor_shape: usize,
    /// `getTensorDataType(name)`.
    pub(super) tensor_type: usize,
    /// `getTensorIOMode(name)`.
    pub(super) tensor_mode: usize,
    /// `getProfileShape(name, profile, selector)`.
    pub(super) profile_shape: usize,
    /// `getNbIOTensors()`.
    pub(super) tensors: usize,
    /// `getIOTensorName(index)`.
    pub(super) tensor_name: usize,
}

/// Methods of `apiv::VExecutionContext`.
#[derive(Debug)]
pub(super) struct ContextVtable {
    /// `setInputShape(name, dims)`.
    pub(super) set_input_shape: usize,
    /// `setTensorAddress(name, address)`.
    pub(super) set_tensor_address: usize,
    /// `enqueueV3(stream)`.
    pub(super) enqueue: usize,
}

/// The layout of `Dims` in memory: `{ i32 count, N sizes[8] }`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DimsLayout {
    /// Sizes of 32 bits.
    Narrow,
    /// Sizes of 64 bits.
    Wide,
}

/// The order of an `ILogger`'s virtual table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LoggerLayout {
    /// log, destructor, deleting destructor.
    LogFirst,
    /// getAPILanguage, getInterfaceInfo, destructor, deleting destructor, log.
    Versioned,
}

/// TensorRT 8.5 and later 8.x: JetPack 5.
pub(super) const TENSORRT_8: VtableLayout = VtableLayout {
    major: 8,
    delete: 1,
    runtime: RuntimeVtable {
        deserialize: 2,
        deserialize_takes_plugins: true,
        set_dla_core: 3,
        dla_cores: 5,
    },
    engine: EngineVtable {
        create_context: 11,
        create_context_takes_strategy: false,
        tensor_shape: 34,
        tensor_type: 35,
        tensor_mode: 38,
        profile_shape: 44,
        tensors: 45,
        tensor_name: 46,
    },
    context: ContextVtable {
        set_input_shape: 29,
        set_tensor_address: 32,
        enqueue: 44,
    },
    dims: DimsLayout::Narrow,
    logger: LoggerLayout::LogFirst,
    contexts_share_profile: false,
};

/// TensorRT 10: JetPack 6 and 7.
pub(super) const TENSORRT_10: VtableLayout = VtableLayout {
    major: 10,
    delete: 1,
    runtime: RuntimeVtable {
        deserialize: 3,
        deserialize_takes_plugins: false,
        set_dla_core: 5,
        dla_cores: 7,
    },
    engine: EngineVtable {
        create_context: 5,
        create_context_takes_strategy: true,
        tensor_shape: 19,
        tensor_type: 20,
        tensor_mode: 23,
        profile_shape: 29,
        tensors: 30,
        tensor_name: 31,
    },
    context: ContextVtable {
        set_input_shape: 21,
        set_tensor_address: 24,
        enqueue: 37,
    },
    dims: DimsLayout::Wide,
    logger: LoggerLayout::LogFirst,
    contexts_share_profile: true,
};

/// TensorRT 11: known, but not supported until a board has it.
pub(super) const TENSORRT_11: VtableLayout = VtableLayout {
    major: 11,
    delete: 1,
    runtime: RuntimeVtable {
        deserialize: 3,
        deserialize_takes_plugins: false,
        set_dla_core: 4,
        dla_cores: 6,
    },
    engine: EngineVtable {
        create_context: 5,
        create_context_takes_strategy: true,
        tensor_shape: 15,
        tensor_type: 16,
        tensor_mode: 19,
        profile_shape: 25,
        tensors: 26,
        tensor_name: 27,
    },
    context: ContextVtable {
        set_input_shape: 20,
        set_tensor_address: 23,
        enqueue: 36,
    },
    dims: DimsLayout::Wide,
    logger: LoggerLayout::Versioned,
    contexts_share_profile: true,
};

/// The oldest version with the calls by tensor name that the backend uses: that of JetPack 5.1.
const OLDEST: Version = Version {
    major: 8,
    minor: 5,
    patch: 0,
};

impl Version {
    /// The virtual tables of this version.
    ///
    /// # Errors
    /// If the version is not supported.
    pub(super) fn vtable_layout(
        self,
        library: &str,
    ) -> Result<&'static VtableLayout, TensorRtError> {
        let library = library.to_owned();
        match self.major {
            _ if self < OLDEST => Err(TensorRtError::TooOld {
                version: self,
                library,
            }),
            8 => Ok(&TENSORRT_8),
            10 => Ok(&TENSORRT_10),
            major if major == TENSORRT_11.major => Err(TensorRtError::NotServed {
                version: self,
                library,
            }),
            _ => Err(TensorRtError::UnknownMajor {
                version: self,
                library,
            }),
        }
    }
}

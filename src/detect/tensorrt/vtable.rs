//! The slots of TensorRT's methods in its virtual tables, by version, and the supported versions. All slot
//! numbers are in this file.
//!
//! TensorRT has no C interface: its objects are C++ classes whose public methods are inline and call a second object,
//! the implementation, through its virtual table. Every public object is `{ its own table, implementation }`. The
//! numbers include the two destructors (slots 0 and 1), as the Itanium C++ ABI places them, which both architectures
//! use.
//!
//! Source: the classes `apiv::V*` of `NvInferImpl.h`, `ILogger` of `NvInferRuntime*.h` and `IParser` of `NvOnnxParser.h`
//! in the released headers 8.5.1 to 9.3 (`TENSORRT_8`), 10.0 to 10.16 (`TENSORRT_10`), 11.0 to 11.4 (`TENSORRT_11`), and of
//! TensorRT for RTX 1.3 and 1.4 (`RTX_1_3`) and 1.5 to 1.7 (`RTX_1_5`). Within each of these ranges the numbers are the
//! same, as `tests/tensorrt/slots.cpp` prints them. `docs/tensorrt-abi.md` says how they were checked, and how to read
//! those of another version.

use super::error::TensorRtError;
use super::product::Product;
use super::version::Version;

/// The virtual tables of one major version.
#[derive(Debug)]
pub(super) struct VtableLayout {
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
    /// Whether layers compute in the precision of the ONNX file, so that no build option changes it.
    pub(super) precision_of_file: bool,
    /// The objects that build engines; none if `trtexec` alone builds them.
    pub(super) builder: Option<BuilderVtable>,
    /// The kernels that are compiled when a context is made; none if the engine has them.
    pub(super) kernels: Option<KernelsVtable>,
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

/// Methods of the classes that build engines.
#[derive(Debug)]
pub(super) struct BuilderVtable {
    /// `apiv::VBuilder`: `createBuilderConfig()`.
    pub(super) create_config: usize,
    /// `createNetworkV2(flags)`.
    pub(super) create_network: usize,
    /// `createOptimizationProfile()`.
    pub(super) create_profile: usize,
    /// `buildSerializedNetwork(network, config)`.
    pub(super) build: usize,
    /// `apiv::VBuilderConfig`: `setFlag(flag)`.
    pub(super) set_flag: usize,
    /// `addOptimizationProfile(profile)`.
    pub(super) add_profile: usize,
    /// `setMemoryPoolLimit(pool, bytes)`.
    pub(super) set_memory_limit: usize,
    /// `setNbComputeCapabilities(count)` and `setComputeCapability(capability, index)`, of TensorRT for RTX.
    pub(super) set_compute: Option<(usize, usize)>,
    /// `nvonnxparser::IParser`, whose own table has its methods: `getNbErrors()`.
    pub(super) parser_errors: usize,
    /// `getError(index)`.
    pub(super) parser_error: usize,
}

/// Methods around the kernels that TensorRT for RTX compiles.
#[derive(Debug)]
pub(super) struct KernelsVtable {
    /// `apiv::VCudaEngine`: `createExecutionContextWithRuntimeConfig(config)`.
    pub(super) create_context: usize,
    /// `createRuntimeConfig()`.
    pub(super) create_settings: usize,
    /// `apiv::VRuntimeConfig`: `createRuntimeCache()`.
    pub(super) create_cache: usize,
    /// `setRuntimeCache(cache)`.
    pub(super) set_cache: usize,
    /// `apiv::VRuntimeCache`: `serialize()`.
    pub(super) serialize: usize,
    /// `deserialize(blob, size)`.
    pub(super) deserialize: usize,
}

/// Slots of the builder's classes that are the same in all versions: `IParser::parseFromFile(path, verbosity)`.
pub(super) const PARSE_FILE: usize = 1;
/// `IParserError::desc()`.
pub(super) const ERROR_TEXT: usize = 1;
/// `IParserError::nodeName()`, from 9 on.
pub(super) const ERROR_NODE: usize = 6;
/// `VNetworkDefinition::getNbInputs()`.
pub(super) const NETWORK_INPUTS: usize = 14;
/// `VNetworkDefinition::getInput(index)`.
pub(super) const NETWORK_INPUT: usize = 15;
/// `VTensor::getName()`.
pub(super) const TENSOR_NAME: usize = 3;
/// `VTensor::getDimensions()`.
pub(super) const TENSOR_DIMS: usize = 5;
/// `VOptimizationProfile::setDimensions(name, selector, dims)`.
pub(super) const PROFILE_SET_DIMS: usize = 2;
/// `VHostMemory::data()`.
pub(super) const MEMORY_DATA: usize = 2;
/// `VHostMemory::size()`.
pub(super) const MEMORY_SIZE: usize = 3;

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

/// TensorRT 8.5 and later 8.x (JetPack 5), and 9.
pub(super) const TENSORRT_8: VtableLayout = VtableLayout {
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
    precision_of_file: false,
    builder: None,
    kernels: None,
};

/// TensorRT 10: JetPack 6 and 7.
pub(super) const TENSORRT_10: VtableLayout = VtableLayout {
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
    precision_of_file: false,
    builder: Some(BuilderVtable {
        create_config: 7,
        create_network: 8,
        create_profile: 9,
        build: 14,
        set_flag: 11,
        add_profile: 25,
        set_memory_limit: 43,
        set_compute: None,
        parser_errors: 5,
        parser_error: 6,
    }),
    kernels: None,
};

/// TensorRT 11.
pub(super) const TENSORRT_11: VtableLayout = VtableLayout {
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
    precision_of_file: true,
    builder: Some(BuilderVtable {
        create_config: 5,
        create_network: 6,
        create_profile: 7,
        build: 11,
        set_flag: 9,
        add_profile: 23,
        set_memory_limit: 32,
        set_compute: None,
        parser_errors: 3,
        parser_error: 4,
    }),
    kernels: None,
};

/// TensorRT for RTX 1.3 and 1.4: runtime and context of 10, an engine without two of its methods, another builder.
pub(super) const RTX_1_3: VtableLayout = VtableLayout {
    engine: EngineVtable {
        create_context: 5,
        create_context_takes_strategy: true,
        tensor_shape: 17,
        tensor_type: 18,
        tensor_mode: 21,
        profile_shape: 27,
        tensors: 28,
        tensor_name: 29,
    },
    precision_of_file: true,
    builder: Some(BuilderVtable {
        create_config: 7,
        create_network: 8,
        create_profile: 9,
        build: 14,
        set_flag: 9,
        add_profile: 23,
        set_memory_limit: 32,
        set_compute: Some((55, 57)),
        parser_errors: 5,
        parser_error: 6,
    }),
    kernels: Some(KERNELS),
    ..TENSORRT_10
};

/// TensorRT for RTX 1.5 to 1.7: the tables of 11, with compute capabilities in the builder's configuration.
pub(super) const RTX_1_5: VtableLayout = VtableLayout {
    builder: Some(BuilderVtable {
        create_config: 5,
        create_network: 6,
        create_profile: 7,
        build: 11,
        set_flag: 9,
        add_profile: 23,
        set_memory_limit: 32,
        set_compute: Some((55, 57)),
        parser_errors: 3,
        parser_error: 4,
    }),
    kernels: Some(KernelsVtable {
        create_context: 47,
        create_settings: 48,
        ..KERNELS
    }),
    ..TENSORRT_11
};

/// What both tables of TensorRT for RTX have alike; the engine's two slots are those of 1.3.
const KERNELS: KernelsVtable = KernelsVtable {
    create_context: 53,
    create_settings: 54,
    create_cache: 5,
    set_cache: 6,
    serialize: 2,
    deserialize: 3,
};

/// The oldest version with the calls by tensor name that the backend uses: that of JetPack 5.1.
const OLDEST: (u32, u32) = (8, 5);

/// The oldest version of TensorRT for RTX whose headers were read.
const OLDEST_RTX: (u32, u32) = (1, 3);

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
        let number = (self.major, self.minor);
        let oldest = match self.product {
            Product::TensorRt => OLDEST,
            Product::Rtx => OLDEST_RTX,
        };
        if number < oldest {
            return Err(TensorRtError::TooOld {
                version: self,
                library,
                oldest,
            });
        }
        match (self.product, self.major) {
            (Product::TensorRt, 8 | 9) => Ok(&TENSORRT_8),
            (Product::TensorRt, 10) => Ok(&TENSORRT_10),
            (Product::TensorRt, 11) => Ok(&TENSORRT_11),
            (Product::Rtx, 1) if self.minor < 5 => Ok(&RTX_1_3),
            (Product::Rtx, 1) => Ok(&RTX_1_5),
            _ => Err(TensorRtError::UnknownMajor {
                version: self,
                library,
            }),
        }
    }
}

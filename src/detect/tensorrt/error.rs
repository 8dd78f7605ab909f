//! The errors between a board's libraries and a running engine.

use std::path::PathBuf;

use super::version::Version;

/// Why TensorRT can't be used here.
#[derive(Debug, thiserror::Error)]
pub enum TensorRtError {
    /// No CUDA runtime could be opened.
    #[error(
        "CUDA's runtime library could not be opened ({}); install CUDA 11.4 or later (JetPack carries it), name its \
         folder in NVR_TENSORRT_LIB_DIR, or use --backend auto", tried.join("; ")
    )]
    CudaAbsent {
        /// Each file that was tried, with the reason why it was not used.
        tried: Vec<String>,
    },
    /// There is no GPU, or no driver for it.
    #[error(
        "no NVIDIA GPU can be used: CUDA says `{reason}`{}; check the driver (nvidia-smi, on a Jetson tegrastats), pass \
         the GPU into the container, or use --backend auto",
        tensorrt.map(|version| format!(" (TensorRT {version} is installed)")).unwrap_or_default()
    )]
    NoGpu {
        /// CUDA's own error, or the number of GPUs.
        reason: String,
        /// TensorRT's version if it is installed: then the driver is missing, and not the libraries.
        tensorrt: Option<Version>,
    },
    /// No TensorRT could be opened.
    #[error(
        "TensorRT's library could not be opened ({}); install TensorRT 8.5 or later, or 10 (JetPack carries one of them), \
         name its folder in NVR_TENSORRT_LIB_DIR, or use --backend auto", tried.join("; ")
    )]
    LibraryAbsent {
        /// Each file that was tried, with the reason why it was not used.
        tried: Vec<String>,
    },
    /// A version in which inputs and outputs are not identified by name.
    #[error(
        "TensorRT {version} ({library}) is too old: 8.5 is the oldest supported version; update to JetPack 5.1 or later, or \
         use --backend auto"
    )]
    TooOld {
        /// The version.
        version: Version,
        /// The path of the library.
        library: String,
    },
    /// A known version that is not supported yet.
    #[error(
        "TensorRT {version} ({library}) is not supported yet: 8.5 and later 8.x, and 10 are; install TensorRT 10 beside it, \
         or use --backend auto"
    )]
    NotServed {
        /// The version.
        version: Version,
        /// The path of the library.
        library: String,
    },
    /// A version with unknown virtual tables.
    #[error(
        "TensorRT {version} ({library}) is of a major version that this program does not know: 8.5 and later 8.x, and 10 \
         are supported; install TensorRT 10 beside it, or use --backend auto"
    )]
    UnknownMajor {
        /// The version.
        version: Version,
        /// The path of the library.
        library: String,
    },
    /// A library lacks a function.
    #[error(
        "{library} has no function {symbol}; it is damaged or not a library of NVIDIA: reinstall it"
    )]
    Symbol {
        /// The path of the library.
        library: String,
        /// The name of the function.
        symbol: &'static str,
    },
    /// The library opened but made no runtime.
    #[error(
        "TensorRT {version} gave no runtime (it answered {answer:#x}){}; check that its version fits the driver and the \
         CUDA that are installed",
        logged(words)
    )]
    Runtime {
        /// The version.
        version: Version,
        /// The returned pointer: null, or a small number without a GPU.
        answer: usize,
        /// Its log.
        words: String,
    },
    /// A CUDA call failed.
    #[error(
        "CUDA could not {action}: {words} (error {code}); look into the kernel's log (dmesg) and at the free memory, and \
         start the program again"
    )]
    Cuda {
        /// The action.
        action: &'static str,
        /// CUDA's error code.
        code: i32,
        /// CUDA's own error.
        words: String,
    },
    /// An engine for another version of TensorRT.
    #[error(
        "the engine {} was built by another version of TensorRT than {version}, which is installed{}; build it again with \
         `nvr model build ID`", path.display(), logged(words)
    )]
    EngineVersion {
        /// The path of the engine.
        path: PathBuf,
        /// The installed version.
        version: Version,
        /// TensorRT's log.
        words: String,
    },
    /// An engine for another GPU.
    #[error(
        "the engine {} was built for another GPU than {gpu}, which is installed{}; build it again with `nvr model build ID`",
        path.display(), logged(words)
    )]
    EngineGpu {
        /// The path of the engine.
        path: PathBuf,
        /// The installed GPU.
        gpu: String,
        /// TensorRT's log.
        words: String,
    },
    /// An incomplete engine.
    #[error(
        "the engine {} is truncated or damaged{}; build it again with `nvr model build ID`",
        path.display(), logged(words)
    )]
    EngineDamaged {
        /// The path of the engine.
        path: PathBuf,
        /// TensorRT's log, or the expected size and hash.
        words: String,
    },
    /// An engine that TensorRT refuses for another reason.
    #[error(
        "TensorRT {version} could not load the engine {}{}; build it again with `nvr model build ID`",
        path.display(), logged(words)
    )]
    Engine {
        /// The path of the engine.
        path: PathBuf,
        /// The installed version.
        version: Version,
        /// Its log.
        words: String,
    },
    /// An engine made no execution context, or did not accept a tensor.
    #[error(
        "TensorRT could not {action}{}; free memory of the GPU, or build the engine again with `nvr model build ID`",
        logged(words)
    )]
    Context {
        /// The action.
        action: String,
        /// Its log.
        words: String,
    },
    /// An engine returns an impossible number of tensors: its virtual table has another order.
    #[error(
        "TensorRT {version} answers that its engine has {count} tensors, so its interface is not the one that is known of TensorRT \
         {}; install a release of NVIDIA's TensorRT 8.5 to 10.16, or use --backend auto", version.major
    )]
    Interface {
        /// The version of TensorRT.
        version: Version,
        /// The returned number.
        count: i32,
    },
    /// The cache has no engine for this model, version and GPU.
    #[error(
        "there is no TensorRT engine of model {model} for TensorRT {version} and {gpu} in {}{}; build it with \
         `nvr model build {model}`", dir.display(), listed(others)
    )]
    NoEngine {
        /// The id of the model.
        model: String,
        /// The installed version.
        version: Version,
        /// The installed GPU.
        gpu: String,
        /// The folder of the cache.
        dir: PathBuf,
        /// Other engines of this model, each with the reason why it is not used.
        others: Vec<String>,
    },
    /// The tool that builds engines is missing.
    #[error(
        "trtexec, which builds engines, is missing ({}); install it (Debian package libnvinfer-bin), or name its file in \
         NVR_TRTEXEC", tried.join("; ")
    )]
    ToolAbsent {
        /// The paths that were tried.
        tried: Vec<String>,
    },
    /// The tool does not support the request.
    #[error("{0}")]
    Ask(String),
    /// The tool failed.
    #[error("trtexec could not build an engine of {model}: {reason}; its last output: {words}")]
    Tool {
        /// The id of the model.
        model: String,
        /// The reason.
        reason: String,
        /// The end of its output.
        words: String,
    },
    /// The build was interrupted.
    #[error("the build of an engine of {model} was stopped")]
    Stopped {
        /// The id of the model.
        model: String,
    },
}

fn logged(words: &str) -> String {
    if words.is_empty() {
        String::new()
    } else {
        format!(" (it says: {words})")
    }
}

fn listed(others: &[String]) -> String {
    if others.is_empty() {
        String::new()
    } else {
        format!(" (not used: {})", others.join("; "))
    }
}

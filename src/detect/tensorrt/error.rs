//! The errors between a board's libraries and a running engine.

use std::path::PathBuf;

use super::product::Product;
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
        "the library of {product} could not be opened ({}); {}, name its folder in NVR_TENSORRT_LIB_DIR, or use --backend \
         auto", tried.join("; "), product.remedy()
    )]
    LibraryAbsent {
        /// The product.
        product: Product,
        /// Each file that was tried, with the reason why it was not used.
        tried: Vec<String>,
    },
    /// A version in which inputs and outputs are not identified by name.
    #[error(
        "TensorRT {version} ({library}) is too old: {}.{} is the oldest supported version; {}, or use --backend auto",
        oldest.0, oldest.1, version.product.remedy()
    )]
    TooOld {
        /// The version.
        version: Version,
        /// The path of the library.
        library: String,
        /// The oldest supported major and minor version.
        oldest: (u32, u32),
    },
    /// A version with unknown virtual tables.
    #[error(
        "TensorRT {version} ({library}) is of a major version that this program does not know: TensorRT 8.5 to 11 and \
         TensorRT for RTX 1 are supported; install one of them beside it, or use --backend auto"
    )]
    UnknownMajor {
        /// The version.
        version: Version,
        /// The path of the library.
        library: String,
    },
    /// A GPU that TensorRT for RTX does not run on.
    #[error(
        "TensorRT {version} does not serve {gpu}: it serves compute capability {served}; install TensorRT, or use --backend \
         onnxruntime"
    )]
    GpuNotServed {
        /// The version.
        version: Version,
        /// The GPU.
        gpu: String,
        /// The served compute capabilities.
        served: String,
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
    /// A builder or one of its objects was not made.
    #[error("TensorRT could not make {what}{}", logged(words))]
    NotMade {
        /// The object.
        what: String,
        /// Its log.
        words: String,
    },
    /// CUDA fails while an engine is loaded.
    #[error(
        "TensorRT {version} could not load the engine {}, because CUDA failed{}; check the driver (nvidia-smi, dmesg) and the \
         GPU's free memory", path.display(), logged(words)
    )]
    EngineCuda {
        /// The version.
        version: Version,
        /// The path of the engine.
        path: PathBuf,
        /// Its log.
        words: String,
    },
    /// An engine returns an impossible number of tensors: its virtual table has another order.
    #[error(
        "TensorRT {version} answers that its engine has {count} tensors, so its interface is not the one that is known of TensorRT \
         {}; {}, or use --backend auto", version.major, version.product.remedy()
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
         `nvr model build {model}{}`", dir.display(), listed(others), option(version.product)
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
    /// No ONNX parser could be opened.
    #[error(
        "the ONNX parser of TensorRT {version} could not be opened ({}); install it (with pip it comes with TensorRT; the \
         Debian package is libnvonnxparsers)", tried.join("; ")
    )]
    ParserAbsent {
        /// The version of TensorRT.
        version: Version,
        /// Each file that was tried, with the reason why it was not used.
        tried: Vec<String>,
    },
    /// The tool that builds engines is missing.
    #[error(
        "neither trtexec nor an ONNX parser of {product}, which build engines, is here ({}); install trtexec (Debian package \
         libnvinfer-bin) or name its file in NVR_TRTEXEC, or install the parser (it is in the Python packages of TensorRT)", tried.join("; ")
    )]
    ToolAbsent {
        /// The product.
        product: Product,
        /// The paths that were tried.
        tried: Vec<String>,
    },
    /// The tool does not support the request.
    #[error("{0}")]
    Ask(String),
    /// The tool failed.
    #[error("{tool} could not build an engine of {model}: {reason}; its last output: {words}")]
    Tool {
        /// `trtexec`, or this program.
        tool: &'static str,
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

/// What names the product to `nvr model build`, which takes TensorRT by itself.
fn option(product: Product) -> &'static str {
    match product {
        Product::TensorRt => "",
        Product::Rtx => " --backend tensorrt-rtx",
    }
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

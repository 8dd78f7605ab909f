//! What can go wrong between a board's libraries and a running engine.

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
        /// Each file that was tried, with the reason why it was not taken.
        tried: Vec<String>,
    },
    /// There is no GPU, or no driver for it.
    #[error(
        "no NVIDIA GPU can be used: CUDA says `{reason}`{}; check the driver (nvidia-smi, on a Jetson tegrastats), pass \
         the GPU into the container, or use --backend auto",
        tensorrt.map(|version| format!(" (TensorRT {version} is here)")).unwrap_or_default()
    )]
    NoGpu {
        /// CUDA's own words, or what it counted.
        reason: String,
        /// TensorRT's version, where it is here: then it is the driver that is missing, and not the libraries.
        tensorrt: Option<Version>,
    },
    /// No TensorRT could be opened.
    #[error(
        "TensorRT's library could not be opened ({}); install TensorRT 8.5 or later, or 10 (JetPack carries one of them), \
         name its folder in NVR_TENSORRT_LIB_DIR, or use --backend auto", tried.join("; ")
    )]
    LibraryAbsent {
        /// Each file that was tried, with the reason why it was not taken.
        tried: Vec<String>,
    },
    /// A version from before inputs and outputs were called by name.
    #[error(
        "TensorRT {version} ({library}) is too old: 8.5 is the oldest that is served; update to JetPack 5.1 or later, or \
         use --backend auto"
    )]
    TooOld {
        /// Which.
        version: Version,
        /// Its file.
        library: String,
    },
    /// A version that is known and not wanted yet.
    #[error(
        "TensorRT {version} ({library}) is not served yet: 8.5 and later 8.x, and 10 are; install TensorRT 10 beside it, \
         or use --backend auto"
    )]
    NotServed {
        /// Which.
        version: Version,
        /// Its file.
        library: String,
    },
    /// A version whose virtual tables nobody has looked at.
    #[error(
        "TensorRT {version} ({library}) is of a major version that this program does not know: 8.5 and later 8.x, and 10 \
         are served; install TensorRT 10 beside it, or use --backend auto"
    )]
    UnknownMajor {
        /// Which.
        version: Version,
        /// Its file.
        library: String,
    },
    /// A library without a function that it should have.
    #[error(
        "{library} has no function {symbol}; it is damaged or no library of NVIDIA's: install it anew"
    )]
    Symbol {
        /// Which file.
        library: String,
        /// Which function.
        symbol: &'static str,
    },
    /// It opened, and would not work.
    #[error(
        "TensorRT {version} gave no runtime (it answered {answer:#x}){}; check that its version fits the driver and the \
         CUDA that are installed",
        said(words)
    )]
    Runtime {
        /// Which.
        version: Version,
        /// The pointer that it gave: null, or a small number where there is no GPU.
        answer: usize,
        /// What it logged.
        words: String,
    },
    /// A call of CUDA's failed.
    #[error(
        "CUDA could not {action}: {words} (error {code}); look into the kernel's log (dmesg) and at the free memory, and \
         start the program again"
    )]
    Cuda {
        /// What was asked.
        action: &'static str,
        /// CUDA's number.
        code: i32,
        /// CUDA's words.
        words: String,
    },
    /// An engine of another version of TensorRT.
    #[error(
        "the engine {} was built by another version of TensorRT than {version}, which is here{}; build it again with \
         `nvr model build ID`", path.display(), said(words)
    )]
    EngineVersion {
        /// Which file.
        path: PathBuf,
        /// What is here.
        version: Version,
        /// What TensorRT logged.
        words: String,
    },
    /// An engine for another GPU.
    #[error(
        "the engine {} was built for another GPU than {gpu}, which is here{}; build it again with `nvr model build ID`",
        path.display(), said(words)
    )]
    EngineGpu {
        /// Which file.
        path: PathBuf,
        /// What is here.
        gpu: String,
        /// What TensorRT logged.
        words: String,
    },
    /// An engine that is not whole.
    #[error(
        "the engine {} is truncated or damaged{}; build it again with `nvr model build ID`",
        path.display(), said(words)
    )]
    EngineDamaged {
        /// Which file.
        path: PathBuf,
        /// What TensorRT logged, or what its size and hash should have been.
        words: String,
    },
    /// An engine that TensorRT refuses for another reason.
    #[error(
        "TensorRT {version} could not load the engine {}{}; build it again with `nvr model build ID`",
        path.display(), said(words)
    )]
    Engine {
        /// Which file.
        path: PathBuf,
        /// What is here.
        version: Version,
        /// What it logged.
        words: String,
    },
    /// An engine gave no execution context, or would not take a tensor.
    #[error(
        "TensorRT could not {action}{}; free memory of the GPU, or build the engine again with `nvr model build ID`",
        said(words)
    )]
    Context {
        /// What was asked.
        action: String,
        /// What it logged.
        words: String,
    },
    /// An engine answers with a number of tensors that none has: its methods are not where they are looked for.
    #[error(
        "TensorRT {version} answers that its engine has {count} tensors, so its interface is not the one that is known of TensorRT \
         {}; install a release of NVIDIA's TensorRT 8.5 to 10.16, or use --backend auto", version.major
    )]
    Interface {
        /// Which TensorRT.
        version: Version,
        /// Its answer.
        count: i32,
    },
    /// No engine in the cache is for this model, version and GPU.
    #[error(
        "there is no TensorRT engine of model {model} for TensorRT {version} and {gpu} in {}{}; build it with \
         `nvr model build {model}`", dir.display(), listed(others)
    )]
    NoEngine {
        /// Which model.
        model: String,
        /// What is here.
        version: Version,
        /// What is here.
        gpu: String,
        /// The cache.
        dir: PathBuf,
        /// Engines of this model that were not taken, each with the reason.
        others: Vec<String>,
    },
    /// The tool that builds engines is not there.
    #[error(
        "trtexec, which builds engines, is not here ({}); install it (Debian package libnvinfer-bin), or name its file in \
         NVR_TRTEXEC", tried.join("; ")
    )]
    ToolAbsent {
        /// Where it was sought.
        tried: Vec<String>,
    },
    /// The tool can't do what was asked.
    #[error("{0}")]
    Ask(String),
    /// The tool failed.
    #[error("trtexec could not build an engine of {model}: {reason}; its last words: {words}")]
    Tool {
        /// Which model.
        model: String,
        /// How it ended.
        reason: String,
        /// The end of its output.
        words: String,
    },
    /// The build was interrupted.
    #[error("the build of an engine of {model} was stopped")]
    Stopped {
        /// Which model.
        model: String,
    },
}

fn said(words: &str) -> String {
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
        format!(" (not taken: {})", others.join("; "))
    }
}

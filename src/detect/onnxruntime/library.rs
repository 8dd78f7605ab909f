//! ONNX Runtime's library: where it is looked for, and its environment.
//!
//! The crate `ort` looks for its library at the first call and panics if it finds none. Therefore it is opened here
//! first, explicitly, and its absence is an error. There is one library and one environment in a process: the first one
//! that opens stays, and with it the choice between a build with OpenVINO and one without.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use ort::environment::Environment;
use ort::logging::LogLevel;

use super::super::DetectError;
use crate::base;
use crate::base::sync::lock;

/// The library that is open, once one is.
static OPEN: Mutex<Option<OpenLibrary>> = Mutex::new(None);

/// The library's file in a folder of the cache.
const FILE: &str = "libonnxruntime.so";

/// Which build of ONNX Runtime is tried first. The other one is tried after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::detect) enum Build {
    /// The usual one.
    Plain,
    /// The one with OpenVINO.
    OpenVino,
}

/// The open library.
pub(super) struct OpenLibrary {
    pub(super) path: PathBuf,
    pub(super) environment: Environment,
    /// Files that were tried before it, each with the reason why it was not used.
    pub(super) refused: Vec<String>,
}

/// Opens the library, if it is not open yet, and returns its path.
///
/// # Errors
/// Every file that was tried, with the reason why it was not used.
pub(in crate::detect) fn open_library(first: Build) -> Result<PathBuf, DetectError> {
    with_environment(first, |open| open.path.clone())
}

/// The file of the build with OpenVINO, if there is one: that which the operator names, whatever it has, or that of the cache.
pub(in crate::detect) fn openvino_library() -> Option<PathBuf> {
    named().or_else(|| in_cache(&base::cache_dir()))
}

pub(super) fn with_environment<T>(
    first: Build,
    take: impl FnOnce(&OpenLibrary) -> T,
) -> Result<T, DetectError> {
    let mut held = lock(&OPEN);
    if held.is_none() {
        *held = Some(open(&candidates(first, named(), &base::cache_dir()))?);
    }
    match &*held {
        Some(open) => Ok(take(open)),
        None => Err(DetectError::LibraryAbsent { tried: Vec::new() }),
    }
}

/// The file that the operator names.
fn named() -> Option<PathBuf> {
    let path = std::env::var_os("ORT_DYLIB_PATH").filter(|path| !path.is_empty());
    path.map(PathBuf::from)
}

/// The build with OpenVINO in the folder `cache`. It is made for x86-64 only.
fn in_cache(cache: &Path) -> Option<PathBuf> {
    let path = cache.join("openvino").join(FILE);
    (cfg!(target_arch = "x86_64") && path.exists()).then_some(path)
}

/// Possible paths of the library: only the one that the operator names, otherwise the cache and the system.
fn candidates(first: Build, named: Option<PathBuf>, cache: &Path) -> Vec<PathBuf> {
    if let Some(path) = named {
        return vec![path];
    }
    let plain = [
        cache.join("onnxruntime").join(FILE),
        FILE.into(),
        "libonnxruntime.so.1".into(),
    ];
    let openvino = in_cache(cache);
    match first {
        Build::Plain => plain.into_iter().chain(openvino).collect(),
        Build::OpenVino => openvino.into_iter().chain(plain).collect(),
    }
}

fn open(candidates: &[PathBuf]) -> Result<OpenLibrary, DetectError> {
    let mut refused = Vec::new();
    for path in candidates {
        let opened = ort::init_from(path)
            .map_err(|error| error.to_string())
            .and_then(|builder| {
                builder
                    .with_name("nvr")
                    .with_telemetry(false)
                    .with_logger(Arc::new(log))
                    .build()
                    .map_err(|error| error.to_string())
            });
        match opened {
            Ok(environment) => {
                environment.set_log_level(LogLevel::Warning);
                tracing::debug!(library = %path.display(), build = ort::info(), "ONNX Runtime is open");
                return Ok(OpenLibrary {
                    path: path.clone(),
                    environment,
                    refused,
                });
            }
            Err(reason) => refused.push(format!("{}: {reason}", path.display())),
        }
    }
    Err(DetectError::LibraryAbsent { tried: refused })
}

fn log(level: LogLevel, category: &str, _id: &str, place: &str, message: &str) {
    match level {
        LogLevel::Verbose | LogLevel::Info => {
            tracing::debug!(category, place, message, "ONNX Runtime says")
        }
        LogLevel::Warning => tracing::warn!(category, place, message, "ONNX Runtime warns"),
        LogLevel::Error | LogLevel::Fatal => {
            tracing::error!(category, place, message, "ONNX Runtime failed")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tried(first: Build, cache: &Path) -> Vec<String> {
        let paths = candidates(first, None, cache);
        let shown = |path: PathBuf| match path.strip_prefix(cache) {
            Ok(below) => format!("cache/{}", below.display()),
            Err(_) => path.display().to_string(),
        };
        paths.into_iter().map(shown).collect()
    }

    const PLAIN: [&str; 3] = [
        "cache/onnxruntime/libonnxruntime.so",
        "libonnxruntime.so",
        "libonnxruntime.so.1",
    ];

    #[test]
    fn without_openvino_the_places_are_those_of_the_plain_build() {
        let cache = tempfile::tempdir().expect("a folder");
        for first in [Build::Plain, Build::OpenVino] {
            assert_eq!(tried(first, cache.path()), PLAIN);
        }
    }

    #[test]
    #[cfg(target_arch = "x86_64")]
    fn the_wanted_build_is_tried_first_and_the_other_one_after_it() {
        let cache = tempfile::tempdir().expect("a folder");
        std::fs::create_dir(cache.path().join("openvino")).expect("made");
        std::fs::write(cache.path().join("openvino/libonnxruntime.so"), "").expect("written");
        let openvino = "cache/openvino/libonnxruntime.so";
        let [first, second, third] = PLAIN;
        assert_eq!(
            tried(Build::OpenVino, cache.path()),
            [openvino, first, second, third]
        );
        assert_eq!(
            tried(Build::Plain, cache.path()),
            [first, second, third, openvino]
        );
    }

    #[test]
    fn a_named_file_is_the_only_one() {
        for first in [Build::Plain, Build::OpenVino] {
            let named = PathBuf::from("/opt/libonnxruntime.so");
            let tried = candidates(first, Some(named.clone()), Path::new("/cache"));
            assert_eq!(tried, [named]);
        }
    }
}

//! OpenVINO, Intel's engine, inside a build of ONNX Runtime that has it: whether it is here, and its options.
//!
//! ONNX Runtime runs the nodes that a provider does not take itself, without an error. Therefore that is forbidden here: what is
//! loaded for OpenVINO runs in OpenVINO as a whole, or not at all.

use std::path::Path;

use ort::ep::{ArbitrarilyConfigurableExecutionProvider, ExecutionProvider, OpenVINO};
use ort::session::Session;
use ort::session::builder::{GraphOptimizationLevel, SessionBuilder};
use serde_json::json;

use super::super::DetectError;
use super::library::{Build, OpenLibrary, openvino_library, with_environment};
use crate::config::OpenVinoPrecision;

/// Its name in settings and messages.
pub(in crate::detect) const NAME: &str = "openvino";

/// Session option: an error, where ONNX Runtime would run nodes itself.
/// <https://github.com/microsoft/onnxruntime/blob/v1.24.1/include/onnxruntime/core/session/onnxruntime_session_options_config_keys.h>
const NO_FALLBACK: &str = "session.disable_cpu_ep_fallback";

/// The file of ONNX Runtime that calls OpenVINO.
const PROVIDER: &str = "libonnxruntime_providers_openvino.so";

/// OpenVINO that can be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::detect) struct Present {
    /// The path of ONNX Runtime's library.
    pub(in crate::detect) library: String,
    /// OpenVINO's version, such as `2025.4.1`, if the files beside the library tell it.
    pub(in crate::detect) version: Option<String>,
}

/// Opens ONNX Runtime with OpenVINO, and OpenVINO itself. Blocks at its first call for some 10 ms.
///
/// # Errors
/// If no library could be opened, or the open one has no OpenVINO, or OpenVINO's libraries can't be loaded.
pub(in crate::detect) fn present() -> Result<Present, DetectError> {
    let found = with_environment(Build::OpenVino, |open| {
        usable(open).map(|()| Present {
            library: open.path.display().to_string(),
            version: version_beside(&open.path),
        })
    });
    let absent = |reason: String| DetectError::OpenVinoAbsent { reason };
    match found {
        Ok(found) => found.map_err(absent),
        Err(DetectError::LibraryAbsent { tried }) => Err(absent(match openvino_library() {
            Some(_) => tried.join("; "),
            None => "no library of ONNX Runtime could be opened".to_owned(),
        })),
        Err(other) => Err(other),
    }
}

/// The reason why `open` can't run OpenVINO.
fn usable(open: &OpenLibrary) -> Result<(), String> {
    let has_it = OpenVINO::is_available().map_err(|error| error.to_string())?;
    if !has_it {
        return Err(without_it(
            &open.path,
            openvino_library().as_deref(),
            &open.refused,
        ));
    }
    // The libraries of OpenVINO are loaded when it is registered. Nothing else tells that they can be.
    let register = || {
        let provider = OpenVINO::default().with_device_type("CPU").build();
        Session::builder(&open.environment)?
            .with_execution_providers([provider.error_on_failure()])
            .map(|_| ())
            .map_err(ort::Error::from)
    };
    register().map_err(|error: ort::Error| match missing_beside(&open.path) {
        Some(part) => format!("{part} is missing beside {}", open.path.display()),
        None => format!("{error}; the log names the file that could not be loaded"),
    })
}

/// The part of ONNX Runtime that must lie beside its library for OpenVINO, and does not. A name without a folder, which the system's
/// loader finds, says nothing of that.
fn missing_beside(library: &Path) -> Option<&'static str> {
    let folder = library.parent().filter(|folder| folder.is_absolute())?;
    let parts = ["libonnxruntime_providers_shared.so", PROVIDER];
    parts.into_iter().find(|part| !folder.join(part).exists())
}

/// Why the library at `open` is the one of this process though it has no OpenVINO.
fn without_it(open: &Path, with_openvino: Option<&Path>, refused: &[String]) -> String {
    let open_path = open.display();
    if !refused.is_empty() {
        return format!(
            "{open_path} is used, which has no OpenVINO; {}",
            refused.join("; ")
        );
    }
    match with_openvino {
        Some(other) if other != open => format!(
            "this process has opened {open_path}, which has no OpenVINO, and can open no second one; restart it to use {}",
            other.display()
        ),
        _ => format!("{open_path} has no OpenVINO"),
    }
}

/// The version of OpenVINO whose libraries lie beside the file `library`: `libopenvino.so.2541` is that of 2025.4.1.
pub(in crate::detect) fn version_beside(library: &Path) -> Option<String> {
    let files = std::fs::read_dir(library.parent()?).ok()?;
    let names = files.flatten().map(|file| file.file_name());
    let mut versions: Vec<String> = names
        .filter_map(|name| version_of(name.to_str()?.strip_prefix("libopenvino.so.")?))
        .collect();
    versions.sort_unstable();
    versions.pop()
}

/// `2541` as `2025.4.1`.
fn version_of(number: &str) -> Option<String> {
    match number.as_bytes() {
        [y, ear, minor, patch]
            if [y, ear, minor, patch]
                .iter()
                .all(|digit| digit.is_ascii_digit()) =>
        {
            let [y, ear, minor, patch] = [y, ear, minor, patch].map(|digit| char::from(*digit));
            Some(format!("20{y}{ear}.{minor}.{patch}"))
        }
        _ => None,
    }
}

/// `builder` for a session that runs in OpenVINO alone, with `threads` threads.
///
/// # Errors
/// ONNX Runtime's own.
pub(super) fn prepared(
    builder: SessionBuilder,
    threads: usize,
    precision: OpenVinoPrecision,
) -> ort::Result<SessionBuilder> {
    let provider = OpenVINO::default()
        .with_device_type("CPU")
        .with_arbitrary_config("load_config", load_config(threads, precision))
        .build();
    Ok(builder
        .with_execution_providers([provider.error_on_failure()])?
        .with_config_entry(NO_FALLBACK, "1")?
        // OpenVINO optimises the graph itself, and does not know the nodes that ONNX Runtime's optimisations make.
        .with_optimization_level(GraphOptimizationLevel::Disable)?)
}

/// The properties of OpenVINO's CPU plugin, as the option `load_config` takes them.
///
/// The option `num_of_threads` is not for this: it is also the number of inference requests, and each takes memory for its tensors.
/// <https://docs.openvino.ai/2025/openvino-workflow/running-inference/inference-devices-and-modes/cpu-device.html>
fn load_config(threads: usize, precision: OpenVinoPrecision) -> String {
    let precision = match precision {
        OpenVinoPrecision::F32 => "f32",
        OpenVinoPrecision::Bf16 => "bf16",
    };
    let properties = json!({
        // Without it, OpenVINO takes bf16 where the processor has it.
        "INFERENCE_PRECISION_HINT": precision,
        "INFERENCE_NUM_THREADS": threads.to_string(),
        "NUM_STREAMS": "1",
        // A lane knows nothing of the others, and of what else the machine does: its threads must not be bound to cores.
        "ENABLE_CPU_PINNING": "NO",
    });
    json!({ "CPU": properties }).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lane_has_its_threads_one_stream_and_the_stated_precision() {
        let read = |threads, precision| -> serde_json::Value {
            serde_json::from_str(&load_config(threads, precision)).expect("JSON")
        };
        assert_eq!(
            read(1, OpenVinoPrecision::F32),
            json!({ "CPU": {
                "INFERENCE_PRECISION_HINT": "f32",
                "INFERENCE_NUM_THREADS": "1",
                "NUM_STREAMS": "1",
                "ENABLE_CPU_PINNING": "NO",
            } })
        );
        let other = read(3, OpenVinoPrecision::Bf16);
        assert_eq!(other["CPU"]["INFERENCE_NUM_THREADS"], "3");
        assert_eq!(other["CPU"]["INFERENCE_PRECISION_HINT"], "bf16");
    }

    #[test]
    fn the_version_is_that_of_the_newest_library_in_the_folder() {
        let folder = tempfile::tempdir().expect("a folder");
        let library = folder.path().join("libonnxruntime.so");
        assert_eq!(version_beside(&library), None);
        for name in [
            "libopenvino.so",
            "libopenvino.so.2541",
            "libopenvino.so.2460",
            "libopenvino.so.2025.4.1",
            "libopenvino_c.so.2600",
        ] {
            std::fs::write(folder.path().join(name), "").expect("written");
        }
        assert_eq!(version_beside(&library).as_deref(), Some("2025.4.1"));
    }

    #[test]
    fn the_reason_names_the_open_library_and_what_helps() {
        let (plain, other) = (Path::new("/a/libonnxruntime.so"), Path::new("/b/o.so"));
        assert_eq!(
            without_it(plain, None, &[]),
            "/a/libonnxruntime.so has no OpenVINO"
        );
        assert_eq!(
            without_it(plain, Some(plain), &[]),
            "/a/libonnxruntime.so has no OpenVINO"
        );
        assert_eq!(
            without_it(plain, Some(other), &[]),
            "this process has opened /a/libonnxruntime.so, which has no OpenVINO, and can open no second one; restart it to use /b/o.so"
        );
        assert_eq!(
            without_it(plain, Some(other), &["/b/o.so: too short".to_owned()]),
            "/a/libonnxruntime.so is used, which has no OpenVINO; /b/o.so: too short"
        );
    }
}

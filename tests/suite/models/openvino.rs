//! OpenVINO inside ONNX Runtime: the same boxes as the other engines, what it refuses, what `auto` takes, and libraries that have none
//! of it or are damaged. Each in a separate process, because a process opens one library.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use nvr::config::Backend;
use nvr::detect::{OutputFormat, available_backends};

use super::{INPUT, ModelDir, every_format_gives_the_same_boxes};
use crate::support::alone::{alone, is_alone};
use crate::support::footage::asset;
use crate::support::onnx::TinyNetwork;
use crate::support::tiny::OBJECTS;

const LIBRARY: &str = "libonnxruntime.so";

/// A cache with the plain library, and beside it whatever a test puts there.
struct Cache(tempfile::TempDir);

impl Cache {
    fn new() -> Self {
        let cache = Self(tempfile::tempdir().expect("a folder"));
        fs::create_dir(cache.at("onnxruntime")).expect("made");
        let plain = asset("onnxruntime/libonnxruntime.so");
        symlink(plain, cache.at("onnxruntime").join(LIBRARY)).expect("linked");
        cache
    }

    /// With OpenVINO, as `tools/setup openvino` installs it.
    fn with_openvino() -> Self {
        let cache = Self::new();
        let installed = asset("openvino/libonnxruntime.so");
        let folder = installed.parent().expect("its folder");
        symlink(folder, cache.at("openvino")).expect("linked");
        cache
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Runs an ignored test of this file with this cache.
    fn run(&self, name: &str, extra: &[(&str, &str)]) -> String {
        let cache = ("NVR_CACHE", self.0.path().as_os_str());
        let extra = extra.iter().map(|(name, value)| (*name, (*value).as_ref()));
        let name = format!("models::openvino::{name}");
        alone(&name, [cache].into_iter().chain(extra))
    }

    fn choices(&self) -> BTreeMap<String, String> {
        let text = fs::read_to_string(self.at("engines.json")).expect("it is remembered");
        serde_json::from_str(&text).expect("a map")
    }
}

fn installed(format: OutputFormat) -> ModelDir {
    let place = ModelDir::finding(format);
    place.import().expect("it is installed");
    place
}

#[test]
fn openvino_gives_the_boxes_of_the_other_engines() {
    Cache::with_openvino().run("child_reads_every_format", &[]);
}

#[test]
#[ignore = "needs a separate process: ONNX Runtime is opened once a process; another test here runs it"]
fn child_reads_every_format() {
    if !is_alone() {
        return;
    }
    // First OpenVINO, so that it is its build that the process opens; then that build's own code.
    let engines = [Backend::Openvino, Backend::Onnxruntime, Backend::Rten];
    every_format_gives_the_same_boxes(&engines);
    super::a_network_of_16_bit_floats_gives_the_same_boxes(&engines);
    let opened = installed(OutputFormat::Yolox)
        .open(Backend::Openvino)
        .expect("it loads");
    assert_eq!(opened.backend, "openvino");
    let told = &available_backends()["openvino"];
    let library = nvr::base::cache_dir().join("openvino").join(LIBRARY);
    assert_eq!(
        *told,
        format!("ready: OpenVINO 2025.4.1 in {}", library.display())
    );
}

#[test]
fn what_openvino_refuses_runs_in_onnxruntime_if_no_backend_is_named() {
    let cache = Cache::with_openvino();
    let network = TinyNetwork::finding(OutputFormat::Yolov8, INPUT, 2, &OBJECTS);
    let place = ModelDir::with(&network);
    fs::write(place.onnx(), network.onnx_for_onnxruntime_alone()).expect("written");
    place.import().expect("it is installed, by ONNX Runtime");
    let models = place.models().display().to_string();
    cache.run("child_refuses_an_operator", &[("TEST_MODELS", &models)]);
    assert!(!cache.at("engines.json").exists(), "nothing was measured");
}

#[test]
#[ignore = "needs a separate process: ONNX Runtime is opened once a process; another test here runs it"]
fn child_refuses_an_operator() {
    if !is_alone() {
        return;
    }
    let models = std::env::var_os("TEST_MODELS").expect("the caller sets it");
    let open = |backend| super::open_in(Path::new(&models), backend);
    let opened = open(Backend::Auto).expect("ONNX Runtime runs it");
    assert_eq!(opened.backend, "onnxruntime");
    let refused = open(Backend::Openvino).expect_err("it is asked for");
    let told = refused.to_string();
    assert!(told.starts_with("openvino could not load "), "{told}");
    // ONNX Runtime would run the rest itself, without a word.
    assert!(
        told.contains("fallback to CPU EP has been explicitly disabled"),
        "{told}"
    );
}

#[test]
fn auto_takes_the_faster_one_and_remembers_it() {
    let cache = Cache::with_openvino();
    let models = installed(OutputFormat::Yolov8);
    let models = models.models().display().to_string();
    let open = |backend: &str| {
        let place = [("TEST_MODELS", models.as_str()), ("TEST_BACKEND", backend)];
        cache.run("child_opens_with_auto", &place)
    };
    open("openvino onnxruntime");
    let measured = cache.choices();
    assert_eq!(measured.len(), 1, "{measured:?}");
    let (key, choice) = measured.first_key_value().expect("one");
    let begin = "openvino 2025.4.1 F32 ";
    assert!(
        key.starts_with("tiny ") && key.contains(begin) && key.contains(" | 1 threads | "),
        "{key}"
    );
    assert!(["openvino", "onnxruntime"].contains(&choice.as_str()));
    // What is written there decides from then on.
    for choice in ["openvino", "onnxruntime"] {
        let other = BTreeMap::from([(key.clone(), choice.to_owned())]);
        let text = serde_json::to_string(&other).expect("JSON");
        fs::write(cache.at("engines.json"), text).expect("written");
        open(choice);
        assert_eq!(cache.choices(), other);
    }
}

#[test]
#[ignore = "needs a separate process: ONNX Runtime is opened once a process; another test here runs it"]
fn child_opens_with_auto() {
    if !is_alone() {
        return;
    }
    let variable = |name| std::env::var(name).expect("the caller sets it");
    let (models, expected) = (variable("TEST_MODELS"), variable("TEST_BACKEND"));
    let opened = super::open_in(Path::new(&models), Backend::Auto).expect("it loads");
    assert!(
        expected.split(' ').any(|name| name == opened.backend),
        "{} is not {expected}",
        opened.backend
    );
    // A process that has the plain library says why it has no OpenVINO; one with OpenVINO is ready.
    let told = &available_backends()["openvino"];
    if expected == "onnxruntime" {
        let plain = nvr::base::cache_dir().join("onnxruntime").join(LIBRARY);
        let begin = format!(
            "OpenVINO can't be used (this process has opened {}",
            plain.display()
        );
        assert!(told.starts_with(&begin), "{told}");
    } else {
        assert!(told.starts_with("ready: OpenVINO"), "{told}");
    }
}

#[test]
fn without_openvino_the_plain_library_is_used_and_the_error_names_the_remedy() {
    // None of it.
    let cache = Cache::new();
    let plain = cache.at("onnxruntime").join(LIBRARY);
    let reason = format!("{} has no OpenVINO", plain.display());
    cache.run("child_has_no_openvino", &[("TEST_REASON", &reason)]);

    // A plain library in its place.
    fs::create_dir(cache.at("openvino")).expect("made");
    let wrong = cache.at("openvino").join(LIBRARY);
    symlink(asset("onnxruntime/libonnxruntime.so"), &wrong).expect("linked");
    let reason = format!("{} has no OpenVINO", wrong.display());
    cache.run("child_has_no_openvino", &[("TEST_REASON", &reason)]);

    // A damaged one.
    fs::remove_file(&wrong).expect("removed");
    fs::write(&wrong, "no library").expect("written");
    let reason = format!(
        "{} is used, which has no OpenVINO; {}: ",
        plain.display(),
        wrong.display()
    );
    cache.run("child_has_no_openvino", &[("TEST_REASON", &reason)]);

    // ONNX Runtime with it, without OpenVINO's own libraries.
    fs::remove_file(&wrong).expect("removed");
    fs::copy(asset("openvino/libonnxruntime.so"), &wrong).expect("copied");
    let part = |name: &str| {
        let to = cache.at("openvino").join(name);
        fs::copy(asset(&format!("openvino/{name}")), to).expect("copied");
    };
    part("libonnxruntime_providers_shared.so");
    let reason = format!(
        "libonnxruntime_providers_openvino.so is missing beside {}",
        wrong.display()
    );
    cache.run("child_has_no_openvino", &[("TEST_REASON", &reason)]);
    part("libonnxruntime_providers_openvino.so");
    let reason = "the log names the file that could not be loaded";
    cache.run("child_has_no_openvino", &[("TEST_REASON", reason)]);
}

#[test]
#[ignore = "needs a separate process: ONNX Runtime is opened once a process; another test here runs it"]
fn child_has_no_openvino() {
    if !is_alone() {
        return;
    }
    let reason = std::env::var("TEST_REASON").expect("the caller sets it");
    let place = installed(OutputFormat::Yolox);
    // The first one that is opened decides on the library.
    let opened = place.open(Backend::Auto).expect("ONNX Runtime does it");
    assert_eq!(opened.backend, "onnxruntime");
    let error = place.open(Backend::Openvino).expect_err("there is none");
    let told = error.to_string();
    assert!(told.starts_with("OpenVINO can't be used ("), "{told}");
    assert!(told.contains(&reason), "{told}\nlacks {reason}");
    assert!(
        told.contains("install it with `tools/setup openvino`"),
        "{told}"
    );
    assert!(told.ends_with("or use --backend onnxruntime"), "{told}");
    assert_eq!(available_backends()["openvino"], told);
}

//! ONNX Runtime's library: absent, damaged, too old, and what `auto` takes where it is. Each in a separate process, because a process
//! opens one library.

use std::path::Path;
use std::process::Command;

use nvr::config::Backend;
use nvr::detect::OutputFormat;

use super::{INPUT, ModelDir};
use crate::support::alone::{alone, is_alone};
use crate::support::footage::asset;
use crate::support::onnx::TinyNetwork;
use crate::support::tiny::OBJECTS;

/// The variable by which an operator names ONNX Runtime's library.
const LIBRARY: &str = "ORT_DYLIB_PATH";

/// Runs an ignored test of this file in a separate process with [`LIBRARY`] set to `library`.
fn with_library(name: &str, library: &Path) {
    alone(
        &format!("models::libraries::{name}"),
        [(LIBRARY, library.as_os_str())],
    );
}

#[test]
fn auto_takes_the_quicker_engine_where_its_library_is() {
    let plain = asset("onnxruntime/libonnxruntime.so");
    with_library("child_with_the_plain_library", &plain);
}

#[test]
fn auto_takes_the_other_engine_if_the_quicker_ones_refuse_the_file() {
    let name = "child_that_refuses_the_operators";
    with_library(name, &asset("onnxruntime/libonnxruntime.so"));
    if cfg!(target_arch = "x86_64") {
        with_library(name, &asset("openvino/libonnxruntime.so"));
    }
}

#[test]
#[ignore = "needs a separate process: ONNX Runtime is opened once a process; another test here runs it"]
fn child_with_the_plain_library() {
    if !is_alone() {
        return;
    }
    let place = ModelDir::finding(OutputFormat::End2end);
    place.import().expect("it is installed");
    let opened = place.open(Backend::Auto).expect("it loads");
    assert_eq!(opened.backend, "onnxruntime");
}

#[test]
#[ignore = "needs a separate process: ONNX Runtime is opened once a process; another test here runs it"]
fn child_that_refuses_the_operators() {
    if !is_alone() {
        return;
    }
    let network = TinyNetwork::finding(OutputFormat::Yolov8, INPUT, 2, &OBJECTS);
    let place = ModelDir::with(&network);
    // A version of ONNX's operators that ONNX Runtime does not know; rten does not ask for it.
    let mut bytes = network.onnx();
    let opset = [0x42, 4, 0x0a, 0, 0x10, 13];
    let at = bytes
        .windows(opset.len())
        .position(|window| window == opset)
        .expect("the version");
    bytes[at + opset.len() - 1] = 99;
    std::fs::write(place.onnx(), bytes).expect("written");
    place.import().expect("it is installed");
    let opened = place.open(Backend::Auto).expect("rten loads it");
    assert_eq!(opened.backend, "rten");
    let refused = place
        .open(Backend::Onnxruntime)
        .expect_err("it is asked for");
    assert!(
        refused
            .to_string()
            .starts_with("onnxruntime could not load "),
        "{refused}"
    );
}

#[test]
fn without_its_library_onnxruntime_is_an_error_and_auto_means_rten() {
    let dir = tempfile::tempdir().expect("a directory");
    let absent = dir.path().join("absent.so");
    let garbage = dir.path().join("garbage.so");
    std::fs::write(&garbage, "no library").expect("written");
    with_library("child_without_a_library", &absent);
    with_library("child_without_a_library", &garbage);
}

#[test]
#[ignore = "needs a separate process: ONNX Runtime is opened once a process; another test here runs it"]
fn child_without_a_library() {
    if !is_alone() {
        return;
    }
    let library = std::env::var(LIBRARY).expect("the caller sets it");
    let place = ModelDir::finding(OutputFormat::Yolox);
    place.import().expect("it is installed, by rten");
    let error = place.open(Backend::Onnxruntime).expect_err("no library");
    let told = error.to_string();
    let begin = format!("ONNX Runtime's library could not be opened ({library}: ");
    assert!(told.starts_with(&begin), "{told}");
    assert!(told.ends_with("or use --backend rten"), "{told}");
    let opened = place.open(Backend::Auto).expect("rten does it");
    assert_eq!(opened.backend, "rten");
}

#[test]
fn an_old_onnxruntime_is_refused_by_its_version() {
    let dir = tempfile::tempdir().expect("a directory");
    let (source, library) = (dir.path().join("old.c"), dir.path().join("old.so"));
    std::fs::write(
        &source,
        "static const char *version(void) { return \"1.10.0\"; }\n\
         static const void *api(unsigned n) { (void)n; return 0; }\n\
         static const struct { const void *(*api)(unsigned); const char *(*version)(void); } base = { api, version };\n\
         const void *OrtGetApiBase(void) { return &base; }\n",
    )
    .expect("written");
    let built = Command::new("cc")
        .args(["-shared", "-fPIC", "-o"])
        .args([&library, &source])
        .status()
        .expect("a C compiler, which links this program too");
    assert!(built.success());
    with_library("child_with_an_old_library", &library);
}

#[test]
#[ignore = "needs a separate process: ONNX Runtime is opened once a process; another test here runs it"]
fn child_with_an_old_library() {
    if !is_alone() {
        return;
    }
    let place = ModelDir::finding(OutputFormat::Yolox);
    place.import().expect("it is installed, by rten");
    let told = place
        .open(Backend::Onnxruntime)
        .expect_err("too old")
        .to_string();
    assert!(
        told.contains("expected version >= '1.24.x', but got '1.10.0'"),
        "{told}"
    );
}

//! NVIDIA's libraries: the small engine of `--tensorrt`, the engines of the cache, and versions without a GPU.

use nvr::detect::{OutputFormat, SMOKE_ONNX};
use nvr::doctor::{Report, State};

use super::{Machine, ORIN, examined, is, line};
use crate::support::onnx::TinyNetwork;
use crate::support::tensorrt::{DoubleEngine, GPU, Site};
use crate::support::tiny::OBJECTS;

/// The expected network of `smoke.onnx`.
fn smoke_network() -> TinyNetwork {
    TinyNetwork::finding(
        OutputFormat::Yolov8,
        nvr::base::Size::new(96, 64),
        2,
        &OBJECTS,
    )
}

#[test]
fn the_small_engine_s_network_is_the_committed_file() {
    let network = smoke_network().onnx();
    if std::env::var_os("NVR_UPDATE").is_some() {
        let path = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/src/detect/tensorrt/smoke.onnx"
        );
        std::fs::write(path, &network).expect("written");
    }
    assert!(network == SMOKE_ONNX, "write it again with NVR_UPDATE=1");
}

/// `nvr doctor --tensorrt` with test doubles; `trtexec` builds `engine`.
fn with_small_engine(site: &Site, engine: &DoubleEngine) -> Report {
    site.add_trtexec("--fp16 --int8 --memPoolSize --timingCacheFile --skipInference --buildOnly");
    std::fs::write(site.path("trtexec.engine"), engine.text()).expect("written");
    let machine = Machine::new(&ORIN);
    let mut command = machine.there();
    command.arg("--tensorrt").envs(site.environment());
    examined(&mut command).1
}

#[test]
fn a_small_engine_runs_on_every_version_that_is_served() {
    for major in [8, 10] {
        let site = Site::new(major);
        let report = with_small_engine(&site, &DoubleEngine::of(&smoke_network(), major));
        is(&report, "tensorrt", &format!("Ok | GPU | {GPU}"));
        let cuda = line(&report, "tensorrt", "CUDA");
        assert!(cuda.found.contains("/libs/libcudart.so.12"), "{cuda:?}");
        let library = line(&report, "tensorrt", "TensorRT");
        assert!(
            library
                .found
                .contains(&format!("/libs/libnvinfer.so.{major}")),
            "{library:?}"
        );
        assert_eq!(library.state, State::Ok);
        for step in ["build", "load", "run"] {
            let line = line(&report, "tensorrt", &format!("small engine: {step}"));
            assert_eq!(line.state, State::Ok, "{report:#?}");
        }
        let run = &line(&report, "tensorrt", "small engine: run").found;
        assert!(
            run.starts_with("finds what it has to find in 3 pictures, "),
            "{run}"
        );
    }
}

#[test]
fn a_small_engine_with_other_numbers_is_a_fault() {
    let site = Site::new(10);
    let mut network = smoke_network();
    // The only slope is the score of the person in the light.
    for slope in &mut network.slope {
        *slope *= 0.9;
    }
    let report = with_small_engine(&site, &DoubleEngine::of(&network, 10));
    is(
        &report,
        "tensorrt",
        "Fault | small engine: run | in a picture of brightness 255 it finds [van 0.875, person 0.675] instead of [van 0.875, person 0.750]",
    );
}

#[test]
fn engines_of_the_cache_are_compared_with_this_machine() {
    let site = Site::new(10);
    let network = smoke_network();
    let model = site.import(&network);
    let engine = DoubleEngine::of(&network, 10);
    let path = site.keep(&engine, &site.key(&model));
    let run = || {
        let machine = Machine::new(&ORIN);
        let mut command = machine.there();
        command.envs(site.environment());
        command.env("NVR_MODELS_DIR", site.models());
        examined(&mut command).1
    };
    let key = format!("TensorRT 10.3.0, {GPU}, 16-bit, batch 1");
    let fits = format!("Ok | engine tiny | fits this machine (for {key})");
    is(&run(), "models", &fits);

    std::fs::write(&path, "shorter").expect("written");
    let damaged = run();
    let damaged = line(&damaged, "models", "engine tiny");
    assert_eq!(damaged.state, State::Warning);
    assert!(damaged.found.contains("7 bytes instead of"), "{damaged:?}");

    let mut other = site.key(&model);
    other.tensorrt = "8.5.2".to_owned();
    site.keep(&engine, &other);
    let stale = run();
    let stale = line(&stale, "models", "engine tiny");
    assert_eq!(stale.state, State::Warning);
    assert!(
        stale.found.contains("it is for TensorRT 8.5.2"),
        "{stale:?}"
    );
    let remedy = stale.remedy.as_deref().unwrap_or_default();
    assert!(remedy.contains("`nvr model build tiny`"), "{remedy}");
}

#[cfg(target_arch = "x86_64")]
#[test]
fn versions_of_nvidia_s_libraries_are_reported_without_a_gpu() {
    use crate::support::tensorrt::real;
    if std::path::Path::new("/dev/nvidiactl").exists() {
        return;
    }
    let machine = Machine::new(&[]);
    let libraries = machine.path("tmp");
    for (name, file) in [
        ("libcudart.so.12", "libcudart.so.12"),
        ("libnvinfer.so.10", "libnvinfer_lean.so.10"),
    ] {
        std::os::unix::fs::symlink(real(file), libraries.join(name)).expect("linked");
    }
    let (_, report) = examined(machine.there().env("NVR_TENSORRT_LIB_DIR", &libraries));
    let cuda = line(&report, "tensorrt", "CUDA");
    assert!(
        cuda.found.starts_with("runtime 12.9, no driver (/"),
        "{cuda:?}"
    );
    let gpu = line(&report, "tensorrt", "GPU");
    assert_eq!(gpu.state, State::Ok, "not on a PC: {gpu:?}");
    assert!(
        gpu.found
            .starts_with("no NVIDIA GPU can be used: CUDA says `"),
        "{gpu:?}"
    );
    let library = line(&report, "tensorrt", "TensorRT");
    assert!(library.found.starts_with("10.16.1 (/"), "{library:?}");
}

//! Libraries and engines that are refused, each with its reason; and NVIDIA's own libraries without a GPU.

use nvr::config::Backend;

use super::{SERVED, child, network, opened_in, site_dir};
use crate::support::alone::is_alone;
use crate::support::tensorrt::{DoubleEngine, Site, number};

/// Opens on `site` and asserts that the refusal has all of `words`.
pub(super) fn refused(site: &Site, extra: &[(&str, &str)], words: &[&str]) {
    let words = words.join("\n");
    let extra: Vec<_> = [("TEST_WORDS", words.as_str())]
        .into_iter()
        .chain(extra.iter().copied())
        .collect();
    child(site, "refusals::child_is_refused", &extra);
}

#[test]
#[ignore = "needs a separate process: the libraries are opened once a process; another test here runs it"]
fn child_is_refused() {
    if !is_alone() {
        return;
    }
    let refusal = opened_in(&site_dir(), Backend::Tensorrt).expect_err("a refusal");
    let words = std::env::var("TEST_WORDS").expect("the parent says it");
    for words in words.lines() {
        assert!(refusal.contains(words), "`{words}` is not in: {refusal}");
    }
}

#[test]
fn a_library_that_is_not_there_or_not_served_is_refused_by_name() {
    let network = network();
    let site = Site::new(10);
    let model = site.import(&network);
    site.keep(&DoubleEngine::of(&network, 10), &site.key(&model));
    refused(
        &site,
        &[("DOUBLE_GPUS", "0")],
        &[
            "no NVIDIA GPU can be used: CUDA says `no CUDA-capable device is detected` (TensorRT 10.3.0 is installed)",
            "--backend auto",
        ],
    );
    refused(
        &site,
        &[("DOUBLE_BOGUS", "1")],
        &[
            "TensorRT 10.3.0 gave no runtime (it answered 0x228)",
            "driver",
        ],
    );
    refused(
        &site,
        &[("DOUBLE_OTHER_TABLE", "1")],
        &[
            "TensorRT 10.3.0 answers that its engine has 0 tensors, so its interface is not the one that is known of TensorRT 10",
            "--backend auto",
        ],
    );
    std::fs::remove_file(site.libs().join("libnvinfer.so.10")).expect("removed");
    refused(
        &site,
        &[],
        &[
            "the library of TensorRT could not be opened (no libnvinfer.so.10, libnvinfer.so.11, libnvinfer.so.8,",
            "NVR_TENSORRT_LIB_DIR",
        ],
    );
    std::fs::remove_file(site.libs().join("libcudart.so.12")).expect("removed");
    refused(
        &site,
        &[],
        &[
            "CUDA's runtime library could not be opened (no libcudart.so.13, libcudart.so.12, libcudart.so.11.0, libcudart.so in /",
            "--backend auto",
        ],
    );
    for (major, define, words) in [
        (8, Some("-DVERSION=8403"), "TensorRT 8.4.3 ("),
        (12, None, "TensorRT 12.3.0 ("),
    ] {
        let site = Site::without_tensorrt(major);
        site.import(&network);
        let defines: Vec<&str> = define.into_iter().collect();
        site.add_tensorrt(&format!("libnvinfer.so.{major}"), &defines);
        let why = match major {
            8 => ") is too old: 8.5 is the oldest supported version; install TensorRT 8.5 or later",
            _ => ") is of a major version that this program does not know",
        };
        refused(&site, &[], &[words, why]);
    }
}

#[test]
fn an_engine_that_tensorrt_refuses_is_told_by_its_reason() {
    for major in SERVED {
        let (site, network) = (Site::new(major), network());
        let model = site.import(&network);
        let key = site.key(&model);
        let good = DoubleEngine::of(&network, major);
        let version = crate::support::tensorrt::version(major);
        let refused_engine = |engine: &DoubleEngine, words: &[&str]| {
            site.keep(engine, &key);
            refused(&site, &[], words);
        };
        let other = DoubleEngine {
            version: number(major) + 1,
            ..good.clone()
        };
        let words = format!(
            "another version of TensorRT than {version}, which is installed (it says: 6: The engine plan"
        );
        refused_engine(&other, &[&words, "nvr model build"]);
        let other = DoubleEngine {
            compute: "7.2",
            ..good.clone()
        };
        refused_engine(
            &other,
            &[
                "another GPU than Double (compute 8.7, 4 multiprocessors), which is installed",
                "got compute 7.2",
                "nvr model build",
            ],
        );
        let half = DoubleEngine {
            is_whole: false,
            ..good.clone()
        };
        refused_engine(
            &half,
            &[
                "is truncated or damaged (it says: 1: Serialization",
                "nvr model build",
            ],
        );
        let core = DoubleEngine {
            dla: Some(1),
            ..good.clone()
        };
        refused_engine(
            &core,
            &["could not load the engine", "for another DLA core"],
        );
    }
}

#[test]
fn an_engine_for_a_dla_is_loaded_for_its_core() {
    for major in SERVED {
        let (site, network) = (Site::new(major), network());
        let model = site.import(&network);
        let mut key = site.key(&model);
        key.dla = Some(1);
        let mut engine = DoubleEngine::of(&network, major);
        engine.dla = Some(1);
        site.keep(&engine, &key);
        child(&site, "child_sees_exactly", &[("DOUBLE_DLA_CORES", "2")]);
        refused(
            &site,
            &[("DOUBLE_DLA_CORES", "1")],
            &["the engine is for DLA core 1, this board has 1"],
        );
    }
}

#[test]
fn an_engine_of_another_key_is_never_loaded() {
    let (site, network) = (Site::new(10), network());
    let model = site.import(&network);
    let (engine, key) = (DoubleEngine::of(&network, 10), site.key(&model));
    refused(
        &site,
        &[],
        &[
            "there is no TensorRT engine of model tiny for TensorRT 10.3.0 and Double",
            "`nvr model build tiny`",
        ],
    );
    let mut other = key.clone();
    other.tensorrt = "10.3.1".to_owned();
    site.keep(&engine, &other);
    refused(
        &site,
        &[],
        &["not used: tiny-0123456789abcdef: it is for TensorRT 10.3.1"],
    );
    let mut other = key.clone();
    other.gpu = "Orin (compute 8.7, 8 multiprocessors)".to_owned();
    site.keep(&engine, &other);
    refused(
        &site,
        &[],
        &["not used: tiny-0123456789abcdef: it is for Orin (compute 8.7, 8"],
    );
    let mut other = key.clone();
    other.onnx_sha256 = "0".repeat(64);
    site.keep(&engine, &other);
    refused(
        &site,
        &[],
        &["not used: tiny-0123456789abcdef: it is of another ONNX file"],
    );

    let path = site.keep(&engine, &key);
    let whole = std::fs::read(&path).expect("read");
    std::fs::write(&path, &whole[..whole.len() - 4]).expect("written");
    let words = format!(
        "truncated or damaged (it says: {} bytes instead of {})",
        whole.len() - 4,
        whole.len()
    );
    refused(&site, &[], &[&words]);
    let mut changed = whole.clone();
    changed[20] ^= 1;
    std::fs::write(&path, &changed).expect("written");
    refused(&site, &[], &["truncated or damaged (it says: SHA-256 "]);
    std::fs::remove_file(&path).expect("removed");
    refused(&site, &[], &["could not read", "nvr model build"]);
    std::fs::write(path.with_extension("json"), "{\"model\": 1}").expect("written");
    refused(
        &site,
        &[],
        &["not used: tiny-0123456789abcdef: invalid type"],
    );
}

#[test]
fn tensors_that_the_manifest_does_not_promise_are_refused() {
    let (site, network) = (Site::new(10), network());
    let model = site.import(&network);
    let good = DoubleEngine::of(&network, 10);
    let (input, output) = (&good.tensors[0], &good.tensors[1]);
    for (tensors, words) in [
        (
            vec!["tensor in picture 0 4 1 3 64 96".to_owned(), output.clone()],
            "the list of inputs should be `images` alone, but is 1 (picture)",
        ),
        (
            vec![input.clone(), "tensor out boxes 0 3 1 6 126".to_owned()],
            "the list of outputs should be output0, but is 1 (boxes)",
        ),
        (
            vec!["tensor in images 0 4 1 3 64 64".to_owned(), output.clone()],
            "input `images` should be 1x3x64x96 of f32, but is 1x3x64x64 of f32",
        ),
        (
            vec!["tensor in images 2 4 1 3 64 96".to_owned(), output.clone()],
            "input `images` should be 1x3x64x96 of f32, but is 1x3x64x96 of i8",
        ),
        (
            vec![input.clone(), "tensor out output0 3 3 1 6 126".to_owned()],
            "output `output0` should be of f32 or f16, but is 1x6x126 of i32",
        ),
        (
            vec![input.clone(), "tensor out output0 0 3 1 7 126".to_owned()],
            "output should be 1x6xN (yolov8, 2 labels), but is 1x7x126",
        ),
        (
            vec![input.clone(), "tensor out output0 0 3 1 6 -1".to_owned()],
            "output `output0` should be of a known shape, but is 1x6x?",
        ),
    ] {
        let engine = DoubleEngine {
            tensors,
            set: Vec::new(),
            ..good.clone()
        };
        site.keep(&engine, &site.key(&model));
        refused(&site, &[], &["model tiny: ", words]);
    }
}

#[cfg(target_arch = "x86_64")]
#[test]
fn the_real_libraries_are_read_and_refused_where_there_is_no_gpu() {
    use crate::support::tensorrt::real;
    if std::path::Path::new("/dev/nvidiactl").exists() {
        return;
    }
    let site = Site::without_tensorrt(10);
    site.import(&network());
    let runtime = site.libs().join("libnvinfer.so.10");
    std::os::unix::fs::symlink(real("libnvinfer_lean.so.10"), runtime).expect("linked");
    // With the double of CUDA, which has a GPU, the real TensorRT is asked for a runtime, and answers with a small number.
    let model = nvr::detect::ModelStore::new(vec![site.models()])
        .find("tiny")
        .expect("it is installed");
    let mut key = site.key(&model);
    key.tensorrt = "10.16.1".to_owned();
    site.keep(&DoubleEngine::of(&network(), 10), &key);
    refused(
        &site,
        &[],
        &["TensorRT 10.16.1 gave no runtime (it answered 0x228)"],
    );
    let double = site.libs().join("libcudart.so.12");
    std::fs::remove_file(&double).expect("removed");
    std::os::unix::fs::symlink(real("libcudart.so.12"), double).expect("linked");
    refused(
        &site,
        &[],
        &[
            "no NVIDIA GPU can be used: CUDA says `",
            "(TensorRT 10.16.1 is installed); check the driver",
        ],
    );
}

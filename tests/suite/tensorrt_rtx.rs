//! TensorRT for RTX: engines that the real library builds here, without a GPU, and what it refuses; and detectors on doubles
//! of its two tables, which stand in for the GPU that this machine lacks.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use nvr::detect::InstalledModel;
use serde_json::Value;

use crate::support::onnx::TinyNetwork;
use crate::support::process::nvr;
use crate::support::tensorrt::{DoubleEngine, Key, RTX_COMPUTE, RTX_GPU, Site, van};

fn network() -> TinyNetwork {
    van([0.0, 1.0 / 256.0])
}

/// What `nvr model` says with these libraries: standard output, or the error.
fn run(site: &Site, arguments: &[&str], extra: &[(&str, &str)]) -> Result<String, String> {
    let mut command = nvr();
    command.arg("model").arg("--models-dir").arg(site.models());
    command.args(arguments).envs(site.environment());
    let Output {
        status,
        stdout,
        stderr,
    } = command
        .envs(extra.iter().copied())
        .output()
        .expect("nvr runs");
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).trim_end().to_owned();
    if status.success() {
        Ok(text(stdout))
    } else {
        Err(text(stderr))
    }
}

fn build(site: &Site, arguments: &[&str]) -> Result<String, String> {
    let start = ["build", "tiny", "--backend", "tensorrt-rtx"];
    run(site, &[&start[..], arguments].concat(), &[])
}

#[track_caller]
fn refused(outcome: Result<String, String>, words: &[&str]) {
    let told = outcome.expect_err("it is refused");
    for word in words {
        assert!(told.contains(word), "no `{word}` in: {told}");
    }
}

/// The files of the cache's engines that end so.
fn kept(site: &Site, extension: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(site.engines()).expect("the cache");
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.retain(|path| path.extension().is_some_and(|found| found == extension));
    paths
}

/// The version of a double of each table of TensorRT for RTX, and a site with it, whose engine it loads.
fn double_sites() -> impl Iterator<Item = (&'static str, Site)> {
    let versions = [(10, 10_400, "1.4.0"), (11, 10_700, "1.7.0")];
    versions.into_iter().map(|(major, number, version)| {
        let (site, network) = (Site::rtx(), network());
        let defines = format!("-DVERSION={number}");
        site.add_tensorrt_of(major, "libtensorrt_rtx.so.1", &["-DRTX", &defines]);
        let model = site.import(&network);
        let engine = DoubleEngine {
            version: number,
            compute: RTX_COMPUTE,
            ..DoubleEngine::of(&network, 10)
        };
        site.keep(&engine, &key(&site, &model, version));
        (version, site)
    })
}

/// Detectors on doubles of both tables of TensorRT for RTX: see `tensorrt::child_sees_exactly`.
#[test]
fn both_tables_of_tensorrt_for_rtx_give_exact_numbers_and_free_all() {
    for (_, site) in double_sites() {
        sees(&site, "1", &[]);
        // `auto` takes it where there is no TensorRT.
        let extra = [("TEST_BACKENDS", "tensorrt-rtx")];
        crate::tensorrt::child(&site, "child_is_auto", &extra);
    }
}

/// Loads the engine in a separate process, which must compile `compiled` times.
fn sees(site: &Site, compiled: &str, extra: &[(&str, &str)]) -> String {
    let own = [
        ("TEST_BACKEND", "tensorrt-rtx"),
        ("TEST_LIBRARY", "libtensorrt_rtx.so.1"),
        ("TEST_COMPILED", compiled),
    ];
    crate::tensorrt::child(site, "child_sees_exactly", &[&own[..], extra].concat())
}

#[test]
fn kernels_are_compiled_once_and_only_own_ones_are_taken() {
    for (version, site) in double_sites() {
        // The first context compiles, for both; and each that can't keep them.
        sees(&site, "2", &[("DOUBLE_NO_KERNELS", "1")]);
        assert!(kept(&site, "kernels").is_empty());
        sees(&site, "1", &[]);
        let [file] = &kept(&site, "kernels")[..] else {
            panic!("not one file of kernels");
        };
        let read = || std::fs::read(file).expect("it is there");
        let whole = read();
        let line =
            format!("kernels of TensorRT for RTX {version}, {RTX_GPU}, CUDA ?, driver ?, SHA-256 ");
        let text = String::from_utf8(whole.clone()).expect("the double's are text");
        assert!(text.starts_with(&line), "{text}");
        sees(&site, "0", &[]);
        assert_eq!(read(), whole);
        // Cut off, changed, for another GPU, empty: compiled again, and mended.
        let damaged = [
            whole[..whole.len() - 1].to_vec(),
            [&whole[..], b"0"].concat(),
            text.replace("compute 8.6", "compute 8.9").into_bytes(),
            whole[..20].to_vec(),
            Vec::new(),
        ];
        for bytes in damaged {
            std::fs::write(file, bytes).expect("it can be written");
            sees(&site, "1", &[]);
            assert_eq!(read(), whole);
        }
        // TensorRT itself may refuse them; then it compiles.
        sees(&site, "1", &[("DOUBLE_FORGETS_KERNELS", "1")]);
        // A place that can't be written is no reason to stop.
        std::fs::remove_file(file).expect("it can be removed");
        std::fs::create_dir(file).expect("a folder in its place");
        sees(&site, "1", &[]);
    }
}

fn key(site: &Site, model: &InstalledModel, version: &str) -> Key {
    Key {
        tensorrt: format!("for RTX {version}"),
        gpu: RTX_GPU.to_owned(),
        ..site.key(model)
    }
}

#[test]
fn versions_and_gpus_that_are_not_served_are_refused_by_name() {
    let site = Site::rtx();
    site.import(&network());
    refused(
        build(&site, &[]),
        &[
            "the library of TensorRT for RTX could not be opened (no libtensorrt_rtx.so.1, libtensorrt_rtx.so in ",
            "pip install tensorrt-rtx",
        ],
    );
    for (number, words) in [
        (10_200, "TensorRT for RTX 1.2.0 ("),
        (20_000, "TensorRT for RTX 2.0.0 ("),
    ] {
        let site = Site::rtx();
        site.import(&network());
        let defines = format!("-DVERSION={number}");
        site.add_tensorrt_of(10, "libtensorrt_rtx.so.1", &["-DRTX", &defines]);
        refused(build(&site, &[]), &[words]);
    }
    site.add_tensorrt_of(10, "libtensorrt_rtx.so.1", &["-DRTX", "-DVERSION=10400"]);
    let arguments = ["build", "tiny", "--backend", "tensorrt-rtx"];
    refused(
        run(&site, &arguments, &[("DOUBLE_COMPUTE", "6.1")]),
        &[
            "TensorRT for RTX 1.4.0 does not serve Double (compute 6.1, 4 multiprocessors)",
            "7.5, 8.0, 8.6, 8.9, 12.0; install TensorRT",
        ],
    );
    refused(
        run(&site, &arguments, &[("DOUBLE_GPUS", "0")]),
        &[
            "no NVIDIA GPU can be used",
            "(TensorRT for RTX 1.4.0 is installed)",
        ],
    );
    // It has neither a builder nor a parser.
    refused(
        build(&site, &[]),
        &[
            "neither trtexec nor an ONNX parser of TensorRT for RTX, which build engines, is here",
            "has no function createInferBuilder_INTERNAL",
        ],
    );
}

/// NVIDIA's own library, as `make test` fetches it for this architecture; the GPU is the double's.
#[cfg(target_arch = "x86_64")]
mod real {
    use super::*;
    use crate::support::tensorrt::real;

    const PARSER: &str = "libtensorrt_onnxparser_rtx.so.1";

    fn site() -> Site {
        let site = Site::rtx();
        for name in ["libtensorrt_rtx.so.1", PARSER] {
            link(&site, &real(name), name);
        }
        site.import(&network());
        site
    }

    fn link(site: &Site, from: &Path, name: &str) {
        std::os::unix::fs::symlink(from, site.libs().join(name)).expect("linked");
    }

    #[test]
    fn the_real_tensorrt_for_rtx_builds_an_engine_without_trtexec() {
        let site = site();
        let told = build(&site, &[]).expect("it is built");
        assert!(told.starts_with("tiny has a new engine: "), "{told}");
        let [sidecar] = &kept(&site, "json")[..] else {
            panic!("one engine: {told}");
        };
        let text = std::fs::read(sidecar).expect("read");
        let sidecar: Value = serde_json::from_slice(&text).expect("JSON");
        assert_eq!(sidecar["key"]["tensorrt"], "for RTX 1.4.0");
        assert_eq!(sidecar["key"]["gpu"], RTX_GPU);
        assert_eq!(sidecar["key"]["flags"]["fp16"], false);
        let engine = kept(&site, "engine").remove(0);
        let bytes = std::fs::read(&engine).expect("read");
        assert!(bytes.starts_with(b"vtrt"), "an engine of TensorRT for RTX");
        let again = build(&site, &[]).expect("it is there");
        assert!(again.contains("has that engine already"), "{again}");
        // What a processor builds is the same: the precision is the file's.
        let usual = build(&site, &["--usual"]).expect("it is there");
        assert!(usual.contains("has that engine already"), "{usual}");
        // Nothing of a build is left but the engine and its key.
        let left = std::fs::read_dir(site.engines())
            .expect("the cache")
            .count();
        assert_eq!(left, 2);
    }

    #[test]
    fn an_open_batch_is_built_and_a_precision_is_not_asked_for() {
        let site = Site::rtx();
        for name in ["libtensorrt_rtx.so.1", PARSER] {
            link(&site, &real(name), name);
        }
        site.import(&network());
        let model = nvr::detect::ModelStore::new(vec![site.models()])
            .find("tiny")
            .expect("it is installed");
        refused(
            build(&site, &["--fp16"]),
            &[
                "TensorRT for RTX 1.4.0 computes in the precision of the ONNX file, so it has no --fp16",
                "convert_float_to_float16",
                &model.onnx().display().to_string(),
            ],
        );
        refused(build(&site, &["--int8"]), &["it has no --int8"]);
        refused(
            build(&site, &["--dla", "0", "--int8"]),
            &["it has no --int8"],
        );
        build(&site, &["--workspace-mb", "64"]).expect("it is built");
    }

    #[test]
    fn a_graph_that_can_t_be_read_is_told_by_the_parser_s_reason() {
        let site = site();
        let onnx = site.models().join("tiny/model.onnx");
        let mut damaged = std::fs::read(&onnx).expect("read");
        let manifest = site.models().join("tiny/model.toml");
        let half = damaged.len() / 2;
        damaged[half..].fill(0xff);
        std::fs::write(&onnx, &damaged).expect("written");
        rehash(&manifest, &damaged);
        refused(
            build(&site, &[]),
            &[
                "nvr could not build an engine of tiny: it ended with exit status: 1",
                "TensorRT for RTX 1.4.0 can't read ",
                "model.onnx",
            ],
        );
        assert_eq!(kept(&site, "engine"), Vec::<PathBuf>::new());
    }

    /// Writes the hash of a model's new file into its manifest.
    fn rehash(manifest: &Path, bytes: &[u8]) {
        use sha2::{Digest, Sha256};
        let text = std::fs::read_to_string(manifest).expect("read");
        let lines = text.lines().map(|line| {
            if line.starts_with("sha256") {
                format!("sha256 = \"{:x}\"", Sha256::digest(bytes))
            } else {
                line.to_owned()
            }
        });
        let text = lines.collect::<Vec<_>>().join("\n");
        std::fs::write(manifest, text).expect("written");
    }

    #[test]
    fn a_library_that_crashes_costs_the_build_alone() {
        let site = site();
        let path = site.libs().join(PARSER);
        std::fs::remove_file(&path).expect("removed");
        let source = site.path("parser.c");
        let text = "#include <stdlib.h>\n\
                    int getNvOnnxParserVersion(void) { return 100; }\n\
                    void *createNvOnnxParser_INTERNAL(void *n, void *l, int v) { abort(); }\n";
        std::fs::write(&source, text).expect("written");
        let built = Command::new("cc")
            .args(["-shared", "-fPIC", "-o"])
            .args([&path, &source])
            .status();
        assert!(built.expect("a C compiler").success());
        refused(
            build(&site, &[]),
            &["nvr could not build an engine of tiny: it ended with signal: 6"],
        );
        assert_eq!(kept(&site, "engine"), Vec::<PathBuf>::new());
    }

    #[test]
    fn the_real_runtime_says_what_is_wrong_with_an_engine() {
        let site = site();
        build(&site, &[]).expect("it is built");
        let model = nvr::detect::ModelStore::new(vec![site.models()])
            .find("tiny")
            .expect("it is installed");
        let engine = kept(&site, "engine").remove(0);
        let whole = std::fs::read(&engine).expect("read");
        let bench = || {
            let arguments = ["bench", "tiny", "--calls", "1", "--backend", "tensorrt-rtx"];
            let mut command = nvr();
            command.arg("model").arg("--models-dir").arg(site.models());
            let output = command
                .args(arguments)
                .envs(site.environment())
                .output()
                .expect("nvr runs");
            String::from_utf8_lossy(&output.stdout).into_owned()
        };
        // Whole: it asks the driver for the GPU, which the double has and this machine has not.
        let told = bench();
        assert!(
            told.contains("TensorRT for RTX 1.4.0 could not load the engine ")
                && told.contains("because CUDA failed (it says: "),
            "{told}"
        );
        assert!(told.contains("Cuda Runtime"), "{told}");
        for path in kept(&site, "engine").iter().chain(&kept(&site, "json")) {
            std::fs::remove_file(path).expect("removed");
        }
        let damaged: [(&[u8], &str); 2] = [
            (&whole[..whole.len() / 2], "header.size == blobSize"),
            (
                b"no engine, but some bytes that are long enough for a header of sixty-four",
                "magicTag",
            ),
        ];
        for (bytes, words) in damaged {
            site.keep_bytes(bytes, &key(&site, &model, "1.4.0"));
            let told = bench();
            assert!(
                told.contains("is truncated or damaged (it says: "),
                "{told}"
            );
            assert!(told.contains(words), "{told}");
        }
        // Of another version, and of another GPU: not loaded at all.
        site.keep_bytes(&whole, &key(&site, &model, "1.3.0"));
        let told = bench();
        assert!(told.contains("it is for TensorRT for RTX 1.3.0"), "{told}");
    }
}

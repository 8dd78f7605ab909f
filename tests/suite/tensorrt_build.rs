//! Engines out of ONNX files: what `nvr model build` asks of `trtexec`, what the cache keeps, what is built again; and
//! `nvr model bench`. A script stands in for `trtexec`, doubles for the libraries.

use std::path::PathBuf;
use std::process::Output;

use serde_json::Value;

use crate::support::onnx::TinyNetwork;
use crate::support::process::{Running, nvr};
use crate::support::tensorrt::{DoubleEngine, GPU, Site, van};
use crate::support::wait::SOON;

const FLAGS_8: &str = "--fp16 --int8 --useDLACore=N --allowGPUFallback --minShapes --optShapes --maxShapes \
    --timingCacheFile=<file> --memPoolSize=spec --buildOnly";
const FLAGS_10: &str = "--fp16 --int8 --useDLACore=N --allowGPUFallback --minShapes --optShapes --maxShapes \
    --timingCacheFile=<file> --memPoolSize=spec --skipInference";

fn network() -> TinyNetwork {
    van([0.875, 0.875])
}

/// A site whose `trtexec` makes a good engine of the model `tiny`.
fn site(major: u32, flags: &str) -> Site {
    let (site, network) = (Site::new(major), network());
    site.import(&network);
    site.add_trtexec(flags);
    let engine = DoubleEngine::of(&network, major).text();
    std::fs::write(site.path("trtexec.engine"), engine).expect("written");
    site
}

fn command(site: &Site, arguments: &[&str]) -> std::process::Command {
    let mut command = nvr();
    command.arg("model").arg("--models-dir").arg(site.models());
    command.args(arguments).envs(site.environment());
    command
}

fn run(site: &Site, arguments: &[&str]) -> Output {
    command(site, arguments).output().expect("nvr runs")
}

fn out(output: &Output) -> String {
    let err = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{err}");
    String::from_utf8_lossy(&output.stdout)
        .trim_end()
        .to_owned()
}

fn refusal(site: &Site, arguments: &[&str]) -> String {
    let output = run(site, arguments);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    String::from_utf8_lossy(&output.stderr)
        .trim_end()
        .to_owned()
}

/// The engines of the cache.
fn engines(site: &Site) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = std::fs::read_dir(site.engines())
        .expect("the cache")
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "engine")
        })
        .collect();
    paths.sort();
    paths
}

#[test]
fn an_engine_is_built_once_with_the_flags_that_this_tool_knows_and_then_runs() {
    for (major, flags, skip) in [
        (8, FLAGS_8, "--buildOnly"),
        (10, FLAGS_10, "--skipInference"),
    ] {
        let site = site(major, flags);
        let told = out(&run(
            &site,
            &["build", "tiny", "--fp16", "--workspace-mb", "512"],
        ));
        let [engine] = &engines(&site)[..] else {
            panic!("one engine: {:?}", engines(&site));
        };
        assert_eq!(told, format!("tiny has a new engine: {}", engine.display()));
        let cache = site.engines();
        let version = crate::support::tensorrt::version(major);
        let [call] = &site.trtexec_calls()[..] else {
            panic!("one call: {:?}", site.trtexec_calls());
        };
        let (onnx, partial) = (
            site.models().join("tiny/model.onnx"),
            engine.with_extension("partial"),
        );
        let call = call
            .split(' ')
            .map(|word| match word.split_once(".partial-") {
                Some((before, _)) => format!("{before}.partial"),
                None => word.to_owned(),
            });
        assert_eq!(
            call.collect::<Vec<_>>(),
            [
                format!("--onnx={}", onnx.display()),
                format!("--saveEngine={}", partial.display()),
                "--fp16".to_owned(),
                format!(
                    "--timingCacheFile={}/timing-{version}.cache",
                    cache.display()
                ),
                "--memPoolSize=workspace:512".to_owned(),
                skip.to_owned(),
            ]
        );
        let told = out(&run(
            &site,
            &["build", "tiny", "--fp16", "--workspace-mb", "512"],
        ));
        assert!(told.starts_with("tiny has that engine already: "), "{told}");
        assert_eq!(site.trtexec_calls().len(), 1);
        out(&run(
            &site,
            &["build", "tiny", "--fp16", "--workspace-mb", "512", "--anew"],
        ));
        assert_eq!(site.trtexec_calls().len(), 2);
        assert_eq!(engines(&site).len(), 1);
        // Other flags, another engine.
        out(&run(
            &site,
            &["build", "tiny", "--batch", "4", "--dla", "1", "--fp16"],
        ));
        assert_eq!(engines(&site).len(), 2);
        let call = site.trtexec_calls().pop().expect("a call");
        let shapes = "--useDLACore=1 --allowGPUFallback --minShapes=images:1x3x64x96 --optShapes=images:4x3x64x96 \
                      --maxShapes=images:4x3x64x96";
        assert!(call.contains(shapes), "{call}");
    }
}

#[test]
fn the_sidecar_says_what_an_engine_is_for() {
    let site = site(10, FLAGS_10);
    out(&run(
        &site,
        &["build", "tiny", "--fp16", "--workspace-mb", "512"],
    ));
    let engine = engines(&site).remove(0);
    let text = std::fs::read(engine.with_extension("json")).expect("a sidecar");
    let sidecar: Value = serde_json::from_slice(&text).expect("JSON");
    let model = nvr::detect::ModelStore::new(vec![site.models()])
        .find("tiny")
        .expect("it is installed");
    assert_eq!(
        sidecar["key"],
        serde_json::json!({
            "onnx_sha256": model.manifest.files[0].sha256, "tensorrt": "10.3.0", "gpu": GPU,
            "flags": {"fp16": true, "int8": false, "dla": null, "batch": 1, "workspace_mb": 512},
        })
    );
    assert_eq!(sidecar["model"], "tiny");
    let length = std::fs::metadata(&engine).expect("the engine").len();
    assert_eq!(sidecar["engine_bytes"], length);
}

#[test]
fn a_damaged_engine_is_built_again() {
    let site = site(10, FLAGS_10);
    out(&run(&site, &["build", "tiny"]));
    let engine = engines(&site).remove(0);
    let whole = std::fs::read(&engine).expect("read");
    std::fs::write(&engine, &whole[..10]).expect("written");
    let told = out(&run(&site, &["build", "tiny"]));
    assert!(told.starts_with("tiny has a new engine: "), "{told}");
    assert_eq!(std::fs::read(&engine).expect("read"), whole);
}

#[test]
fn what_can_t_be_built_is_refused_with_its_reason_and_leaves_nothing() {
    let site = site(10, FLAGS_10);
    let told = refusal(&site, &["build", "tiny", "--int8"]);
    assert!(
        told.contains(
            "--int8 needs an ONNX file with quantising nodes (QuantizeLinear, DequantizeLinear)"
        ),
        "{told}"
    );
    let told = refusal(&site, &["build", "tiny", "--dla", "0"]);
    assert!(
        told.contains("a DLA computes with --fp16 or --int8 only"),
        "{told}"
    );
    std::fs::write(site.path("trtexec.version"), "100400").expect("written");
    let told = refusal(&site, &["build", "tiny"]);
    assert!(
        told.contains("it is of TensorRT 10.4.0, but the installed library is of 10.3.0"),
        "{told}"
    );
    std::fs::remove_file(site.path("trtexec.engine")).expect("removed");
    let told = refusal(&site, &["build", "tiny"]);
    assert!(
        told.contains("trtexec could not build an engine of tiny: it ended with exit status: 1; its last output: ")
            && told.contains("[E] Error[4]: no such layer"),
        "{told}"
    );
    std::fs::remove_file(site.path("trtexec")).expect("removed");
    let told = refusal(&site, &["build", "tiny"]);
    assert!(
        told.contains(
            "neither trtexec nor an ONNX parser of TensorRT, which build engines, is here"
        ) && told.contains("trtexec: No such file")
            && told.contains("has no function createInferBuilder_INTERNAL"),
        "{told}"
    );
    let left: Vec<_> = std::fs::read_dir(site.engines())
        .expect("the cache")
        .flatten()
        .collect();
    assert_eq!(left.len(), 0, "{left:?}");
}

/// As pip installs TensorRT: with an ONNX parser, and without trtexec.
fn site_without_trtexec(major: u32) -> Site {
    let (site, network) = (Site::new(major), network());
    site.import(&network);
    site.add_builder();
    let engine = DoubleEngine::of(&network, major).text();
    std::fs::write(site.path("trtexec.engine"), engine).expect("written");
    site
}

#[test]
fn without_trtexec_the_onnx_parser_builds() {
    for (major, fp16) in [(10, 1), (11, 0)] {
        let site = site_without_trtexec(major);
        let told = out(&run(&site, &["build", "tiny", "--usual"]));
        assert!(told.starts_with("tiny has a new engine: "), "{told}");
        out(&run(&site, &["build", "tiny", "--workspace-mb", "512"]));
        let usual = format!("fp16={fp16} int8=0 workspace=0");
        let limited = format!("fp16=0 int8=0 workspace={}", 512 << 20);
        assert_eq!(site.builder_calls(), [usual, limited]);
        // An input that leaves sides open gets the manifest's.
        let mut open = command(&site, &["build", "tiny", "--batch", "4"]);
        out(&open
            .env("DOUBLE_OPEN_INPUT", "1")
            .output()
            .expect("nvr runs"));
        let call = site.builder_calls().pop().expect("a call");
        assert_eq!(
            call,
            "fp16=0 int8=0 workspace=0 1x3x64x96 4x3x64x96 4x3x64x96"
        );
    }
}

#[test]
fn without_trtexec_a_refusal_has_the_reason_of_the_parser_or_the_builder() {
    let site = site_without_trtexec(11);
    let told = refusal(&site, &["build", "tiny", "--fp16"]);
    assert!(
        told.contains(
            "TensorRT 11.3.0 computes in the precision of the ONNX file, so it has no --fp16"
        ),
        "{told}"
    );
    let site = site_without_trtexec(10);
    let told = refusal(&site, &["build", "tiny", "--fp16", "--dla", "0"]);
    assert!(
        told.contains("nvr has no --useDLACore here; build without --dla"),
        "{told}"
    );
    std::fs::remove_file(site.path("trtexec.engine")).expect("removed");
    let told = refusal(&site, &["build", "tiny"]);
    assert!(
        told.contains("nvr could not build an engine of tiny: it ended with exit status: 1")
            && told.ends_with("TensorRT could not make an engine (it says: 10: could not find any implementation for a node)"),
        "{told}"
    );
    std::fs::remove_file(site.libs().join("libnvonnxparser.so.10")).expect("removed");
    let told = refusal(&site, &["build", "tiny"]);
    assert!(
        told.contains("neither trtexec nor an ONNX parser of TensorRT")
            && told.contains(
                "the ONNX parser of TensorRT 10.3.0 could not be opened (no libnvonnxparser.so.10,"
            ),
        "{told}"
    );
    // 8 and 9 are built by trtexec alone.
    let site = Site::new(9);
    site.import(&network());
    site.add_tensorrt("libnvinfer.so.9", &["-DONLY_BUILDER"]);
    let told = refusal(&site, &["build", "tiny"]);
    assert!(
        told.contains("TensorRT 9.3.0 builds engines by trtexec alone"),
        "{told}"
    );
}

#[test]
fn a_build_shows_that_it_moves() {
    let site = site(10, FLAGS_10);
    std::fs::write(site.path("trtexec.hold"), "").expect("written");
    let mut build = Running::start(command(&site, &["build", "tiny"]));
    build.err().find("a line of progress", SOON, |line| {
        line.starts_with("building tiny, 0:0")
    });
    std::fs::remove_file(site.path("trtexec.hold")).expect("removed");
    assert_eq!(build.end(SOON).code(), Some(0));
}

#[test]
fn backends_are_measured_beside_each_other() {
    let site = site(10, FLAGS_10);
    let arguments = [
        "bench",
        "tiny",
        "--calls",
        "20",
        "--backend",
        "tensorrt",
        "--backend",
        "rten",
    ];
    let told = out(&run(&site, &arguments));
    let lines: Vec<&str> = told.lines().collect();
    assert_eq!(lines.len(), 3, "{told}");
    assert!(
        lines[1].starts_with(
            "tensorrt      there is no TensorRT engine of model tiny for TensorRT 10.3.0 and Double"
        ) && lines[1].ends_with("; build it with `nvr model build tiny`"),
        "{told}"
    );
    out(&run(&site, &["build", "tiny"]));
    let told = out(&run(&site, &arguments));
    let rows: Vec<Vec<&str>> = told
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    assert_eq!(rows[0][..3], ["backend", "median", "ms"]);
    assert_eq!(rows[0].last(), Some(&"cores"));
    assert_eq!((rows[1][0], rows[1][4]), ("tensorrt", "2"), "{told}");
    assert_eq!((rows[2][0], rows[2][4]), ("rten", "1"), "{told}");
    for row in &rows[1..] {
        let number = |at: usize| row[at].parse::<f64>().expect("a number");
        assert!(number(1) <= number(2) && number(3) > 0.0, "{told}");
        assert!((0.0..1000.0).contains(&number(5)), "{told}");
    }
}

//! `nvr model fetch`: from a server with the faults of real ones to an installed model, by a catalogue of one's own.

mod catalogue;

use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use nvr::detect::OutputFormat;
use nvr::fleet::DocumentHash;
use serde_json::{Value, json};

use super::{INPUT, text};
use crate::support::file_server::{FileServer, Manner, Served};
use crate::support::onnx::TinyNetwork;
use crate::support::process::nvr;
use crate::support::tiny::OBJECTS;
use crate::support::wait::{SOON, until_true};

const LICENCE: &str = "http://models.example/licence";

/// A cache, a server with one file, and a catalogue with one model, `vans-96`.
struct Site {
    dir: tempfile::TempDir,
    server: FileServer,
    onnx: Vec<u8>,
    url: String,
    /// The lines of the catalogue that tests change.
    sha256: Option<String>,
    bytes: Option<usize>,
    license: &'static str,
    width: u32,
}

impl Site {
    fn new() -> Self {
        let onnx = TinyNetwork::finding(OutputFormat::Yolov8, INPUT, 2, &OBJECTS).onnx();
        let mut site = Self {
            dir: tempfile::tempdir().expect("a folder"),
            server: FileServer::start(),
            sha256: Some(DocumentHash::of(&onnx).to_string()),
            bytes: Some(onnx.len()),
            onnx,
            url: String::new(),
            license: "Apache-2.0",
            width: INPUT.width,
        };
        site.url = site.serve("vans.onnx", Manner::Right);
        site
    }

    fn serve(&self, name: &str, manner: Manner) -> String {
        self.serve_other(name, self.onnx.clone(), manner)
    }

    fn serve_other(&self, name: &str, content: Vec<u8>, manner: Manner) -> String {
        let served = Served {
            content,
            tag: Some("1"),
            manner,
        };
        self.server.serve(name, served)
    }

    /// The `Range` of each request for the file.
    fn ranges(&self) -> Vec<Option<String>> {
        self.server.requests("vans.onnx")
    }

    fn models(&self) -> PathBuf {
        self.dir.path().join("models")
    }

    fn model(&self) -> PathBuf {
        self.models().join("vans-96")
    }

    /// The names in the directory of models.
    fn left(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.models()).expect("listed").flatten();
        let mut names: Vec<String> = entries
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }

    /// `nvr model …` with the cache of this site.
    fn command(&self, args: &[&str]) -> Command {
        let mut command = nvr();
        command
            .arg("model")
            .args(args)
            .env("NVR_CACHE", self.dir.path())
            .env("NO_PROXY", "127.0.0.1")
            .current_dir(std::env::temp_dir())
            .stdin(Stdio::null());
        command
    }

    fn nvr(&self, args: &[&str]) -> Output {
        self.command(args).output().expect("nvr runs")
    }

    /// `nvr model fetch …` with the catalogue.
    fn fetching(&self, args: &[&str]) -> Command {
        let line = |key: &str, value: Option<String>| {
            value.map_or_else(String::new, |value| format!("{key} = {value}\n"))
        };
        let catalogue = format!(
            "[[model]]\nid = \"vans-96\"\nversion = \"1\"\ndescription = \"vans\"\nurl = \"{}\"\n{}{}license = \"{}\"\n\
             license_url = \"{LICENCE}\"\nlabels = [\"person\", \"van\"]\n\
             input = {{ name = \"images\", width = {}, height = {} }}\n\
             output = {{ name = \"output0\", format = \"yolov8\" }}\n",
            self.url,
            line(
                "sha256",
                self.sha256.as_ref().map(|hash| format!("\"{hash}\""))
            ),
            line("bytes", self.bytes.map(|bytes| bytes.to_string())),
            self.license,
            self.width,
            INPUT.height,
        );
        let file = self.dir.path().join("own.toml");
        std::fs::write(&file, catalogue).expect("written");
        let mut command = self.command(&["fetch"]);
        command.arg("--catalogue").arg(file).args(args);
        command
    }

    fn fetch(&self, args: &[&str]) -> Output {
        self.fetching(args).output().expect("nvr runs")
    }

    /// Standard output of a fetch that succeeds.
    fn fetched(&self, args: &[&str]) -> String {
        let output = self.fetch(args);
        assert!(output.status.success(), "{}", text(&output.stderr));
        text(&output.stdout)
    }

    /// The error of a fetch that fails.
    fn refused(&self, args: &[&str]) -> String {
        let output = self.fetch(args);
        assert_eq!(output.status.code(), Some(1));
        let told = text(&output.stderr);
        let error = told.rfind("error: ").expect("an error");
        told[error + 7..].trim_end().to_owned()
    }

    /// What the model is said to be.
    fn described(&self) -> String {
        format!("96x64 yolov8, 2 classes, in {}", self.model().display())
    }

    fn manifest(&self) -> Value {
        let shown = self.nvr(&["show", "vans-96", "--format", "json"]);
        assert!(shown.status.success(), "{}", text(&shown.stderr));
        let shown: Value = serde_json::from_slice(&shown.stdout).expect("JSON");
        shown["manifest"].clone()
    }
}

#[test]
fn a_model_is_fetched_and_installed_by_the_facts_of_the_catalogue() {
    let site = Site::new();
    let told = site.fetched(&["vans-96"]);
    let lines: Vec<&str> = told.lines().collect();
    assert_eq!(
        lines[..3],
        [
            format!("vans-96 is installed: {}", site.described()),
            format!("licence: Apache-2.0 ({LICENCE}); source: {}", site.url),
            "the built-in picture has none of its classes, or is too large for its input"
                .to_owned()
        ]
    );
    let manifest = site.manifest();
    assert_eq!(manifest["description"], "vans");
    assert_eq!(manifest["license"], "Apache-2.0");
    assert_eq!(manifest["source"], site.url);
    assert_eq!(manifest["labels"], json!(["person", "van"]));
    assert_eq!(manifest["files"][0]["sha256"], json!(site.sha256));
    assert_eq!(site.left(), ["vans-96"]);
    // It is there: the server is not asked again.
    assert_eq!(
        site.fetched(&["vans-96"]),
        format!("vans-96 is installed already: {}\n", site.described())
    );
    assert_eq!(site.ranges(), [None]);
}

#[test]
fn a_mirror_takes_the_place_of_the_address_and_a_login_is_not_kept() {
    let site = Site::new();
    let mirror = site.serve("mirror.onnx", Manner::Right);
    let mirror = mirror.replace("http://", "http://box:hunter2@");
    let told = site.fetched(&["vans-96", "--url", &mirror]);
    assert!(!told.contains("hunter2"), "{told}");
    let source = site.manifest()["source"].to_string();
    assert!(source.contains("/mirror.onnx"), "{source}");
    assert!(!source.contains("hunter2"), "{source}");
    assert!(site.ranges().is_empty());
    let other = site.refused(&["vans-96", "--url", "file:///vans.onnx"]);
    assert_eq!(
        other,
        "--url: must begin with https:// or http://, got `file:///vans.onnx`; install a file of this machine with \
         `nvr model import`"
    );
}

#[test]
fn a_file_whose_hash_nobody_confirms_is_installed_with_a_note() {
    let mut site = Site::new();
    let hash = site.sha256.take().expect("a hash");
    let output = site.fetch(&["vans-96"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(
        text(&output.stderr),
        format!(
            "note: no independent source gives the SHA-256 of vans-96; this download has {hash}\n"
        )
    );
    assert_eq!(site.manifest()["files"][0]["sha256"], json!(hash));
}

#[test]
fn a_connection_that_is_cut_is_continued_at_the_same_byte() {
    let site = Site::new();
    site.serve("vans.onnx", Manner::Cut(1000, 1));
    site.fetched(&["vans-96"]);
    assert_eq!(site.ranges(), [None, Some("bytes=1000-".to_owned())]);
}

#[test]
fn a_download_that_was_killed_is_continued_at_the_same_byte() {
    let site = Site::new();
    site.serve("vans.onnx", Manner::Silent);
    let mut killed = site
        .fetching(&["vans-96"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("nvr runs");
    let part = site.models().join(".fetch-vans-96.part");
    let half = site.onnx.len() / 2;
    until_true("half of the file", SOON, || {
        std::fs::metadata(&part).is_ok_and(|part| part.len() == half as u64)
    });
    killed.kill().expect("killed");
    killed.wait().expect("it has ended");
    site.serve("vans.onnx", Manner::Right);
    site.fetched(&["vans-96"]);
    assert_eq!(site.ranges(), [None, Some(format!("bytes={half}-"))]);
    assert_eq!(site.left(), ["vans-96"]);
}

#[test]
fn another_file_is_refused_with_both_hashes_or_lengths_and_nothing_is_left() {
    let mut site = Site::new();
    let mut other = site.onnx.clone();
    let last = other.len() - 1;
    other[last] ^= 1;
    let found = DocumentHash::of(&other);
    site.serve_other("vans.onnx", other, Manner::Right);
    let remedy = "name another address with --url, or correct the catalogue if it is your own";
    assert_eq!(
        site.refused(&["vans-96"]),
        format!(
            "the file at {} has the SHA-256 {found}, the catalogue names {}; {remedy}",
            site.url,
            site.sha256.as_ref().expect("a hash")
        )
    );
    let bytes = site.onnx.len();
    site.bytes = Some(bytes + 1);
    assert_eq!(
        site.refused(&["vans-96"]),
        format!(
            "the file at {} has {bytes} bytes, the catalogue names {}; {remedy}",
            site.url,
            bytes + 1
        )
    );
    assert!(site.left().is_empty(), "{:?}", site.left());
}

#[test]
fn a_file_that_is_no_model_or_another_one_is_not_installed() {
    let mut site = Site::new();
    site.width = 128;
    let told = site.refused(&["vans-96"]);
    assert!(
        told.starts_with("vans-96 was fetched, but not installed: model vans-96: input `images` should be 1x3x64x128"),
        "{told}"
    );
    // It is the right file: another catalogue may know how to read it.
    assert_eq!(site.left()[0], ".fetch-vans-96.part");
    site.width = INPUT.width;
    site.fetched(&["vans-96"]);
    assert_eq!(site.ranges(), [None]);
    let mut site = Site::new();
    (site.sha256, site.bytes) = (None, None);
    let page = b"<!doctype html><html></html>".to_vec();
    site.serve_other("vans.onnx", page, Manner::Right);
    let told = site.refused(&["vans-96"]);
    assert!(told.contains("it is a page in HTML"), "{told}");
    assert!(site.left().is_empty(), "{:?}", site.left());
}

#[test]
fn a_damaged_model_is_fetched_again_in_its_place() {
    let site = Site::new();
    site.fetched(&["vans-96"]);
    let graph = site.model().join("model.onnx");
    std::fs::write(&graph, "damaged").expect("written");
    let output = site.fetch(&["vans-96"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let told = text(&output.stderr);
    assert!(
        told.starts_with("vans-96 can't be used and is fetched again: "),
        "{told}"
    );
    assert!(std::fs::read(&graph).expect("a graph") == site.onnx);
    assert_eq!(site.left(), ["vans-96"]);
    assert_eq!(site.ranges(), [None, None]);
}

#[test]
fn what_is_no_model_or_one_of_another_file_is_left_alone() {
    let mut site = Site::new();
    std::fs::create_dir_all(site.model()).expect("made");
    let told = site.refused(&["vans-96"]);
    let begin = format!("{} exists and is no model; ", site.model().display());
    assert!(told.starts_with(&begin), "{told}");
    std::fs::remove_dir(site.model()).expect("removed");
    site.fetched(&["vans-96"]);
    let found = site.sha256.replace("0".repeat(64)).expect("a hash");
    let told = site.refused(&["vans-96"]);
    let wanted = format!(
        "has the SHA-256 {found}, the catalogue names {}; ",
        "0".repeat(64)
    );
    assert!(
        told.starts_with("vans-96 is installed from another file: "),
        "{told}"
    );
    assert!(told.contains(&wanted), "{told}");
}

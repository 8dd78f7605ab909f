//! Archives that are installed, and those that are refused. A stand-in for `nvr` tells what it was asked.

use std::os::unix::fs::PermissionsExt;

use sha2::{Digest, Sha256};

use super::super::library::Library;
use super::*;
use crate::fetch::Retry;

struct Site {
    dir: tempfile::TempDir,
    places: Places,
    version: Version,
}

impl Site {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let places = Places::new(dir.path());
        make(places.root()).expect("made");
        Self {
            places,
            version: Version::for_tests("m", "1"),
            dir,
        }
    }

    /// A program that runs this shell script.
    fn program(&self, script: &str) -> PathBuf {
        let path = self.dir.path().join("program");
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("set");
        path
    }

    fn install(&self, archive: &[u8], script: &str) -> Result<(), Fault> {
        let file = self.dir.path().join("file");
        fs::write(&file, archive).expect("written");
        let program = self.program(script);
        let stop = Stop::default();
        install_archive(&file, &self.version, &self.places, &program, &stop)
    }

    fn has(&self) -> bool {
        assert!(!self.places.staging().exists());
        Library::open(self.places.clone()).has(&self.version)
    }
}

/// A tar archive of a model's folder, with that hash of its graph.
fn archive(folder: &str, sha256: &str) -> Vec<u8> {
    let manifest = format!(
        "labels = [\"person\"]\nfiles = [{{ name = \"model.onnx\", sha256 = \"{sha256}\" }}]\n\
         [input]\nwidth = 64\nheight = 64\n[output]\nformat = \"end2end\"\n"
    );
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("a.tar.gz");
    let members = [
        ("model.toml".to_owned(), manifest),
        ("model.onnx".to_owned(), "graph".to_owned()),
        ("LICENCE".to_owned(), "MIT".to_owned()),
    ];
    crate::base::archive::pack(&path, folder, &members, 0).expect("packed");
    fs::read(path).expect("a file")
}

fn right_hash() -> String {
    format!("{:x}", Sha256::digest("graph"))
}

#[test]
fn the_folder_of_a_model_is_installed_under_the_id_of_the_document() {
    for folder in [".", "any-name"] {
        let site = Site::new();
        let packed = archive(folder, &right_hash());
        site.install(&packed, "exit 9").expect("it is good");
        assert!(site.has());
        let store = ModelStore::new(vec![site.places.version(&site.version)]);
        let model = store.find("m").expect("it is found");
        model.verify().expect("it is whole");
        // The same once more, as after an interruption.
        site.install(&packed, "exit 9").expect("it is good");
        assert!(site.has());
    }
}

#[test]
fn an_archive_without_a_whole_model_is_refused_for_good() {
    let site = Site::new();
    let refused = |packed: &[u8], words: &str| {
        let fault = site.install(packed, "exit 9").expect_err(words);
        assert!(fault.message.contains(words), "{fault}");
        assert_eq!(fault.retry, Retry::Never);
        assert!(!site.has());
    };
    refused(
        &archive("m/deep", &right_hash()),
        "the archive has no model.toml",
    );
    refused(&archive("m", &"0".repeat(64)), "m/model.onnx");
    refused(
        &archive("m", &right_hash())[..80],
        "the archive can't be read",
    );
}

#[test]
fn another_file_is_imported_by_a_process_whose_words_are_told() {
    let site = Site::new();
    let script = "echo \"$@\" > \"$(dirname \"$0\")/asked\"; mkdir -p \"$6/m\"; echo x > \"$6/m/model.toml\"";
    site.install(b"onnx", script).expect("imported");
    assert!(site.has());
    let asked = fs::read_to_string(site.dir.path().join("asked")).expect("it was asked");
    let staging = site.places.staging();
    let wanted = format!(
        "model import --id m --models-dir {} -- {}\n",
        staging.display(),
        site.dir.path().join("file").display()
    );
    assert_eq!(asked, wanted);
    let site = Site::new();
    let script =
        "echo 'some log' >&2; echo 'error: no graph' >&2; echo '  in the file' >&2; exit 1";
    let fault = site.install(b"text", script).expect_err("refused");
    let wanted =
        "the file is no tar archive, and can't be imported as an ONNX file: no graph in the file";
    assert_eq!((&*fault.message, fault.retry), (wanted, Retry::Never));
    assert!(!site.has());
    let fault = site.install(b"text", "kill -9 $$").expect_err("killed");
    assert!(fault.message.contains("signal 9 (SIGKILL, "), "{fault}");
}

#[test]
fn an_engine_is_built_by_a_process_that_a_stop_kills() {
    let site = Site::new();
    let stop = Stop::default();
    let build =
        |script: &str| build_engine(&site.version, &site.places, &site.program(script), &stop);
    build("test \"$1 $2 $3 $4\" = 'model build m --usual'").expect("built");
    let refused = build("echo 'error: no GPU' >&2; exit 1");
    assert_eq!(refused, Err(Some("no GPU".to_owned())));
    stop.raise();
    assert_eq!(build("exec sleep 60"), Err(None));
}

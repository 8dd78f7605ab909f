//! `nvr record` on recordings of a real processor.

use std::path::{Path, PathBuf};

use nvr::config::TestPattern;
use nvr::media::testcam::{CameraOptions, Feed, TestcamOptions};
use serde_json::Value;
use tempfile::TempDir;

use crate::recording::{pictures_in, plays, recordings};
use crate::support::broker::Kind;
use crate::support::process::nvr;
use crate::support::stage::{PATTERN, Stage};
use crate::support::wait::{SOON, until};

/// Runs `nvr record` with these words: its exit code, its output and its errors.
fn record(words: &[&str]) -> (Option<i32>, String, String) {
    let mut command = nvr();
    let output = command.arg("record").args(words).output().expect("it runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (
        output.status.code(),
        text(&output.stdout),
        text(&output.stderr),
    )
}

/// The same, which must succeed; the lines of its JSON output.
fn told(words: &[&str]) -> Vec<Value> {
    let words = [words, &["--format", "json"]].concat();
    let (code, out, err) = record(&words);
    assert_eq!(code, Some(0), "{words:?}: {out}{err}");
    let lines = out
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"));
    lines.collect()
}

/// A camera with two recordings or more, of a processor that runs on.
fn recorded() -> (Stage, TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let dir = folder.path().join("rec");
    let file = folder.path().join("nvr.toml");
    let text = format!("[record]\ndir = {dir:?}\nfile_length = \"4s\"\ndurable_every = \"1s\"\n");
    std::fs::write(&file, text).expect("written");
    let camera = Feed::Pattern(TestPattern {
        fps: 25.0,
        ..PATTERN
    });
    let cameras = TestcamOptions {
        cameras: vec![CameraOptions::new(camera)],
        ..TestcamOptions::default()
    };
    let config = file.display().to_string();
    let stage = Stage::with(Kind::Mosquitto, &cameras, &["--config", &config]);
    until("three recordings", SOON * 6, || {
        (recordings(&dir, 0).len() >= 3).then_some(())
    });
    (stage, folder, dir)
}

fn path(path: &Path) -> &str {
    path.to_str().expect("a plain path")
}

#[test]
fn recordings_are_locked_exported_and_verified_while_they_are_made() {
    let (mut stage, folder, dir) = recorded();
    let listed = told(&["list", path(&dir)]);
    let first = &listed[0];
    assert_eq!(first["kind"], "recording");
    let start = first["start"].as_str().expect("a time");
    let status = told(&["status", path(&dir)]);
    let of_source = status.iter().find(|line| line["kind"] == "source");
    assert!(
        of_source.is_some_and(|line| line["source_id"] == 0),
        "{status:#?}"
    );

    // A lock, until it is removed.
    let locked = told(&[
        "lock",
        path(&dir),
        "--source",
        "0",
        "--from",
        start,
        "--until",
        "2100-01-01T00:00:00Z",
        "--reason",
        "a fall",
    ]);
    let id = locked[0]["id"].as_str().expect("an id").to_owned();
    let locks = told(&["locks", path(&dir)]);
    assert_eq!((locks.len(), &locks[0]["id"]), (1, &locked[0]["id"]));
    assert_eq!(locks[0]["reason"], "a fall");
    let (code, _, err) = record(&["unlock", path(&dir), "nothing"]);
    assert!(code == Some(1) && err.contains("nothing"), "{err}");
    assert_eq!(record(&["unlock", path(&dir), &id]).0, Some(0));
    assert_eq!(told(&["locks", path(&dir)]), Vec::<Value>::new());

    // An export over the border of two files, which other programs play.
    let output = folder.path().join("gate.mp4");
    let words = [
        "export",
        path(&dir),
        "--source",
        "0",
        "--from",
        start,
        "--until",
        "2100-01-01T00:00:00Z",
        "-o",
        path(&output),
    ];
    let (code, out, err) = record(&words);
    assert_eq!(code, Some(0), "{out}{err}");
    plays(&output);
    let closed: u32 = recordings(&dir, 0)[..2]
        .iter()
        .map(|file| pictures_in(file))
        .sum();
    assert!(
        pictures_in(&output) >= closed,
        "{} of {closed}",
        pictures_in(&output)
    );
    let boxes = std::fs::read_to_string(output.with_extension("boxes.jsonl")).expect("boxes");
    assert!(boxes.lines().count() > 40, "{}", boxes.lines().count());
    let (code, _, err) = record(&words);
    assert!(
        code == Some(1) && err.contains("gate"),
        "never replaced: {err}"
    );
    let manifest = output.with_extension("json");
    let (code, out, err) = record(&["verify", path(&manifest)]);
    assert_eq!(code, Some(0), "{out}{err}");
    let mut film = std::fs::read(&output).expect("it can be read");
    let middle = film.len() / 2;
    film[middle] ^= 1;
    std::fs::write(&output, film).expect("written");
    let (code, out, err) = record(&["verify", path(&manifest)]);
    assert!(
        code == Some(1) && format!("{out}{err}").contains("gate.mp4"),
        "{out}{err}"
    );

    // The index can be made anew only when nobody else keeps it.
    let (code, _, err) = record(&["fsck", path(&dir), "--rebuild"]);
    assert!(code == Some(1) && err.contains("in use"), "{err}");
    stage.processor.signal("TERM");
    assert!(stage.processor.end(SOON).success());
    let index = dir.join(".nvr-index.sqlite");
    std::fs::write(&index, "no database").expect("written");
    let rebuilt = told(&["fsck", path(&dir), "--rebuild"]);
    assert_eq!(rebuilt[0]["recordings"], recordings(&dir, 0).len());
    assert_eq!(rebuilt[0]["damaged"], 0);
    assert_eq!(rebuilt[0]["events"], 2, "a person and a car: {rebuilt:?}");
    assert_eq!(record(&["fsck", path(&dir)]).0, Some(0));
}

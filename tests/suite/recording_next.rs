//! A second directory of recordings, by the processor as a process.

use std::path::Path;
use std::process::Command;

use nvr::media::testcam::Testcam;
use serde_json::Value;

use crate::recording::{fsck, plays, recordings};
use crate::support::broker::{Broker, Kind};
use crate::support::namespaces::Namespaces;
use crate::support::ports::free_port;
use crate::support::process::{Running, nvr};
use crate::support::stage::{configuration, documents, page, pattern_cameras};
use crate::support::wait::{SOON, until};

/// The body of an answer of the page.
fn body(address: &str, path: &str) -> String {
    let answer = page(address, path);
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    assert!(head.contains(" 200 "), "{path}: {answer}");
    body.to_owned()
}

fn json(address: &str, path: &str) -> Value {
    serde_json::from_str(&body(address, path)).expect("JSON")
}

/// The present time of the recorder.
fn now(address: &str) -> u64 {
    let cameras = json(address, "/cameras.json");
    cameras["now_ms"].as_u64().expect("a time")
}

/// The recorded times from one time on, once the index has some seconds after another one.
fn recorded(address: &str, from_ms: u64, beyond_ms: u64) -> (Vec<Value>, u64) {
    let newest = until("it is in the index", SOON * 3, || {
        let newest = json(address, "/cameras.json")["cameras"][0]["newest_ms"].as_u64()?;
        (newest > beyond_ms + 3000).then_some(newest)
    });
    let path = format!("/timeline.json?source=0&from={from_ms}&to={newest}");
    let times = json(address, &path)["recorded"].as_array().cloned();
    (times.expect("a list"), newest)
}

#[test]
fn a_second_directory_takes_over_and_gives_back_without_a_loss() {
    let broker = Broker::start(Kind::Mosquitto);
    let cameras = Testcam::start(&pattern_cameras(1)).expect("cameras start");
    let reader = broker.observe("nvr/#");
    let dir = tempfile::tempdir().expect("a folder");
    let (mount, next) = (dir.path().join("disk"), dir.path().join("next"));
    std::fs::create_dir(&mount).expect("a folder");
    let (disk, second) = (mount.display(), next.display());
    // A file where the directory is to be, on a disk that is small enough to be filled.
    let namespaces = Namespaces::new(
        &["--mount"],
        &format!("mount -t tmpfs -o size=40m disk {disk} && touch {disk}/first"),
    );
    let file = tempfile::NamedTempFile::new().expect("a file");
    let record = format!(
        "[record]\ndir = \"{disk}/first/rec\"\nbudget = \"100 MB\"\nnext_dir = \"{second}\"\nmin_free = \"0 B\"\n\
         file_length = \"2s\"\ndurable_every = \"1s\"\n"
    );
    let text = configuration(&broker, &cameras, &[0], "") + &record;
    std::fs::write(file.path(), text).expect("written");
    let address = format!("127.0.0.1:{}", free_port());
    let mut command = nvr();
    command.arg("processor").arg("--config").arg(file.path());
    command.args(["--http", &address]);
    let mut processor = Running::start(namespaces.inside(&command));
    let told = |what: &str, is_so: &dyn Fn(&Value) -> bool| {
        until(what, SOON * 6, || {
            let status = documents(&reader, "nvr/sources/0").pop()?;
            let recording = &status["recording"];
            (recording["state"] == "recording" && is_so(&recording["reason"])).then_some(())
        });
    };
    let in_next = |because: &str| {
        told(&format!("it is in the next one: {because}"), &|reason| {
            let reason = reason.as_str().unwrap_or_default();
            reason.starts_with(&format!("in {second}, because ")) && reason.contains(because)
        });
        let metrics = page(&address, "/metrics");
        let metric = "nvr_recording_next{source_id=\"0\"} 1.0";
        assert!(metrics.contains(metric), "{metrics}");
    };
    let is_back = || {
        told("it is in the first one", &Value::is_null);
        let metric = "nvr_recording_next{source_id=\"0\"} 0.0";
        until("the next one has ended", SOON * 3, || {
            page(&address, "/metrics").contains(metric).then_some(())
        });
    };

    in_next(&format!("can't create {disk}/first/rec"));
    namespaces.run(&format!("rm {disk}/first"));
    is_back();
    let returned = now(&address);
    let (times, newest) = recorded(&address, 0, returned);
    assert_eq!(times.len(), 1, "nothing is missing: {times:?}");

    // What both have is played once, and from both directories.
    let from = newest.saturating_sub(3_600_000);
    let path = format!("/playlist.m3u8?source=0&from={from}&to={newest}");
    let playlist = body(&address, &path);
    let starts: Vec<&str> = playlist
        .lines()
        .filter(|line| line.starts_with("#EXT-X-PROGRAM-DATE-TIME:"))
        .collect();
    assert!(starts.is_sorted_by(|one, other| one < other), "{playlist}");
    let uris = playlist.lines().filter(|line| !line.starts_with('#'));
    let (of_next, of_first): (Vec<&str>, Vec<&str>) = uris.partition(|uri| uri.ends_with("~next"));
    assert!(!of_first.is_empty() && !of_next.is_empty(), "{playlist}");
    let played = Command::new("ffmpeg")
        .args(["-v", "error", "-i", &format!("http://{address}{path}")])
        .args(["-f", "null", "-"])
        .output()
        .expect("ffmpeg is there: run `tools/setup tests`");
    assert!(played.status.success(), "{played:?}");

    // Somebody else fills the disk.
    namespaces.run(&format!("head -c 50M /dev/zero >{disk}/other || true"));
    in_next("space");
    let taken = now(&address);
    namespaces.run(&format!("rm {disk}/other"));
    is_back();
    let (times, _) = recorded(&address, taken, now(&address));
    assert_eq!(times.len(), 1, "nothing is missing: {times:?}");
    // Between two files may be a part of a frame.
    let begin = times[0][0].as_u64().expect("a time");
    assert!(begin < taken + 200, "{times:?}, taken over before {taken}");

    processor.signal("TERM");
    assert!(processor.end(SOON).success());
    let found = recordings(Path::new(&next), 0);
    assert!(found.len() >= 2, "{found:?}");
    plays(&found[0]);
    let (code, said) = fsck(&next);
    assert_eq!(code, Some(0), "{said}");
    let program = env!("CARGO_BIN_EXE_nvr");
    namespaces.run(&format!("{program} record fsck {disk}/first/rec"));
}

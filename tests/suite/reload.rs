//! Changes while it runs: by SIGHUP and by the control socket; and the watchdog that watches meanwhile.

mod unbroken;

use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use nvr::media::testcam::Testcam;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::broker::{Broker, Kind};
use crate::support::continuity::{dropped, misses_only};
use crate::support::process::{Running, nvr};
use crate::support::stage::{PATTERN, configuration, documents, pattern_cameras};
use crate::support::wait::{SOON, until};

/// A processor that lives by a file.
struct Site {
    dir: TempDir,
    broker: Broker,
    cameras: Testcam,
    reader: Running,
    processor: Running,
}

impl Site {
    fn start(count: usize) -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let broker = Broker::start(Kind::Mosquitto);
        let cameras = Testcam::start(&pattern_cameras(count)).expect("cameras start");
        let reader = broker.observe("nvr/#");
        let file = dir.path().join("nvr.toml");
        std::fs::write(&file, configuration(&broker, &cameras, &[0], "")).expect("written");
        let mut command = nvr();
        command
            .arg("processor")
            .arg("--config")
            .arg(&file)
            .env("NVR_RUNTIME_DIR", dir.path().join("run"));
        let site = Self {
            processor: Running::start(command),
            dir,
            broker,
            cameras,
            reader,
        };
        site.until_events(0, 3);
        site
    }

    fn file(&self) -> PathBuf {
        self.dir.path().join("nvr.toml")
    }

    fn write(&self, ids: &[usize], camera: &str) {
        std::fs::write(
            self.file(),
            configuration(&self.broker, &self.cameras, ids, camera),
        )
        .expect("written");
    }

    fn reload(&self, ids: &[usize], camera: &str) {
        self.write(ids, camera);
        self.processor.signal("HUP");
    }

    fn events(&self, id: u32) -> Vec<Value> {
        documents(&self.reader, &format!("nvr/detections/{id}"))
    }

    fn until_events(&self, id: u32, count: usize) {
        let before = self.events(id).len();
        until(&format!("events of source {id}"), SOON, || {
            (self.events(id).len() >= before + count).then_some(())
        });
    }

    fn control(&self, arguments: &[&str]) -> (i32, String, String) {
        let mut command = nvr();
        let instance = format!("box-{}", self.broker.port());
        command
            .arg("control")
            .args(["--instance-id", &instance])
            .args(arguments)
            .env("NVR_RUNTIME_DIR", self.dir.path().join("run"));
        let output = command.output().expect("nvr control runs");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
        (
            output.status.code().unwrap_or(-1),
            text(output.stdout),
            text(output.stderr),
        )
    }

    /// Source 0 was left alone: its session is the first, and every frame was inferred but for those that it counted as replaced
    /// by newer ones, of which there are none unless others have the processor.
    fn lost_nothing(&self) {
        let events = self.events(0);
        let status = self.status();
        let source = &status["sources"][0];
        assert_eq!(source["reconnects"], 0, "{source:#}");
        misses_only(0, &events, dropped(&status, 0));
    }

    /// What `nvr control status` prints.
    fn status(&self) -> Value {
        let (code, out, err) = self.control(&["status"]);
        assert_eq!(code, 0, "{err}");
        serde_json::from_str(&out).expect("JSON")
    }
}

#[test]
fn a_reload_adds_updates_and_removes_sources_and_the_rest_loses_no_frame() {
    let site = Site::start(2);
    site.reload(&[0, 1], "");
    site.until_events(1, 3);
    site.reload(&[0, 1], "classes = [\"nothing-of-this-kind\"]");
    until("an event without detections", SOON, || {
        site.events(0)
            .pop()
            .filter(|event| event["detections"].as_array().is_some_and(Vec::is_empty))
    });
    site.reload(&[0], "");
    site.reader.out().find("the cleared status", SOON, |line| {
        line.starts_with("nvr/sources/1 0 ") && line.ends_with(' ')
    });
    let gone = site.events(1).len();
    site.until_events(0, 10);
    assert!(site.events(1).len() <= gone + 1, "source 1 is gone");
    site.lost_nothing();
}

#[test]
fn a_bad_file_is_refused_whole_with_every_problem_and_what_runs_keeps_running() {
    let site = Site::start(1);
    std::fs::write(
        site.file(),
        "[processor]\nconfidence = 7.0\n[[camera]]\nid = 0\nuri = \"http://a/b\"\n[[camera]]\nid = 0\nuri = \"rtsp://a/b\"\n",
    )
    .expect("written");
    site.processor.signal("HUP");
    for words in [
        "processor.confidence",
        "camera[0].uri",
        "camera[1].id",
        "nothing was changed",
    ] {
        site.processor
            .err()
            .find(words, SOON, |line| line.contains(words));
    }
    site.until_events(0, 5);
    site.lost_nothing();
}

#[test]
fn the_control_socket_tells_and_applies_like_a_reload() {
    let site = Site::start(2);
    let (code, out, err) = site.control(&["status"]);
    assert_eq!(code, 0, "{err}");
    let status: Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!(status["detector"]["backend"], "scripted");
    assert_eq!(status["sources"][0]["state"], "live");
    let (code, out, _) = site.control(&["capabilities"]);
    let capabilities: Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!((code, &capabilities["roles"]), (0, &json!(["processor"])));
    assert!(
        capabilities["backends"]["tensorrt"]
            .as_str()
            .is_some_and(|word| word.contains("CUDA") || word.starts_with("ready"))
    );

    let wanted = write(
        site.dir.path(),
        "wanted.toml",
        &configuration(&site.broker, &site.cameras, &[0, 1], ""),
    );
    let (code, out, err) = site.control(&["apply", &wanted]);
    assert_eq!(code, 0, "{err}");
    let applied: Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!(applied["sources"], json!({"0": "unchanged", "1": "added"}));
    site.until_events(1, 3);
    site.lost_nothing();

    let bad = write(
        site.dir.path(),
        "bad.toml",
        "[[camera]]\nid = 0\nuri = \"gopher://a\"\n[mqtt]\nqos = 9\n",
    );
    let (code, _, err) = site.control(&["apply", &bad]);
    assert_eq!(code, 2);
    assert!(
        err.contains("camera[0].uri") && err.contains("mqtt.qos"),
        "{err}"
    );
    site.until_events(0, 3);
}

#[test]
fn a_new_model_is_loaded_beside_the_running_one_and_swapped_in() {
    let site = Site::start(1);
    let text = configuration(&site.broker, &site.cameras, &[0], "")
        .replace("\"scripted\"", "\"rten\"\nmodel = \"yolo12n-320\"");
    std::fs::write(site.file(), text).expect("written");
    site.processor.signal("HUP");
    until("an event of the new model", SOON * 2, || {
        site.events(0)
            .pop()
            .filter(|event| event["model_id"] == "yolo12n-320")
    });
    std::fs::write(
        site.file(),
        configuration(&site.broker, &site.cameras, &[0], "")
            .replace("\"scripted\"", "\"rten\"\nmodel = \"no-such-model\""),
    )
    .expect("written");
    site.processor.signal("HUP");
    site.processor.err().find("the refusal", SOON, |line| {
        line.contains("no-such-model is not installed")
    });
    site.until_events(0, 3);
}

#[test]
fn systemd_is_told_of_the_start_and_fed_until_a_stage_is_stuck() {
    let dir = tempfile::tempdir().expect("a folder");
    let socket = dir.path().join("notify");
    let systemd = UnixDatagram::bind(&socket).expect("a socket");
    let cameras = Testcam::start(&pattern_cameras(1)).expect("cameras start");
    let broker = Broker::start(Kind::Mosquitto);
    let text = configuration(&broker, &cameras, &[0], "")
        .replace("[processor]", "[processor]\nstage_limit = \"12s\"");
    let file = write(dir.path(), "nvr.toml", &text);
    let mut command = nvr();
    command
        .args(["processor", "--config", &file])
        .env("NOTIFY_SOCKET", &socket)
        .env("WATCHDOG_USEC", "2000000");
    let mut processor = Running::start(command);
    // As systemd does, it reads all the time: a full socket would hold up who writes to it.
    let told: Arc<Mutex<Vec<String>>> = Arc::default();
    let tell = told.clone();
    std::thread::spawn(move || {
        let mut buffer = [0; 512];
        while let Ok(length) = systemd.recv(&mut buffer) {
            let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
            tell.lock().expect("no panic").push(text);
        }
    });
    let told = || told.lock().expect("no panic").clone();
    let heard = |after: usize, words: &str| {
        until(words, SOON, || {
            told()[after..].iter().find(|text| text.contains(words))?;
            Some(())
        });
    };
    heard(0, "READY=1");
    heard(0, "WATCHDOG=1");
    std::fs::write(
        &file,
        text.replace("[processor]", "[processor]\nscripted_delay = \"60s\""),
    )
    .expect("written");
    processor.signal("HUP");
    let line = processor.err().find("the stuck stage", SOON * 2, |line| {
        line.contains("stage is stuck")
    });
    assert!(line.contains("detect"), "{line}");
    // It still tells its status, every ten seconds; food it got none of, but for what was under way.
    let before = told().len();
    heard(before, "STATUS=");
    let fed = told()[before..]
        .iter()
        .filter(|text| text.contains("WATCHDOG=1"))
        .count();
    assert!(fed <= 1, "a stuck process was fed {fed} times");
    processor.kill();
}

fn write(dir: &Path, name: &str, text: &str) -> String {
    let path = dir.join(name);
    std::fs::write(&path, text).expect("written");
    path.display().to_string()
}

/// What the tests above rely on: at this rate every frame can be inferred.
const _: () = assert!(PATTERN.fps <= 10.0);

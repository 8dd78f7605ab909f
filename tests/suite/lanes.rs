//! Lanes of an engine on the CPU: as many as infer the most pictures for several cameras, and one for one camera.

use std::collections::BTreeMap;
use std::time::Duration;

use nvr::media::testcam::Testcam;

use crate::support::broker::{Broker, Kind};
use crate::support::process::{Running, nvr};
use crate::support::stage::{configuration, documents, pattern_cameras};
use crate::support::tensorrt::van;
use crate::support::tiny::install;
use crate::support::wait::{SOON, until};

/// Two measurements of a second in all, and loading.
const PATIENCE: Duration = Duration::from_secs(30);

#[test]
fn lanes_are_measured_once_for_several_cameras_and_one_camera_has_one() {
    let dir = tempfile::tempdir().expect("a folder");
    let at = |name: &str| dir.path().join(name).display().to_string();
    install(&van([0.8, 0.9]), dir.path());

    let broker = Broker::start(Kind::Mosquitto);
    let cameras = Testcam::start(&pattern_cameras(2)).expect("cameras start");
    let reader = broker.observe("nvr/#");
    let write = |ids: &[usize]| {
        let engine = "\"rten\"\nmodel = \"tiny\"\nthreads = 2";
        let text = configuration(&broker, &cameras, ids, "").replace("\"scripted\"", engine);
        std::fs::write(at("nvr.toml"), text).expect("written");
    };
    write(&[0, 1]);
    let mut command = nvr();
    command
        .args(["processor", "--config", &at("nvr.toml")])
        .args(["--models-dir", &at("models")])
        .env("NVR_CACHE", at("cache"));
    let mut processor = Running::start(command);
    let loaded = |count: usize| {
        until("the model is loaded", PATIENCE, || {
            let lines = processor.err().all();
            let mut loaded = lines
                .into_iter()
                .filter(|line| line.contains("the model is loaded"));
            loaded.nth(count - 1)
        })
    };
    let first = loaded(1);
    let text = std::fs::read_to_string(at("cache/lanes.json")).expect("it is remembered");
    let kept: BTreeMap<String, usize> = serde_json::from_str(&text).expect("a map");
    let (key, lanes) = kept.first_key_value().expect("one choice");
    assert!(
        key.starts_with("tiny ") && key.contains(" | 2 threads | "),
        "{key}"
    );
    assert!((1..=2).contains(lanes), "{text}");
    assert!(first.contains(&format!("lanes={lanes}")), "{first}, {text}");
    let sees = |id: u32| {
        until(&format!("a van of source {id}"), SOON, || {
            documents(&reader, &format!("nvr/detections/{id}"))
                .into_iter()
                .find(|event| event["detections"][0]["class_name"] == "van")
        })
    };
    sees(0);
    sees(1);
    // The number of cameras decides; the choice is known.
    write(&[0]);
    processor.signal("HUP");
    let second = loaded(2);
    assert!(second.contains("lanes=1"), "{second}");
    write(&[0, 1]);
    processor.signal("HUP");
    let third = loaded(3);
    assert!(third.contains(&format!("lanes={lanes}")), "{third}");
    let lines = processor.err().all();
    let measured = lines
        .iter()
        .filter(|line| line.contains("chosen by measurement"));
    assert_eq!(measured.count(), 1, "{lines:#?}");
    processor.signal("TERM");
    assert_eq!(processor.end(SOON).code(), Some(0));
}

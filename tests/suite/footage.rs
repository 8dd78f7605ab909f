//! The main job on real input: footage of people, over real RTSP, through a real network, to a real broker, to anybody's
//! program.

use std::process::Command;

use nvr::media::testcam::{CameraOptions, Feed, TestcamOptions};
use serde_json::Value;

use crate::consumers::{Reading, consume};
use crate::support::broker::Kind;
use crate::support::footage::asset;
use crate::support::process::Running;
use crate::support::stage::Stage;
use crate::support::wait::{SOON, until};

/// Cameras that show people walking: 768×576, 10 frames a second.
fn street(count: usize) -> TestcamOptions {
    let feed = Feed::File(asset("footage/vtest.mp4"));
    TestcamOptions {
        cameras: vec![CameraOptions::new(feed); count],
        ..TestcamOptions::default()
    }
}

/// Settings under which the later `--backend` stands over the stage's own.
fn with(backend: &'static str, model: &'static str) -> [&'static str; 6] {
    [
        "--backend",
        backend,
        "--model",
        model,
        "--confidence",
        "0.3",
    ]
}

/// Persons of an event, with their track where they have one.
fn persons(event: &Value) -> Vec<&Value> {
    let detections = event["detections"].as_array().expect("a list");
    let is_person = |one: &&Value| one["class_name"] == "person";
    detections.iter().filter(is_person).collect()
}

#[test]
fn both_engines_find_and_follow_the_people_of_the_footage_through_both_brokers() {
    for (kind, backend) in [(Kind::Mosquitto, "onnxruntime"), (Kind::Ours, "rten")] {
        let stage = Stage::with(kind, &street(1), &with(backend, "yolo12n-320"));
        let events = stage.events(0, 20);
        for event in &events {
            assert_eq!(event["model_id"], "yolo12n-320");
            assert_eq!(
                (&event["frame_width"], &event["frame_height"]),
                (&768.into(), &576.into())
            );
            for person in persons(event) {
                let of = |key: &str| person["bbox"][key].as_f64().expect("a number");
                let (x, y) = (of("x"), of("y"));
                assert!(
                    (0.0..=768.0).contains(&x) && (0.0..=576.0).contains(&y),
                    "{person}"
                );
                // Those who walk here are taller than wide, and none fills the street.
                assert!(
                    of("height") > of("width") && of("height") < 300.0,
                    "{person}"
                );
            }
        }
        // At this size the network finds a third of the people, the same ones for seconds.
        let found: usize = events.iter().map(|event| persons(event).len()).sum();
        assert!(found >= events.len(), "{backend} found {found} persons");
        let tracks = |event: &Value| -> Vec<u64> {
            let ids = persons(event).into_iter();
            ids.filter_map(|one| one["tracker_id"].as_u64()).collect()
        };
        let last = tracks(events.last().expect("events"));
        let half = tracks(&events[events.len() / 2]);
        assert!(
            half.iter().any(|id| last.contains(id)),
            "{backend}: nobody of {half:?} is among {last:?}"
        );
    }
}

#[test]
fn consumers_read_thirty_seconds_of_what_the_processor_sees() {
    let stage = Stage::with(
        Kind::Mosquitto,
        &street(2),
        &with("onnxruntime", "yolo12n-320"),
    );
    stage.events(0, 1);
    stage.events(1, 1);
    let port = stage.broker.port().to_string();
    let mut jq = Command::new("sh");
    jq.args(["-c", "mosquitto_sub -p \"$1\" -t 'nvr/detections/#' -C 20 | jq -c '[.source_id, (.detections | length)]'"])
        .args(["sh", &port]);
    let mut jq = Running::start(jq);
    for report in consume(stage.broker.port(), Reading::For(30), 60) {
        assert_eq!(report.per_source.keys().collect::<Vec<_>>(), ["0", "1"]);
        assert!(report.detections > 0, "{report:?}");
    }
    assert!(jq.end(SOON).success());
    let lines = until("all of jq's lines", SOON, || {
        let lines = jq.out().all();
        (lines.len() == 20).then_some(lines)
    });
    for line in lines {
        let [source, detections]: [u64; 2] = serde_json::from_str(&line).expect("two numbers");
        assert!(source < 2 && detections < 100, "{line}");
    }
}

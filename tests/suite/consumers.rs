//! Anybody's programs read our events: Python with pydantic models of the published schema, Node with its mqtt package.

use std::path::PathBuf;
use std::process::{Command, ExitStatus};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use nvr::base::{BBox, CaptureClock, Colorimetry, FrameMeta, Size, SourceId, unix_now};
use nvr::bus::{Link, Topics};
use nvr::event::{DetectedObject, DetectionEvent, Observation};

use crate::bus::{connected, retrying_quickly, runtime, settings, start};
use crate::support::broker::{Broker, Kind};
use crate::support::process::Running;

/// What a consumer found.
#[derive(Debug, serde::Deserialize)]
pub(crate) struct Report {
    pub(crate) events: u64,
    pub(crate) detections: u64,
    pub(crate) per_source: std::collections::BTreeMap<String, u64>,
    pub(crate) errors: Vec<String>,
}

/// How long the consumers read.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Reading {
    /// For these seconds.
    For(u64),
    /// Until there are enough events, at most for these seconds.
    UntilEnough(u64),
}

/// Lets both consumers read what is published at `port` of this machine. Each has to find at least `least` events, and none
/// that is not as published.
pub(crate) fn consume(port: u16, reading: Reading, least: u64) -> [Report; 2] {
    run(port, reading, least).map(|(status, report)| {
        assert_eq!(report.errors, Vec::<String>::new());
        assert!(status.success(), "{report:?}");
        report
    })
}

fn run(port: u16, reading: Reading, least: u64) -> [(ExitStatus, Report); 2] {
    let (Reading::For(seconds) | Reading::UntilEnough(seconds)) = reading;
    let ends_early = matches!(reading, Reading::UntilEnough(_));
    let consumers = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/consumers");
    let mut python = Command::new(installed("python/bin/python"));
    python
        .arg(format!("{consumers}/consumer.py"))
        .args(["--port", &port.to_string()])
        .args(["--seconds", &seconds.to_string()])
        .args(["--least", &least.to_string()])
        .args(ends_early.then_some("--until-least"));
    let mut node = Command::new("node");
    node.arg(format!("{consumers}/consumer.js"))
        .arg(format!("mqtt://localhost:{port}"))
        .args([seconds.to_string(), least.to_string()])
        .args(ends_early.then_some("until-least"))
        .env("NODE_PATH", installed("node/node_modules"));
    [python, node].map(Running::start).map(|mut consumer| {
        let status = consumer.end(Duration::from_secs(seconds + 30));
        let (out, err) = (consumer.out().settled(), consumer.err().settled());
        let report = out.last().and_then(|line| serde_json::from_str(line).ok());
        let report = report.unwrap_or_else(|| panic!("no report: {out:?} {err:#?}"));
        (status, report)
    })
}

/// What set-up has put into the cache.
fn installed(path: &str) -> PathBuf {
    let path = nvr::base::cache_dir().join(path);
    assert!(
        path.exists(),
        "{} is missing: run `tools/setup tests`",
        path.display()
    );
    path
}

/// Publishes an event of `source`, its objects somewhere in the frame.
fn publish(link: &Link, topics: &Topics, source: SourceId, frame_id: u64) {
    let size = Size::new(1280, 720);
    let captured_unix = unix_now();
    let frame = FrameMeta {
        frame_id,
        size,
        colorimetry: Colorimetry::assumed(size),
        pts: None,
        arrival: Duration::ZERO,
        captured_unix,
        clock: CaptureClock::Ntp,
        ntp_ns: u64::try_from(captured_unix.as_nanos()).ok(),
    };
    let objects = (0..frame_id % 4).map(|number| DetectedObject {
        class_name: if number == 0 { "person" } else { "car" }.into(),
        confidence: fastrand::f32(),
        bbox: BBox {
            x: 1280.0 * fastrand::f32(),
            y: 720.0 * fastrand::f32(),
            width: 100.0 * fastrand::f32(),
            height: 100.0 * fastrand::f32(),
        },
        tracker_id: (number != 1).then_some(number),
    });
    let event = DetectionEvent::new(
        &Observation {
            source_id: source,
            frame: &frame,
            model_id: &"generator".into(),
            inference_time: Duration::from_micros(45_200),
            fps: 25.0,
            latency: Duration::from_millis(50),
            instance_id: &"box".into(),
        },
        objects.collect(),
    );
    link.publish_event(&topics.detections(source), event.to_json());
    link.publish_event(&topics.detections_postcard(source), event.to_postcard());
}

#[test]
fn python_and_node_read_what_we_publish() {
    let broker = Broker::start(Kind::Mosquitto);
    let port = broker.port();
    let runtime = runtime();
    let link = start(&runtime, retrying_quickly(settings(port)));
    connected(&link);
    let end = Arc::new(AtomicBool::new(false));
    let ended = end.clone();
    let publishing = std::thread::spawn(move || {
        let topics = Topics::new("nvr", "nvr/detections");
        // The pace of two cameras: what is published, not how long it takes, is looked at.
        for frame_id in 0.. {
            for source in 0..2 {
                publish(&link, &topics, SourceId(source), frame_id);
            }
            if ended.load(Ordering::Acquire) {
                return;
            }
            std::thread::sleep(Duration::from_millis(40));
        }
    });
    for report in consume(port, Reading::UntilEnough(30), 50) {
        assert_eq!(
            report.per_source.keys().collect::<Vec<_>>(),
            ["0", "1"],
            "and nothing of the postcard topics"
        );
        assert_eq!(report.per_source.values().sum::<u64>(), report.events);
        assert!(report.detections > 0);
    }
    end.store(true, Ordering::Release);
    publishing.join().expect("the publisher ends");
}

#[test]
fn the_consumers_find_what_is_not_as_published() {
    let broker = Broker::start(Kind::Mosquitto);
    // Retained, so that it is there whenever the consumers come.
    let payload = br#"{"source_id":0,"frame_id":1,"timestamp":"2025-10-25 10:30","detections":[]}"#;
    broker.publish("nvr/detections/0", payload, true);
    for (status, report) in run(broker.port(), Reading::UntilEnough(30), 1) {
        assert_eq!(status.code(), Some(1), "{report:?}");
        assert_eq!(report.errors.len(), 1, "{report:?}");
    }
}

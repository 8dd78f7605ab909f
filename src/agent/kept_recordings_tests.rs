//! Tests of the file beside this one: from the status of a processor and a document to the report of the box.

use serde_json::json;

use super::*;
use crate::agent::abilities::Abilities;
use crate::agent::publish::complete;
use crate::agent::reading::Reader;
use crate::control::{ProcessorStatus, Status};
use crate::fleet::{BodySources, Firmware, Keyring, Reported};

const GB: u64 = 1_000_000_000;
const DAY_S: u64 = 86_400;
const HOUR: Duration = Duration::from_secs(3600);

/// A box whose processor records.
struct Tested {
    reader: Reader,
    recordings: KeptRecordings,
    recorder: serde_json::Value,
    now: Duration,
}

impl Tested {
    fn new(dir: &Path) -> Self {
        Self {
            reader: Reader {
                device: "box-1".to_owned(),
                bodies: BodySources::of_desk(),
                abilities: Abilities::new(dir, None, dir),
            },
            recordings: KeptRecordings::open(dir),
            recorder: json!({"dir": "/srv/rec", "recordings_bytes": 300 * GB, "free_bytes": 202 * GB,
                "continuous": {"cameras": 0, "bytes": 0}, "events": {"cameras": 0, "bytes": 0}}),
            now: Duration::from_secs(100),
        }
    }

    /// A document that records so many cameras, all or events only, with these settings.
    fn document(
        &self,
        generation: u64,
        cameras: [u32; 2],
        record: serde_json::Value,
    ) -> std::sync::Arc<Candidate> {
        let [continuous, events] = cameras;
        let camera = |id: u32| {
            let mode = if id < continuous {
                "continuous"
            } else {
                "events"
            };
            json!({"id": id, "uri": format!("rtsp://10.0.0.20/{id}"), "record": mode})
        };
        let cameras: Vec<_> = (0..continuous + events).map(camera).collect();
        let body =
            json!({"record": record, "camera": cameras, "processor": {"backend": "scripted"}});
        let text =
            json!({"schema": 1, "generation": generation, "role": "processor", "processor": body});
        let none = Keyring::default();
        let checked = self
            .reader
            .received(text.to_string().as_bytes(), &none, None);
        checked.expect("a good document").0
    }

    /// Its processor runs a document for so many minutes, and records cameras that send `gb_per_day` each.
    fn run(&mut self, document: &Candidate, minutes: u64, cameras: u64, gb_per_day: u64) {
        for _ in 0..=minutes * 12 {
            let of_all = &mut self.recorder["continuous"];
            let bytes = of_all["bytes"].as_u64().expect("a number");
            let more = cameras * gb_per_day * GB / (DAY_S / 5);
            *of_all = json!({"cameras": cameras, "bytes": bytes + more});
            let status = json!({"role": "processor", "sources": [], "recorder": self.recorder});
            let status = serde_json::from_value(status).expect("a status");
            let Status::Processor(ProcessorStatus {
                recorder: Some(recorder),
                ..
            }) = status
            else {
                panic!("it records");
            };
            self.now += Duration::from_secs(5);
            self.recordings.note(&recorder, document.id(), self.now);
        }
    }

    /// What the box publishes with a document.
    fn report(&mut self, document: &Candidate) -> Reported {
        let recording = self.recordings.tell(Some(document), self.now);
        let warnings = self.recordings.warning().into_iter().collect();
        let (keys, firmware) = (Keyring::default(), Firmware::default());
        let report = Reported::default();
        let whole = complete(&report, warnings, Vec::new(), recording, &keys, &firmware);
        Reported::from_json(&whole.to_json()).expect("own JSON is good")
    }

    /// Cameras, whole GB a day, and days.
    fn told(&mut self, document: &Candidate) -> Option<(u32, u64, Option<f64>)> {
        let told = self.report(document).recording?;
        let days = told.kept_s.map(|kept| kept as f64 / DAY_S as f64);
        Some((told.cameras, told.bytes_per_day.div_ceil(GB), days))
    }
}

fn rec() -> serde_json::Value {
    json!({"dir": "/srv/rec"})
}

/// Of the days, a tenth is enough.
fn rounded(told: Option<(u32, u64, Option<f64>)>) -> Option<(u32, u64, Option<f64>)> {
    let tenths = |days: f64| (days * 10.0).round() / 10.0;
    told.map(|(cameras, rate, days)| (cameras, rate, days.map(tenths)))
}

#[test]
fn a_box_tells_for_how_many_days_a_document_keeps_its_recordings() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut tested = Tested::new(dir.path());
    let four = tested.document(1, [4, 0], rec());
    tested.run(&four, 9, 4, 40);
    assert_eq!(tested.told(&four), None, "too short");
    tested.run(&four, 2, 4, 40);
    // 300 GB of recordings and 200 GB that are free beyond min_free.
    assert_eq!(rounded(tested.told(&four)), Some((4, 160, Some(3.1))));
    assert_eq!(tested.report(&four).warnings, []);
    // A document on trial with more cameras, one with a budget, one with another disk, and one that records nothing.
    let ten = tested.document(2, [10, 0], rec());
    assert_eq!(rounded(tested.told(&ten)), Some((10, 400, Some(1.3))));
    let budget = json!({"dir": "/srv/rec", "budget": "200 GB"});
    let short = tested.document(3, [10, 0], budget);
    assert_eq!(rounded(tested.told(&short)), Some((10, 400, Some(0.5))));
    let warnings = tested.report(&short).warnings;
    assert_eq!(warnings.len(), 1);
    assert_eq!(
        (&*warnings[0].path, &*warnings[0].code),
        ("processor.record", "short-retention")
    );
    let elsewhere = tested.document(4, [4, 0], json!({"dir": "/mnt/rec"}));
    assert_eq!(rounded(tested.told(&elsewhere)), Some((4, 160, None)));
    let nothing = tested.document(5, [4, 0], json!({}));
    assert_eq!(tested.told(&nothing), None);
    // No event was measured yet.
    let events = tested.document(6, [4, 1], rec());
    assert_eq!(tested.told(&events), None);
    // After a restart, before any role has run.
    let mut again = Tested::new(dir.path());
    assert_eq!(rounded(again.told(&four)), Some((4, 160, Some(3.1))));
}

#[test]
fn an_estimate_stays_until_another_differs_by_a_tenth_and_for_an_hour() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut tested = Tested::new(dir.path());
    let four = tested.document(1, [4, 0], rec());
    tested.run(&four, 11, 4, 40);
    let first = tested.report(&four);
    assert!(first.recording.is_some());
    // Half as much again is free: too early.
    tested.recorder["free_bytes"] = (452 * GB).into();
    tested.run(&four, 0, 4, 40);
    assert_eq!(tested.report(&four), first);
    tested.now += HOUR;
    let second = tested.report(&four);
    assert_eq!(rounded(tested.told(&four)), Some((4, 160, Some(4.7))));
    assert_ne!(second, first);
    // A fifteenth more, however long.
    tested.recorder["free_bytes"] = (502 * GB).into();
    tested.run(&four, 0, 4, 40);
    tested.now += 24 * HOUR;
    assert_eq!(tested.report(&four), second);
    // Another document is told at once, and so is the former one after it.
    let five = tested.document(2, [5, 0], rec());
    assert_eq!(rounded(tested.told(&five)), Some((5, 200, Some(4.0))));
    assert_eq!(rounded(tested.told(&four)), Some((4, 160, Some(5.0))));
}

#[test]
fn a_disk_that_becomes_known_is_told_at_once() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut tested = Tested::new(dir.path());
    let four = tested.document(1, [4, 0], rec());
    let counted = tested.recorder["recordings_bytes"].take();
    tested.run(&four, 11, 4, 40);
    assert_eq!(rounded(tested.told(&four)), Some((4, 160, None)));
    tested.recorder["recordings_bytes"] = counted;
    tested.run(&four, 0, 4, 40);
    assert_eq!(rounded(tested.told(&four)), Some((4, 160, Some(3.1))));
}

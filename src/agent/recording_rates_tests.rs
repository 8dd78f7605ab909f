//! Tests of the file beside this one.

use proptest::prelude::*;

use super::*;
use crate::fleet::DocumentHash;

const GB: u64 = 1_000_000_000;
/// Bytes of a camera of 4 Mbit/s in 5 s, and in a day.
const STEP_BYTES: u64 = 2_500_000;
const DAY_BYTES: u64 = 43_200_000_000;

fn document(generation: u64) -> DocumentId {
    DocumentId {
        generation,
        sha256: DocumentHash::of(b"it"),
    }
}

/// A processor that tells its recorder every 5 s.
struct Told {
    rates: RecordingRates,
    recorder: RecorderStatus,
    document: DocumentId,
    at: Duration,
}

impl Told {
    fn new(dir: &Path) -> Self {
        Self {
            rates: RecordingRates::open(dir),
            recorder: RecorderStatus {
                dir: "/srv/rec".to_owned(),
                ..RecorderStatus::default()
            },
            document: document(1),
            at: Duration::from_secs(100),
        }
    }

    /// One that records so many cameras from the beginning.
    fn of(dir: &Path, cameras: u32) -> Self {
        let mut new = Self::new(dir);
        new.recorder.continuous.cameras = cameras;
        new.tell();
        new
    }

    fn tell(&mut self) {
        self.at += Duration::from_secs(5);
        self.rates.note(&self.recorder, &self.document, self.at);
    }

    /// Records `cameras` for so many minutes, with `bytes` of each in 5 s.
    fn record(&mut self, minutes: u64, cameras: u32, bytes: u64) {
        self.recorder.continuous.cameras = cameras;
        for _ in 0..minutes * 12 {
            self.recorder.continuous.bytes += u64::from(cameras) * bytes;
            self.tell();
        }
    }

    fn continuous(&self) -> Option<u64> {
        self.rates.measured().continuous_bytes_per_day
    }
}

#[test]
fn the_rate_is_that_of_a_camera_while_it_is_recorded() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut told = Told::of(dir.path(), 12);
    told.record(9, 12, STEP_BYTES);
    assert_eq!(told.continuous(), None, "too short");
    // Two of them are away.
    told.record(9, 10, STEP_BYTES);
    assert_eq!(told.continuous(), Some(DAY_BYTES));
    // All are.
    told.record(60, 0, 0);
    assert_eq!(told.continuous(), Some(DAY_BYTES));
    assert_eq!(told.rates.measured().events_bytes_per_day, None);
}

#[test]
fn events_are_measured_for_an_hour_with_the_time_between_them() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut told = Told::new(dir.path());
    told.recorder.events.cameras = 2;
    told.tell();
    for step in 0..720 {
        assert_eq!(told.rates.measured().events_bytes_per_day, None);
        // One camera, one minute of the hour.
        told.recorder.events.bytes += if step < 12 { STEP_BYTES } else { 0 };
        told.tell();
    }
    let expected = Some(DAY_BYTES / 120);
    assert_eq!(told.rates.measured().events_bytes_per_day, expected);
    assert_eq!(told.continuous(), None);
}

#[test]
fn the_mean_is_that_of_the_last_day() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut told = Told::of(dir.path(), 1);
    told.record(24 * 60, 1, STEP_BYTES);
    told.record(12 * 60, 1, 3 * STEP_BYTES);
    // Half of the first day, and the twelve hours after it.
    assert_eq!(told.continuous(), Some(2 * DAY_BYTES));
}

#[test]
fn another_document_begins_a_mean_and_the_former_one_counts_until_it_is_long_enough() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut told = Told::of(dir.path(), 4);
    told.record(600, 4, STEP_BYTES);
    told.document = document(2);
    told.record(9, 4, 2 * STEP_BYTES);
    assert_eq!(told.continuous(), Some(DAY_BYTES));
    told.record(2, 4, 2 * STEP_BYTES);
    assert_eq!(told.continuous(), Some(2 * DAY_BYTES));
}

#[test]
fn restarts_of_the_recorder_and_long_silences_measure_nothing() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut told = Told::of(dir.path(), 1);
    told.record(8, 1, STEP_BYTES);
    told.recorder.continuous.bytes = 7;
    told.tell();
    told.at += Duration::from_secs(61);
    told.recorder.continuous.bytes = 90 * GB;
    told.tell();
    told.record(2, 1, STEP_BYTES);
    assert_eq!(told.continuous(), Some(DAY_BYTES));
}

#[test]
fn what_is_known_lasts_and_damage_is_survived() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut told = Told::new(dir.path());
    told.recorder.recordings_bytes = Some(300 * GB);
    told.recorder.free_bytes = Some(200 * GB);
    told.tell();
    told.record(11, 1, STEP_BYTES);
    // The recorder has started again, and counts.
    told.recorder.recordings_bytes = None;
    told.recorder.continuous.bytes = 0;
    told.tell();
    told.rates.save();
    let again = RecordingRates::open(dir.path());
    assert_eq!(again.measured(), told.rates.measured());
    let expected = Measured {
        continuous_bytes_per_day: Some(DAY_BYTES),
        events_bytes_per_day: None,
        disk: Some(RecordingDisk {
            dir: "/srv/rec".into(),
            recordings_bytes: 300 * GB,
            free_bytes: Some(200 * GB),
        }),
    };
    assert_eq!(*again.measured(), expected);
    let path = dir.path().join(RATES_FILE);
    for text in ["{", r#"{"continuous_bytes_per_day": -1}"#] {
        std::fs::write(&path, text).expect("written");
        let damaged = RecordingRates::open(dir.path());
        assert_eq!(*damaged.measured(), Measured::default(), "{text}");
    }
}

fn some_cameras() -> impl Strategy<Value = RecordedCameras> {
    let bytes = prop_oneof![any::<u64>(), 0..DAY_BYTES];
    let parts = (prop_oneof![any::<u32>(), 0..4_u32], bytes);
    parts.prop_map(|(cameras, bytes)| RecordedCameras { cameras, bytes })
}

proptest! {
    /// No status of another program ends the agent.
    #[test]
    fn strange_numbers_are_survived(
        statuses in proptest::collection::vec((some_cameras(), some_cameras(), 0..100_000_u64), 0..40),
    ) {
        let dir = tempfile::tempdir().expect("a folder");
        let mut told = Told::new(dir.path());
        for (continuous, events, seconds) in statuses {
            told.recorder.continuous = continuous;
            told.recorder.events = events;
            told.at += Duration::from_secs(seconds / 1000);
            told.tell();
        }
    }
}

//! Retention by events as a recorder does it: from scenes in files, over the index, to deletions.

use super::*;
use crate::base::testing::wait_until;
use crate::record::file_key::FileKey;
use crate::record::layout::INDEX_NAME;
use crate::record::space::STEP_BYTES;
use crate::record::testing::{Camera, scene_of};

const MB: u64 = 1_000_000;
/// Some twelve recordings of 2 MB, and the reserved space of an open one.
const BUDGET_BYTES: u64 = 40 * MB;
const SOURCE: SourceId = SourceId(1);

/// A camera that sends 4 s each minute, in a new session, so that each time is a file.
struct Stage {
    dir: tempfile::TempDir,
    clock: Clock,
    camera: Camera,
    recordings: Vec<FileKey>,
}

impl Stage {
    fn new() -> Self {
        let mut camera = Camera::new();
        camera.bytes = 100_000;
        Self {
            dir: tempfile::tempdir().expect("a folder"),
            clock: Clock::by_hand(),
            camera,
            recordings: Vec::new(),
        }
    }

    /// A recorder that has counted what is there. Events count at once.
    fn start(&self) -> Recorder {
        let settings = RecordSettings {
            budget_bytes: Some(BUDGET_BYTES),
            prefer_events_after: Duration::ZERO,
            pre_roll: Duration::ZERO,
            post_roll: Duration::from_secs(1),
            ..RecordSettings::new(self.dir.path())
        };
        let recorder = Recorder::start(settings, self.clock.clone()).expect("it starts");
        wait_until(|| recorder.report().space.is_counted);
        recorder
    }

    /// Records 4 s in which objects of a class are seen, and waits until there is room for the next file.
    fn record(&mut self, recorder: &Recorder, class: Option<&str>) {
        let mode = RecordMode::Continuous {
            event_classes: Some(vec!["person".to_owned()]),
        };
        let source = recorder.source_in(SOURCE, mode);
        self.camera.session += 1;
        let start = self.camera.epoch + self.camera.at + self.camera.interval;
        let start_ms = start.as_millis() as u64;
        self.recordings.push(FileKey::new(SOURCE, start_ms, 0));
        for _ in 0..4 {
            for unit in self.camera.group(5) {
                let mut scene = scene_of(&unit);
                match class {
                    Some(class) => scene.objects[0].class_name = class.into(),
                    None => scene.objects.clear(),
                }
                let behind = unit.arrival.saturating_sub(self.clock.now());
                self.clock.advance(behind);
                source.unit(unit);
                source.scene(scene);
            }
        }
        self.camera.at += Duration::from_secs(56);
        wait_until(|| {
            let report = recorder.report();
            let room = BUDGET_BYTES.saturating_sub(report.space.recordings_bytes);
            report.queued_bytes == 0 && room > STEP_BYTES + MB / 4
        });
    }

    /// The recording that is the next to be deleted.
    fn next(&self, recorder: &Recorder) -> Option<usize> {
        let state = lock(&recorder.space.state);
        let (next, _) = state.stock.next_to_delete(self.clock.now(), 0)?;
        self.recordings.iter().position(|key| *key == next)
    }

    /// Those that are gone. Nothing is deleted meanwhile.
    fn deleted(&self) -> Vec<usize> {
        let path = |number: &usize| self.recordings[*number].path(self.dir.path());
        let mut deleted: Vec<usize> = Vec::new();
        wait_until(|| {
            let all = 0..self.recordings.len();
            // The last one may not be created yet.
            let gone = all.filter(|number| *number + 1 < self.recordings.len());
            let gone = gone.filter(|number| !path(number).exists()).collect();
            std::mem::replace(&mut deleted, gone) == deleted
        });
        deleted
    }

    /// Whether the deleted recordings are the first ones of this order. Returns their number.
    fn check(&self, order: &[usize]) -> usize {
        let deleted = self.deleted();
        let mut expected = order[..deleted.len()].to_vec();
        expected.sort_unstable();
        assert_eq!(deleted, expected);
        deleted.len()
    }
}

#[test]
fn files_without_events_go_first_also_after_a_restart() {
    let mut stage = Stage::new();
    let recorder = stage.start();
    let [person, car] = ["person", "car"].map(Some);
    for class in [person, car, person, None, person, car, person, car, car] {
        stage.record(&recorder, class);
    }
    assert_eq!(stage.deleted(), [0; 0]);
    wait_until(|| stage.next(&recorder) == Some(1));
    assert!(recorder.stop(Duration::from_secs(60)));

    let recorder = stage.start();
    // Of a camera that is not there all objects are events.
    wait_until(|| stage.next(&recorder) == Some(3));
    stage.record(&recorder, person);
    assert_eq!(stage.next(&recorder), Some(1));
    let mut order = vec![1, 3, 5, 7, 8, 0, 2, 4, 6];
    order.extend(9..30);
    let mut deleted = 0;
    while deleted < 7 {
        stage.record(&recorder, person);
        deleted = stage.check(&order);
    }
    let report = recorder.report();
    assert_eq!(report.sources[&SOURCE].dropped_groups, 0);
    assert_eq!(report.index.fault, None);
    assert!(recorder.stop(Duration::from_secs(60)));
}

#[test]
fn with_a_broken_index_the_oldest_go_first() {
    let mut stage = Stage::new();
    let index = stage.dir.path().join(INDEX_NAME);
    std::fs::create_dir(&index).expect("a folder in its place");
    let recorder = stage.start();
    wait_until(|| recorder.report().index.fault.is_some());
    let order: Vec<usize> = (0..30).collect();
    stage.record(&recorder, Some("person"));
    while stage.check(&order) < 3 {
        stage.record(&recorder, None);
    }
    let report = recorder.report();
    assert_eq!(report.sources[&SOURCE].dropped_groups, 0);
    assert!(recorder.stop(Duration::from_secs(60)));
}

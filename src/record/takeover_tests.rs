use std::collections::BTreeSet;
use std::io;
use std::path::Path;

use proptest::prelude::*;

use super::*;
use crate::base::SourceId;
use crate::media::CodedUnit;
use crate::record::mode::{EventRule, RecordMode};
use crate::record::recovery::recover;
use crate::record::report::SourceShared;
use crate::record::testing::{Camera, DIR, Rig, scene_of, times_in};

const SECOND: Duration = Duration::from_secs(1);
const NO_SPACE: i32 = 28;
const IO_ERROR: i32 = 5;
const READ_ONLY: i32 = 30;

fn failing() -> RecordingState {
    RecordingState::Failing {
        since: Duration::ZERO,
        reason: "the disk is full".to_owned(),
    }
}

fn report(state: RecordingState, dropped_groups: u64, durable_s: Option<u64>) -> SourceReport {
    SourceReport {
        state,
        dropped_groups,
        durable_until: durable_s.map(Duration::from_secs),
        ..SourceReport::default()
    }
}

/// Whether the next directory takes each group of a second, by what is told of the first.
fn taken(takeover: &mut Takeover, from_s: u64, first: &[SourceReport]) -> Vec<bool> {
    let each = first.iter().zip(from_s..);
    each.map(|(first, at)| takeover.key_frame(Duration::from_secs(at), Some(first)))
        .collect()
}

#[test]
fn the_next_directory_takes_what_comes_until_the_first_has_made_something_newer_durable() {
    use RecordingState::Recording;
    let mut takeover = Takeover::default();
    let first = [
        report(Recording, 0, Some(99)),
        report(failing(), 1, Some(99)),
        report(failing(), 2, Some(99)),
        // Durable again, but nothing that came since.
        report(Recording, 3, Some(102)),
        report(Recording, 3, Some(102)),
        report(Recording, 3, Some(103)),
        report(Recording, 3, Some(103)),
    ];
    let expected = [false, true, true, true, true, false, false];
    assert_eq!(taken(&mut takeover, 100, &first), expected);
}

#[test]
fn a_recorder_that_can_not_start_is_taken_over_from() {
    let mut takeover = Takeover::default();
    assert!(takeover.key_frame(SECOND, None));
    assert!(takeover.key_frame(2 * SECOND, None));
    let first = [
        report(RecordingState::Waiting, 0, None),
        report(RecordingState::Recording, 0, None),
        report(RecordingState::Recording, 0, Some(4)),
    ];
    assert_eq!(taken(&mut takeover, 3, &first), [true, true, false]);
}

#[test]
fn a_trial_begins_again_after_each_loss_and_each_failure() {
    use RecordingState::Recording;
    let mut takeover = Takeover::default();
    let first = [
        report(failing(), 0, None),
        report(Recording, 0, Some(10)),
        // It dropped a group, so what is durable does not tell that all before it is there.
        report(Recording, 1, Some(12)),
        report(failing(), 1, Some(12)),
        report(Recording, 1, Some(14)),
        report(Recording, 1, Some(13)),
        report(Recording, 1, Some(14)),
    ];
    let expected = [true, true, true, true, true, true, false];
    assert_eq!(taken(&mut takeover, 10, &first), expected);
}

#[test]
fn a_clock_that_is_set_back_neither_passes_a_trial_nor_makes_it_endless() {
    use RecordingState::Recording;
    let mut takeover = Takeover::default();
    let before = [
        report(failing(), 0, Some(1000)),
        report(Recording, 0, Some(1000)),
    ];
    assert_eq!(taken(&mut takeover, 1001, &before), [true, true]);
    let after = [
        report(Recording, 0, Some(1001)),
        report(Recording, 0, Some(1001)),
        report(Recording, 0, Some(500)),
    ];
    assert_eq!(taken(&mut takeover, 500, &after), [true, true, false]);
}

#[test]
fn an_armed_recording_needs_nothing_durable() {
    let mut takeover = Takeover::default();
    let first = [
        report(failing(), 0, None),
        report(RecordingState::Armed, 0, Some(1)),
        report(RecordingState::Armed, 0, Some(1)),
    ];
    assert_eq!(taken(&mut takeover, 10, &first), [true, true, false]);
}

#[test]
fn what_the_first_drops_meanwhile_is_covered_but_not_what_waited_before() {
    let mut takeover = Takeover::default();
    let of = |groups, scenes, queued, state| SourceReport {
        queued_groups: queued,
        dropped_scenes: scenes,
        ..report(state, groups, Some(1))
    };
    let covered = |takeover: &Takeover, first: &SourceReport| {
        let covered = takeover.covered(Some(first));
        (covered.groups, covered.scenes)
    };
    let well = of(5, 7, 3, RecordingState::Recording);
    takeover.key_frame(SECOND, Some(&well));
    assert_eq!(covered(&takeover, &well), (0, 0));
    takeover.key_frame(2 * SECOND, Some(&of(5, 7, 3, failing())));
    // Three waited, and are lost.
    assert_eq!(covered(&takeover, &of(8, 7, 0, failing())), (0, 0));
    assert_eq!(covered(&takeover, &of(10, 9, 0, failing())), (2, 2));
    for at in 3..=4 {
        let armed = of(12, 9, 0, RecordingState::Armed);
        takeover.key_frame(at * SECOND, Some(&armed));
    }
    assert!(!takeover.is_in_next());
    assert_eq!(
        takeover.covered(None),
        Covered {
            groups: 4,
            scenes: 2
        }
    );
    assert_eq!(covered(&takeover, &of(20, 20, 0, failing())), (4, 2));
}

/// A camera that is recorded to two disks.
struct Pair {
    first: Rig,
    next: Rig,
    camera: Camera,
    takeover: Takeover,
    /// The key frames of all groups, by capture time.
    keys: Vec<Duration>,
    /// The groups that the next one took.
    taken: Vec<bool>,
}

impl Pair {
    fn new(mode: &RecordMode) -> Self {
        let rig = || {
            let mut rig = Rig::new();
            rig.shared = std::sync::Arc::new(SourceShared::in_mode(SourceId(7), mode.clone()));
            rig
        };
        Self {
            first: rig(),
            next: rig(),
            camera: Camera::new(),
            takeover: Takeover::default(),
            keys: Vec::new(),
            taken: Vec::new(),
        }
    }

    fn give(&mut self, unit: CodedUnit, has_object: bool) {
        let now = unit.arrival;
        if unit.is_key {
            let was = self.takeover.is_in_next();
            let first = self.first.report();
            let takes = self.takeover.key_frame(unit.captured_unix, Some(&first));
            if was && !takes {
                self.next.writer.end(&self.next.shared, now);
            }
            self.keys.push(unit.captured_unix);
            self.taken.push(takes);
        }
        let scene = has_object.then(|| scene_of(&unit));
        let takes = self.takeover.is_in_next();
        for (rig, takes) in [(&mut self.first, true), (&mut self.next, takes)] {
            match takes {
                true => rig.give([unit.clone()]),
                false => rig.writer.tick(now),
            }
            if let Some(scene) = scene.clone().filter(|_| takes) {
                rig.writer.scene(&rig.shared, scene, now);
            }
        }
    }

    /// Groups of a second, of five pictures each.
    fn seconds(&mut self, seconds: usize) {
        for _ in 0..seconds {
            for unit in self.camera.group(5) {
                self.give(unit, false);
            }
        }
    }

    /// The capture times of all frames on a disk. Files that the disk did not let the writer close are closed first, as by a start.
    fn times(rig: &mut Rig) -> BTreeSet<Duration> {
        rig.disk.heal();
        rig.finish();
        recover(&rig.disk, Path::new(DIR)).expect("it works");
        let files = rig.disk.files();
        let recordings = files.iter().filter(|(path, _)| path.extension().is_some());
        let fragments = recordings.flat_map(|(_, file)| times_in(file));
        fragments.flat_map(|(frames, _)| frames).collect()
    }

    /// The numbers of the groups that are whole on neither disk, and of those that are on both.
    fn lost_and_double(&mut self) -> (Vec<usize>, Vec<usize>) {
        let now = self.camera.at;
        self.first.camera.at = now;
        self.next.camera.at = now;
        let found = [&mut self.first, &mut self.next].map(Self::times);
        let interval = self.camera.interval;
        let has = |times: &BTreeSet<Duration>, key: Duration| {
            (0..5).all(|frame| times.contains(&(key + interval * frame)))
        };
        let groups = self.keys.iter().enumerate();
        let (mut lost, mut double) = (Vec::new(), Vec::new());
        for (number, key) in groups {
            match found.each_ref().map(|times| has(times, *key)) {
                [false, false] => lost.push(number),
                [true, true] => double.push(number),
                _ => {}
            }
        }
        (lost, double)
    }
}

#[test]
fn at_a_takeover_only_what_was_being_written_is_lost_and_at_the_return_nothing() {
    for (action, errno) in [
        ("append", NO_SPACE),
        ("append", IO_ERROR),
        ("create", READ_ONLY),
        ("sync", IO_ERROR),
    ] {
        fastrand::seed(3);
        let mut pair = Pair::new(&RecordMode::default());
        pair.seconds(20);
        assert_eq!(pair.taken, [false; 20], "{action}");
        pair.first.fails_from(action, errno);
        // Files are created once a minute.
        pair.seconds(70);
        let began = pair.taken.iter().position(|taken| *taken);
        let began = began.expect("the next one takes over");
        assert!(pair.taken[began..].iter().all(|taken| *taken), "{action}");
        pair.first.disk.heal();
        pair.seconds(90);
        let returned = pair.taken.iter().rposition(|taken| *taken).expect("it was") + 1;
        assert!(returned < pair.taken.len(), "{action}: it returns");
        assert!(pair.taken[began..returned].iter().all(|taken| *taken));
        assert_eq!(pair.next.report().state, RecordingState::Waiting);
        let (lost, double) = pair.lost_and_double();
        // The group that was written, and the one that came meanwhile.
        assert!(lost.len() <= 2, "{action}: {lost:?}");
        assert!(
            lost.iter().all(|group| *group < began),
            "{action}: {lost:?}"
        );
        // Each group of the trial is on both.
        let trial = double.iter().filter(|group| **group < returned).count();
        assert!(trial >= 5, "{action}: {double:?}");
        assert!(double.contains(&(returned - 1)), "{action}: {double:?}");
    }
}

#[test]
fn an_event_while_the_first_disk_fails_is_in_the_next_directory() {
    let mode = RecordMode::Events(EventRule {
        pre_roll: 3 * SECOND,
        post_roll: 3 * SECOND,
        classes: None,
    });
    let mut pair = Pair::new(&mode);
    let event = |pair: &mut Pair| {
        for unit in pair.camera.group(5) {
            pair.give(unit, true);
        }
    };
    pair.seconds(20);
    pair.first.fails_from("create", READ_ONLY);
    event(&mut pair);
    pair.seconds(20);
    assert_eq!(pair.next.report().state, RecordingState::Armed);
    let second = pair.keys.len();
    event(&mut pair);
    pair.seconds(20);
    pair.first.disk.heal();
    pair.seconds(90);
    assert!(!pair.takeover.is_in_next());
    assert_eq!(pair.first.report().state, RecordingState::Armed);
    assert_eq!(pair.next.report().state, RecordingState::Waiting);
    let third = pair.keys.len();
    event(&mut pair);
    pair.seconds(10);
    let (lost, _) = pair.lost_and_double();
    // From three seconds before to three seconds after the frames with an object.
    for event in [second, third] {
        let lost: Vec<_> = (event - 3..=event + 3)
            .filter(|group| lost.contains(group))
            .collect();
        assert_eq!(lost, [0; 0], "{event}");
    }
}

/// Refuses operations from one to another, counted from now.
fn refuse_some(rig: &Rig, from: usize, to: usize, errno: i32) {
    let mut number = 0;
    rig.disk.refuse(move |_, _| {
        number += 1;
        (from..to)
            .contains(&(number - 1))
            .then(|| io::Error::from_raw_os_error(errno))
    });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn nothing_that_comes_after_the_last_fault_is_lost(
        seed in any::<u64>(),
        faults in prop::collection::vec((0..40usize, 1..30usize, 1..40usize, prop_oneof![Just(NO_SPACE), Just(IO_ERROR)]), 1..6),
    ) {
        fastrand::seed(seed);
        let mut pair = Pair::new(&RecordMode::default());
        pair.seconds(5);
        for (from, count, seconds, errno) in faults {
            refuse_some(&pair.first, from, from + count, errno);
            pair.seconds(seconds);
        }
        pair.first.disk.heal();
        // With the next key frame a failure is seen.
        let healed = pair.keys.len() + 1;
        pair.seconds(150);
        prop_assert!(!pair.takeover.is_in_next(), "it returns");
        let taken = pair.taken.clone();
        let (lost, _) = pair.lost_and_double();
        prop_assert!(lost.iter().all(|group| *group < healed), "{lost:?}, healed: {healed}");
        // What the next directory took is never lost.
        prop_assert!(lost.iter().all(|group| !taken[*group]), "{lost:?}");
    }
}

use super::*;
use crate::record::testing::{Camera, scene_of};

const SECOND: Duration = Duration::from_secs(1);

fn rule(classes: Option<&[&str]>) -> EventRule {
    let classes = classes.map(|classes| classes.iter().map(|&class| class.to_owned()).collect());
    EventRule {
        pre_roll: 3 * SECOND,
        post_roll: 5 * SECOND,
        classes,
    }
}

/// A gate, and the media times of what it let through, in milliseconds; `|` where the file ends.
struct Passing {
    gate: Gate,
    camera: Camera,
    shown: Vec<String>,
    lost_groups: u64,
}

impl Passing {
    fn new(classes: Option<&[&str]>) -> Self {
        Self {
            gate: Gate::new(rule(classes)),
            camera: Camera::new(),
            shown: Vec::new(),
            lost_groups: 0,
        }
    }

    fn note(&mut self, passed: Passed) {
        if passed.ends_file {
            self.shown.push("|".to_owned());
        }
        self.lost_groups += passed.lost_groups;
        for item in passed.items {
            if let Held::Unit { unit, .. } = item {
                self.shown.push((unit.pts_ns / 1_000_000).to_string());
            }
        }
    }

    fn give(&mut self, units: impl IntoIterator<Item = CodedUnit>, is_test: bool) {
        for unit in units {
            let now = unit.arrival;
            let passed = self.gate.unit(unit, false, is_test, now);
            self.note(passed);
        }
    }

    fn seconds(&mut self, seconds: usize) {
        for _ in 0..seconds {
            let group = self.camera.group(5);
            self.give(group, false);
        }
    }

    /// The frame that comes last has a person.
    fn detect(&mut self) {
        let scene = self.scene();
        let passed = self.gate.scene(scene);
        self.note(passed);
    }

    fn scene(&self) -> Scene {
        let mut camera = self.camera.clone();
        camera.at -= camera.interval;
        scene_of(&camera.other())
    }

    /// The first, the last and the number of the units that passed, of each file.
    fn files(&self) -> Vec<(String, String, usize)> {
        let files = self.shown.split(|unit| unit == "|");
        let files = files.filter(|units| !units.is_empty());
        files
            .map(|units| {
                let ends = (units.first(), units.last());
                let (first, last) = (ends.0.cloned(), ends.1.cloned());
                (
                    first.unwrap_or_default(),
                    last.unwrap_or_default(),
                    units.len(),
                )
            })
            .collect()
    }
}

fn file(first: &str, last: &str, units: usize) -> (String, String, usize) {
    (first.to_owned(), last.to_owned(), units)
}

#[test]
fn an_event_passes_with_what_came_before_and_after_it() {
    let mut passing = Passing::new(None);
    passing.seconds(20);
    assert!(passing.shown.is_empty());
    // A person in the frame of 20.0 s.
    passing.detect();
    assert!(passing.gate.is_open());
    passing.seconds(20);
    // From the key frame before 17.0 s to the one after 25.0 s.
    assert_eq!(passing.files(), [file("16200", "25000", 45)]);
    assert!(!passing.gate.is_open());
}

#[test]
fn wanted_objects_prolong_an_event() {
    let mut passing = Passing::new(Some(&["car", "person"]));
    passing.seconds(20);
    for _ in 0..4 {
        passing.detect();
        passing.seconds(5);
    }
    // After the post-roll, before the key frame that would end the file.
    passing.give([], false);
    passing.detect();
    passing.seconds(20);
    assert_eq!(passing.files(), [file("16200", "45000", 145)]);
}

#[test]
fn the_next_event_begins_where_the_last_one_ended() {
    let mut passing = Passing::new(None);
    passing.seconds(20);
    passing.detect();
    passing.seconds(7);
    assert!(!passing.gate.is_open());
    passing.detect();
    passing.seconds(10);
    assert_eq!(
        passing.files(),
        [file("16200", "25000", 45), file("25200", "32000", 35)]
    );
}

#[test]
fn other_classes_and_scenes_without_objects_are_no_events() {
    let mut passing = Passing::new(Some(&["car"]));
    passing.seconds(20);
    passing.detect();
    let mut empty = passing.scene();
    empty.objects.clear();
    assert!(!passing.gate.is_open());
    passing.gate.rule.classes = None;
    let passed = passing.gate.scene(empty);
    assert!(passed.items.is_empty() && !passing.gate.is_open());
    passing.detect();
    assert!(passing.gate.is_open());
}

#[test]
fn a_late_scene_counts_from_its_frame() {
    let mut passing = Passing::new(None);
    passing.seconds(19);
    let late = passing.scene();
    passing.seconds(2);
    let passed = passing.gate.scene(late);
    passing.note(passed);
    passing.seconds(10);
    // Of the frame of 19.0 s, which came at 21.0 s.
    assert_eq!(passing.files(), [file("15200", "24000", 45)]);
}

#[test]
fn steps_of_the_clock_shorten_no_event_and_make_none_endless() {
    for step in [3600, -3600] {
        let mut passing = Passing::new(None);
        passing.seconds(20);
        passing.detect();
        passing.seconds(2);
        let epoch = passing.camera.epoch.as_secs().saturating_add_signed(step);
        passing.camera.epoch = Duration::from_secs(epoch);
        passing.seconds(20);
        assert_eq!(passing.files(), [file("16200", "25000", 45)], "{step}");
        // A scene of before the step, after it.
        let scene = passing.scene();
        let epoch = passing.camera.epoch.as_secs().saturating_add_signed(-step);
        passing.camera.epoch = Duration::from_secs(epoch);
        passing.seconds(1);
        let passed = passing.gate.scene(scene);
        passing.note(passed);
        passing.seconds(20);
        let (_, last, _) = passing.files().remove(1);
        assert_eq!(last, "48000", "{step}");
    }
}

#[test]
fn a_test_of_the_disk_opens_it_without_an_event() {
    let mut passing = Passing::new(None);
    passing.seconds(20);
    let group = passing.camera.group(5);
    passing.give(group, true);
    let group = passing.camera.group(5);
    passing.give(group, true);
    passing.seconds(10);
    assert_eq!(passing.files(), [file("17200", "22000", 25)]);
}

#[test]
fn an_event_of_a_source_that_falls_silent_ends() {
    let mut passing = Passing::new(None);
    passing.seconds(20);
    passing.detect();
    let last = passing.camera.at;
    passing.gate.tick(true, false, last + 60 * SECOND);
    passing.gate.tick(false, false, last + 4 * SECOND);
    passing.gate.tick(false, true, last + 60 * SECOND);
    assert!(passing.gate.is_open());
    passing.gate.tick(false, false, last + 5 * SECOND);
    assert!(!passing.gate.is_open());
}

#[test]
fn it_is_armed_while_pictures_come_and_no_event_runs() {
    let mut passing = Passing::new(None);
    let (limit, armed) = (60 * SECOND, |passing: &Passing, at| {
        passing.gate.is_armed(60 * SECOND, at)
    });
    assert!(!armed(&passing, Duration::ZERO));
    passing.seconds(1);
    let at = passing.camera.at;
    assert!(armed(&passing, at) && armed(&passing, at + limit / 2));
    assert!(!armed(&passing, at + limit));
    passing.detect();
    assert!(!armed(&passing, at));
}

#[test]
fn an_event_in_a_group_that_is_too_large_counts_it_and_begins_with_the_next_one() {
    let mut passing = Passing::new(None);
    passing.camera.bytes = 5_000_000;
    let group = passing.camera.group(8);
    passing.give(group, false);
    passing.detect();
    passing.detect();
    assert_eq!((passing.lost_groups, passing.shown.len()), (1, 0));
    passing.camera.bytes = 100;
    passing.seconds(1);
    assert_eq!(passing.files(), [file("1800", "2600", 5)]);
}

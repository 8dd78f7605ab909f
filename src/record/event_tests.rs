//! Recording of events only, from units and scenes to files.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::mode::{EventRule, RecordMode};
use super::model_disk::ModelDisk;
use super::report::{RecordingState, SourceShared};
use super::scene::Scene;
use super::testing::{DIR, Rig, scene_of, times_in};
use crate::base::SourceId;
use crate::media::CodedUnit;

const SECOND: Duration = Duration::from_secs(1);

/// A camera whose persons are events, with 10 s before and after them.
fn rig_on(disk: ModelDisk) -> Rig {
    let mut rig = Rig::on(disk);
    let rule = EventRule {
        pre_roll: 10 * SECOND,
        post_roll: 10 * SECOND,
        classes: Some(vec!["person".to_owned()]),
    };
    let mode = RecordMode::Events(rule);
    rig.shared = Arc::new(SourceShared::in_mode(SourceId(7), mode));
    rig
}

fn rig() -> Rig {
    rig_on(ModelDisk::new(Path::new(DIR)))
}

/// A group of a second, and the scene of its last frame.
fn second(rig: &mut Rig) -> Scene {
    let group = rig.camera.group(5);
    let scene = scene_of(&group[4]);
    rig.give(group);
    scene
}

fn give_scene(rig: &mut Rig, scene: Scene) {
    rig.writer.scene(&rig.shared, scene, rig.camera.at);
}

/// A second with a person at its end.
fn event(rig: &mut Rig) {
    let scene = second(rig);
    give_scene(rig, scene);
}

fn unwanted(unit: &CodedUnit) -> Scene {
    let mut scene = scene_of(unit);
    scene.objects[0].class_name = "car".into();
    scene
}

fn file(start: &str, frames: u32) -> (String, u32) {
    (format!("7/2026-11-28/08/20261128T0830{start}Z.mp4"), frames)
}

#[test]
fn nothing_is_written_but_events_with_what_came_before_and_after() {
    let mut rig = rig();
    assert_eq!(rig.report().state, RecordingState::Waiting);
    rig.seconds(29);
    let report = rig.report();
    assert_eq!(report.state, RecordingState::Armed);
    assert_eq!((report.bytes, report.files), (0, 0));
    assert!(rig.disk.files().is_empty());
    // In the frame of 30.0 s.
    event(&mut rig);
    rig.seconds(2);
    assert_eq!(rig.report().state, RecordingState::Recording);
    rig.seconds(28);
    assert_eq!(rig.report().state, RecordingState::Armed);
    // From the key frame of 19.2 s until the one of 40.2 s.
    assert_eq!(rig.closed(), [file("19.323", 105)]);
    let written = rig.report().bytes;
    rig.seconds(60);
    assert_eq!(rig.report().bytes, written);
    assert_eq!(rig.report().dropped_groups, 0);
    rig.finish();
    assert_eq!(rig.closed(), [file("19.323", 105)]);
    // No mark is left.
    assert_eq!(rig.disk.files().len(), 1);
}

#[test]
fn events_that_are_close_together_are_one_file() {
    let mut rig = rig();
    rig.seconds(29);
    event(&mut rig);
    rig.seconds(5);
    event(&mut rig);
    // In the post-roll of the one before, and the last one in its last group.
    rig.seconds(8);
    event(&mut rig);
    rig.seconds(30);
    // At 30 s, 36 s and 45 s.
    assert_eq!(rig.closed(), [file("19.323", 180)]);
}

#[test]
fn between_two_events_nothing_is_lost_and_nothing_is_there_twice() {
    let mut rig = rig();
    rig.seconds(29);
    event(&mut rig);
    rig.seconds(12);
    assert_eq!(rig.report().state, RecordingState::Armed);
    event(&mut rig);
    rig.seconds(20);
    assert_eq!(rig.closed(), [file("19.323", 105), file("40.323", 65)]);
}

#[test]
fn a_long_event_has_files_of_the_usual_length() {
    let mut rig = rig();
    rig.seconds(29);
    for _ in 0..120 {
        event(&mut rig);
    }
    rig.seconds(20);
    let closed = rig.closed();
    assert_eq!(closed.len(), 3);
    assert_eq!(closed.iter().map(|(_, frames)| frames).sum::<u32>(), 700);
}

#[test]
fn scenes_of_the_pre_roll_are_in_the_fragments_of_their_frames() {
    let mut rig = rig();
    for _ in 0..30 {
        for unit in rig.camera.group(5) {
            let scene = unwanted(&unit);
            rig.give([unit]);
            give_scene(&mut rig, scene);
        }
    }
    assert!(rig.disk.files().is_empty());
    event(&mut rig);
    rig.seconds(30);
    let files = rig.disk.files();
    let times = times_in(files.values().next().expect("a file"));
    for (frames, scenes) in &times[..10] {
        assert_eq!(frames, scenes);
    }
    // The group of the event: its last frame has a person.
    assert_eq!(times[10].1, times[10].0[4..]);
    assert_eq!(times[0].0.len() * times.len(), 105);
    assert_eq!(rig.report().dropped_scenes, 0);
}

#[test]
fn sessions_and_steps_of_the_clock_while_armed_lose_nothing() {
    let mut rig = rig();
    rig.seconds(22);
    rig.camera.session = 2;
    rig.seconds(4);
    rig.camera.epoch += Duration::from_secs(3600);
    rig.seconds(3);
    event(&mut rig);
    rig.seconds(30);
    // 19.2 s to 22.0 s, to 26.0 s, and an hour later to 40.0 s.
    let later = "7/2026-11-28/09/20261128T093026.323Z.mp4".to_owned();
    assert_eq!(
        rig.closed(),
        [file("19.323", 15), file("22.323", 20), (later, 70)]
    );
    rig.camera.epoch -= Duration::from_secs(3600);
    rig.seconds(3);
    event(&mut rig);
    rig.seconds(30);
    let frames = rig.closed().into_iter().map(|(_, frames)| frames);
    // All that is held, which is 2 s more than usual.
    assert_eq!(frames.sum::<u32>(), 105 + 115);
    assert_eq!(rig.report().state, RecordingState::Armed);
}

#[test]
fn a_new_session_without_its_key_frame_is_not_held_as_the_old_one() {
    let mut rig = rig();
    rig.seconds(29);
    rig.camera.session = 2;
    let others: Vec<_> = (0..5).map(|_| rig.camera.other()).collect();
    rig.give(others);
    rig.seconds(3);
    event(&mut rig);
    rig.seconds(30);
    // 23.2 s to 29.0 s, and from 30.2 s on.
    assert_eq!(rig.closed(), [file("23.323", 30), file("30.323", 70)]);
}

#[test]
fn a_disk_that_fails_in_an_event_is_tried_until_it_takes_something() {
    let mut rig = rig();
    rig.seconds(29);
    rig.fails_from("append", 5);
    event(&mut rig);
    rig.seconds(11);
    assert!(matches!(rig.report().state, RecordingState::Failing { .. }));
    // Long after the event.
    rig.seconds(120);
    assert!(matches!(rig.report().state, RecordingState::Failing { .. }));
    let dropped = rig.report().dropped_groups;
    assert!(dropped > 0);
    rig.disk.heal();
    rig.seconds(90);
    assert_eq!(rig.report().state, RecordingState::Armed);
    let written = rig.report().bytes;
    assert!(written > 0);
    rig.seconds(60);
    assert_eq!(rig.report().bytes, written);
    let frames = |rig: &Rig| rig.closed().iter().map(|(_, frames)| frames).sum::<u32>();
    let before = frames(&rig);
    event(&mut rig);
    rig.seconds(30);
    assert_eq!(frames(&rig), before + 105);
}

#[test]
fn a_disk_that_dies_while_nothing_is_written_is_told_before_the_event() {
    let mut rig = rig();
    rig.seconds(29);
    assert_eq!(rig.report().state, RecordingState::Armed);
    rig.fails_from("append", 5);
    let told = (0..=60).find_map(|_| {
        rig.seconds(1);
        match rig.report().state {
            RecordingState::Failing { reason, .. } => Some(reason),
            _ => None,
        }
    });
    let told = told.expect("it is told within a minute");
    assert!(told.contains(".nvr-trial"), "{told}");
    // It comes back before there is an event.
    rig.disk.heal();
    rig.seconds(90);
    assert_eq!(rig.report().state, RecordingState::Armed);
    assert!(
        !rig.disk
            .files()
            .keys()
            .any(|path| path.ends_with(".nvr-trial"))
    );
}

#[test]
fn a_trial_that_a_loss_of_power_left_is_overwritten() {
    let mut rig = rig();
    rig.disk.put(&Path::new(DIR).join(".nvr-trial"), b"left");
    rig.seconds(120);
    assert_eq!(rig.report().state, RecordingState::Armed);
    assert!(rig.disk.files().is_empty());
}

#[test]
fn a_camera_that_is_silent_or_removed_has_its_event_closed() {
    let mut rig = rig();
    rig.seconds(29);
    event(&mut rig);
    rig.seconds(2);
    rig.writer.tick(rig.camera.at + 30 * SECOND);
    assert_eq!(rig.report().state, RecordingState::Recording);
    rig.writer.tick(rig.camera.at + 60 * SECOND);
    assert_eq!(rig.report().state, RecordingState::Waiting);
    rig.writer.tick(rig.camera.at + 65 * SECOND);
    assert_eq!(rig.closed(), [file("19.323", 65)]);
    rig.camera.at += 100 * SECOND;
    let later = ("7/2026-11-28/08/20261128T083317.323Z.mp4".to_owned(), 5);
    rig.seconds(5);
    assert_eq!(rig.report().state, RecordingState::Armed);
    rig.writer.tick(rig.camera.at + 60 * SECOND);
    assert_eq!(rig.report().state, RecordingState::Waiting);
    // What came before is too old for this event.
    rig.camera.at += 60 * SECOND;
    event(&mut rig);
    rig.writer.end(&rig.shared.clone(), rig.camera.at);
    rig.writer.tick(rig.camera.at + 10 * SECOND);
    assert_eq!(rig.closed(), [file("19.323", 65), later]);
}

#[test]
fn without_a_key_frame_it_waits() {
    let mut rig = rig();
    let others: Vec<_> = (0..5).map(|_| rig.camera.other()).collect();
    let scene = scene_of(&others[4]);
    rig.give(others);
    assert_eq!(rig.report().state, RecordingState::Waiting);
    // An event all the same: it begins with the first key frame.
    give_scene(&mut rig, scene);
    rig.seconds(30);
    assert_eq!(rig.closed(), [file("01.323", 50)]);
}

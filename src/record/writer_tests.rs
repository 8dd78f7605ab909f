use std::path::Path;

use super::*;
use crate::record::model_disk::ModelDisk;
use crate::record::mp4::{self, FileEnding};
use crate::record::recovery::{RecoveryOutcome, recover};
use crate::record::report::SourceReport;
use crate::record::testing::{DIR, FIRST, Rig, STARTED_UNIX, format, scene_of, times_in};

#[test]
fn units_are_found_again_byte_for_byte_with_their_times() {
    let mut rig = Rig::new();
    let mut units = rig.camera.group(3);
    units.extend(rig.camera.reordered());
    units.extend(rig.camera.reordered());
    units.extend(rig.camera.group(4));
    rig.give(units.clone());
    rig.finish();
    let content = rig.disk.content(Path::new(FIRST)).expect("it is written");
    let reading = mp4::read(&mut content.as_slice()).expect("a recording");
    assert_eq!(reading.ending, FileEnding::Closed);
    assert_eq!(reading.head.source, SourceId(7));
    assert_eq!(reading.head.started_unix, units[0].captured_unix);
    assert_eq!(reading.head.format, *units[0].format);
    let mut found = Vec::new();
    for place in &reading.fragments {
        let fragment = &content[place.offset as usize..][..place.bytes as usize];
        for frame in mp4::frames(fragment).expect("a sound fragment") {
            let data = &fragment[frame.offset as usize..][..frame.bytes as usize];
            let ms = (frame.presentation_tick + 45) / 90;
            found.push((data.to_vec(), frame.is_key, frame.captured_unix, ms));
        }
    }
    let first_ms = units[0].pts_ns as i64 / 1_000_000;
    let given = units.iter().map(|unit| {
        let ms = unit.pts_ns as i64 / 1_000_000 - first_ms;
        (unit.data.to_vec(), unit.is_key, unit.captured_unix, ms)
    });
    assert_eq!(found, given.collect::<Vec<_>>());
}

#[test]
fn what_is_written_is_counted_and_declared() {
    let mut rig = Rig::new();
    assert_eq!(rig.report(), SourceReport::default());
    let first = rig.camera.key();
    rig.give([first]);
    assert_eq!(rig.report().state, RecordingState::Waiting);
    rig.seconds(8);
    let report = rig.report();
    assert_eq!(report.state, RecordingState::Recording);
    assert_eq!(
        (report.files, report.fragments, report.dropped_groups),
        (1, 8, 0)
    );
    // Synced at 0.2 s, before the first fragment, and at 5.2 s, when the group of 4.4 s was not complete.
    assert_eq!(
        report.durable_until,
        Some(STARTED_UNIX + Duration::from_millis(4200))
    );
    rig.finish();
    let report = rig.report();
    assert_eq!(
        report.durable_until,
        Some(STARTED_UNIX + Duration::from_millis(8200))
    );
    assert_eq!(report.state, RecordingState::Waiting);
    assert_eq!(
        rig.closed(),
        [("7/2026-11-28/08/20261128T083000.323Z.mp4".to_owned(), 41)]
    );
    // No mark is left.
    assert_eq!(rig.disk.files().len(), 1);
}

#[test]
fn sessions_formats_and_clock_steps_begin_files() {
    let mut rig = Rig::new();
    rig.seconds(2);
    rig.camera.session = 2;
    rig.seconds(2);
    rig.camera.format = format(1280);
    rig.seconds(2);
    rig.camera.epoch += Duration::from_secs(3600);
    rig.seconds(2);
    rig.camera.epoch -= Duration::from_secs(7200);
    rig.seconds(2);
    rig.finish();
    let names = [
        "7/2026-11-28/07/20261128T073008.323Z.mp4",
        "7/2026-11-28/08/20261128T083000.323Z.mp4",
        "7/2026-11-28/08/20261128T083002.323Z.mp4",
        "7/2026-11-28/08/20261128T083004.323Z.mp4",
        "7/2026-11-28/09/20261128T093006.323Z.mp4",
    ];
    assert_eq!(rig.closed(), names.map(|name| (name.to_owned(), 10)));
    assert_eq!(rig.report().dropped_groups, 0);
}

#[test]
fn a_name_that_is_taken_is_never_overwritten() {
    let disk = ModelDisk::new(Path::new(DIR));
    disk.put(Path::new(FIRST), b"another file");
    let mut rig = Rig::on(disk);
    rig.seconds(2);
    // The clock goes back to the very start.
    rig.camera.epoch -= Duration::from_secs(2);
    rig.camera.session = 2;
    rig.seconds(2);
    rig.finish();
    assert_eq!(
        rig.disk.content(Path::new(FIRST)).as_deref(),
        Some(&b"another file"[..])
    );
    let names: Vec<_> = rig.disk.files().into_keys().collect();
    assert_eq!(
        names,
        [
            "/rec/7/2026-11-28/08/20261128T083000.323Z-1.mp4",
            "/rec/7/2026-11-28/08/20261128T083000.323Z-2.mp4",
            FIRST,
        ]
        .map(PathBuf::from)
    );
}

#[test]
fn rare_key_frames_and_their_absence_lose_nothing() {
    let mut rig = Rig::new();
    for _ in 0..20 {
        // Key frames 10 s apart, and once 250 s.
        let group = rig.camera.group(50);
        rig.give(group);
    }
    let group = rig.camera.group(1250);
    rig.give(group);
    let group = rig.camera.group(5);
    rig.give(group);
    rig.finish();
    let closed = rig.closed();
    assert_eq!(
        closed.iter().map(|(_, frames)| frames).sum::<u32>(),
        20 * 50 + 1250 + 5
    );
    assert_eq!(rig.report().dropped_groups, 0);
    assert!(closed.iter().any(|(_, frames)| *frames >= 1250));
}

#[test]
fn without_closing_the_next_start_closes_the_files() {
    let mut rig = Rig::new();
    rig.seconds(8);
    let disk = rig.disk.clone();
    drop(rig);
    let outcomes = recover(&disk, Path::new(DIR)).expect("it works");
    let bytes = match outcomes.as_slice() {
        [found] if found.path == Path::new(FIRST) && found.source == SourceId(7) => {
            match found.outcome {
                RecoveryOutcome::Closed { bytes } => bytes,
                _ => panic!("{found:?}"),
            }
        }
        other => panic!("{other:?}"),
    };
    assert!(bytes > 35 * 100);
    let rig = Rig::on(disk);
    // The last group was not complete.
    assert_eq!(
        rig.closed(),
        [("7/2026-11-28/08/20261128T083000.323Z.mp4".to_owned(), 35)]
    );
    assert_eq!(recover(&rig.disk, Path::new(DIR)).expect("it works"), []);
}

#[test]
fn mjpeg_is_not_recordable() {
    let mut rig = Rig::new();
    let mut other = (*format(640)).clone();
    other.codec = Codec::Mjpeg;
    rig.camera.format = Arc::new(other);
    rig.seconds(1);
    let reason = "it sends MJPEG; set it to H.264 or H.265".to_owned();
    assert_eq!(rig.report().state, RecordingState::NotRecordable { reason });
    rig.camera.format = format(640);
    rig.seconds(2);
    assert_eq!(rig.report().state, RecordingState::Recording);
}

#[test]
fn a_source_that_is_removed_or_silent_has_its_file_closed() {
    let mut rig = Rig::new();
    rig.seconds(2);
    rig.writer.end(&rig.shared.clone(), rig.camera.at);
    rig.writer.tick(rig.camera.at + Duration::from_secs(5));
    assert_eq!(rig.closed().len(), 1);
    assert_eq!(rig.disk.files().len(), 1);
    rig.shared = Arc::new(SourceShared::new(SourceId(7)));
    rig.seconds(2);
    rig.writer.tick(rig.camera.at + Duration::from_secs(60));
    assert_eq!(rig.report().state, RecordingState::Waiting);
    assert_eq!(rig.closed().len(), 2);
}

/// The times of the frames and of the scenes of each fragment of all files, in order.
fn times_of(rig: &Rig) -> Vec<(Vec<Duration>, Vec<Duration>)> {
    let files = rig.disk.files();
    let recordings = files.iter().filter(|(path, _)| path.extension().is_some());
    recordings.flat_map(|(_, file)| times_in(file)).collect()
}

#[test]
fn scenes_go_into_the_fragment_of_their_frame_or_the_next() {
    let mut rig = Rig::new();
    let mut given = Vec::new();
    for _ in 0..4 {
        let group = rig.camera.group(5);
        given.extend(group.iter().map(|unit| unit.captured_unix));
        rig.give_analysed(group);
    }
    // Of the last frame, after the first one of the next group.
    let group = rig.camera.group(5);
    let late = scene_of(&group[4]);
    rig.give(group);
    let key = rig.camera.key();
    rig.give([key]);
    rig.writer.scene(&rig.shared, late.clone(), rig.camera.at);
    rig.finish();
    let times = times_of(&rig);
    for (frames, scenes) in &times[..4] {
        assert_eq!(frames, scenes);
    }
    assert!(times[4].1.is_empty());
    assert_eq!(times[5].1, [late.captured_unix]);
    assert_eq!(rig.report().dropped_scenes, 0);
    assert_eq!(rig.closed()[0].1, 26);
}

#[test]
fn scenes_after_the_end_of_a_file_are_in_the_next_one() {
    let mut rig = Rig::new();
    let group = rig.camera.group(5);
    rig.give_analysed(group.clone());
    rig.camera.session = 2;
    let key = rig.camera.key();
    rig.give([key.clone()]);
    let late = scene_of(&group[4]);
    rig.writer.scene(&rig.shared, late.clone(), rig.camera.at);
    rig.finish();
    assert_eq!(rig.report().files, 2);
    let times = times_of(&rig);
    assert_eq!(
        times[1],
        (vec![key.captured_unix], vec![late.captured_unix])
    );
}

#[test]
fn after_a_failed_write_scenes_wait_for_the_next_file() {
    let mut rig = Rig::new();
    let group = rig.camera.group(5);
    rig.give_analysed(group);
    let mut is_first = true;
    rig.disk.refuse(move |action, path| {
        let fails = action == "append" && path == Path::new(FIRST) && !is_first;
        is_first &= action != "append";
        fails.then(|| std::io::Error::from_raw_os_error(5))
    });
    // The head is written, the fragment is not.
    let group = rig.camera.group(5);
    let lost: Vec<_> = group.iter().map(|unit| unit.captured_unix).collect();
    rig.give_analysed(group);
    assert!(matches!(rig.report().state, RecordingState::Failing { .. }));
    rig.disk.heal();
    rig.seconds(9);
    rig.finish();
    let times = times_of(&rig);
    assert!(times.iter().all(|(frames, _)| !frames.contains(&lost[0])));
    assert!(times[0].1.ends_with(&lost));
    assert_eq!(times[0].1.len(), 10);
    assert!(times[1..].iter().all(|(_, scenes)| scenes.is_empty()));
    assert_eq!(rig.report().dropped_scenes, 0);
}

#[test]
fn scenes_alone_change_nothing_and_do_not_pile_up() {
    let (mut rig, mut plain) = (Rig::new(), Rig::new());
    let scene = scene_of(&rig.camera.clone().key());
    // Nothing is known of the source yet.
    rig.writer.scene(&rig.shared, scene, rig.camera.at);
    for rig in [&mut rig, &mut plain] {
        rig.seconds(3);
        rig.writer.tick(rig.camera.at + Duration::from_secs(60));
        assert_eq!(rig.closed().len(), 1);
    }
    // An hour without a picture.
    let mut camera = rig.camera.clone();
    for _ in 0..3600 * 5 {
        let scene = scene_of(&camera.other());
        rig.writer.scene(&rig.shared, scene, rig.camera.at);
    }
    let other = Arc::new(SourceShared::new(SourceId(7)));
    rig.writer
        .scene(&other, scene_of(&camera.other()), camera.at);
    assert_eq!(rig.report(), plain.report());
    rig.seconds(2);
    rig.finish();
    let times = times_of(&rig);
    let scenes = times.iter().map(|(_, scenes)| scenes.len());
    // Of the last 10 s.
    assert_eq!(scenes.collect::<Vec<_>>(), [0, 0, 0, 51, 0]);
    assert_eq!(rig.report().dropped_groups, 0);
}

#[test]
fn too_many_scenes_of_a_fragment_are_counted_and_its_pictures_stay() {
    let mut rig = Rig::new();
    let key = rig.camera.key();
    let scene = scene_of(&key);
    rig.give([key]);
    for _ in 0..1003 {
        rig.writer.scene(&rig.shared, scene.clone(), rig.camera.at);
    }
    assert_eq!(rig.report().dropped_scenes, 3);
    // More classes than a reader accepts: the scenes have no room, the pictures do.
    for class in 0..999 {
        let mut other = scene.clone();
        other.objects = vec![other.objects[0].clone(); 2];
        other.objects[0].class_name = format!("a{class}").into();
        other.objects[1].class_name = format!("b{class}").into();
        rig.writer.scene(&rig.shared, other, rig.camera.at);
    }
    rig.finish();
    let times = times_of(&rig);
    assert_eq!((times[0].0.len(), times[0].1.len()), (1, 0));
    assert_eq!(rig.report().dropped_scenes, 3 + 999 + 1000);
    assert_eq!(rig.report().dropped_groups, 0);
}

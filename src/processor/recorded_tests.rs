use std::path::Path;

use bytes::Bytes;

use super::*;
use crate::base::testing::wait_until;
use crate::base::{BBox, CaptureClock, Clock, Colorimetry, Size, Stop};
use crate::media::{Codec, CodedFormat};
use crate::processor::directory::tests::settings;
use crate::record::list;

#[test]
fn a_scene_has_the_exact_times_of_its_frame_and_the_objects_of_its_event() {
    let bbox = BBox {
        x: 10.5,
        y: 20.0,
        width: 4.0,
        height: 8.25,
    };
    let frame = FrameMeta {
        frame_id: 9,
        size: Size::new(1920, 1080),
        colorimetry: Colorimetry::assumed(Size::new(1920, 1080)),
        pts: None,
        arrival: Duration::from_secs(5),
        captured_unix: Duration::from_nanos(1_795_854_600_123_456_789),
        clock: CaptureClock::Ntp,
        ntp_ns: Some(1_795_854_600_123_000_001),
    };
    let published = [
        DetectedObject {
            class_name: "person".into(),
            confidence: 0.75,
            bbox,
            tracker_id: Some(17),
        },
        DetectedObject {
            class_name: "car".into(),
            confidence: 0.5,
            bbox,
            tracker_id: None,
        },
    ];
    let recorded = |class_name: &str, confidence, track| SceneObject {
        class_name: class_name.into(),
        confidence,
        bbox,
        track,
    };
    let expected = Scene {
        captured_unix: Duration::from_nanos(1_795_854_600_123_456_789),
        ntp_ns: Some(1_795_854_600_123_000_001),
        frame_size: Size::new(1920, 1080),
        objects: vec![
            recorded("person", 0.75, Some(17)),
            recorded("car", 0.5, None),
        ],
    };
    assert_eq!(scene(&frame, &published), expected);
    // Analysed, and nothing found.
    assert_eq!(scene(&frame, &[]).objects, []);
}

/// A directory whose recorder is started on a thread, until `stop` is raised.
fn directory(
    dir: &Path,
    clock: &Clock,
    stop: &Stop,
) -> (Arc<Directory>, std::thread::JoinHandle<()>) {
    let directory = Arc::new(Directory::new(settings(dir), clock.clone()));
    let (running, stop) = (directory.clone(), stop.clone());
    let thread = std::thread::spawn(move || running.run(1, &stop));
    (directory, thread)
}

/// The frames in the closed recordings of a directory.
fn frames_in(dir: &Path) -> u64 {
    let mut frames = 0;
    list(dir, None, &mut |found| {
        frames += found.expect("a sound one").frames.expect("a closed one");
    })
    .expect("a directory");
    frames
}

#[test]
fn a_camera_whose_first_directory_can_not_be_made_is_recorded_to_the_next_one_until_it_can() {
    let folder = tempfile::tempdir().expect("a folder");
    // A file where the folder is to be.
    let in_the_way = folder.path().join("disk");
    std::fs::write(&in_the_way, "").expect("written");
    let dirs = [in_the_way.join("rec"), folder.path().join("next")];
    let (clock, stop) = (Clock::by_hand(), Stop::default());
    let (first, of_first) = directory(&dirs[0], &clock, &stop);
    let (next, of_next) = directory(&dirs[1], &clock, &stop);
    wait_until(|| first.refusal().is_some() && next.recorder().is_some());
    let refusal = first.refusal().expect("it can't be made");
    assert!(refusal.starts_with("can't create "), "{refusal}");
    let camera = RecordedCamera::new(
        SourceId(7),
        RecordMode::default(),
        first.clone(),
        Some(next.clone()),
    );
    let format = Arc::new(CodedFormat {
        codec: Codec::H264,
        record: Bytes::from_static(b"\x01\x64\x00\x1f\xff\xe0\x00"),
        size: Size::new(640, 480),
    });
    let is_idle = |directory: &Directory| {
        let report = directory.report();
        report.is_none_or(|report| report.queued_bytes == 0)
    };
    // Five frames, in a second. A disk that is slower than the clock would count as one that does not answer.
    let group = || {
        for number in 0..5 {
            let at = clock.now();
            camera.unit(CodedUnit {
                format: format.clone(),
                data: Bytes::from_static(b"\0\0\0\x04unit"),
                is_key: number == 0,
                session: 1,
                pts_ns: at.as_nanos() as u64,
                arrival: at,
                captured_unix: Duration::from_secs(1_795_854_600) + at,
                clock: CaptureClock::Arrival,
                ntp_ns: None,
            });
            clock.advance(Duration::from_millis(200));
        }
        wait_until(|| is_idle(&first) && is_idle(&next));
    };
    let mut groups = 0;
    while groups < 10 {
        group();
        groups += 1;
        assert!(camera.is_in_next());
    }
    std::fs::remove_file(&in_the_way).expect("removed");
    wait_until(|| first.recorder().is_some());
    wait_until(|| {
        group();
        groups += 1;
        !camera.is_in_next()
    });
    let returned = groups;
    for _ in 0..3 {
        group();
        groups += 1;
    }
    let reports = [&first, &next].map(|directory| directory.report().expect("a recorder"));
    let of = |report: &crate::record::RecordingReport| report.sources[&SourceId(7)].clone();
    assert_eq!(camera.covered(Some(&of(&reports[0]))), Covered::default());
    stop.raise();
    for thread in [of_first, of_next] {
        thread.join().expect("it ends");
    }
    let frames = dirs.each_ref().map(|dir| frames_in(dir));
    // All but the group with which it returned.
    assert_eq!(frames[1], 5 * (returned - 1));
    // Each group from the trial on: the first began before the next one ended.
    assert!(frames[0] > 5 * (groups - returned + 1), "{frames:?}");
    assert!(frames[0] <= 5 * (groups - 10), "{frames:?}");
}

#[test]
fn a_camera_with_one_directory_is_recorded_there_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let (clock, stop) = (Clock::by_hand(), Stop::default());
    let (first, thread) = directory(folder.path(), &clock, &stop);
    wait_until(|| first.recorder().is_some());
    let camera = RecordedCamera::new(SourceId(7), RecordMode::default(), first, None);
    assert!(!camera.is_in_next());
    assert_eq!(camera.covered(None), Covered::default());
    drop(camera);
    stop.raise();
    thread.join().expect("it ends");
}

use std::fs::{self, OpenOptions};
use std::io::{Read as _, Write as _};

use super::testing::{Recording, Shown, at};
use super::*;

/// Fragments of 2 s, 2 frames each, with a key frame every 4 s.
const GROUPS: &[&[Shown]] = &[
    &[(0, true), (1000, false)],
    &[(2000, false), (3000, false)],
    &[(4000, true), (5000, false)],
    &[(6000, false), (7000, false)],
];

struct Disk {
    folder: tempfile::TempDir,
    playback: Playback,
}

impl Disk {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let playback = Playback::new(folder.path().to_owned());
        Self { folder, playback }
    }

    /// Offsets of the fragments of a window of one recording, in ms.
    fn offsets(&self, recording: &Recording, from_ms: u64, to_ms: u64) -> Vec<u64> {
        let files = [recording.name.clone()];
        let found = self.playback.segments(&files, at(from_ms), at(to_ms));
        let found = found.expect("a disk").into_iter();
        found
            .flat_map(|file| file.segments)
            .map(|segment| segment.offset)
            .collect()
    }

    fn opened(&self, recording: &Recording) -> Option<(u64, bool)> {
        let opened = self.playback.open(&recording.name).expect("a disk");
        opened.map(|opened| (opened.bytes, opened.is_closed))
    }
}

#[test]
fn a_window_begins_with_the_key_frame_that_it_needs() {
    let disk = Disk::new();
    let recording = Recording::new(0, GROUPS);
    for blocks in [recording.blocks.len(), recording.blocks.len() - 1] {
        recording.write(disk.folder.path(), blocks);
        for (from, to, fragments) in [
            (0, 8000, 1..=4),
            (0, 1, 1..=1),
            (3500, 4000, 1..=2),
            (3500, 4001, 1..=3),
            (4000, 4100, 3..=3),
            (7999, 100_000, 3..=4),
        ] {
            let wanted: Vec<u64> = fragments.map(|block| recording.offset(block)).collect();
            assert_eq!(disk.offsets(&recording, from, to), wanted, "{from}–{to}");
        }
        let after = disk.offsets(&recording, 8000, 9000);
        assert!(after.is_empty(), "after its end: {after:?}");
    }
}

#[test]
fn segments_tell_bytes_and_times() {
    let disk = Disk::new();
    let recording = Recording::new(60_000, GROUPS);
    recording.write_closed(disk.folder.path());
    let files = [recording.name.clone()];
    let found = disk.playback.segments(&files, at(0), at(70_000));
    let found = found.expect("a disk");
    let [file] = found.as_slice() else {
        panic!("one file: {found:?}");
    };
    assert_eq!(file.name.stem(), "20261128T083100.123Z");
    assert_eq!(file.head_bytes, recording.blocks[0].len() as u64);
    assert_eq!(
        file.segments[2],
        Segment {
            offset: recording.offset(3),
            bytes: recording.blocks[3].len() as u64,
            first_tick: 360_000,
            ticks: 180_000,
            captured_unix: at(64_000),
            begins_with_key: true,
        }
    );
}

#[test]
fn an_open_recording_grows_and_its_torn_end_is_not_told() {
    let disk = Disk::new();
    let recording = Recording::new(0, GROUPS);
    let torn = recording.blocks[2].len() / 2;
    recording.write_bytes(disk.folder.path(), &recording.blocks[0][..40]);
    assert_eq!(disk.opened(&recording), None, "no head yet");
    recording.write(disk.folder.path(), 2);
    let mut file = OpenOptions::new()
        .append(true)
        .open(recording.name.path(disk.folder.path()))
        .expect("a file");
    let mut append = |bytes: &[u8]| file.write_all(bytes).expect("a disk");
    append(&recording.blocks[2][..torn]);
    for _ in 0..2 {
        assert_eq!(disk.offsets(&recording, 0, 8000), [recording.offset(1)]);
        assert_eq!(disk.opened(&recording), Some((recording.offset(2), false)));
    }
    append(&recording.blocks[2][torn..]);
    append(&recording.blocks[3]);
    append(&recording.blocks[4][..torn]);
    let sound = [1, 2, 3].map(|block| recording.offset(block));
    assert_eq!(disk.offsets(&recording, 0, 8000), sound);
    assert_eq!(disk.opened(&recording), Some((recording.offset(4), false)));
    append(&recording.blocks[4][torn..]);
    append(&recording.blocks[5]);
    assert_eq!(disk.offsets(&recording, 0, 8000).len(), 4);
    assert_eq!(disk.opened(&recording), Some((recording.offset(6), true)));
}

#[test]
fn what_follows_damage_is_not_told() {
    let disk = Disk::new();
    let recording = Recording::new(0, GROUPS);
    let mut bytes = recording.blocks[..5].concat();
    bytes[recording.offset(3) as usize + 100] ^= 1;
    recording.write_bytes(disk.folder.path(), &bytes);
    let sound = [1, 2].map(|block| recording.offset(block));
    assert_eq!(disk.offsets(&recording, 0, 8000), sound);
    assert_eq!(disk.opened(&recording), Some((recording.offset(3), false)));
}

#[test]
fn a_recording_of_the_same_name_that_was_replaced_is_read_anew() {
    let disk = Disk::new();
    let longer = Recording::new(0, GROUPS);
    let shorter = Recording::new(0, &GROUPS[..2]);
    for recording in [&longer, &shorter, &longer] {
        let _ = fs::remove_file(recording.name.path(disk.folder.path()));
        recording.write_closed(disk.folder.path());
        let fragments = recording.blocks.len() - 2;
        assert_eq!(disk.offsets(recording, 0, 8000).len(), fragments);
    }
}

#[test]
fn an_opened_recording_is_its_file() {
    let disk = Disk::new();
    let recording = Recording::new(0, GROUPS);
    recording.write_closed(disk.folder.path());
    let opened = disk.playback.open(&recording.name).expect("a disk");
    let mut opened = opened.expect("a file");
    assert!(opened.modified.is_some());
    let mut bytes = Vec::new();
    std::io::Seek::rewind(&mut opened.file).expect("a file");
    opened.file.read_to_end(&mut bytes).expect("a disk");
    assert_eq!(bytes, recording.blocks.concat());
}

#[test]
fn recordings_that_are_gone_or_unreadable_are_passed_over() {
    let disk = Disk::new();
    let [gone, unreadable, sound] = [0, 10_000, 20_000].map(|ms| Recording::new(ms, GROUPS));
    let path = unreadable.name.path(disk.folder.path());
    fs::create_dir_all(&path).expect("a folder in the place of a file");
    sound.write_closed(disk.folder.path());
    let names = |recordings: &[&Recording]| -> Vec<_> {
        let names = recordings.iter();
        names.map(|recording| recording.name.clone()).collect()
    };
    let segments = |files: &[_]| disk.playback.segments(files, at(0), at(30_000));
    let found = segments(&names(&[&gone, &unreadable, &sound])).expect("one is there");
    let found: Vec<_> = found.into_iter().map(|file| file.name).collect();
    assert_eq!(found, std::slice::from_ref(&sound.name));
    assert_eq!(segments(&names(&[&gone])).expect("no fault"), []);
    assert!(disk.playback.open(&gone.name).expect("no fault").is_none());
    let fault = segments(&names(&[&gone, &unreadable])).expect_err("nothing can be read");
    assert_eq!((fault.action, fault.path), ("read", path));
}

#[test]
fn frames_are_told_in_the_order_in_which_they_are_shown() {
    let disk = Disk::new();
    let first = Recording::new(
        0,
        &[
            &[(0, true), (40, false)],
            &[(80, true), (200, false), (120, false), (160, false)],
        ],
    );
    let second = Recording::new(240, &[&[(0, true), (40, false)]]);
    first.write_closed(disk.folder.path());
    second.write(disk.folder.path(), 2);
    let files = [&first, &second].map(|recording| recording.name.clone());
    let frames = |from_ms: u64, to_ms: u64| -> Vec<_> {
        let found = disk.playback.frames(&files, at(from_ms), at(to_ms));
        let found = found.expect("a disk").into_iter().map(|file| {
            let ticks = file.frames.iter().map(|frame| frame.presentation_tick);
            assert!(file.frames.iter().all(|frame| frame.scene.is_none()));
            (file.name.stem().to_owned(), ticks.collect::<Vec<_>>())
        });
        found.collect()
    };
    let (a, b) = (first.name.stem(), second.name.stem());
    assert_eq!(
        frames(80, 1000),
        [
            (a.to_owned(), vec![7200, 10_800, 14_400, 18_000]),
            (b.to_owned(), vec![0, 3600])
        ]
    );
    assert_eq!(frames(41, 121), [(a.to_owned(), vec![7200, 10_800])]);
    assert_eq!(frames(280, 281), [(b.to_owned(), vec![3600])]);
    assert_eq!(frames(281, 1000), []);
    assert_eq!(frames(200, 200), []);
}

#[test]
fn the_objects_of_a_frame_may_come_in_a_later_fragment_or_file() {
    let disk = Disk::new();
    let first = Recording::with_scenes(
        0,
        &[&[(0, true), (1000, false)], &[(2000, false), (3000, false)]],
        &[&[], &[0, 2000]],
    );
    let second = Recording::with_scenes(4000, &[&[(0, true), (1000, false)]], &[&[3000, 4000]]);
    first.write_closed(disk.folder.path());
    second.write(disk.folder.path(), 2);
    let shown = |recordings: &[&Recording], from_ms: u64, to_ms: u64| -> Vec<_> {
        let names = recordings.iter();
        let files: Vec<_> = names.map(|recording| recording.name.clone()).collect();
        let found = disk.playback.frames(&files, at(from_ms), at(to_ms));
        let frames = found.expect("a disk").into_iter();
        frames
            .flat_map(|file| file.frames)
            .map(|frame| {
                frame
                    .scene
                    .map(|scene| scene.captured_unix == frame.captured_unix)
            })
            .collect()
    };
    let analysed = Some(true);
    assert_eq!(
        shown(&[&first, &second], 0, 6000),
        [analysed, None, analysed, analysed, analysed, None]
    );
    assert_eq!(shown(&[&first, &second], 0, 1), [analysed]);
    assert_eq!(shown(&[&first, &second], 3000, 4000), [analysed]);
    assert_eq!(shown(&[&first], 3000, 4000), [None]);
}

#[test]
fn frames_beyond_the_longest_window_are_left_out() {
    let disk = Disk::new();
    let recording = Recording::new(0, &[&[(0, true)], &[(119_999, false)], &[(120_000, false)]]);
    recording.write_closed(disk.folder.path());
    let files = [recording.name.clone()];
    let found = disk.playback.frames(&files, at(0), at(1_000_000));
    let times = found.expect("a disk")[0].frames.len();
    assert_eq!(times, 2);
}

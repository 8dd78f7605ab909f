use super::super::clips;
use super::super::testing::{
    FILES, Folder, blocks, captured, groups, media, milliseconds, two_formats,
};
use crate::base::{BBox, Size};
use crate::media::{Codec, CodedUnit};
use crate::record::scene::{Scene, SceneObject};
use crate::record::testing::Camera;

use super::*;

/// A tick of 200 ms.
const STEP: u64 = 18_000;

#[test]
fn a_range_over_three_files_has_the_frames_as_they_were_recorded() {
    let folder = Folder::new();
    let mut camera = Camera::new();
    let files = [3, 3, 3].map(|count| groups(&mut camera, count));
    for file in &files {
        folder.record(file);
    }
    // From within the second group of the first file to within the second one of the third.
    let from = captured(&files[0][1][2]);
    let until = captured(&files[2][1][3]);
    let exported = folder.export(from, until).expect("an export");
    let taken = [&files[0][1..], &files[1], &files[2][..2]]
        .concat()
        .concat();
    let samples = folder.samples("gate.mp4");
    let found: Vec<Vec<u8>> = samples.iter().map(|one| one.media.clone()).collect();
    assert_eq!(found, media(&taken));
    for (number, (sample, unit)) in (0..).zip(samples.iter().zip(&taken)) {
        let expected = (
            number * STEP,
            STEP as u32,
            (number * STEP) as i64,
            unit.is_key,
        );
        let found = (
            sample.decode_tick,
            sample.ticks,
            sample.shown_tick,
            sample.is_key,
        );
        assert_eq!(found, expected);
    }
    assert_eq!(folder.names(), FILES);
    assert_eq!((exported.videos, exported.frames), (1, taken.len() as u64));
    assert_eq!(exported.first_captured, captured(&taken[0]));
    assert_eq!(exported.last_captured, captured(&taken[taken.len() - 1]));
    assert_eq!((exported.gaps, exported.damage), (vec![], vec![]));
    let manifest = folder.manifest();
    let of = |number: usize| &manifest.videos[0].recordings[number];
    let pieces: Vec<u64> = (0..3)
        .map(|number| of(number).pieces[0].fragments)
        .collect();
    assert_eq!(pieces, [2, 3, 2]);
    assert_eq!(of(0).name, "3/2026-11-28/08/20261128T083000.323Z.mp4");
    // The hash is that of the bytes in the recording.
    let recording = std::fs::read(folder.dir().join(&of(1).name)).expect("a file");
    let piece = &of(1).pieces[0];
    let bytes = &recording[piece.offset as usize..][..piece.bytes as usize];
    let hash = super::super::new_file::hash_of(&mut &*bytes)
        .expect("read")
        .1;
    assert_eq!(piece.sha256, hash);
}

#[test]
fn frames_keep_their_order_of_display() {
    let folder = Folder::new();
    let mut camera = Camera::new();
    let mut group = |_| {
        let mut units = vec![camera.key()];
        units.extend(camera.reordered());
        units
    };
    let fragments: Vec<_> = (0..3).map(&mut group).collect();
    folder.record(&fragments[..2]);
    folder.record(&fragments[2..]);
    let (first, last) = (&fragments[0][0], &fragments[2][0]);
    folder
        .export(captured(first), captured(last) + milliseconds(1))
        .expect("an export");
    let samples = folder.samples("gate.mp4");
    let shown: Vec<i64> = samples.iter().map(|one| one.shown_tick).collect();
    let step = STEP as i64;
    let expected: Vec<i64> = (0..3)
        .flat_map(|group| [0, 3, 1, 2].map(|place| (group * 4 + place) * step))
        .collect();
    assert_eq!(shown, expected);
    let found: Vec<Vec<u8>> = samples.into_iter().map(|one| one.media).collect();
    assert_eq!(found, media(fragments.iter().flatten()));
}

#[test]
fn pictures_of_encoders_keep_every_bit() {
    let h264: &[u8] = include_bytes!("../../media/clips/probe.h264");
    let h265: &[u8] = include_bytes!("../../media/clips/probe.h265");
    for (codec, stream) in [(Codec::H264, h264), (Codec::H265, h265)] {
        let folder = Folder::new();
        let at = |number| milliseconds(40 * number as u64);
        let units = clips::units(codec, Size::new(320, 240), stream, at);
        let fragments = clips::groups(&units);
        assert!(fragments.len() > 1 && units.len() > fragments.len());
        let (first, rest) = fragments.split_at(1);
        folder.record(first);
        folder.record(rest);
        let until = captured(&units[units.len() - 1]) + milliseconds(1);
        folder
            .export(captured(&units[0]), until)
            .expect("an export");
        let samples = folder.samples("gate.mp4").into_iter();
        let found: Vec<Vec<u8>> = samples.map(|one| one.media).collect();
        assert_eq!(found, media(&units));
        // The parameter sets as well.
        let record = &units[0].format.record;
        let video = folder.exported("gate.mp4");
        assert!(video.windows(record.len()).any(|bytes| bytes == record));
        assert_eq!(folder.manifest().videos[0].codec, codec.name());
    }
}

#[test]
fn the_last_frame_before_a_gap_lasts_as_long_as_the_gap() {
    let folder = Folder::new();
    let mut camera = Camera::new();
    let before = groups(&mut camera, 2);
    camera.at += milliseconds(60_000);
    let after = groups(&mut camera, 2);
    folder.record(&before);
    folder.record(&after);
    let from = captured(&before[0][0]) - milliseconds(5000);
    let end = captured(&after[1][4]) + milliseconds(200);
    let exported = folder
        .export(from, end + milliseconds(3000))
        .expect("an export");
    let samples = folder.samples("gate.mp4");
    let first = captured(&before[0][0]);
    for (sample, unit) in samples.iter().zip(before.iter().chain(&after).flatten()) {
        let since = (captured(unit) - first).as_millis() as i64;
        assert_eq!(sample.shown_tick, since * 90);
    }
    assert_eq!(samples[9].ticks, 60_200 * 90);
    let gap = captured(&before[1][4]) + milliseconds(200);
    let gaps = [
        (from, first),
        (gap, captured(&after[0][0])),
        (end, end + milliseconds(3000)),
    ];
    assert_eq!(exported.gaps, gaps);
    let manifest = folder.manifest();
    assert_eq!(manifest.gaps[1].duration_s, 60.0);
    assert_eq!(manifest.gaps[1].from, "2026-11-28T08:30:02.323Z");
    assert_eq!(manifest.videos[0].clock.len(), 1);
    assert_eq!(manifest.videos[0].duration_s, 64.0);
}

#[test]
fn another_format_begins_another_video() {
    let folder = Folder::new();
    let [first, second] = two_formats(&folder);
    let (from, until) = (
        captured(&first[0][0]),
        captured(&second[1][4]) + milliseconds(1),
    );
    let exported = folder.export(from, until).expect("an export");
    assert_eq!((exported.videos, exported.frames), (2, 20));
    for (name, units) in [("gate.mp4", &first), ("gate-2.mp4", &second)] {
        let samples = folder.samples(name).into_iter();
        let found: Vec<Vec<u8>> = samples.map(|one| one.media).collect();
        assert_eq!(found, media(units.iter().flatten()));
    }
    let manifest = folder.manifest();
    let begins: Vec<_> = manifest
        .videos
        .iter()
        .map(|one| (&*one.begins, one.width))
        .collect();
    assert_eq!(begins, [("start", 640), ("format", 1280)]);
}

#[test]
fn a_clock_that_was_set_back_begins_another_video() {
    let folder = Folder::new();
    let mut camera = Camera::new();
    let first = groups(&mut camera, 5);
    camera.epoch -= milliseconds(5500);
    let second = groups(&mut camera, 2);
    folder.record(&first);
    folder.record(&second);
    let from = captured(&second[0][0]) - milliseconds(2000);
    let exported = folder
        .export(from, from + milliseconds(60_000))
        .expect("an export");
    assert_eq!((exported.videos, exported.frames), (2, 35));
    let manifest = folder.manifest();
    assert_eq!(manifest.videos[1].begins, "clock");
}

#[test]
fn an_open_recording_is_exported_up_to_its_last_sound_fragment() {
    let folder = Folder::new();
    let mut camera = Camera::new();
    let units = groups(&mut camera, 3);
    let blocks = blocks(&units, &[]);
    let torn = [&blocks[..3].concat()[..], &blocks[3][..50]].concat();
    folder.write(&units[0][0], &torn);
    folder.mark(&units[0][0]);
    let (from, until) = (captured(&units[0][0]), captured(&units[2][4]));
    let exported = folder.export(from, until).expect("an export");
    assert_eq!((exported.frames, exported.damage), (10, vec![]));
    assert_eq!(folder.manifest().videos[0].recordings[0].state, "open");
}

#[test]
fn damage_is_left_out_up_to_the_next_key_frame_and_told() {
    let folder = Folder::new();
    let mut camera = Camera::new();
    // Of 1.2 s each.
    let mut units: Vec<_> = (0..4).map(|_| camera.group(6)).collect();
    // The third fragment is the rest of the group of the second one.
    let rest = units[1].split_off(2);
    units.insert(2, rest);
    let mut file = blocks(&units, &[]);
    let at = (file[0].len() + file[1].len()) as u64;
    file[2][200] ^= 1;
    let path = folder.write(&units[0][0], &file.concat());
    let (from, until) = (captured(&units[0][0]), captured(&units[4][5]));
    let exported = folder.export(from, until).expect("an export");
    let name = path
        .strip_prefix(folder.dir())
        .expect("in it")
        .display()
        .to_string();
    assert_eq!(exported.frames, 18);
    assert_eq!(exported.damage.len(), 1);
    assert_eq!(exported.damage[0].0, name);
    let manifest = folder.manifest();
    assert_eq!(manifest.damage[0].byte, Some(at));
    assert_eq!(manifest.gaps.len(), 1, "{:?}", manifest.gaps);
    let pieces = &manifest.videos[0].recordings[0].pieces;
    let fragments: Vec<u64> = pieces.iter().map(|piece| piece.fragments).collect();
    assert_eq!(fragments, [1, 2]);
    // The rest has its times.
    let shown: Vec<i64> = folder
        .samples("gate.mp4")
        .iter()
        .map(|one| one.shown_tick)
        .collect();
    assert_eq!(shown[6], 12 * STEP as i64);
    // Nothing but damage.
    let last = captured(&units[1][0]);
    let again = ExportRequest {
        output: folder.exports.path().join("damaged.mp4"),
        ..folder.request(last, last + milliseconds(500))
    };
    let error = export(&again, &mut |_| (), &Stop::default()).expect_err("damaged");
    assert!(matches!(error, ExportError::Damaged { .. }), "{error}");
}

#[test]
fn scenes_of_the_last_frames_are_found_in_the_fragment_after_them() {
    let folder = Folder::new();
    let mut camera = Camera::new();
    let units = groups(&mut camera, 2);
    let next = groups(&mut camera, 2);
    let scene = |unit: &CodedUnit| Scene {
        captured_unix: captured(unit),
        ntp_ns: None,
        frame_size: Size::new(640, 480),
        objects: vec![SceneObject {
            class_name: "car".into(),
            confidence: 0.75,
            bbox: BBox::from_corners(1.0, 2.0, 3.0, 4.0),
            track: None,
        }],
    };
    // The second fragment has scenes of frames of the first one, which is all that is exported, and of its own.
    let scenes = [
        scene(&units[0][3]),
        scene(&units[0][4]),
        scene(&units[1][0]),
    ];
    folder.write(&units[0][0], &blocks(&units, &scenes).concat());
    folder.record(&next);
    let (from, until) = (captured(&units[0][0]), captured(&units[0][2]));
    let exported = folder.export(from, until).expect("an export");
    assert_eq!((exported.frames, exported.analysed), (5, 2));
    let lines = String::from_utf8(folder.exported("gate.boxes.jsonl")).expect("UTF-8");
    let times: Vec<&str> = lines.lines().map(|line| &line[9..33]).collect();
    assert_eq!(
        times,
        ["2026-11-28T08:30:00.923Z", "2026-11-28T08:30:01.123Z"]
    );
    assert_eq!(folder.manifest().boxes.frames, 2);
}

use super::super::Playback;
use super::super::testing::{Recording, Shown, at, format};
use super::*;

/// Two groups of pictures with a fragment for each second, the second one with B-frames.
const GROUPS: &[&[Shown]] = &[
    &[(0, true), (500, false)],
    &[(1000, false), (1500, false)],
    &[(2000, true), (3500, false), (2500, false), (3000, false)],
];

/// The names of the units of the frame nearest to a time in ms, each with its presentation time in ms.
fn units(folder: &tempfile::TempDir, recordings: &[&Recording], ms: u64) -> Vec<(String, u128)> {
    let files: Vec<_> = recordings.iter().map(|it| it.name.clone()).collect();
    let playback = Playback::new(folder.path().to_owned());
    let found = playback.coded_frame(&files, at(ms)).expect("a disk");
    assert!(found.iter().all(|frame| frame.format == format()));
    let units = found.map_or(Vec::new(), |frame| frame.units).into_iter();
    let named = units.map(|unit| {
        let name = unit.data.strip_prefix(b"\0\0\0\x08").expect("a length");
        let name = String::from_utf8_lossy(name).into_owned();
        // Ticks are no whole milliseconds.
        (
            name,
            (unit.presentation + Duration::from_micros(50)).as_millis(),
        )
    });
    named.collect()
}

fn named(of: &[(&str, u128)]) -> Vec<(String, u128)> {
    of.iter()
        .map(|(name, ms)| ((*name).to_owned(), *ms))
        .collect()
}

#[test]
fn a_frame_comes_with_all_since_its_key_frame() {
    let folder = tempfile::tempdir().expect("a folder");
    let recording = Recording::new(0, GROUPS);
    let third = [("unit0000", 0), ("unit0500", 500), ("unit1000", 1000)];
    for blocks in [recording.blocks.len() - 1, recording.blocks.len()] {
        recording.write(folder.path(), blocks);
        let units = |ms| units(&folder, &[&recording], ms);
        assert_eq!(units(0), named(&third[..1]));
        assert_eq!(units(740), named(&third[..2]));
        assert_eq!(units(760), named(&third));
        assert_eq!(units(2000), named(&[("unit2000", 0)]));
        let shown_last = [("unit2000", 0), ("unit3500", 1500)];
        assert_eq!(units(3500), named(&shown_last));
        let between = [&shown_last[..], &[("unit2500", 500)]].concat();
        assert_eq!(units(2500), named(&between));
    }
}

#[test]
fn where_no_frame_was_captured_there_is_none() {
    let folder = tempfile::tempdir().expect("a folder");
    let first = Recording::new(0, GROUPS);
    let second = Recording::new(6000, GROUPS);
    first.write_closed(folder.path());
    second.write_closed(folder.path());
    let units = |ms| units(&folder, &[&first, &second], ms);
    // Half the time between two frames.
    assert_eq!(units(3750).len(), 2);
    assert_eq!(units(3751), []);
    assert_eq!(units(5749), []);
    assert_eq!(units(5750), named(&[("unit0000", 0)]));
    assert_eq!(units(100_000), []);
}

#[test]
fn a_damaged_recording_has_the_frames_that_do_not_need_the_damaged_part() {
    let folder = tempfile::tempdir().expect("a folder");
    let recording = Recording::new(0, GROUPS);
    let mut bytes = recording.blocks.concat();
    bytes[recording.offset(1) as usize + 100] ^= 1;
    recording.write_bytes(folder.path(), &bytes);
    let units = |ms| units(&folder, &[&recording], ms);
    assert_eq!(units(0), []);
    assert_eq!(units(1500), []);
    assert_eq!(units(2000), named(&[("unit2000", 0)]));
}

#[test]
fn a_frame_that_needs_too_much_is_replaced_by_its_key_frame() {
    let folder = tempfile::tempdir().expect("a folder");
    let group = |frames: u64| -> Vec<Shown> { (0..frames).map(|it| (it, it == 0)).collect() };
    let (most, more) = (group(MOST_FRAMES), group(MOST_FRAMES + 1));
    for (group, wanted) in [(&most, most.len()), (&more, 1)] {
        let recording = Recording::new(0, &[group.as_slice()]);
        recording.write_closed(folder.path());
        let last = group.len() as u64 - 1;
        assert_eq!(units(&folder, &[&recording], last).len(), wanted);
    }
    let place = |bytes, begins_with_key| FragmentPlace {
        offset: 0,
        bytes,
        sequence: 1,
        first_tick: 0,
        ticks: 1,
        captured_unix: Duration::ZERO,
        frames: 50,
        begins_with_key,
    };
    let mut places = [place(MOST_BYTES - 1, true), place(1, false)];
    assert_eq!(within_bounds(&places, 7), (&places[..], 7));
    places[1].bytes += 1;
    assert_eq!(within_bounds(&places, 7), (&places[..1], 0));
}

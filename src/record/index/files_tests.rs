use std::io::ErrorKind;
use std::path::Path;

use super::*;
use crate::base::SourceId;
use crate::record::index::testing::write_recording;

fn key(source: u32) -> FileKey {
    FileKey::new(SourceId(source), 1_795_854_600_123, 0)
}

fn open(dir: &Path, key: FileKey) -> LocalFile {
    let files = LocalFiles {
        dir: dir.to_owned(),
    };
    files.open(key).expect("a file")
}

#[test]
fn a_closed_file_is_known_by_head_and_tail() {
    let dir = tempfile::tempdir().expect("a folder");
    write_recording(dir.path(), key(1), 3, true);
    let mut file = open(dir.path(), key(1));
    let outline = file.outline().expect("an outline");
    let fragments = outline.fragments.clone().expect("a tail");
    assert_eq!(fragments.len(), 3);
    assert_eq!(outline.head_bytes, fragments[0].offset);
    assert_eq!(outline.bytes, file.file.metadata().expect("a file").len());
    assert_eq!(
        (outline.codec, outline.size),
        (Codec::H265, Size::new(1280, 720))
    );
    // In any order.
    for place in fragments.iter().rev() {
        let part = file.fragment(outline.id, place.offset, place.sequence);
        let part = part.expect("a fragment");
        let end_tick = place.first_tick + place.ticks;
        let at_ms = part.scenes[0].captured_unix.as_millis() as u64;
        let expected_ms = key(1).start_ms() + place.first_tick / 90;
        assert_eq!((part.scenes.len(), at_ms), (1, expected_ms));
        assert_eq!(
            (part.bytes, part.frames, part.end_tick),
            (place.bytes, 2, end_tick)
        );
    }
}

#[test]
fn listed_scenes_are_read_without_media_until_something_differs() {
    let dir = tempfile::tempdir().expect("a folder");
    write_recording(dir.path(), key(1), 4, true);
    let path = key(1).path(dir.path());
    let mut bytes = std::fs::read(&path).expect("a file");
    let mut file = open(dir.path(), key(1));
    let outline = file.outline().expect("an outline");
    let places = outline.fragments.expect("a tail");
    let scenes = |part: Result<ListedPart, ReadError>| part.map(|part| part.scenes.len()).ok();
    let whole = |file: &mut LocalFile, place: &FragmentPlace| {
        let part = file.fragment(outline.id, place.offset, place.sequence);
        part.map(|part| part.scenes.len()).ok()
    };
    // The media of the first and the last fragment, and the head of the second one.
    let media = |place: &FragmentPlace| {
        let fragment = &bytes[place.offset as usize..];
        let found = fragment.windows(4).position(|four| four == b"mdat");
        place.offset as usize + found.expect("media") + 6
    };
    let damaged = [
        media(&places[0]),
        places[1].offset as usize + 30,
        media(&places[3]),
    ];
    for at in damaged {
        bytes[at] ^= 1;
    }
    std::fs::write(&path, &bytes).expect("a file");
    let mut file = open(dir.path(), key(1));
    let found: Vec<_> = places
        .iter()
        .map(|place| scenes(file.listed(outline.id, place)))
        .collect();
    assert_eq!(found, [Some(1), None, Some(1), None]);
    assert!(file.is_suspect);
    let found: Vec<_> = places.iter().map(|place| whole(&mut file, place)).collect();
    assert_eq!(found, [None, None, Some(1), None]);
}

#[test]
fn an_open_file_has_fragments_up_to_its_torn_end() {
    let dir = tempfile::tempdir().expect("a folder");
    write_recording(dir.path(), key(1), 2, false);
    let mut file = open(dir.path(), key(1));
    let outline = file.outline().expect("an outline");
    assert!(outline.fragments.is_none());
    let first = file.fragment(outline.id, outline.head_bytes, 1);
    let at = outline.head_bytes + first.expect("a fragment").bytes;
    let second = file.fragment(outline.id, at, 2).expect("a fragment");
    assert_eq!(at + second.bytes, outline.bytes);
    let writing = File::options().write(true).open(key(1).path(dir.path()));
    let writing = writing.expect("a file");
    writing.set_len(outline.bytes - 1).expect("a torn file");
    let torn = file.fragment(outline.id, at, 2);
    assert!(matches!(torn, Err(ReadError::Damaged { .. })), "{torn:?}");
}

#[test]
fn the_list_has_all_recordings_and_nothing_else() {
    let dir = tempfile::tempdir().expect("a folder");
    for source in [1, 2] {
        write_recording(dir.path(), key(source), 1, true);
    }
    std::fs::write(dir.path().join("1/notes.txt"), "x").expect("a file");
    let files = LocalFiles {
        dir: dir.path().to_owned(),
    };
    let mut listing = files.list(&Stop::default()).expect("no stop");
    listing.keys.sort_unstable();
    assert_eq!(listing.keys, [key(1), key(2)]);
    assert_eq!(listing.fault, None);
    let stop = Stop::default();
    stop.raise();
    assert!(files.list(&stop).is_none());
}

#[test]
fn a_file_that_is_gone_is_not_found() {
    let dir = tempfile::tempdir().expect("a folder");
    let files = LocalFiles {
        dir: dir.path().to_owned(),
    };
    let error = files.open(key(1)).expect_err("no file");
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

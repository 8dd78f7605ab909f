//! The list of a folder: its order, gaps and states, and files that it can't read.

use super::*;

#[test]
fn a_list_has_recordings_by_source_and_time_with_gaps() {
    let folder = Folder::new();
    let mut camera = Camera::new();
    let mut starts = Vec::new();
    // The next begins at once, then 0.9 s later, then 12.3 s later.
    for pause in [0, 900, 12_300] {
        camera.at += Duration::from_millis(pause);
        let units = camera.group(5);
        starts.push(units[0].captured_unix);
        let path = Place::new(SourceId(7), units[0].captured_unix, 0).path(Path::new(""));
        folder.write(&path.to_string_lossy(), &blocks(7, &[units]).concat());
    }
    let of_12 = blocks(12, &[Camera::new().group(1)]).concat();
    folder.write(&NAME.replace("7/2026", "12/2026"), &of_12);
    let listed = folder.recordings();
    let order = |one: &ListedRecording| (one.source.0, one.started_unix, one.gap);
    let order: Vec<_> = listed.iter().map(order).collect();
    let gap = Some(Duration::from_millis(12_300));
    let expected = [
        (7, starts[0], None),
        (7, starts[1], None),
        (7, starts[2], gap),
        (12, starts[0], None),
    ];
    assert_eq!(order, expected);
    let first = ListedRecording {
        path: folder.path(NAME),
        source: SourceId(7),
        gap: None,
        started_unix: starts[0],
        ended_unix: Some(starts[0] + Duration::from_secs(1)),
        duration: Some(Duration::from_secs(1)),
        frames: Some(5),
        codec: Codec::H264,
        size: Size::new(640, 480),
        bytes: fs::metadata(folder.path(NAME)).expect("a file").len(),
        state: ListedState::Closed,
    };
    assert_eq!(listed[0], first);
}

#[test]
fn a_list_tells_open_from_not_closed() {
    let folder = Folder::new();
    let state = |file: &[u8]| {
        folder.write(NAME, file);
        let one = folder.recordings().remove(0);
        (one.state, one.frames, one.duration.is_some())
    };
    let not_closed = (ListedState::NotClosed, None, false);
    assert_eq!(state(&usual()[..3].concat()), not_closed);
    let mut camera = Camera::new();
    camera.at = Duration::from_secs(60);
    let other = blocks(7, &[camera.group(5), camera.group(5)]);
    let with_tail_of_other = [&usual()[..3], &other[3..]].concat().concat();
    assert_eq!(state(&with_tail_of_other), not_closed);
    folder.mark();
    let open = (ListedState::Open, Some(FRAMES), true);
    assert_eq!(state(&usual()[..3].concat()), open);
}

#[test]
fn a_list_goes_on_after_a_file_without_a_head() {
    let folder = Folder::new();
    let path = folder.write(&NAME.replace("323", "100"), b"\0\0\0\0\0\0\0\0");
    folder.write(NAME, &usual().concat());
    let listed = folder.listed();
    let reason = "zeros in the place of a box".to_owned();
    let damaged = finding(&path, Some(0), FindingKind::Damaged, reason);
    assert_eq!(listed[0], Err(damaged));
    assert!(matches!(&listed[1..], [Ok(_)]), "{listed:?}");
}

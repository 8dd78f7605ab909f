use super::*;

/// A fragment of so many ticks from a tick on, captured at that tick after 08:30.
fn fragment(offset: u64, first_tick: u64, ticks: u64, begins_with_key: bool) -> FragmentRange {
    FragmentRange {
        offset,
        bytes: 100,
        first_tick,
        ticks,
        captured_unix: Duration::from_millis(1_795_854_600_123 + first_tick / 90),
        begins_with_key,
    }
}

fn file(file: &str, fragments: Vec<FragmentRange>) -> FileSegments {
    FileSegments {
        file: file.to_owned(),
        head_bytes: 800,
        fragments,
    }
}

fn made(files: &[FileSegments]) -> String {
    playlist(SourceId(3), files).expect("a playlist")
}

#[test]
fn groups_of_pictures_are_segments_of_their_files() {
    let files = [
        file(
            "20261128T083000.123Z",
            vec![
                fragment(800, 0, 180_000, true),
                fragment(900, 180_000, 180_000, false),
                fragment(1000, 360_000, 90_001, true),
            ],
        ),
        file(
            "20261128T083005.123Z",
            vec![fragment(800, 0, 180_000, true)],
        ),
    ];
    let wanted = "\
#EXTM3U
#EXT-X-VERSION:7
#EXT-X-TARGETDURATION:4
#EXT-X-MEDIA-SEQUENCE:0
#EXT-X-PLAYLIST-TYPE:VOD
#EXT-X-INDEPENDENT-SEGMENTS
#EXT-X-MAP:URI=\"media.mp4?source=3&file=20261128T083000.123Z\",BYTERANGE=\"800@0\"
#EXT-X-PROGRAM-DATE-TIME:2026-11-28T08:30:00.123Z
#EXTINF:4.000000,
#EXT-X-BYTERANGE:200@800
media.mp4?source=3&file=20261128T083000.123Z
#EXT-X-PROGRAM-DATE-TIME:2026-11-28T08:30:04.123Z
#EXTINF:1.000011,
#EXT-X-BYTERANGE:100@1000
media.mp4?source=3&file=20261128T083000.123Z
#EXT-X-DISCONTINUITY
#EXT-X-MAP:URI=\"media.mp4?source=3&file=20261128T083005.123Z\",BYTERANGE=\"800@0\"
#EXT-X-PROGRAM-DATE-TIME:2026-11-28T08:30:00.123Z
#EXTINF:2.000000,
#EXT-X-BYTERANGE:100@800
media.mp4?source=3&file=20261128T083005.123Z
#EXT-X-ENDLIST
";
    assert_eq!(made(&files), wanted);
}

#[test]
fn a_silence_within_a_file_is_a_discontinuity() {
    let after = |silence: u64| {
        let fragments = vec![
            fragment(800, 0, 90_000, true),
            fragment(900, 90_000 + silence, 90_000, true),
        ];
        let text = made(&[file("20261128T083000.123Z", fragments)]);
        text.matches("#EXT-X-DISCONTINUITY\n").count()
    };
    assert_eq!([0, 45_000, 45_001].map(after), [0, 0, 1]);
}

#[test]
fn a_silence_within_a_group_makes_it_longer() {
    let fragments = vec![
        fragment(800, 0, 90_000, true),
        fragment(900, 900_000, 90_000, false),
    ];
    let text = made(&[file("20261128T083000.123Z", fragments)]);
    assert!(
        text.contains("#EXTINF:11.000000,\n#EXT-X-BYTERANGE:200@800\n"),
        "{text}"
    );
    assert!(text.contains("#EXT-X-TARGETDURATION:11\n"), "{text}");
}

#[test]
fn no_duration_exceeds_the_target_when_rounded() {
    let target = |ticks| {
        let text = made(&[file(
            "20261128T083000.123Z",
            vec![fragment(800, 0, ticks, true)],
        )]);
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix("#EXT-X-TARGETDURATION:"));
        line.and_then(|line| line.parse().ok()).unwrap_or(0)
    };
    let targets = [1, 90_000, 134_999, 135_000, 180_000].map(target);
    assert_eq!(targets, [1, 1, 1, 2, 2]);
}

#[test]
fn pictures_before_the_first_key_frame_are_left_out() {
    let late = vec![
        fragment(800, 0, 90_000, false),
        fragment(900, 90_000, 90_000, true),
    ];
    let text = made(&[file("20261128T083000.123Z", late)]);
    assert!(
        text.contains("#EXT-X-BYTERANGE:100@900\n") && !text.contains("@800\n"),
        "{text}"
    );
    let none = vec![fragment(800, 0, 90_000, false)];
    assert_eq!(
        playlist(SourceId(3), &[file("20261128T083000.123Z", none.clone())]),
        None
    );
    assert_eq!(playlist(SourceId(3), &[]), None);
    // A file without a group leaves no discontinuity.
    let files = [
        file("20261128T083000.123Z", none),
        file("20261128T083010.123Z", vec![fragment(800, 0, 90_000, true)]),
    ];
    assert!(!made(&files).contains("DISCONTINUITY"));
}

#[test]
fn a_time_has_milliseconds_and_is_in_utc() {
    assert_eq!(shown_time(Duration::ZERO), "1970-01-01T00:00:00.000Z");
    let time = Duration::from_micros(1_795_854_600_000_999);
    assert_eq!(shown_time(time), "2026-11-28T08:30:00.000Z");
    assert_eq!(shown_time(Duration::MAX), "9999-12-30T22:00:00.999Z");
}

use super::*;
use crate::base::SourceId;
use crate::web::recorder::FrameScene;

const START_MS: u64 = 1_795_854_600_000;
/// Ticks of a second.
const SECOND: u64 = 90_000;

fn event(track: u64, from_s: u64, to_s: u64, confidence: f32) -> Event {
    Event {
        source_id: SourceId(3),
        track,
        class: "person".to_owned(),
        from_ms: from_s * 1000,
        to_ms: to_s * 1000,
        confidence,
        best_ms: from_s * 1000 + 500,
    }
}

fn list(events: &[Event], truncated: bool) -> EventList {
    EventList {
        events: events.to_vec(),
        truncated,
        classes: events.iter().map(|event| event.class.clone()).collect(),
    }
}

/// Track, begin and end of each event in seconds.
fn shown(events: &[Event]) -> Vec<(u64, u64, u64)> {
    let each = events.iter();
    each.map(|event| (event.track, event.from_ms / 1000, event.to_ms / 1000))
        .collect()
}

/// A fragment of a file: its second since the start, its length in ticks, and whether it begins a group.
type Shown = (u64, u64, bool);

/// A part of a file whose fragments have 100 bytes and follow one another.
fn part(file: &str, fragments: &[Shown]) -> FileSegments {
    let fragments = fragments.iter().enumerate();
    let fragments = fragments.map(|(index, &(at, ticks, begins_with_key))| FragmentRange {
        offset: 700 + 100 * index as u64,
        bytes: 100,
        first_tick: at * SECOND,
        ticks,
        captured_unix: Duration::from_millis(START_MS + at * 1000),
        begins_with_key,
    });
    FileSegments {
        file: file.to_owned(),
        head_bytes: 700,
        fragments: fragments.collect(),
    }
}

/// Groups of two seconds from one second to another.
fn file(name: &str, from: u64, to: u64) -> FileSegments {
    let groups: Vec<Shown> = (from..to)
        .step_by(2)
        .map(|at| (at, 2 * SECOND, true))
        .collect();
    part(name, &groups)
}

/// The file and the seconds of each part.
fn played(parts: &[FileSegments]) -> Vec<(String, Vec<u64>)> {
    let seconds = |part: &FileSegments| {
        let fragments = part.fragments.iter();
        fragments
            .map(|it| (it.captured_unix.as_millis() as u64 - START_MS) / 1000)
            .collect()
    };
    let each = parts.iter();
    each.map(|part| (part.file.clone(), seconds(part)))
        .collect()
}

fn expected(parts: &[(&str, &[u64])]) -> Vec<(String, Vec<u64>)> {
    let each = parts.iter();
    each.map(|(file, seconds)| ((*file).to_owned(), seconds.to_vec()))
        .collect()
}

#[test]
fn a_directory_that_can_not_be_read_does_not_hide_the_other_one() {
    let fault = |reason: &str| Err(ViewError::Unreadable(reason.to_owned()));
    let sum = |answers: [Result<u32, ViewError>; 2]| {
        joined(answers, |one, other| one + other).map_err(|error| error.to_string())
    };
    assert_eq!(sum([Ok(1), Ok(2)]), Ok(3));
    assert_eq!(sum([fault("a"), Ok(2)]), Ok(2));
    assert_eq!(sum([Ok(1), fault("b")]), Ok(1));
    assert_eq!(sum([fault("a"), fault("b")]), Err("a".to_owned()));
    let only = joined([Ok(1)], |one, other| one + other);
    assert_eq!(only.expect("an answer"), 1);
}

#[test]
fn times_of_both_directories_are_joined() {
    let of = |recorded: &[(u64, u64)], events: &[Event]| Timeline {
        recorded: recorded.to_vec(),
        events: events.to_vec(),
        truncated: false,
    };
    let first = of(
        &[(0, 10_000), (30_000, 60_000)],
        &[event(1, 1, 4, 0.5), event(2, 31, 40, 0.5)],
    );
    let next = of(
        &[(10_900, 20_000), (25_000, 40_000), (70_000, 71_000)],
        &[event(2, 26, 33, 0.5)],
    );
    let both = timelines(first, next, 10);
    assert_eq!(
        both.recorded,
        [(0, 20_000), (25_000, 60_000), (70_000, 71_000)]
    );
    assert_eq!(shown(&both.events), [(1, 1, 4), (2, 26, 40)]);
    assert!(!both.truncated);
}

#[test]
fn an_event_that_both_have_a_part_of_is_one() {
    let first = list(&[event(7, 100, 120, 0.5), event(1, 10, 20, 0.9)], false);
    let next = list(
        &[
            event(7, 118, 140, 0.8),
            // Another object: it was away for too long, or has another class or track.
            event(1, 31, 35, 0.5),
            event(2, 12, 18, 0.5),
        ],
        false,
    );
    let both = event_lists(first, next, 10);
    assert_eq!(
        shown(&both.events),
        [(7, 100, 140), (1, 31, 35), (2, 12, 18), (1, 10, 20)]
    );
    // When it was recognised best.
    assert_eq!(
        (both.events[0].confidence, both.events[0].best_ms),
        (0.8, 118_500)
    );
    assert_eq!(both.classes, ["person"]);
    assert!(!both.truncated);
}

#[test]
fn a_truncated_list_hides_what_lies_before_its_end() {
    let first = || list(&[event(5, 50, 51, 0.5), event(4, 40, 41, 0.5)], true);
    let next = || list(&[event(3, 45, 46, 0.5), event(2, 30, 31, 0.5)], false);
    let both = event_lists(first(), next(), 10);
    assert_eq!(shown(&both.events), [(5, 50, 51), (3, 45, 46), (4, 40, 41)]);
    assert!(both.truncated);
    let both = event_lists(first(), next(), 2);
    assert_eq!(shown(&both.events), [(5, 50, 51), (3, 45, 46)]);
    assert!(both.truncated);
    let complete = EventList {
        truncated: false,
        ..first()
    };
    let both = event_lists(complete, next(), 3);
    assert_eq!(shown(&both.events), [(5, 50, 51), (3, 45, 46), (4, 40, 41)]);
    assert!(both.truncated);
}

#[test]
fn what_both_have_is_played_once_from_the_first_directory() {
    // It failed after 8 s; at 30 s it recorded again, and both did until 36 s.
    let first = vec![file("a", 0, 8), file("c", 30, 40)];
    let next = vec![file("b~next", 10, 36)];
    let middle: Vec<u64> = (10..30).step_by(2).collect();
    assert_eq!(
        played(&segments(first, next)),
        expected(&[
            ("a", &[0, 2, 4, 6]),
            ("b~next", &middle),
            ("c", &[30, 32, 34, 36, 38]),
        ])
    );
}

#[test]
fn a_gap_within_a_file_is_filled_from_the_next_directory() {
    // The disk hung, and what had no room is missing.
    let first = part(
        "a",
        &[
            (0, 2 * SECOND, true),
            (2, 2 * SECOND, true),
            (8, 2 * SECOND, true),
            (10, 2 * SECOND, true),
        ],
    );
    let both = segments(vec![first], vec![file("b~next", 2, 12)]);
    assert_eq!(
        played(&both),
        expected(&[("a", &[0, 2]), ("b~next", &[4, 6]), ("a", &[8, 10])])
    );
    // Ranges of bytes stay those of their files.
    assert_eq!(both[2].fragments[0].offset, 900);
    assert_eq!(both[2].head_bytes, 700);
}

#[test]
fn a_group_of_which_the_first_has_only_the_begin_is_played_from_the_next_directory() {
    let first = part("a", &[(0, 2 * SECOND, true), (2, SECOND, true)]);
    let whole = [(2, SECOND, true), (3, 2 * SECOND, false)];
    let both = segments(vec![first], vec![part("b~next", &whole)]);
    assert_eq!(played(&both), expected(&[("a", &[0]), ("b~next", &[2, 3])]));
    // The duration of a last frame is a guess.
    let first = part("a", &[(0, 2 * SECOND - 40_000, true)]);
    let both = segments(vec![first], vec![file("b~next", 0, 2)]);
    assert_eq!(played(&both), expected(&[("a", &[0])]));
}

#[test]
fn groups_of_a_single_frame_after_the_last_of_the_first_are_played() {
    let frames = |file: &str, from: u64, to: u64| {
        let mut part = part(file, &[]);
        part.fragments = (from..to)
            .map(|number| FragmentRange {
                offset: 700 + 100 * (number - from),
                bytes: 100,
                first_tick: number * 3600,
                ticks: 3600,
                captured_unix: Duration::from_millis(START_MS + 40 * number),
                begins_with_key: true,
            })
            .collect();
        part
    };
    let both = segments(vec![frames("a", 0, 50)], vec![frames("b~next", 40, 60)]);
    let count: Vec<_> = both.iter().map(|part| part.fragments.len()).collect();
    assert_eq!(count, [50, 10]);
}

#[test]
fn one_directory_alone_is_shown_as_it_is() {
    // After a clock was set back.
    let steps = part("a", &[(8, 2 * SECOND, true), (2, 2 * SECOND, true)]);
    let alone = vec![steps];
    assert_eq!(segments(alone.clone(), Vec::new()), alone);
    assert_eq!(segments(Vec::new(), alone.clone()), alone);
}

#[test]
fn frames_are_told_with_their_files_in_order() {
    let file = |name: &str, at: f64| FileScenes {
        file: name.to_owned(),
        frames: vec![FrameScene(0, at, None)],
    };
    let first = SceneList {
        files: vec![file("a", 1.0), file("c", 3.0)],
    };
    let next = SceneList {
        files: vec![file("b~next", 2.0), file("d~next", 4.0)],
    };
    let both = scene_lists(first, next).files;
    let names: Vec<_> = both.iter().map(|file| file.file.as_str()).collect();
    assert_eq!(names, ["a", "b~next", "c", "d~next"]);
}

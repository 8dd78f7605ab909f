use super::*;
use crate::record::file_key::FileKey;
use crate::record::index::rows::{self, RecordingRow};

/// 2026-11-28T00:00:00Z.
const DAY: u64 = 1_795_824_000_000;

struct Rig {
    dir: tempfile::TempDir,
    writer: Connection,
    library: Library,
}

impl Rig {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        Self {
            writer: database::open(dir.path()).expect("an index"),
            library: Library::new(dir.path()),
            dir,
        }
    }

    fn recording(&self, source: u32, start_ms: u64, end_ms: u64) {
        let row = RecordingRow {
            key: FileKey::new(SourceId(source), start_ms, 0),
            end_ms,
            bytes: 1000,
            frames: 25,
            codec: Some(Codec::H265),
            size: Size::new(1920, 1080),
            state: FileState::Closed,
            file_id: u64::MAX,
            read_bytes: 900,
            read_sequence: 30,
            is_behind: false,
        };
        rows::put(&self.writer, &row).expect("a row");
    }

    fn event(&self, source: u32, track: u64, class: &str, from_ms: u64, to_ms: u64) {
        let row = params![
            source,
            track.cast_signed(),
            class,
            signed(from_ms),
            signed(to_ms)
        ];
        let insert = "INSERT INTO event VALUES (?1, ?2, ?3, ?4, ?5, 0.5, ?4)";
        self.writer.execute(insert, row).expect("a row");
    }

    /// The tracks of the events of a query.
    fn tracks(&self, query: EventQuery) -> (Vec<u64>, bool) {
        let (events, is_truncated) = self.library.events(&query).expect("an index");
        (
            events.iter().map(|event| event.track).collect(),
            is_truncated,
        )
    }
}

fn all() -> EventQuery {
    EventQuery {
        limit: 100,
        ..EventQuery::default()
    }
}

#[test]
fn recordings_that_follow_one_another_are_one_time() {
    let rig = Rig::new();
    for (start_ms, end_ms) in [
        (10_000, 20_000),
        (21_000, 30_000),
        // Within the one before, as after a clock was set back.
        (25_000, 28_000),
        (31_001, 40_000),
    ] {
        rig.recording(1, start_ms, end_ms);
    }
    rig.recording(2, 5_000, 50_000);
    let recorded = |from_ms, to_ms| {
        let times = rig.library.recorded(SourceId(1), from_ms, to_ms);
        times.expect("an index")
    };
    assert_eq!(recorded(0, 100_000), [(10_000, 30_000), (31_001, 40_000)]);
    assert_eq!(
        recorded(15_000, 35_000),
        [(15_000, 30_000), (31_001, 35_000)]
    );
    assert_eq!(recorded(20_000, 21_000), []);
    assert_eq!(recorded(40_000, 100_000), []);
}

#[test]
fn files_have_their_path_and_format() {
    let rig = Rig::new();
    rig.recording(7, DAY, DAY + 60_000);
    rig.recording(7, DAY + 60_000, DAY + 120_000);
    let files = rig.library.files(SourceId(7), DAY + 60_000, DAY + 60_001);
    let wanted = RecordedFile {
        path: rig
            .dir
            .path()
            .join("7/2026-11-28/00/20261128T000100.000Z.mp4"),
        source: SourceId(7),
        start_ms: DAY + 60_000,
        end_ms: DAY + 120_000,
        bytes: 1000,
        frames: 25,
        codec: Codec::H265,
        size: Size::new(1920, 1080),
        state: FileState::Closed,
    };
    assert_eq!(files.expect("an index"), [wanted]);
}

#[test]
fn a_file_with_nothing_sound_is_not_found() {
    let rig = Rig::new();
    rig.recording(1, 5_000, 6_000);
    rig.writer
        .execute("UPDATE recording SET frames = 0, codec = ''", [])
        .expect("a row");
    let files = rig.library.files(SourceId(1), 0, 10_000);
    assert_eq!(files.expect("an index"), []);
    assert_eq!(rig.library.sources().expect("an index"), []);
}

#[test]
fn each_source_has_its_oldest_and_newest_time() {
    let rig = Rig::new();
    for (source, start_ms) in [(3, 10_000), (3, 20_000), (0, 30_000), (u32::MAX, 1)] {
        rig.recording(source, start_ms, start_ms + 5_000);
    }
    let wanted = [
        (0, 30_000, 35_000),
        (3, 10_000, 25_000),
        (u32::MAX, 1, 5_001),
    ];
    let wanted = wanted.map(|(source, oldest_ms, newest_ms)| SourceSpan {
        source: SourceId(source),
        oldest_ms,
        newest_ms,
    });
    assert_eq!(rig.library.sources().expect("an index"), wanted);
}

#[test]
fn events_are_found_by_each_condition_the_newest_first() {
    let rig = Rig::new();
    rig.event(1, 10, "person", 1_000, 2_000);
    rig.event(1, 11, "car", 3_000, 3_500);
    rig.event(2, 12, "person", 5_000, 9_000);
    let of = |change: fn(&mut EventQuery)| {
        let mut query = all();
        change(&mut query);
        rig.tracks(query).0
    };
    assert_eq!(of(|_| ()), [12, 11, 10]);
    assert_eq!(of(|query| query.source = Some(SourceId(1))), [11, 10]);
    assert_eq!(
        of(|query| query.class = Some("person".to_owned())),
        [12, 10]
    );
    assert_eq!(of(|query| query.from_ms = Some(2_000)), [12, 11, 10]);
    assert_eq!(of(|query| query.from_ms = Some(2_001)), [12, 11]);
    assert_eq!(of(|query| query.to_ms = Some(3_000)), [11, 10]);
    assert_eq!(of(|query| query.to_ms = Some(2_999)), [10]);
    assert_eq!(of(|query| query.min_length_ms = 1_000), [12, 10]);
    assert_eq!(of(|query| query.min_length_ms = 1_001), [12]);
    let event = rig.library.events(&all()).expect("an index").0.remove(0);
    let wanted = Event {
        source: SourceId(2),
        track: 12,
        class: "person".to_owned(),
        from_ms: 5_000,
        to_ms: 9_000,
        confidence: 0.5,
        best_ms: 5_000,
    };
    assert_eq!(event, wanted);
}

#[test]
fn long_events_are_found_at_each_time_of_theirs() {
    let rig = Rig::new();
    let hour = 3_600_000;
    rig.event(1, 1, "car", DAY, DAY + 20 * hour);
    rig.event(1, 2, "car", DAY + hour, DAY + hour + LONG_EVENT_MS);
    rig.event(1, 3, "car", DAY + 11 * hour, DAY + 11 * hour + 1_000);
    let between = |from_ms, to_ms, min_length_ms, limit| {
        rig.tracks(EventQuery {
            from_ms: Some(from_ms),
            to_ms: Some(to_ms),
            min_length_ms,
            limit,
            ..all()
        })
    };
    let (noon, evening) = (DAY + 12 * hour, DAY + 18 * hour);
    assert_eq!(between(noon, evening, 0, 10), (vec![1], false));
    assert_eq!(between(noon, evening, 20 * hour, 10), (vec![1], false));
    assert_eq!(between(noon, evening, 20 * hour + 1, 10), (vec![], false));
    assert_eq!(between(DAY, evening, 0, 10), (vec![3, 2, 1], false));
    assert_eq!(between(DAY + 11 * hour, evening, 0, 1), (vec![3], true));
    assert_eq!(between(DAY + 11 * hour, evening, 0, 2), (vec![3, 1], false));
    let end = DAY + hour + LONG_EVENT_MS;
    assert_eq!(between(end, end, 0, 10), (vec![2, 1], false));
}

#[test]
fn the_events_of_some_sources_are_left_out() {
    let rig = Rig::new();
    for source in 1..=3 {
        rig.event(source, source.into(), "car", 1_000, 2_000);
    }
    let without = |except: &[u32]| {
        rig.tracks(EventQuery {
            except: except.iter().copied().map(SourceId).collect(),
            ..all()
        })
    };
    assert_eq!(without(&[]), (vec![3, 2, 1], false));
    assert_eq!(without(&[2]), (vec![3, 1], false));
    assert_eq!(without(&[1, 3]), (vec![2], false));
}

#[test]
fn the_limit_cuts_and_tells_it() {
    let rig = Rig::new();
    for track in 1..=3 {
        rig.event(1, track, "car", track * 1_000, track * 1_000 + 10);
    }
    let limited = |limit| rig.tracks(EventQuery { limit, ..all() });
    assert_eq!(limited(2), (vec![3, 2], true));
    assert_eq!(limited(3), (vec![3, 2, 1], false));
    assert_eq!(limited(usize::MAX), (vec![3, 2, 1], false));
}

#[test]
fn events_from_before_the_oldest_recording_are_left_out() {
    let rig = Rig::new();
    rig.recording(1, 10_000, 20_000);
    rig.event(1, 1, "car", 9_000, 9_999);
    rig.event(1, 2, "car", 9_000, 10_000);
    assert_eq!(rig.tracks(all()), (vec![2], false));
}

#[test]
fn classes_are_named_once() {
    let rig = Rig::new();
    assert_eq!(rig.library.classes().expect("an index"), [""; 0]);
    for (track, class) in ["person", "car", "person", "bus"].iter().enumerate() {
        rig.event(1, track as u64, class, 1_000, 2_000);
    }
    let classes = rig.library.classes().expect("an index");
    assert_eq!(classes, ["bus", "car", "person"]);
}

#[test]
fn an_index_that_was_made_anew_is_read() {
    let mut rig = Rig::new();
    rig.recording(1, 10_000, 20_000);
    assert_eq!(rig.library.sources().expect("an index").len(), 1);
    database::remove(rig.dir.path()).expect("no index");
    let missing = rig.library.sources();
    assert!(
        matches!(missing, Err(IndexError::Missing { .. })),
        "{missing:?}"
    );
    rig.writer = database::open(rig.dir.path()).expect("a new index");
    assert_eq!(rig.library.sources().expect("an index"), []);
}

#[test]
fn no_read_outlives_its_query() {
    let rig = Rig::new();
    for start in 0..100 {
        rig.recording(1, start * 60_000, start * 60_000 + 59_000);
        rig.library
            .recorded(SourceId(1), 0, u64::MAX)
            .expect("rows");
        rig.library.events(&all()).expect("rows");
    }
    // A checkpoint that empties the log waits for readers: (is busy, pages in the log, pages written).
    let checkpoint = "PRAGMA wal_checkpoint(TRUNCATE)";
    let result = rig.writer.query_row(checkpoint, [], |row| {
        Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?))
    });
    assert_eq!(result.expect("a checkpoint"), (0, 0));
}

#[test]
fn queries_of_a_window_do_not_read_or_sort_a_whole_table() {
    let rig = Rig::new();
    let plan = |query: &str| -> String {
        let mut plan = rig
            .writer
            .prepare(&format!("EXPLAIN QUERY PLAN {query}"))
            .expect("a query");
        let steps = plan.query_map([], |row| row.get::<_, String>("detail"));
        let steps: Result<Vec<_>, _> = steps.expect("a plan").collect();
        steps.expect("a plan").join("; ")
    };
    for query in [
        "SELECT * FROM event WHERE from_ms <= 5 AND to_ms >= 3 AND from_ms >= 2 ORDER BY from_ms DESC, source DESC, track DESC, class DESC",
        "SELECT * FROM event WHERE source = 1 AND from_ms <= 5 AND from_ms >= 2 ORDER BY from_ms DESC, source DESC, track DESC, class DESC",
        "SELECT * FROM event WHERE class = 'a' ORDER BY from_ms DESC, source DESC, track DESC, class DESC",
        "SELECT * FROM event WHERE to_ms >= 3 AND from_ms < 2 AND to_ms - from_ms > 600000 ORDER BY from_ms DESC, source DESC, track DESC, class DESC",
        "SELECT * FROM recording WHERE source = 1 AND start_ms >= 1 AND start_ms < 9 AND end_ms > 2 ORDER BY start_ms, number",
        "SELECT min(source) FROM recording WHERE source >= 3",
        "SELECT min(class) FROM event WHERE class > 'a'",
    ] {
        let plan = plan(query);
        assert!(
            plan.starts_with("SEARCH") && !plan.contains("TEMP B-TREE"),
            "{query}: {plan}"
        );
    }
}

#[test]
fn a_day_of_16_cameras_is_queried() {
    let rig = Rig::new();
    rig.writer.execute_batch("BEGIN").expect("a transaction");
    for source in 0..16 {
        for minute in 0..1440 {
            let start_ms = DAY + minute * 60_000;
            rig.recording(source, start_ms, start_ms + 60_000);
            rig.event(source, minute, "person", start_ms, start_ms + 9_000);
        }
    }
    rig.writer.execute_batch("COMMIT").expect("rows");
    for source in 0..16 {
        let day = (SourceId(source), DAY, DAY + 86_400_000);
        let recorded = rig.library.recorded(day.0, day.1, day.2);
        assert_eq!(recorded.expect("an index"), [(day.1, day.2)]);
        let query = EventQuery {
            source: Some(day.0),
            from_ms: Some(day.1),
            to_ms: Some(day.2),
            limit: 2_000,
            ..EventQuery::default()
        };
        assert_eq!(rig.tracks(query).0.len(), 1440);
    }
    assert_eq!(rig.library.sources().expect("an index").len(), 16);
    assert_eq!(rig.tracks(all()).0.len(), 100);
}

use std::fs;

use tempfile::TempDir;

use super::*;
use crate::base::SourceId;
use crate::record::index::testing::{FakeFile, FakeFiles, FakeFragment, Heard, scene};
use crate::record::index::{Event, EventQuery, Library};

/// An index over a set of files in memory.
pub(super) struct Rig {
    pub(super) dir: TempDir,
    pub(super) files: FakeFiles,
    pub(super) changes: Arc<Changes>,
    pub(super) heard: Arc<Heard>,
    pub(super) indexer: Indexer<FakeFiles>,
    pub(super) now: Duration,
}

impl Rig {
    pub(super) fn new(files: FakeFiles) -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let changes = Arc::<Changes>::default();
        let heard = Arc::<Heard>::default();
        let path = dir.path().to_owned();
        Self {
            indexer: Indexer::new(path, files.clone(), changes.clone(), heard.clone()),
            dir,
            files,
            changes,
            heard,
            now: Duration::ZERO,
        }
    }

    /// Another run of the recorder.
    pub(super) fn restart(&mut self) {
        let (dir, files) = (self.dir.path().to_owned(), self.files.clone());
        self.changes = Arc::default();
        self.heard = Arc::default();
        self.indexer = Indexer::new(dir, files, self.changes.clone(), self.heard.clone());
    }

    pub(super) fn step(&mut self) -> Progress {
        self.indexer.step(self.now, &Stop::default())
    }

    /// Steps until all is read.
    pub(super) fn settle(&mut self) {
        self.now += FOLLOW_EVERY;
        for _ in 0..10_000 {
            match self.step() {
                Progress::Busy => {}
                progress => return assert_eq!(progress, Progress::Idle),
            }
        }
        panic!("it does not come to an end");
    }

    fn events(&self) -> Vec<Event> {
        let query = EventQuery {
            limit: 1000,
            ..EventQuery::default()
        };
        let found = Library::new(self.dir.path()).events(&query);
        found.expect("an index").0
    }

    fn spans(&self) -> Vec<(u64, u64)> {
        let events = self.events().into_iter();
        events.map(|event| (event.from_ms, event.to_ms)).collect()
    }

    /// The starts of the recordings of source 1.
    fn starts(&self) -> Vec<u64> {
        let files = Library::new(self.dir.path()).files(SourceId(1), 0, u64::MAX);
        let files = files.expect("an index").into_iter();
        files.map(|file| file.start_ms).collect()
    }
}

pub(super) fn key(start_ms: u64) -> FileKey {
    FileKey::new(SourceId(1), start_ms, 0)
}

/// A fragment in which track 1 is seen at these times.
pub(super) fn fragment(seen_ms: &[u64]) -> FakeFragment {
    let seen = seen_ms.iter();
    FakeFragment {
        bytes: 1000,
        is_damaged: false,
        scenes: seen
            .map(|&at_ms| scene(at_ms, &[("car", Some(1), 0.5)]))
            .collect(),
    }
}

pub(super) fn closed(id: u64, fragments: Vec<FakeFragment>) -> FakeFile {
    FakeFile {
        id,
        fragments,
        has_tail: true,
        ..FakeFile::default()
    }
}

#[test]
fn an_open_file_is_followed_and_closed() {
    let mut rig = Rig::new(FakeFiles::default());
    let open = FakeFile {
        has_tail: false,
        ..closed(1, vec![fragment(&[1_000])])
    };
    rig.changes.opened(key(1_000));
    // It is not created yet.
    rig.settle();
    assert!(rig.starts().is_empty());
    rig.files.change(|files| files.insert(key(1_000), open));
    rig.settle();
    assert_eq!(rig.spans(), [(1_000, 1_000)]);
    rig.files
        .edit(key(1_000), |file| file.fragments.push(fragment(&[3_000])));
    // Not before the time has come.
    rig.step();
    assert_eq!(rig.spans(), [(1_000, 1_000)]);
    rig.settle();
    assert_eq!(rig.spans(), [(1_000, 3_000)]);
    rig.files.edit(key(1_000), |file| {
        file.fragments.push(fragment(&[5_000]));
        file.has_tail = true;
    });
    rig.changes.closed(key(1_000));
    rig.step();
    assert_eq!(rig.spans(), [(1_000, 5_000)]);
    let files = Library::new(rig.dir.path()).files(SourceId(1), 0, u64::MAX);
    let file = files.expect("an index").remove(0);
    let found = (file.state, file.end_ms, file.frames, file.bytes);
    assert_eq!(found, (rows::FileState::Closed, 7_000, 150, 4_000));
}

#[test]
fn the_newest_files_are_read_first_and_all_heads_before_scenes() {
    let files = FakeFiles::default();
    for start in 1..=200 {
        let file = closed(start, vec![fragment(&[start * 60_000])]);
        files.change(|files| files.insert(key(start * 60_000), file));
    }
    let mut rig = Rig::new(files);
    assert_eq!(rig.step(), Progress::Busy);
    let newest: Vec<u64> = (137..=200).map(|start| start * 60_000).collect();
    assert_eq!(rig.starts(), newest);
    assert_eq!(rig.indexer.files_to_read(), 136);
    assert_eq!(rig.spans(), []);
    for _ in 0..3 {
        rig.step();
    }
    assert_eq!(rig.starts().len(), 200);
    assert_eq!(rig.spans(), []);
    rig.step();
    let newest: Vec<u64> = (169..=200).rev().map(|start| start * 60_000).collect();
    assert_eq!(
        rig.spans(),
        newest.into_iter().map(|at| (at, at)).collect::<Vec<_>>()
    );
    rig.settle();
    assert_eq!(rig.spans().len(), 200);
}

#[test]
fn an_event_goes_on_over_files_and_goes_with_them() {
    let files = FakeFiles::default();
    for (start, seen) in [(60_000, 118_000), (120_000, 121_000), (180_000, 300_000)] {
        let file = closed(start, vec![fragment(&[seen])]);
        files.change(|files| files.insert(key(start), file));
    }
    let mut rig = Rig::new(files);
    rig.settle();
    assert_eq!(rig.spans(), [(300_000, 300_000), (118_000, 121_000)]);
    let remove = |rig: &mut Rig, start| {
        rig.files.change(|files| files.remove(&key(start)));
        rig.changes.removed(key(start));
        rig.settle();
    };
    remove(&mut rig, 60_000);
    assert_eq!(rig.spans(), [(300_000, 300_000), (121_000, 121_000)]);
    remove(&mut rig, 120_000);
    assert_eq!(rig.spans(), [(300_000, 300_000)]);
    assert_eq!(rig.starts(), [180_000]);
}

#[test]
fn an_event_before_the_oldest_recording_is_not_found() {
    let files = FakeFiles::default();
    // The scenes of the last frames of a file are in the next one.
    let file = closed(1, vec![fragment(&[119_900]), fragment(&[140_000])]);
    files.change(|files| files.insert(key(120_000), file));
    let mut rig = Rig::new(files);
    rig.settle();
    assert_eq!(rig.spans(), [(140_000, 140_000)]);
}

#[test]
fn a_file_that_was_replaced_is_read_from_its_start() {
    let mut rig = Rig::new(FakeFiles::default());
    let file = closed(1, vec![fragment(&[1_000])]);
    rig.files.change(|files| files.insert(key(1_000), file));
    rig.settle();
    let other = closed(2, vec![fragment(&[2_000])]);
    rig.files.change(|files| files.insert(key(1_000), other));
    rig.changes.removed(key(1_000));
    rig.changes.opened(key(1_000));
    rig.changes.closed(key(1_000));
    rig.settle();
    assert_eq!(rig.spans(), [(2_000, 2_000)]);
}

#[test]
fn rows_stay_if_the_folder_cant_be_read_in_whole() {
    let mut rig = Rig::new(FakeFiles::default());
    for start in [60_000, 120_000] {
        let file = closed(start, vec![fragment(&[start])]);
        rig.files.change(|files| files.insert(key(start), file));
    }
    rig.settle();
    rig.files.change(|files| files.remove(&key(60_000)));
    rig.files.fault = Some("can't read /rec/1: it is broken".to_owned());
    rig.restart();
    rig.settle();
    assert_eq!(rig.starts(), [60_000, 120_000]);
    assert_eq!(rig.indexer.fault(), Some("can't read /rec/1: it is broken"));
    rig.files.fault = None;
    rig.restart();
    rig.settle();
    assert_eq!(rig.starts(), [120_000]);
    assert_eq!(rig.indexer.fault(), None);
}

#[test]
fn a_file_that_cant_be_read_does_not_stop_the_others_and_is_tried_at_the_next_start() {
    let mut rig = Rig::new(FakeFiles::default());
    for start in [60_000, 120_000] {
        let file = closed(start, vec![fragment(&[start])]);
        rig.files.change(|files| files.insert(key(start), file));
    }
    rig.step();
    rig.files
        .edit(key(120_000), |file| file.is_unreadable = true);
    rig.settle();
    assert_eq!(rig.spans(), [(60_000, 60_000)]);
    assert_eq!(
        rig.indexer.fault(),
        Some(
            "can't read /rec/1/1970-01-01/00/19700101T000200.000Z.mp4: Input/output error (os error 5); check the disk of /rec/1/1970-01-01/00"
        )
    );
    rig.files
        .edit(key(120_000), |file| file.is_unreadable = false);
    rig.restart();
    rig.settle();
    assert_eq!(rig.spans(), [(120_000, 120_000), (60_000, 60_000)]);
    assert_eq!(rig.indexer.fault(), None);
}

#[test]
fn a_database_that_cant_be_opened_is_tried_again_and_no_change_is_lost() {
    let mut rig = Rig::new(FakeFiles::default());
    let path = database::path(rig.dir.path());
    fs::create_dir(&path).expect("a folder in its place");
    assert_eq!(rig.step(), Progress::Failed);
    let fault = rig.indexer.fault().expect("a fault").to_owned();
    assert!(fault.starts_with("can't open "), "{fault}");
    let open = FakeFile {
        has_tail: false,
        ..closed(1, vec![fragment(&[1_000])])
    };
    rig.files.change(|files| files.insert(key(1_000), open));
    rig.changes.opened(key(1_000));
    fs::remove_dir(&path).expect("an empty folder");
    // The wait is not over.
    assert_eq!(rig.step(), Progress::Failed);
    rig.now += RETRY_LONGEST;
    rig.settle();
    assert_eq!(rig.indexer.fault(), None);
    assert_eq!(rig.spans(), [(1_000, 1_000)]);
}

#[test]
fn a_stop_ends_the_first_step() {
    let mut rig = Rig::new(FakeFiles::default());
    let stop = Stop::default();
    stop.raise();
    assert_eq!(rig.indexer.step(rig.now, &stop), Progress::Stopped);
}

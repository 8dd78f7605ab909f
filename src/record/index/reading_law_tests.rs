//! The law of reading without media: the rows are those of whole fragments, and damage costs no event that whole fragments have.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;
use tempfile::TempDir;

use super::*;
use crate::base::{SourceId, Stop};
use crate::record::index::database;
use crate::record::index::files::{ListedPart, Listing, LocalFile, LocalFiles};
use crate::record::index::indexer::{Indexer, Progress};
use crate::record::index::testing::{recording, rows, scene, write_file};
use crate::record::index::{Event, EventQuery, Library};
use crate::record::scene::Scene;

/// The same files, of which all fragments are read whole.
struct WholeFiles(LocalFiles);

struct WholeFile(LocalFile);

impl RecordingFiles for WholeFiles {
    type File = WholeFile;

    fn list(&self, stop: &Stop) -> Option<Listing> {
        self.0.list(stop)
    }

    fn open(&self, key: FileKey) -> io::Result<WholeFile> {
        self.0.open(key).map(WholeFile)
    }

    fn path(&self, key: FileKey) -> std::path::PathBuf {
        self.0.path(key)
    }
}

impl RecordingFile for WholeFile {
    fn outline(&mut self) -> Result<Outline, ReadError> {
        self.0.outline()
    }

    fn fragment(&mut self, id: u64, at: u64, sequence: u32) -> Result<Part, ReadError> {
        self.0.fragment(id, at, sequence)
    }

    fn listed(&mut self, id: u64, place: &FragmentPlace) -> Result<ListedPart, ReadError> {
        let part = self.fragment(id, place.offset, place.sequence)?;
        Ok(ListedPart {
            scenes: part.scenes,
            cost_bytes: part.bytes,
        })
    }
}

/// Random recordings, of which some have no tail and others no fragment.
fn write(dir: &Path, random: &mut Rng, change: impl Fn(&mut Vec<u8>, &mut Rng)) {
    for number in 0..random.u32(1..12) {
        let source = SourceId(random.u32(0..2));
        let start_ms = 1_795_854_600_123 + random.u64(0..200_000);
        let key = FileKey::new(source, start_ms, number);
        let mut scenes = |index: u64| -> Vec<Scene> {
            let count = random.usize(0..4);
            let scene = |_| {
                // Also of frames in the file before, and after a step of the clock.
                let away_ms = random.choice([0, 1_500, 4_000, 200_000]).expect("one");
                let class = random.choice(["car", "person"]).expect("a class");
                let track = (random.u8(0..5) > 0).then(|| random.u64(0..3));
                let at_ms = start_ms + 2_000 * index - random.u64(0..=away_ms);
                scene(at_ms, &[(class, track, f32::from(random.u8(0..4)) / 4.0)])
            };
            (0..count).map(scene).collect()
        };
        let scenes: Vec<_> = (0..u64::from(number)).map(&mut scenes).collect();
        let mut file = recording(key, &scenes, random.u8(0..5) > 0);
        change(&mut file, random);
        write_file(dir, key, &file);
    }
}

/// Makes the index of a folder anew.
fn index(dir: &Path, files: impl RecordingFiles) {
    database::remove(dir).expect("a disk");
    let mut indexer = Indexer::new(dir.to_owned(), files, Arc::default(), Arc::new(()));
    while indexer.step(Duration::ZERO, &Stop::default()) == Progress::Busy {}
    assert_eq!(indexer.fault(), None);
}

fn events(dir: &Path) -> Vec<Event> {
    let query = EventQuery {
        limit: 1000,
        ..EventQuery::default()
    };
    Library::new(dir).events(&query).expect("an index").0
}

fn files(dir: &TempDir) -> LocalFiles {
    LocalFiles {
        dir: dir.path().to_owned(),
    }
}

#[test]
fn the_rows_are_those_of_whole_fragments() {
    let mut found_events = 0;
    for seed in 0..60 {
        let dir = tempfile::tempdir().expect("a folder");
        write(dir.path(), &mut Rng::with_seed(seed), |_, _| ());
        index(dir.path(), files(&dir));
        let found = rows(dir.path());
        index(dir.path(), WholeFiles(files(&dir)));
        assert_eq!(found, rows(dir.path()), "seed {seed}");
        found_events += found["event"].len();
    }
    assert!(found_events > 200, "{found_events} events show too little");
}

#[test]
fn damage_costs_no_event_that_whole_fragments_have() {
    let mut kept = 0;
    for seed in 0..150 {
        let dir = tempfile::tempdir().expect("a folder");
        write(dir.path(), &mut Rng::with_seed(seed), |file, random| {
            for _ in 0..random.usize(0..4) {
                let at = random.usize(..file.len());
                file[at] ^= 1 << random.u8(..8);
            }
        });
        index(dir.path(), files(&dir));
        let found = events(dir.path());
        index(dir.path(), WholeFiles(files(&dir)));
        for event in events(dir.path()) {
            let has_it = |other: &Event| {
                (other.source, other.track, &other.class)
                    == (event.source, event.track, &event.class)
                    && other.from_ms <= event.from_ms
                    && other.to_ms >= event.to_ms
            };
            assert!(found.iter().any(has_it), "seed {seed}: {event:?}");
            kept += 1;
        }
    }
    assert!(kept > 200, "{kept} events show too little");
}

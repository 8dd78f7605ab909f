//! The law of the index: whatever happens to files, and in whichever order, the rows are those of an index that is made anew.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use fastrand::Rng;

use super::tests::Rig;
use super::*;
use crate::base::SourceId;
use crate::base::sync::lock;
use crate::record::index::testing::{FakeFile, FakeFiles, FakeFragment, rows, scene};

const SECOND: Duration = Duration::from_secs(1);

/// Files that are opened, grow, are closed, given up, deleted and recovered at random.
struct World {
    rig: Rig,
    random: Rng,
    at_ms: u64,
    open: BTreeMap<SourceId, FileKey>,
    /// Closed since the last start, and still there.
    closed: BTreeSet<FileKey>,
}

impl World {
    fn new(seed: u64) -> Self {
        Self {
            rig: Rig::new(FakeFiles::default()),
            random: Rng::with_seed(seed),
            at_ms: 1_795_854_600_123,
            open: BTreeMap::new(),
            closed: BTreeSet::new(),
        }
    }

    fn act(&mut self) {
        self.at_ms += self.random.u64(0..3_000);
        let source = SourceId(self.random.u32(0..2));
        match (self.random.u8(0..100), self.open.get(&source).copied()) {
            (0..40, None) => self.create(source),
            (0..40, Some(key)) => self.append(key),
            (40..50, Some(key)) => {
                // Without a tail it was given up.
                let has_tail = self.random.u8(0..5) > 0;
                self.rig.files.edit(key, |file| file.has_tail = has_tail);
                self.rig.changes.closed(key);
                self.open.remove(&source);
                self.closed.insert(key);
            }
            (50..60, _) => self.delete(),
            (60..63, _) => self.restart(),
            (63..66, _) => self.at_ms += self.random.u64(0..15_000),
            // A clock is set back.
            (66, _) => self.at_ms -= self.random.u64(0..100_000),
            _ => {
                self.rig.now += SECOND;
                self.rig.step();
            }
        }
    }

    fn create(&mut self, source: SourceId) {
        let id = self.random.u64(..);
        let start_ms = self.at_ms;
        let key = self.rig.files.change(|files| {
            let keys = (0..).map(|number| FileKey::new(source, start_ms, number));
            let mut free = keys.filter(|key| !files.contains_key(key));
            free.next().expect("a number")
        });
        let file = FakeFile {
            id,
            has_damaged_head: self.random.u8(0..20) == 0,
            ..FakeFile::default()
        };
        self.rig.changes.opened(key);
        self.rig.files.change(|files| files.insert(key, file));
        self.open.insert(source, key);
    }

    fn append(&mut self, key: FileKey) {
        let (at_ms, random) = (self.at_ms, &mut self.random);
        let scenes = (0..random.usize(0..4)).map(|_| {
            let class = random.choice(["car", "person"]).expect("a class");
            let track = (random.u8(0..5) > 0).then(|| random.u64(0..3));
            let confidence = f32::from(random.u8(0..4)) / 4.0;
            // Also of frames in the file before.
            let at_ms = at_ms - random.u64(0..4_000);
            scene(at_ms, &[(class, track, confidence)])
        });
        let fragment = FakeFragment {
            scenes: scenes.collect(),
            // Some files take more than one step.
            bytes: [1_000, SLICE_BYTES / 2][random.usize(0..2)],
            is_damaged: random.u8(0..30) == 0,
        };
        self.rig
            .files
            .edit(key, |file| file.fragments.push(fragment));
    }

    fn delete(&mut self) {
        let open: Vec<FileKey> = self.open.values().copied().collect();
        let oldest = self.rig.files.change(|files| {
            let mut closed = files.keys().filter(|key| !open.contains(key));
            let nth = if self.random.bool() { 0 } else { 2 };
            let key = closed.nth(nth).copied()?;
            files.remove(&key);
            Some(key)
        });
        if let Some(key) = oldest {
            self.rig.changes.removed(key);
            self.closed.remove(&key);
        }
    }

    /// The recorder is killed. Files change while it is away, and recovery closes those that were open.
    fn restart(&mut self) {
        self.delete();
        for key in std::mem::take(&mut self.open).into_values() {
            let lost = self.random.usize(0..3);
            let is_closed = self.random.u8(0..5) > 0;
            self.rig.files.edit(key, |file| {
                let left = file.fragments.len().saturating_sub(lost);
                file.fragments.truncate(left);
                file.has_tail = is_closed;
            });
        }
        self.closed.clear();
        self.rig.restart();
        if self.random.u8(0..4) == 0 {
            let path = database::path(self.rig.dir.path());
            fs::write(path, [7; 10_000]).expect("a damaged index");
        }
    }
}

impl World {
    /// Each event of the rows was told in whole since the last start, and each recording that was closed since.
    fn check_told(&self, seed: u64) {
        let database = database::open_reader(self.rig.dir.path()).expect("an index");
        let told = lock(&self.rig.heard.seen);
        let is_told = |event: &SeenEvent| {
            let mut same = told.iter().filter(|told| told.source == event.source);
            same.any(|told| {
                let is_inside = told.from_ms <= event.from_ms && told.to_ms >= event.to_ms;
                told.class == event.class && is_inside
            })
        };
        let all = events::for_each(&database, |event| is_told(&event)).expect("an index");
        assert!(all, "seed {seed}: an event is not told");
        let read: BTreeSet<FileKey> = lock(&self.rig.heard.read).iter().copied().collect();
        let missing: Vec<_> = self.closed.difference(&read).collect();
        assert!(missing.is_empty(), "seed {seed}: {missing:?}");
    }
}

#[test]
fn the_rows_are_those_of_an_index_that_is_made_anew() {
    let mut events = 0;
    for seed in 0..40 {
        let mut world = World::new(seed);
        for _ in 0..120 {
            world.act();
        }
        world.rig.settle();
        let mut anew = Rig::new(world.rig.files.clone());
        for &key in world.open.values() {
            anew.changes.opened(key);
        }
        anew.settle();
        let (found, wanted) = (rows(world.rig.dir.path()), rows(anew.dir.path()));
        assert_eq!(found, wanted, "seed {seed}");
        world.check_told(seed);
        events += found["event"].len();
    }
    assert!(events > 200, "{events} events show too little");
}

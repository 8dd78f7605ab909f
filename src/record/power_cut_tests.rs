//! The promise: what was declared durable survives a loss of power at any moment, byte for byte, and every file is closed after
//! recovery.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;

use super::file_key::FileKey;
use super::model_crash::{Durable, durable_by_model};
use super::model_disk::ModelDisk;
use super::mp4::{self, FileEnding};
use super::recorder::prepare_marks;
use super::recovery::recover;
use super::report::{RecordingState, SourceShared};
use super::retention::Retention;
use super::space::SpaceLimits;
use super::testing::{Camera, DIR, format, scene_of, unlimited};
use super::writer::Writer;
use crate::base::{Clock, SourceId};

/// A recording on a model of a disk.
struct Recording {
    disk: ModelDisk,
    writer: Writer<ModelDisk>,
    cameras: Vec<(Camera, Arc<SourceShared>)>,
    durable: Vec<Durable>,
    retention: Option<Deleting>,
    now: Duration,
    random: Rng,
}

/// The retention of a recording, and what it deleted.
struct Deleting {
    retention: Retention<ModelDisk>,
    clock: Clock,
    budget_bytes: u64,
    /// Each deleted file, and the number of operations before it was deleted.
    deleted: Vec<(usize, PathBuf)>,
    /// What was in them.
    contents: BTreeMap<PathBuf, Vec<u8>>,
    refusals: u64,
}

impl Deleting {
    /// Hardly more than what the open files of so many sources need.
    fn draw(disk: &ModelDisk, sources: u64, random: &mut Rng) -> Self {
        let (clock, open_bytes) = (Clock::by_hand(), sources * ((8 << 20) + (64 << 10)));
        let budget_bytes = random.u64(open_bytes..open_bytes * 5 / 4);
        Self {
            retention: retention(disk, budget_bytes, &clock),
            clock,
            budget_bytes,
            deleted: Vec::new(),
            contents: BTreeMap::new(),
            refusals: 0,
        }
    }
}

/// A retention that has counted.
fn retention(disk: &ModelDisk, budget_bytes: u64, clock: &Clock) -> Retention<ModelDisk> {
    let limits = SpaceLimits {
        budget_bytes: Some(budget_bytes),
        ..SpaceLimits::none(DIR)
    };
    let retention = Retention::new(disk.clone(), limits, clock.clone());
    retention.count();
    retention
}

fn start(disk: &ModelDisk, random: &mut Rng) -> Writer<ModelDisk> {
    let dir = Path::new(DIR);
    prepare_marks(disk, dir).expect("the model takes all");
    recover(disk, dir).expect("the model takes all");
    let durable_every = Duration::from_millis(random.u64(500..3000));
    let file_length = Duration::from_millis(random.u64(2000..8000));
    Writer::new(
        disk.clone(),
        dir.to_owned(),
        unlimited(dir),
        durable_every,
        file_length,
    )
}

impl Recording {
    /// Some cameras for some seconds, by a seed.
    fn new(seed: u64, has_retention: bool) -> Self {
        fastrand::seed(seed);
        let mut random = Rng::with_seed(seed);
        let disk = ModelDisk::new(Path::new(DIR));
        let mut writer = start(&disk, &mut random);
        let cameras = (0..random.u32(1..=3)).map(|source| {
            let mut camera = Camera::new();
            camera.interval = Duration::from_millis(random.u64(150..500));
            (camera, Arc::new(SourceShared::new(SourceId(source))))
        });
        let cameras: Vec<_> = cameras.collect();
        let sources = cameras.len() as u64;
        let retention = has_retention.then(|| Deleting::draw(&disk, sources, &mut random));
        if let Some(deleting) = &retention {
            writer.space = deleting.retention.space();
        }
        let mut recording = Self {
            disk,
            writer,
            cameras,
            durable: Vec::new(),
            retention,
            now: Duration::ZERO,
            random,
        };
        for _ in 0..recording.random.usize(4..12) {
            recording.step();
        }
        if recording.random.bool() {
            recording.writer.finish(recording.now);
            recording.note();
        }
        recording.durable.extend(durable_by_model(&recording.disk));
        recording
    }

    /// A group of one camera, or something that happens to it.
    fn step(&mut self) {
        let index = self.random.usize(0..self.cameras.len());
        let (camera, shared) = &mut self.cameras[index];
        match self.random.u8(0..28) {
            0 => {
                camera.session += 1;
                camera.at += Duration::from_secs(1);
            }
            1 => camera.format = format(self.random.u32(1..3) * 320),
            2 => camera.epoch += Duration::from_secs(3600),
            3 => camera.epoch -= Duration::from_secs(3600),
            4 => self.now += Duration::from_secs(3),
            5 => self.writer.end(shared, self.now),
            6 => {
                self.disk.heal();
                // Killed: nothing is lost that the system has, and nothing was synced.
                self.writer = start(&self.disk, &mut self.random);
                if let Some(deleting) = &mut self.retention {
                    let budget_bytes = deleting.budget_bytes;
                    deleting.retention = retention(&self.disk, budget_bytes, &deleting.clock);
                    self.writer.space = deleting.retention.space();
                }
                for (number, (_, shared)) in (0..).zip(&mut self.cameras) {
                    *shared = Arc::new(SourceShared::new(SourceId(number)));
                }
                return;
            }
            7 => {
                let (mut number, at) = (0, self.random.u32(1..12));
                self.disk.refuse(move |_, _| {
                    number += 1;
                    (number == at).then(|| std::io::Error::from_raw_os_error(5))
                });
            }
            _ => {}
        }
        camera.bytes = self.random.usize(20..3000);
        camera.at = camera.at.max(self.now);
        let mut units = camera.group(self.random.usize(1..4));
        for _ in 0..self.random.usize(0..2) {
            units.extend(camera.reordered());
        }
        let shared = shared.clone();
        for unit in units {
            self.now = self.now.max(unit.arrival);
            let scene = scene_of(&unit);
            self.writer.unit(&shared, unit, false, self.now);
            self.note();
            self.writer.scene(&shared, scene, self.now);
            self.writer.tick(self.now);
            self.note();
            self.delete(&shared);
        }
    }

    /// Lets retention delete what it wants, sometimes: never what is open, and the oldest first.
    fn delete(&mut self, shared: &SourceShared) {
        let Some(deleting) = &mut self.retention else {
            return;
        };
        let state = &shared.report().state;
        deleting.refusals += u64::from(
            matches!(state, RecordingState::Failing { reason, .. } if reason.contains("budget")),
        );
        if self.random.u8(0..3) > 0 {
            return;
        }
        let elapsed = self.now.saturating_sub(deleting.clock.now());
        deleting.clock.advance(elapsed);
        let (before, operations) = (self.disk.files(), self.disk.operations());
        deleting.retention.step();
        let after = self.disk.files();
        let tracks = self.writer.tracks.values();
        let open = tracks.filter_map(|track| track.file.as_ref());
        let open = open.chain(self.writer.closing.iter().map(|(_, file)| file));
        let open: BTreeSet<_> = open.map(|file| file.path()).collect();
        let key = |path: &Path| FileKey::of_path(Path::new(DIR), path);
        let kept = after.keys().filter(|path| !open.contains(path.as_path()));
        let oldest_kept = kept.filter_map(|path| key(path)).min();
        let has_failed = deleting.retention.space().report().failed_deletions > 0;
        for (path, content) in before {
            if after.contains_key(&path) {
                continue;
            }
            assert!(!open.contains(path.as_path()), "{path:?} is open");
            let is_oldest = oldest_kept.is_none_or(|oldest| key(&path) < Some(oldest));
            assert!(is_oldest || has_failed, "{path:?} is not the oldest");
            deleting.deleted.push((operations, path.clone()));
            deleting.contents.insert(path, content);
        }
    }

    /// Notes what the writer declared durable.
    fn note(&mut self) {
        for (path, bytes) in self.writer.declared.drain(..) {
            let mut content = self.disk.content(&path).expect("it was written");
            content.truncate(bytes as usize);
            self.durable.push(Durable {
                after: self.disk.operations(),
                path,
                content: content.into(),
            });
        }
    }

    /// The content of all files without a loss of power, deleted ones included.
    fn written(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let deleting = self.retention.as_ref();
        let mut written = deleting.map_or(BTreeMap::new(), |deleting| deleting.contents.clone());
        written.append(&mut self.disk.files());
        written
    }

    /// The longest durable content of each file after so many operations, unless its deletion had begun.
    fn durable_after(&self, operations: usize) -> BTreeMap<PathBuf, Arc<[u8]>> {
        let mut longest: BTreeMap<PathBuf, Arc<[u8]>> = BTreeMap::new();
        for durable in self
            .durable
            .iter()
            .filter(|durable| durable.after <= operations)
        {
            let content = longest.entry(durable.path.clone()).or_default();
            if durable.content.len() > content.len() {
                *content = durable.content.clone();
            }
        }
        for (before, path) in self.retention.iter().flat_map(|it| &it.deleted) {
            if *before < operations {
                longest.remove(path);
            }
        }
        longest
    }
}

/// What is wrong with a disk after recovery. `written` is what the files had without a loss of power.
fn fault(
    disk: &ModelDisk,
    durable: &BTreeMap<PathBuf, Arc<[u8]>>,
    written: &BTreeMap<PathBuf, Vec<u8>>,
) -> Option<String> {
    let files = disk.files();
    for (path, content) in durable {
        let Some(found) = files.get(path) else {
            return Some(format!("{} is gone", path.display()));
        };
        if !found.starts_with(content) {
            let (found, content) = (found.len(), content.len());
            return Some(format!(
                "{} lost some of {content} bytes, has {found}",
                path.display()
            ));
        }
    }
    for (path, content) in &files {
        if path.parent() == Some(&Path::new(DIR).join(".nvr-open")) {
            return Some(format!("{} is still there", path.display()));
        }
        let reading = mp4::read(&mut content.as_slice());
        let last = reading.as_ref().ok().and_then(|reading| {
            let is_closed = reading.ending == FileEnding::Closed;
            reading.fragments.last().filter(|_| is_closed)
        });
        let Some(last) = last else {
            return Some(format!("{} is not closed: {reading:?}", path.display()));
        };
        // Not by the checksums: nothing but what was written.
        let kept = &content[..(last.offset + last.bytes) as usize];
        if !written
            .get(path)
            .is_some_and(|written| written.starts_with(kept))
        {
            return Some(format!("{} has what nobody wrote", path.display()));
        }
    }
    None
}

/// Loses power after each operation of a recording, and sometimes again during recovery. Returns the number of losses.
fn lose_power_everywhere(recording: &Recording, seed: u64) -> Result<usize, String> {
    let mut random = Rng::with_seed(!seed);
    let (mut losses, written) = (0, recording.written());
    for after in 0..=recording.disk.operations() {
        let durable = recording.durable_after(after);
        let disk = recording.disk.lose_power(after, &mut random);
        let said = |fault: String| {
            let trace = recording.disk.trace();
            let last = trace[..after].iter().rev().take(12).rev();
            let last: Vec<_> = last.map(String::as_str).collect();
            format!(
                "seed {seed}, after {after} operations: {fault}\n{}",
                last.join("\n")
            )
        };
        start(&disk, &mut random);
        losses += 1;
        if let Some(fault) = fault(&disk, &durable, &written) {
            return Err(said(fault));
        }
        if random.u8(0..4) == 0 {
            let again = disk.lose_power(random.usize(0..=disk.operations()), &mut random);
            start(&again, &mut random);
            losses += 1;
            if let Some(fault) = fault(&again, &durable, &written) {
                return Err(said(format!(
                    "after a second loss during recovery: {fault}"
                )));
            }
        }
    }
    Ok(losses)
}

#[test]
fn what_is_durable_survives_a_loss_of_power_at_any_moment() {
    for seed in 0..200 {
        if let Err(fault) = lose_power_everywhere(&Recording::new(seed, false), seed) {
            panic!("{fault}");
        }
    }
}

#[test]
fn what_is_durable_and_not_deleted_survives_a_loss_of_power_at_any_moment() {
    let (mut deleted, mut refusals) = (0, 0);
    for seed in 0..200 {
        let recording = Recording::new(seed, true);
        if let Err(fault) = lose_power_everywhere(&recording, seed) {
            panic!("{fault}");
        }
        let deleting = recording.retention.iter();
        deleted += deleting.clone().map(|it| it.deleted.len()).sum::<usize>();
        refusals += deleting.map(|it| it.refusals).sum::<u64>();
    }
    assert!(deleted > 100 && refusals > 100, "{deleted}, {refusals}");
}

/// Minutes. `RECORD_SEEDS` is the number of recordings, 20 000 without it.
#[test]
#[ignore = "takes minutes: `tools/test power_cuts` runs it"]
fn what_is_durable_survives_many_thousand_losses_of_power() {
    let seeds = std::env::var("RECORD_SEEDS")
        .ok()
        .and_then(|seeds| seeds.parse().ok());
    let mut losses = 0;
    for seed in 1_000_000..1_000_000 + seeds.unwrap_or(20_000) {
        let recording = Recording::new(seed, seed % 2 == 0);
        match lose_power_everywhere(&recording, seed) {
            Ok(more) => losses += more,
            Err(fault) => panic!("{fault}"),
        }
    }
    assert!(losses > 0);
}

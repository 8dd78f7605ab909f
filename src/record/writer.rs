//! The writer of one disk, without its thread: units become files here, faults are waited out, and all files are synced together.
//!
//! A file that failed is never touched again, except that after a failed write what was written before it is closed. Its mark stays, so the next
//! start recovers what is sound in it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::cut::{Cut, Step};
use super::disk::RecordingDisk;
use super::gate::Passed;
use super::pre_roll::Held;
use super::report::{RecordingState, SourceShared};
use super::scene::Scene;
use super::space::Space;
use super::track::Track;
use super::track_file::{AppendError, Appended, TrackFile};
use super::trial::Trial;
use crate::base::SourceId;
use crate::media::{Codec, CodedUnit};

/// The writer of one folder.
pub(super) struct Writer<D: RecordingDisk> {
    pub(super) disk: D,
    pub(super) dir: PathBuf,
    pub(super) space: Arc<Space>,
    durable_every: Duration,
    file_length: Duration,
    pub(super) tracks: BTreeMap<SourceId, Track<D::File>>,
    /// Files with their tails, until they are durable.
    pub(super) closing: Vec<(Arc<SourceShared>, TrackFile<D::File>)>,
    /// Folders whose names are durable.
    pub(super) known_folders: BTreeSet<PathBuf>,
    sync_due: Duration,
    trial: Trial,
    /// What was declared durable, for the tests of that promise.
    #[cfg(test)]
    pub(super) declared: Vec<(PathBuf, u64)>,
}

impl<D: RecordingDisk> Writer<D> {
    /// A writer to `dir`, which exists, as does its folder of marks. It alone asks `space`.
    pub(super) fn new(
        disk: D,
        dir: PathBuf,
        space: Arc<Space>,
        durable_every: Duration,
        file_length: Duration,
    ) -> Self {
        Self {
            disk,
            dir,
            space,
            durable_every,
            file_length,
            tracks: BTreeMap::new(),
            closing: Vec::new(),
            known_folders: BTreeSet::new(),
            sync_due: Duration::ZERO,
            trial: Trial::default(),
            #[cfg(test)]
            declared: Vec::new(),
        }
    }

    /// Takes a unit of a source at `now`.
    pub(super) fn unit(
        &mut self,
        source: &Arc<SourceShared>,
        unit: CodedUnit,
        after_gap: bool,
        now: Duration,
    ) {
        if unit.format.codec == Codec::Mjpeg {
            let reason = "it sends MJPEG; set it to H.264 or H.265".to_owned();
            source.report().state = RecordingState::NotRecordable { reason };
            return;
        }
        let id = source.source;
        let mut track = match self.tracks.remove(&id) {
            Some(track) if Arc::ptr_eq(&track.shared, source) => track,
            former => {
                if let Some(mut former) = former {
                    self.end_track(&mut former, now);
                }
                Track::new(source.clone(), self.file_length)
            }
        };
        let is_test = track.is_test(now);
        match &mut track.gate {
            None => self.record(&mut track, unit, after_gap, now),
            Some(gate) => {
                let passed = gate.unit(unit, after_gap, is_test, now);
                self.pass(&mut track, passed, now);
            }
        }
        self.tracks.insert(id, track);
    }

    /// Takes a scene of a source at `now`, for its next fragment. Scenes of a source without units are dropped.
    pub(super) fn scene(&mut self, source: &Arc<SourceShared>, scene: Scene, now: Duration) {
        let is_same = |track: &Track<D::File>| Arc::ptr_eq(&track.shared, source);
        if !self.tracks.get(&source.source).is_some_and(is_same) {
            return;
        }
        let Some(mut track) = self.tracks.remove(&source.source) else {
            return;
        };
        match &mut track.gate {
            None => track.hold(scene),
            Some(gate) => {
                let passed = gate.scene(scene);
                self.pass(&mut track, passed, now);
            }
        }
        self.tracks.insert(source.source, track);
    }

    /// Closes the file of a source that was removed or pauses, and forgets what was held of it. A pause ends with its next unit, as if it
    /// were new.
    pub(super) fn end(&mut self, source: &Arc<SourceShared>, now: Duration) {
        let is_same = |track: &Track<D::File>| Arc::ptr_eq(&track.shared, source);
        if self.tracks.get(&source.source).is_some_and(is_same)
            && let Some(mut track) = self.tracks.remove(&source.source)
        {
            self.end_track(&mut track, now);
            track.shared.report().state = RecordingState::Waiting;
        }
    }

    /// Does what is due at `now`: cuts the files of silent sources, tries the disk for those that wait for an event, and syncs.
    pub(super) fn tick(&mut self, now: Duration) {
        let mut tracks = std::mem::take(&mut self.tracks);
        for track in tracks.values_mut() {
            let steps = track.cutter.tick(now);
            let (has_file, is_test) = (!track.cutter.waits_for_key(), track.is_test(now));
            if let Some(gate) = &mut track.gate {
                gate.tick(has_file, is_test, now);
                if !gate.is_open() {
                    // Left over by a write that failed.
                    track.scenes.clear();
                }
            }
            self.perform(track, steps, now);
        }
        let fault = self
            .trial
            .of_armed(&self.disk, &self.dir, tracks.values(), now);
        if let Some(fault) = fault {
            for track in tracks.values_mut().filter(|track| track.is_armed()) {
                track.fail(&fault, now);
            }
        }
        self.tracks = tracks;
        if now >= self.sync_due {
            self.sync(now);
            self.sync_due = now + self.durable_every;
        }
    }

    /// Closes all files durably.
    pub(super) fn finish(&mut self, now: Duration) {
        let mut tracks = std::mem::take(&mut self.tracks);
        for track in tracks.values_mut() {
            self.end_track(track, now);
        }
        self.sync(now);
    }

    fn end_track(&mut self, track: &mut Track<D::File>, now: Duration) {
        let steps = track.cutter.finish();
        self.perform(track, steps, now);
    }

    /// Records what a gate lets through.
    fn pass(&mut self, track: &mut Track<D::File>, passed: Passed, now: Duration) {
        if passed.ends_file {
            self.end_track(track, now);
        }
        for item in passed.items {
            match item {
                Held::Unit { unit, after_gap } => self.record(track, unit, after_gap, now),
                Held::Scene(scene) => track.hold(scene),
            }
        }
        let mut report = track.shared.report();
        report.dropped_groups += passed.lost_groups;
        if !matches!(report.state, RecordingState::Failing { .. }) && track.cutter.waits_for_key() {
            report.state = track.idle_state(self.file_length, now);
        }
    }

    /// Takes a unit that is to be in a file.
    fn record(
        &mut self,
        track: &mut Track<D::File>,
        unit: CodedUnit,
        after_gap: bool,
        now: Duration,
    ) {
        if track.file.is_none() && now < track.retry_at {
            track.shared.dropped(u64::from(unit.is_key));
        } else {
            let steps = track.cutter.push(unit, after_gap, now);
            self.perform(track, steps, now);
        }
    }

    fn perform(&mut self, track: &mut Track<D::File>, steps: Vec<Step>, now: Duration) {
        for step in steps {
            match step {
                Step::Fragment(cut) => {
                    if !self.write(track, &cut, now) {
                        break;
                    }
                }
                Step::EndFile => self.end_file(track, now),
            }
        }
        let mut report = track.shared.report();
        report.dropped_groups += track.cutter.take_lost_groups();
        let is_well = matches!(
            report.state,
            RecordingState::Recording | RecordingState::Armed
        );
        if track.cutter.waits_for_key() && is_well {
            report.state = track.idle_state(self.file_length, now);
        }
    }

    /// Writes a fragment. False if it failed; the cutter waits for a key frame then.
    fn write(&mut self, track: &mut Track<D::File>, cut: &Cut, now: Duration) -> bool {
        match self.try_write(track, cut) {
            Ok(appended) => {
                let scenes = track.scenes.clear();
                let mut report = track.shared.report();
                report.bytes += appended.bytes;
                report.fragments += 1;
                report.dropped_scenes += if appended.has_scenes { 0 } else { scenes };
                if !matches!(report.state, RecordingState::Failing { .. }) {
                    report.state = RecordingState::Recording;
                }
                true
            }
            Err(AppendError::Units(reason)) => {
                let source = track.shared.source.0;
                tracing::warn!(source, reason, "a group of pictures can't be recorded");
                let lost = track.cutter.abandon();
                track.shared.dropped(1 + lost);
                self.end_file(track, now);
                false
            }
            Err(AppendError::Full(full)) => {
                track.refuse(&full, now);
                self.end_file(track, now);
                false
            }
            Err(AppendError::Disk(fault)) => {
                track.shared.dropped(1);
                if let Some(file) = track.file.take() {
                    self.salvage(&track.shared, file);
                }
                track.fail(&fault, now);
                false
            }
        }
    }

    fn try_write(&self, track: &mut Track<D::File>, cut: &Cut) -> Result<Appended, AppendError> {
        if cut.begins_file || track.file.is_none() {
            let first = cut.units.first();
            let first = first.ok_or_else(|| AppendError::Units("it is empty".to_owned()))?;
            let base_pts_ns = cut.units.iter().map(|unit| unit.pts_ns).min();
            let created = TrackFile::create(
                &self.disk,
                &self.dir,
                &self.space,
                track.shared.source,
                first,
                base_pts_ns.unwrap_or(first.pts_ns),
            );
            track.file = Some(created?);
            track.shared.report().files += 1;
        }
        match &mut track.file {
            Some(file) => file.append(&self.disk, cut, track.scenes.as_slice()),
            None => Err(AppendError::Units("it has no file".to_owned())),
        }
    }

    /// Writes the tail of the open file. It is closed at the next sync.
    fn end_file(&mut self, track: &mut Track<D::File>, now: Duration) {
        let Some(mut file) = track.file.take() else {
            return;
        };
        if file.is_empty() {
            return file.remove(&self.disk, &self.dir);
        }
        match file.close(&self.disk) {
            Ok(()) => self.closing.push((track.shared.clone(), file)),
            Err(fault) => {
                self.salvage(&track.shared, file);
                track.fail(&fault, now);
            }
        }
    }

    /// After a failed write: closes what was written before, if the disk permits it. On a full disk it does, because the reserved
    /// space is given back first.
    fn salvage(&mut self, shared: &Arc<SourceShared>, mut file: TrackFile<D::File>) {
        if file.is_empty() {
            file.remove(&self.disk, &self.dir);
        } else if file.undo(&self.disk).is_ok() && file.close(&self.disk).is_ok() {
            self.closing.push((shared.clone(), file));
        }
    }
}

#[cfg(test)]
#[path = "writer_tests.rs"]
mod tests;

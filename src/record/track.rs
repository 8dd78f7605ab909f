//! One source that is recorded, between what comes of it and its file, and what a fault of the disk does to it.

use std::sync::Arc;
use std::time::Duration;

use super::cut::Cutter;
use super::error::DiskFault;
use super::gate::Gate;
use super::mode::RecordMode;
use super::pending::PendingScenes;
use super::report::{RecordingState, SourceShared};
use super::scene::Scene;
use super::space::Full;
use super::track_file::TrackFile;
use crate::base::Backoff;

/// The pause before a new file is tried after a fault.
const RETRY_FIRST: Duration = Duration::from_secs(5);
/// The longest such pause.
const RETRY_LONGEST: Duration = Duration::from_secs(60);

/// One source that is recorded.
pub(super) struct Track<F> {
    pub(super) shared: Arc<SourceShared>,
    /// Stands before the cutter where only events are recorded.
    pub(super) gate: Option<Gate>,
    pub(super) cutter: Cutter,
    pub(super) file: Option<TrackFile<F>>,
    /// They go into the next fragment. After one that could not be written they wait for another.
    pub(super) scenes: PendingScenes,
    pub(super) backoff: Backoff,
    /// No new file before, by the clock.
    pub(super) retry_at: Duration,
}

impl<F> Track<F> {
    /// A source that has no file yet.
    pub(super) fn new(shared: Arc<SourceShared>, file_length: Duration) -> Self {
        let gate = match &shared.mode {
            RecordMode::Continuous { .. } => None,
            RecordMode::Events(rule) => Some(Gate::new(rule.clone())),
        };
        Self {
            cutter: Cutter::new(shared.source, file_length),
            gate,
            shared,
            file: None,
            scenes: PendingScenes::default(),
            backoff: Backoff::new(RETRY_FIRST, RETRY_LONGEST),
            retry_at: Duration::ZERO,
        }
    }

    /// Keeps a scene for the next fragment.
    pub(super) fn hold(&mut self, scene: Scene) {
        let dropped = self.scenes.push(scene, !self.cutter.waits_for_key());
        self.shared.dropped_scenes(dropped);
    }

    /// Whether the disk has failed and is to be tried again.
    pub(super) fn is_test(&self, now: Duration) -> bool {
        let state = &self.shared.report().state;
        matches!(state, RecordingState::Failing { .. }) && now >= self.retry_at
    }

    /// Whether it waits for an event, as far as is known.
    pub(super) fn is_armed(&self) -> bool {
        self.shared.report().state == RecordingState::Armed
    }

    /// The state while no unit waits to be written. `limit`: from then on a source is silent.
    pub(super) fn idle_state(&self, limit: Duration, now: Duration) -> RecordingState {
        let gate = self.gate.as_ref();
        match gate.is_some_and(|gate| gate.is_armed(limit, now)) {
            true => RecordingState::Armed,
            false => RecordingState::Waiting,
        }
    }

    /// Waits before the next file.
    pub(super) fn fail(&mut self, fault: &DiskFault, now: Duration) {
        let lost = self.cutter.abandon();
        let wait = self.backoff.next_wait();
        self.retry_at = now + wait;
        let (source, attempt) = (self.shared.source.0, self.backoff.attempt());
        let wait_ms = wait.as_millis() as u64;
        tracing::warn!(source, %fault, attempt, wait_ms, "a recording failed; the next key frame after the wait begins a new file");
        let mut report = self.shared.report();
        report.dropped_groups += lost;
        report.fail(fault.to_string(), now);
    }

    /// Drops the groups for which there is no space. The next key frame tries again: space may come at any time.
    pub(super) fn refuse(&mut self, full: &Full, now: Duration) {
        let lost = self.cutter.abandon();
        let source = self.shared.source.0;
        let mut report = self.shared.report();
        report.dropped_groups += 1 + lost;
        let before = report.state.clone();
        report.fail(full.to_string(), now);
        if report.state != before {
            tracing::warn!(source, %full, "nothing is recorded until there is space");
        }
    }
}

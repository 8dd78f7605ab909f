//! The detection worker for all sources: its lanes take the newest frame of each source in turn, letterbox and infer it,
//! and pass the result on.
//!
//! A detector has one lane or more, each with a thread and an instance of the network. While one lane infers, another
//! prepares its picture. The results of one source come in the order of its frames.

use std::sync::{Arc, Mutex};

use super::inferred::{Inferred, WorkDone, WorkerStats};
use super::lane::{Group, Lane, Shared};
use super::{Detector, LoadedDetector, Picture, Thresholds};
use crate::base::sync::lock;
use crate::base::{Frame, Heartbeat, Mailbox, SourceId};

/// The detection worker. Dropping it ends it after the current frames.
pub struct Worker {
    shared: Arc<Shared>,
    heartbeat: Box<dyn Fn(usize) -> Heartbeat + Send + Sync>,
    lanes: Mutex<Lanes>,
}

/// The lanes of the present detector, and those of former ones that still work on their last frame.
struct Lanes {
    group: Arc<Group>,
    present: Vec<Lane>,
    former: Vec<Lane>,
}

impl Worker {
    /// Starts a thread `detect-N` for each lane of `opened`, which serve `mailbox` until it is closed, and pass each result
    /// with its picture to `sink`, several at once.
    ///
    /// `heartbeat` makes the heartbeat of a lane, counted from 0. It beats around every inference and is idle without work.
    /// If the detector panics or fails finally, it stops beating, so that the supervision sees it. [`Worker::swap`] starts it
    /// again.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub fn spawn(
        opened: LoadedDetector,
        mailbox: Arc<Mailbox<SourceId, Frame>>,
        thresholds: Thresholds,
        heartbeat: impl Fn(usize) -> Heartbeat + Send + Sync + 'static,
        sink: impl Fn(Inferred, &Picture<'_>) + Send + Sync + 'static,
    ) -> std::io::Result<Self> {
        let shared = Arc::new(Shared::new(mailbox, thresholds, Box::new(sink)));
        let (group, present) = start(opened, &shared, &heartbeat)?;
        Ok(Self {
            shared,
            heartbeat: Box::new(heartbeat),
            lanes: Mutex::new(Lanes {
                group,
                present,
                former: Vec::new(),
            }),
        })
    }

    /// Sets the thresholds for the next frames.
    pub fn set_thresholds(&self, thresholds: Thresholds) {
        self.shared.thresholds.store(Arc::new(thresholds));
    }

    /// Sets the detector for the next frames. The caller loads it while the current one works. Does not wait for frames that
    /// the current one works on.
    ///
    /// # Errors
    /// If the system gives no thread. The current detector goes on then.
    pub fn swap(&self, opened: LoadedDetector) -> std::io::Result<()> {
        let (model, backend) = (opened.model_id.clone(), opened.backend);
        let (group, started) = start(opened, &self.shared, &self.heartbeat)?;
        let mut lanes = self.lock();
        lanes.group = group;
        let former = std::mem::replace(&mut lanes.present, started);
        former.iter().for_each(Lane::end);
        lanes.former.extend(former);
        lanes.former.retain(|lane| !lane.is_finished());
        tracing::info!(%model, backend, lanes = lanes.present.len(), "the detector was replaced");
        Ok(())
    }

    /// The number of lanes of the present detector.
    pub fn lanes(&self) -> usize {
        self.lock().present.len()
    }

    /// The counters so far.
    pub fn stats(&self) -> WorkerStats {
        self.shared.stats()
    }

    /// The work of the detector that runs.
    pub fn work(&self) -> WorkDone {
        let lanes = self.lock();
        lanes.group.work(lanes.present.len())
    }

    /// Closes the mailbox and waits for the current frames. Blocks for one inference at most.
    pub fn stop(self) {
        drop(self);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Lanes> {
        lock(&self.lanes)
    }
}

/// Starts a lane for each instance of the network.
fn start(
    opened: LoadedDetector,
    shared: &Arc<Shared>,
    heartbeat: &dyn Fn(usize) -> Heartbeat,
) -> std::io::Result<(Arc<Group>, Vec<Lane>)> {
    let group = Arc::new(Group::new(opened.model_id, opened.backend));
    let detectors = std::iter::once(opened.detector).chain(opened.more);
    let start = |(number, detector): (usize, Box<dyn Detector>)| {
        let heartbeat = heartbeat(number);
        Lane::spawn(number, detector, shared.clone(), group.clone(), heartbeat)
    };
    let lanes = detectors.enumerate().map(start).collect::<Result<_, _>>()?;
    Ok((group, lanes))
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.shared.mailbox.close();
        // The lanes, dropped after this, wait for their threads.
    }
}

#[cfg(test)]
#[path = "worker_tests.rs"]
mod tests;

//! The thread `record-index`.

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use super::changes::Changes;
use super::files::{LocalFiles, RecordingFiles};
use super::indexer::{Indexer, Progress};
use super::listener::EventListener;
use crate::base::sync::lock;
use crate::base::{Clock, Stop};

/// The pause between two looks at the changes.
const IDLE: Duration = Duration::from_secs(1);

/// How the index goes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IndexReport {
    /// Whether all recordings and their scenes are in it.
    pub is_complete: bool,
    /// Recordings of former runs that are not in it yet. They are read the newest first.
    pub files_to_read: u64,
    /// What the disk or the database last refused, and the remedy.
    pub fault: Option<String>,
}

/// The thread `record-index`. Dropping it ends the thread after the step in progress, without waiting.
#[derive(Debug)]
pub(in crate::record) struct IndexThread {
    stop: Stop,
    report: Arc<Mutex<IndexReport>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl IndexThread {
    /// Starts the thread for the index of `dir`, which exists and is locked. Does not wait for the disk. `listener` is told about
    /// events.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub(in crate::record) fn start(
        dir: PathBuf,
        changes: Arc<Changes>,
        listener: Arc<dyn EventListener>,
        clock: Clock,
    ) -> io::Result<Self> {
        let (stop, report) = (Stop::default(), Arc::<Mutex<IndexReport>>::default());
        let files = LocalFiles { dir: dir.clone() };
        let indexer = Indexer::new(dir, files, changes, listener);
        let (its_stop, its_report) = (stop.clone(), report.clone());
        let thread = std::thread::Builder::new().name("record-index".to_owned());
        let thread = thread.spawn(move || run(indexer, &clock, &its_stop, &its_report))?;
        Ok(Self {
            stop,
            report,
            thread: Mutex::new(Some(thread)),
        })
    }

    /// How the index goes. Does not wait for the disk.
    pub(in crate::record) fn report(&self) -> IndexReport {
        lock(&self.report).clone()
    }

    /// Ends the thread, and waits for its step: for some seconds on a slow disk.
    pub(in crate::record) fn stop(&self) {
        self.stop.raise();
        let thread = lock(&self.thread).take();
        if thread.is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the thread record-index panicked");
        }
    }
}

impl Drop for IndexThread {
    fn drop(&mut self) {
        self.stop.raise();
    }
}

/// Steps until `stop` is raised. While there is much to read, it pauses for as long as it worked: recording needs the disk more.
fn run<F: RecordingFiles>(
    mut indexer: Indexer<F>,
    clock: &Clock,
    stop: &Stop,
    report: &Mutex<IndexReport>,
) {
    let mut pause = Duration::ZERO;
    while !stop.wait(pause) {
        let began = clock.now();
        let progress = indexer.step(began, stop);
        *lock(report) = IndexReport {
            is_complete: progress == Progress::Idle,
            files_to_read: indexer.files_to_read(),
            fault: indexer.fault().map(str::to_owned),
        };
        pause = match progress {
            Progress::Busy => clock.now().saturating_sub(began),
            Progress::Idle | Progress::Failed => IDLE,
            Progress::Stopped => return,
        };
    }
}

#[cfg(test)]
#[path = "thread_tests.rs"]
mod tests;

//! A quicker detector, made beside the one that works: a thread `upgrade` for the minutes that it takes.

use std::thread::JoinHandle;

use tracing::{debug, error, warn};

use crate::base::Stop;
use crate::detect::{LoadedDetector, Upgrade};

/// A build under way. Dropping it tells it to end, and does not wait.
pub(super) struct Upgrading {
    stop: Stop,
    thread: Option<JoinHandle<()>>,
}

/// Starts to make `upgrade` ready; it is handed to `take` then, with the stop that may have been raised meanwhile.
pub(super) fn begin(
    upgrade: Upgrade,
    take: impl FnOnce(LoadedDetector, &Stop) + Send + 'static,
) -> Option<Upgrading> {
    let stop = Stop::default();
    let raised = stop.clone();
    let work = move || match upgrade.run(&raised) {
        Ok(opened) => take(opened, &raised),
        Err(err) if raised.is_raised() => debug!(%err, "the build of an engine ends"),
        Err(err) => warn!(%err, "no engine was built; the detector that runs goes on"),
    };
    let thread = std::thread::Builder::new().name("upgrade".to_owned());
    match thread.spawn(work) {
        Ok(thread) => Some(Upgrading {
            stop,
            thread: Some(thread),
        }),
        Err(err) => {
            error!(%err, "no thread to build an engine; free memory or raise the limit of tasks");
            None
        }
    }
}

impl Upgrading {
    /// Ends it and waits: nothing that it started outlives the processor. Not to be called with the processor's lock held,
    /// which the thread may be waiting for.
    pub(super) fn end(mut self) {
        self.stop.raise();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Drop for Upgrading {
    fn drop(&mut self) {
        self.stop.raise();
    }
}

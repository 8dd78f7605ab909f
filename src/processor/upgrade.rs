//! Prepares a faster detector while another one works. It takes minutes, on the thread `upgrade`.

use std::thread::JoinHandle;

use tracing::{debug, error, warn};

use crate::base::Stop;
use crate::detect::{LoadedDetector, Upgrade};

/// A running preparation. Dropping it tells the thread to end, and does not wait.
pub(super) struct Upgrading {
    stop: Stop,
    thread: Option<JoinHandle<()>>,
}

/// Starts to prepare `upgrade`. The detector is passed to `take`, with a stop that may have been raised meanwhile.
pub(super) fn begin(
    upgrade: Upgrade,
    take: impl FnOnce(LoadedDetector, &Stop) + Send + 'static,
) -> Option<Upgrading> {
    let stop = Stop::default();
    let raised = stop.clone();
    let work = move || match upgrade.run(&raised) {
        Ok(opened) => take(opened, &raised),
        Err(err) if raised.is_raised() => debug!(%err, "the build of an engine was stopped"),
        Err(err) => warn!(%err, "the engine could not be built; the present detector stays in use"),
    };
    let thread = std::thread::Builder::new().name("upgrade".to_owned());
    match thread.spawn(work) {
        Ok(thread) => Some(Upgrading {
            stop,
            thread: Some(thread),
        }),
        Err(err) => {
            error!(%err, "the system gives no thread to build an engine; free memory or raise the limit of tasks");
            None
        }
    }
}

impl Upgrading {
    /// Ends the preparation and waits for its thread. The processor's lock must not be held: the thread may be waiting for it.
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

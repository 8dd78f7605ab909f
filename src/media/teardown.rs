//! Taking a pipeline down without waiting for it: drivers hang in the kernel, and rtspsrc waits for cameras that are gone.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use gstreamer as gst;
use gstreamer::prelude::*;

static STUCK: AtomicUsize = AtomicUsize::new(0);

/// How many pipelines of this process are being taken down and are over their time. A process in which this stays above
/// zero holds a driver's thread that nothing can end but the end of the process.
pub fn stuck_teardowns() -> usize {
    STUCK.load(Ordering::Acquire)
}

/// Stops `pipeline` on a thread of its own and waits at most `limit` for it; false, and an error in the log that names
/// it, where it is not done by then. What is stuck is left to itself.
pub(super) fn teardown(pipeline: gst::Pipeline, name: &str, limit: Duration) -> bool {
    off_thread(name, limit, move || {
        if let Err(err) = pipeline.set_state(gst::State::Null) {
            tracing::warn!(%err, "a pipeline did not stop cleanly");
        }
        // Messages hold references to elements, elements to the pipeline: without this a session leaks.
        if let Some(bus) = pipeline.bus() {
            bus.unset_sync_handler();
            bus.set_flushing(true);
        }
    })
}

/// Runs `work` on a thread of its own and waits at most `limit` for its end.
fn off_thread(name: &str, limit: Duration, work: impl FnOnce() + Send + 'static) -> bool {
    let (done, finished) = mpsc::channel::<()>();
    let (late, told_late) = mpsc::channel::<()>();
    let label = name.to_owned();
    let spawned = std::thread::Builder::new()
        .name("teardown".to_owned())
        .spawn(move || {
            work();
            drop(done);
            if told_late.recv().is_ok() {
                STUCK.fetch_sub(1, Ordering::AcqRel);
                tracing::warn!(name = label, "a stuck pipeline has stopped after all");
            }
        });
    if let Err(err) = spawned {
        tracing::error!(%err, name, "no thread to stop a pipeline with; it is abandoned");
        return false;
    }
    match finished.recv_timeout(limit) {
        Err(mpsc::RecvTimeoutError::Timeout) => {
            STUCK.fetch_add(1, Ordering::AcqRel);
            let _ = late.send(());
            tracing::error!(
                name,
                limit_ms = limit.as_millis(),
                "a pipeline does not stop; it is left to itself: a driver may hang"
            );
            false
        }
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_hangs_is_left_behind_and_counted_until_it_ends() {
        let (release, held) = mpsc::channel::<()>();
        let before = stuck_teardowns();
        assert!(!off_thread(
            "a driver",
            Duration::from_millis(10),
            move || {
                let _ = held.recv();
            }
        ));
        assert_eq!(stuck_teardowns(), before + 1);
        drop(release);
        let deadline = std::time::Instant::now() + Duration::from_secs(10);
        while stuck_teardowns() != before {
            assert!(std::time::Instant::now() < deadline, "it never ended");
            std::thread::yield_now();
        }
        assert!(off_thread("quick", Duration::from_secs(10), || ()));
    }
}

//! Stops pipelines on a separate thread with a time limit: drivers hang in the kernel, and rtspsrc waits for absent cameras.

use std::sync::mpsc;
use std::time::Duration;

use gstreamer as gst;
use gstreamer::prelude::*;

/// Stops `pipeline` on a separate thread and waits at most `limit`. Returns false, after an error in the log that names the
/// pipeline, if it has not stopped by then; the pipeline is then abandoned.
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

/// Runs `work` on a separate thread and waits at most `limit` for its end.
fn off_thread(name: &str, limit: Duration, work: impl FnOnce() + Send + 'static) -> bool {
    let (done, finished) = mpsc::channel::<()>();
    let (report_late, timed_out) = mpsc::channel::<()>();
    let label = name.to_owned();
    let spawned = std::thread::Builder::new()
        .name("teardown".to_owned())
        .spawn(move || {
            work();
            drop(done);
            if timed_out.recv().is_ok() {
                tracing::warn!(name = label, "an abandoned pipeline has stopped after all");
            }
        });
    if let Err(err) = spawned {
        tracing::error!(%err, name, "no thread to stop a pipeline; it is abandoned");
        return false;
    }
    match finished.recv_timeout(limit) {
        Err(mpsc::RecvTimeoutError::Timeout) => {
            let _ = report_late.send(());
            tracing::error!(
                name,
                limit_ms = limit.as_millis(),
                "a pipeline does not stop and is abandoned; a driver may hang"
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
    fn a_teardown_that_hangs_is_left_behind() {
        let (release, held) = mpsc::channel::<()>();
        assert!(!off_thread(
            "a driver",
            Duration::from_millis(10),
            move || {
                let _ = held.recv();
            }
        ));
        drop(release);
        assert!(off_thread("quick", Duration::from_secs(10), || ()));
    }
}

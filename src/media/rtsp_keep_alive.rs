//! Requests in the middle of a session, for servers that end one whose client asks for nothing any more.
//!
//! rtspsrc (up to 1.22) sends none over TCP while pictures come, and does not show those that it sends over UDP to its extensions,
//! which would leave them without a login. They are sent as GET_PARAMETER requests of the application's instead: rtspsrc waits
//! for their answers and passes on what arrives meanwhile. The session's own thread calls.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use gstreamer as gst;
use gstreamer::prelude::*;

use super::rtsp_dialogue::Dialogue;

/// Until the next look, where a request could not be sent or was not answered.
const AGAIN: Duration = Duration::from_secs(1);
/// rtspsrc sends no GET_PARAMETER without a parameter; the request loses it on the way.
const NO_PARAMETER: &str = "none";

/// Keeps one session alive.
pub(super) struct KeepAlive {
    source: gst::Element,
    dialogue: Arc<Dialogue>,
    waits: Arc<AtomicBool>,
    begun: bool,
    unanswered: bool,
}

impl KeepAlive {
    /// For the session of `source`, an rtspsrc.
    pub(super) fn new(source: gst::Element, dialogue: Arc<Dialogue>) -> Self {
        Self {
            source,
            dialogue,
            waits: Arc::default(),
            begun: false,
            unanswered: false,
        }
    }

    /// Sends a request if it is time; tells when to call again.
    pub(super) fn send_if_due(&mut self) -> Duration {
        let left = self.dialogue.until_keep_alive();
        if !left.is_zero() {
            return left;
        }
        if self.waits.load(Ordering::Acquire) {
            // rtspsrc sends no other request before this one is answered. Pictures flow all the same.
            if !self.unanswered {
                tracing::debug!(
                    "the camera does not answer the request that keeps its session alive"
                );
            }
            self.unanswered = true;
            return AGAIN;
        }
        if !self.begun {
            // Silence is for the stall limit to judge, also while an answer is awaited.
            self.source.set_property("tcp-timeout", 0u64);
            self.begun = true;
        }
        // Not only when it is sent: rtspsrc posts messages before that, which wake the caller.
        self.dialogue.request_sent();
        self.waits.store(true, Ordering::Release);
        let waits = self.waits.clone();
        let promise = gst::Promise::with_change_func(move |_| {
            waits.store(false, Ordering::Release);
        });
        let none: Option<&str> = None;
        let taken = self
            .source
            .emit_by_name::<bool>("get-parameter", &[&NO_PARAMETER, &none, &promise]);
        if !taken {
            self.waits.store(false, Ordering::Release);
            tracing::debug!("rtspsrc takes no request that keeps the session alive");
        }
        AGAIN
    }

    /// Whether a request was left without an answer until the next one was due.
    pub(super) fn was_unanswered(&self) -> bool {
        self.unanswered
    }
}

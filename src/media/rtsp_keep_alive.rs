//! Keep-alive requests, for servers that end a session without requests.
//!
//! rtspsrc (up to 1.22) sends none over TCP while pictures arrive. Those over UDP are hidden from its extensions and
//! would have no login. Therefore the application sends GET_PARAMETER requests: rtspsrc waits for their responses and
//! passes on what arrives meanwhile. The session's own thread calls the functions.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use gstreamer as gst;
use gstreamer::prelude::*;

use super::rtsp_dialogue::Dialogue;

/// Time until the next check, if a request could not be sent or was not answered.
const AGAIN: Duration = Duration::from_secs(1);
/// rtspsrc sends GET_PARAMETER only with a parameter; the extension removes it from the request.
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
    /// Keeps the session of `source`, an rtspsrc, alive.
    pub(super) fn new(source: gst::Element, dialogue: Arc<Dialogue>) -> Self {
        Self {
            source,
            dialogue,
            waits: Arc::default(),
            begun: false,
            unanswered: false,
        }
    }

    /// Sends a request if it is due. Returns the time until the next call.
    pub(super) fn send_if_due(&mut self) -> Duration {
        let left = self.dialogue.until_keep_alive();
        if !left.is_zero() {
            return left;
        }
        if self.waits.load(Ordering::Acquire) {
            // rtspsrc sends no other request before this one is answered. Pictures arrive nevertheless.
            if !self.unanswered {
                tracing::debug!("the camera did not answer a keep-alive request");
            }
            self.unanswered = true;
            return AGAIN;
        }
        if !self.begun {
            // From now on the stall limit alone decides about silence, also while a response is expected.
            self.source.set_property("tcp-timeout", 0u64);
            self.begun = true;
        }
        // Set before the request is sent: rtspsrc posts messages before sending, which wake the caller.
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
            tracing::debug!("rtspsrc did not accept a keep-alive request");
        }
        AGAIN
    }

    /// Whether a request had no response when the next one was due.
    pub(super) fn was_unanswered(&self) -> bool {
        self.unanswered
    }
}

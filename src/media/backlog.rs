//! Decides which access units go to the decoder of a session when it falls behind. Called on the thread that feeds the decoder.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// If an access unit reaches the decoder later than this after its arrival, the session skips to the next key frame. The
/// decoder is too slow for the camera, or it took that long to start: CUDA needs 2.4 s on an NVIDIA H200.
const LONGEST_BACKLOG: Duration = Duration::from_secs(2);

/// What the session does with an access unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum UnitAction {
    /// Pass it to the decoder.
    Decode,
    /// Drop it, because the decoder is behind.
    Skip,
}

/// The state between two access units.
#[derive(Debug, Default)]
pub(super) struct Backlog {
    skipping: AtomicBool,
    /// Whether a unit reached the decoder in time after the first picture: the decoder's start is over.
    keeps_up: AtomicBool,
}

impl Backlog {
    /// Takes an access unit on its way to the decoder. `key`: whether decoding can start with it. `age`: the time since its
    /// arrival. `has_picture`: whether the decoder has given a picture.
    pub(super) fn admit(&self, key: bool, age: Duration, has_picture: bool) -> UnitAction {
        let is_late = age > LONGEST_BACKLOG;
        if !is_late && has_picture {
            self.keeps_up.store(true, Ordering::Release);
        }
        if key {
            self.skipping.store(false, Ordering::Release);
        } else if is_late && !self.skipping.swap(true, Ordering::AcqRel) {
            self.report(age);
        }
        if self.skipping.load(Ordering::Acquire) {
            UnitAction::Skip
        } else {
            UnitAction::Decode
        }
    }

    fn report(&self, age: Duration) {
        let backlog_ms = age.as_millis();
        if self.keeps_up.load(Ordering::Acquire) {
            tracing::warn!(
                backlog_ms,
                "the decoder is too slow for this stream; skipping to the next key frame"
            );
        } else {
            tracing::info!(
                backlog_ms,
                "the decoder took long to start; skipping to the next key frame"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IN_TIME: Duration = Duration::from_millis(40);
    const LATE: Duration = Duration::from_millis(2400);

    #[test]
    fn late_units_are_dropped_up_to_the_next_key_frame() {
        let backlog = Backlog::default();
        for (key, age, action) in [
            (true, IN_TIME, UnitAction::Decode),
            (false, IN_TIME, UnitAction::Decode),
            (false, LATE, UnitAction::Skip),
            (false, IN_TIME, UnitAction::Skip),
            (true, LATE, UnitAction::Decode),
            (false, IN_TIME, UnitAction::Decode),
        ] {
            assert_eq!(backlog.admit(key, age, true), action, "{key} {age:?}");
        }
    }

    #[test]
    fn a_decoder_that_starts_slowly_is_not_taken_for_a_slow_one() {
        let backlog = Backlog::default();
        backlog.admit(true, IN_TIME, false);
        // The thread was held by the decoder's start; the first picture is there, but the units are late still.
        assert_eq!(backlog.admit(false, LATE, true), UnitAction::Skip);
        assert!(!backlog.keeps_up.load(Ordering::Acquire));
        backlog.admit(true, LATE, true);
        backlog.admit(false, IN_TIME, true);
        assert!(backlog.keeps_up.load(Ordering::Acquire));
    }
}

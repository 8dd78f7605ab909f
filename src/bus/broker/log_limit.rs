//! Limits repeated log lines.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::base::sync::lock;

/// Shortest time between two lines of one kind.
const PAUSE: Duration = Duration::from_secs(10);

/// Permits one line of each kind per ten seconds.
#[derive(Debug, Default)]
pub(super) struct LogLimiter(Mutex<HashMap<&'static str, LastLine>>);

#[derive(Debug)]
struct LastLine {
    at: Instant,
    /// Number of suppressed lines since.
    held_back: u64,
}

impl LogLimiter {
    /// If a line of `kind` may be logged now, the number of suppressed lines before it.
    pub(super) fn due(&self, kind: &'static str) -> Option<u64> {
        let now = Instant::now();
        let mut said = lock(&self.0);
        if let Some(last) = said.get_mut(kind)
            && now.duration_since(last.at) < PAUSE
        {
            last.held_back += 1;
            return None;
        }
        let fresh = LastLine {
            at: now,
            held_back: 0,
        };
        let last = said.insert(kind, fresh);
        Some(last.map_or(0, |last| last.held_back))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_one_kind_is_one_line_and_does_not_hide_another() {
        let log_limit = LogLimiter::default();
        assert_eq!(log_limit.due("full"), Some(0));
        assert_eq!(log_limit.due("full"), None);
        assert_eq!(log_limit.due("login"), Some(0));
    }
}

//! The last lines of the roles' logs.

use std::collections::VecDeque;

use crate::agent::attempts::{LOG_LINES, cut_line};

/// The last [`LOG_LINES`] lines, oldest first, each cut to its maximum length.
#[derive(Debug, Clone, Default)]
pub(super) struct LogTail(VecDeque<String>);

impl LogTail {
    pub(super) fn push(&mut self, line: &str) {
        if self.0.len() == LOG_LINES {
            self.0.pop_front();
        }
        self.0.push_back(cut_line(line));
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    pub(super) fn lines(&self) -> Vec<String> {
        self.0.iter().cloned().collect()
    }
}

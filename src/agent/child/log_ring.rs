//! The last lines that a child has written, without secrets, in bounded memory.

use std::collections::VecDeque;
use std::sync::Mutex;

use crate::base::sync::lock;
use crate::config::without_secrets;

/// Maximum number of lines: as many as a command can ask for.
const LINES: usize = 1000;
/// Maximum length of a kept line in bytes. All lines together have at most 256 KiB.
const LINE_BYTES: usize = 512;
/// Maximum length of all lines together in bytes.
const ALL_BYTES: usize = 256 * 1024;

/// The last lines of a child.
#[derive(Debug, Default)]
pub(in crate::agent) struct LogRing(Mutex<Lines>);

#[derive(Debug, Default)]
struct Lines {
    kept: VecDeque<String>,
    bytes: usize,
}

impl LogRing {
    /// Keeps a line. Returns it as it is kept: cut, and without logins.
    pub(super) fn push(&self, line: &str) -> String {
        let line = without_secrets(line);
        let line = line[..line.floor_char_boundary(LINE_BYTES)].to_owned();
        let mut lines = lock(&self.0);
        lines.bytes += line.len();
        lines.kept.push_back(line.clone());
        while lines.kept.len() > LINES || lines.bytes > ALL_BYTES {
            let dropped = lines.kept.pop_front().unwrap_or_default();
            lines.bytes -= dropped.len();
        }
        line
    }

    /// The last `count` lines, oldest first.
    pub(in crate::agent) fn last(&self, count: usize) -> Vec<String> {
        let lines = lock(&self.0);
        let skipped = lines.kept.len().saturating_sub(count);
        lines.kept.iter().skip(skipped).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_lines_are_kept_without_logins() {
        let ring = LogRing::default();
        for number in 0..1200 {
            ring.push(&format!("line {number}"));
        }
        assert_eq!(ring.last(5000).len(), LINES);
        ring.push("can't open rtsp://viewer:hunter2@10.0.0.20/1");
        let last = ring.last(1);
        assert!(
            last[0].contains("10.0.0.20") && !last[0].contains("hunter2"),
            "{last:?}"
        );
    }

    #[test]
    fn long_lines_are_cut_and_the_memory_is_bounded() {
        let ring = LogRing::default();
        for _ in 0..LINES {
            assert!(ring.push(&"é".repeat(4000)).len() <= LINE_BYTES);
        }
        let bytes: usize = ring.last(LINES).iter().map(String::len).sum();
        assert!(bytes <= ALL_BYTES, "{bytes}");
    }
}

//! The one place that writes to standard output and standard error for people; everything else logs.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

/// A line to standard output. A reader that went away (`nvr … | head`) is no error.
pub fn line(text: impl std::fmt::Display) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{text}").and_then(|()| out.flush());
}

/// A line to standard error.
pub fn error(text: impl std::fmt::Display) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

/// Where there is no terminal, a line of progress is written this often at most.
const PROGRESS_EVERY: Duration = Duration::from_secs(10);

/// A line on standard error that says how far something is: it moves in place on a terminal, and is written anew now and
/// then elsewhere.
#[derive(Debug)]
pub struct ProgressLine {
    terminal: bool,
    written: Option<Instant>,
}

impl Default for ProgressLine {
    fn default() -> Self {
        Self {
            terminal: std::io::stderr().is_terminal(),
            written: None,
        }
    }
}

impl ProgressLine {
    /// Shows `text` in the place of what was there.
    pub fn show(&mut self, text: impl std::fmt::Display) {
        if self.terminal {
            let mut text = text.to_string();
            // A line that wraps could not be overwritten.
            text.truncate(text.floor_char_boundary(78));
            let mut err = std::io::stderr().lock();
            let _ = write!(err, "\r{text}\x1b[K").and_then(|()| err.flush());
        } else if self.written.is_none_or(|at| at.elapsed() >= PROGRESS_EVERY) {
            error(text);
        } else {
            return;
        }
        self.written = Some(Instant::now());
    }
}

impl Drop for ProgressLine {
    fn drop(&mut self) {
        if self.terminal && self.written.is_some() {
            error("");
        }
    }
}

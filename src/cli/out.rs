//! Output to standard output and standard error. All other code logs.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

/// Writes a line to standard output. A closed pipe (`nvr … | head`) is no error.
pub fn line(text: impl std::fmt::Display) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{text}").and_then(|()| out.flush());
}

/// Writes a line to standard error.
pub fn error(text: impl std::fmt::Display) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

/// Asks on standard error, and returns the line that is typed; an empty text at the end of the input.
///
/// # Errors
/// Those of the terminal.
pub fn ask(question: impl std::fmt::Display) -> std::io::Result<String> {
    let mut err = std::io::stderr().lock();
    write!(err, "{question} ")?;
    err.flush()?;
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    Ok(answer)
}

/// Shortest time between two progress lines if standard error is no terminal.
const PROGRESS_EVERY: Duration = Duration::from_secs(10);

/// A progress line on standard error. On a terminal it is overwritten in place; elsewhere a new line is written every
/// ten seconds.
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
    /// Shows `text` in place of the previous text.
    pub fn show(&mut self, text: impl std::fmt::Display) {
        if self.terminal {
            let mut text = text.to_string();
            // A wrapped line can't be overwritten.
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

//! The one place that writes to standard output and standard error for people; everything else logs.

use std::io::Write;

/// A line to standard output. A reader that went away (`nvr … | head`) is no error.
pub fn line(text: impl std::fmt::Display) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{text}").and_then(|()| out.flush());
}

/// A line to standard error.
pub fn error(text: impl std::fmt::Display) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

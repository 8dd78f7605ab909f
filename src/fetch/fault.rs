//! Why a file can't be had, and when the next attempt follows.

use std::time::Duration;

/// Codes of the problems of a download.
pub(crate) mod codes {
    /// The file can't be fetched now.
    pub(crate) const FETCH: &str = "fetch-failed";
    /// The server has another file than the document names.
    pub(crate) const CONTENT: &str = "wrong-content";
    /// The disk is full or can't be written.
    pub(crate) const DISK: &str = "disk";
}

/// When the next attempt follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Retry {
    /// At once, from the start of the file: what was kept of it does not fit.
    AtOnce,
    /// After waits that double, at least this one.
    Backoff(Duration),
    /// After a long wait: a whole file was fetched in vain.
    Rarely,
    /// Not at all: the same file would fail again.
    Never,
    /// No document names it any more.
    Stopped,
}

/// A problem of a file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub(crate) struct Fault {
    /// A word for programs.
    pub(crate) code: &'static str,
    /// The fault and its remedy, without secrets.
    pub(crate) message: String,
    pub(crate) retry: Retry,
}

impl Fault {
    pub(crate) fn new(code: &'static str, message: impl Into<String>, retry: Retry) -> Self {
        Self {
            code,
            message: message.into(),
            retry,
        }
    }

    /// The server can't be reached, or does not give the file.
    pub(crate) fn fetch(message: impl Into<String>) -> Self {
        Self::new(codes::FETCH, message, Retry::Backoff(Duration::ZERO))
    }

    /// The server has another file.
    pub(crate) fn content(message: impl Into<String>) -> Self {
        Self::new(codes::CONTENT, message, Retry::Rarely)
    }

    /// The disk.
    pub(crate) fn disk(message: impl Into<String>) -> Self {
        Self::new(codes::DISK, message, Retry::Backoff(Duration::ZERO))
    }

    /// It is not wanted any more.
    pub(crate) fn stopped() -> Self {
        Self::new(codes::FETCH, "it is not wanted any more", Retry::Stopped)
    }

    pub(crate) fn with_code(self, code: &'static str) -> Self {
        Self { code, ..self }
    }

    pub(crate) fn with(self, retry: Retry) -> Self {
        Self { retry, ..self }
    }
}

//! Why a model can't be had, and when the next attempt follows.

use std::time::Duration;

/// Codes of the problems of a model.
pub(super) mod codes {
    /// The file can't be fetched now.
    pub(in crate::agent::models) const FETCH: &str = "fetch-failed";
    /// The server has another file than the document names.
    pub(in crate::agent::models) const CONTENT: &str = "wrong-content";
    /// The file is no model that this program accepts.
    pub(in crate::agent::models) const BAD_MODEL: &str = "bad-model";
    /// The disk is full or can't be written.
    pub(in crate::agent::models) const DISK: &str = "disk";
    /// The processor refuses the model, or ends with it.
    pub(in crate::agent::models) const NOT_LOADED: &str = "not-loaded";
    /// The engine could not be built.
    pub(in crate::agent::models) const NO_ENGINE: &str = "engine-not-built";
    /// The processor runs another model until this one is there.
    pub(in crate::agent::models) const NOT_READY: &str = "model-not-ready";
}

/// When the next attempt follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Retry {
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

/// A problem of a model.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub(super) struct Fault {
    /// A word for programs.
    pub(super) code: &'static str,
    /// The fault and its remedy, without secrets.
    pub(super) message: String,
    pub(super) retry: Retry,
}

impl Fault {
    fn new(code: &'static str, message: impl Into<String>, retry: Retry) -> Self {
        Self {
            code,
            message: message.into(),
            retry,
        }
    }

    /// The server can't be reached, or does not give the file.
    pub(super) fn fetch(message: impl Into<String>) -> Self {
        Self::new(codes::FETCH, message, Retry::Backoff(Duration::ZERO))
    }

    /// The server has another file.
    pub(super) fn content(message: impl Into<String>) -> Self {
        Self::new(codes::CONTENT, message, Retry::Rarely)
    }

    /// The file is no model.
    pub(super) fn bad_model(message: impl Into<String>) -> Self {
        Self::new(codes::BAD_MODEL, message, Retry::Never)
    }

    /// The disk.
    pub(super) fn disk(message: impl Into<String>) -> Self {
        Self::new(codes::DISK, message, Retry::Backoff(Duration::ZERO))
    }

    /// It is not wanted any more.
    pub(super) fn stopped() -> Self {
        Self::new(codes::FETCH, "it is not wanted any more", Retry::Stopped)
    }

    pub(super) fn with_code(self, code: &'static str) -> Self {
        Self { code, ..self }
    }

    pub(super) fn with(self, retry: Retry) -> Self {
        Self { retry, ..self }
    }
}

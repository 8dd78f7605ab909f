//! Why a command is not obeyed.

/// A code and a message.
pub(super) type Refused = (&'static str, String);

/// The codes of commands, besides those of the checks.
pub(super) mod codes {
    /// The verb needs a role that this box does not run, or that has not started.
    pub(in crate::agent) const NOT_RUNNING: &str = "not-running";
    /// The role or the machine can't do it.
    pub(in crate::agent) const NOT_SUPPORTED: &str = "not-supported";
    /// It was begun and failed.
    pub(in crate::agent) const FAILED: &str = "failed";
    /// It did not end in time.
    pub(in crate::agent) const TIMED_OUT: &str = "timed-out";
    /// Too many commands are being carried out.
    pub(in crate::agent) const BUSY: &str = "busy";
    /// Another command with this id came shortly before.
    pub(in crate::agent) const DUPLICATE: &str = "duplicate";
    /// A retained command: it would be obeyed again at every connection.
    pub(in crate::agent) const RETAINED: &str = "retained";
}

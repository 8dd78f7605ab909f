//! Who wants more details of a session than its frames, such as the probe of a camera.

use std::time::Duration;

/// Receives more details of a session than its frames. The session's threads call it; it must not block.
pub(super) trait Observer: Send + Sync {
    /// The camera offers a stream, for example `video` in `H264`. The session may or may not take it.
    fn offered(&self, media: &str, encoding: &str);

    /// The camera asks for a login.
    fn asked_for_login(&self);

    /// An access unit has arrived.
    fn unit(&self, unit: &ObservedUnit);
}

/// Facts about an access unit before it is decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ObservedUnit {
    pub(super) key: bool,
    pub(super) bytes: usize,
    /// The time of arrival, by the session's clock and since the Unix epoch.
    pub(super) arrival: Duration,
    pub(super) arrival_unix: Duration,
    /// RTCP NTP time as Unix nanoseconds.
    pub(super) ntp_ns: Option<u64>,
}

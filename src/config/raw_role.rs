//! The settings that the tables of both roles share, and their ranges.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::duration::{HOUR, SECOND};

/// Range of `stall_limit`.
pub(super) const STALL_LIMITS: RangeInclusive<Duration> = Duration::from_millis(500)..=HOUR;
/// Range of `start_limit`.
pub(super) const START_LIMITS: RangeInclusive<Duration> = SECOND..=HOUR;
/// Range of `stage_limit`. A source that waits for a silent camera has a heartbeat every 5 s, and so does the MQTT link
/// between two attempts. With a limit below twice that, a stage that only waits would count as stuck.
pub(super) const STAGE_LIMITS: RangeInclusive<Duration> = Duration::from_secs(12)..=HOUR;
/// Range of `retry_first` and `retry_longest`; the first is at most the longest.
pub(super) const RETRY_LIMITS: RangeInclusive<Duration> = Duration::from_millis(50)..=HOUR;

/// Declares the table of a role as `settings!` does. The keys of the role stand in three blocks; the limits and the
/// watchdog of both roles are inserted between them.
macro_rules! role_settings {
    (
        $(#[doc = $about:tt])*
        #[schemars($($title:tt)*)]
        pub struct $name:ident {
            { $($above:tt)* }
            limits
            { $($between:tt)* }
            watchdog
            { $($below:tt)* }
        }
    ) => {
        super::declare::settings! {
            $(#[doc = $about])*
            #[schemars($($title)*)]
            pub struct $name {
                $($above)*
                /// Maximum time without an access unit, {range}. Then the camera's session is restarted.
                pub stall_limit: Span = Span::seconds(5), within super::raw_role::STALL_LIMITS;
                /// Maximum time from PLAY to the first decoded frame, {range}.
                pub start_limit: Span = Span::seconds(20), within super::raw_role::START_LIMITS;
                /// Maximum time without progress of a stage, {range}. Then the stage counts as stuck.
                pub stage_limit: Span = Span::seconds(30), within super::raw_role::STAGE_LIMITS;
                /// Wait before the first retry of a failed camera, 50ms to `retry_longest`. Each further wait doubles.
                pub retry_first: Span = Span::milliseconds(500);
                /// Maximum wait before a retry of a failed camera, up to {most}.
                pub retry_longest: Span = Span::seconds(30), within super::raw_role::RETRY_LIMITS;
                $($between)*
                /// Whether the process feeds systemd's watchdog while all stages make progress.
                pub watchdog: bool = true;
                $($below)*
            }
        }
    };
}

pub(super) use role_settings;

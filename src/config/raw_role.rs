//! What the tables of both roles have, written once.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::duration::{HOUR, SECOND};

/// Of the longest time without an access unit.
pub(super) const STALL_LIMITS: RangeInclusive<Duration> = Duration::from_millis(500)..=HOUR;
/// Of the longest time to the first decoded frame.
pub(super) const START_LIMITS: RangeInclusive<Duration> = SECOND..=HOUR;
/// A source that waits for a silent camera proves its life every 5 s, as does the link between two attempts: with a limit
/// below twice that, what only waits would be called stuck.
pub(super) const STAGE_LIMITS: RangeInclusive<Duration> = Duration::from_secs(12)..=HOUR;
/// Of both waits before a failed camera is tried again; the first is at most the longest.
pub(super) const RETRY_LIMITS: RangeInclusive<Duration> = Duration::from_millis(50)..=HOUR;

/// Declares the table of a role as `settings!` does: keys of the role, the limits of both roles, keys of the role, the
/// watchdog of both roles, keys of the role.
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
                /// Longest time without an access unit, {range}; then the camera's session starts anew.
                pub stall_limit: Span = Span::seconds(5), within super::raw_role::STALL_LIMITS;
                /// Longest time from PLAY to the first decoded frame, {range}.
                pub start_limit: Span = Span::seconds(20), within super::raw_role::START_LIMITS;
                /// Longest time that a stage may go without progress before it counts as stuck, {range}.
                pub stage_limit: Span = Span::seconds(30), within super::raw_role::STAGE_LIMITS;
                /// First wait before a failed camera is tried again; it doubles. 50ms to `retry_longest`.
                pub retry_first: Span = Span::milliseconds(500);
                /// Longest wait before a failed camera is tried again, up to {most}.
                pub retry_longest: Span = Span::seconds(30), within super::raw_role::RETRY_LIMITS;
                $($between)*
                /// Whether systemd's watchdog is fed while all stages make progress.
                pub watchdog: bool = true;
                $($below)*
            }
        }
    };
}

pub(super) use role_settings;

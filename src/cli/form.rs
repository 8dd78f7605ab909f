//! The form in which subcommands print what they have found.

use std::time::Duration;

use clap::ValueEnum;
use jiff::Timestamp;
use jiff::tz::TimeZone;

/// The form of a list or a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(super) enum Form {
    #[default]
    Text,
    Json,
}

/// A time since the Unix epoch in RFC 3339, with the offset of the zone.
pub(super) fn local(unix: Duration, zone: &TimeZone) -> String {
    let milliseconds = i64::try_from(unix.as_millis()).unwrap_or(i64::MAX);
    let time = Timestamp::from_millisecond(milliseconds).unwrap_or(Timestamp::MAX);
    let zoned = time.to_zoned(zone.clone());
    zoned.strftime("%Y-%m-%dT%H:%M:%S.%3f%:z").to_string()
}

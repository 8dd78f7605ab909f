//! Moments on the command line: RFC 3339, or the local time of this machine.

use std::time::Duration;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

/// A moment since the Unix epoch, for options: `2026-11-28T08:30:00Z`, or in the zone of this machine `2026-11-28 08:30[:00]`.
pub(super) fn moment(text: &str) -> Result<Duration, String> {
    in_zone(text, &TimeZone::system())
}

fn in_zone(text: &str, zone: &TimeZone) -> Result<Duration, String> {
    let time = match text.parse::<Timestamp>() {
        Ok(time) => time,
        Err(_) => local(text, zone)?.timestamp(),
    };
    let before = || "must not be before 1970".to_owned();
    Duration::try_from(time.as_duration()).map_err(|_| before())
}

fn local(text: &str, zone: &TimeZone) -> Result<Zoned, String> {
    let forms = [
        "%Y-%m-%d %H:%M:%S%.f",
        "%Y-%m-%d %H:%M",
        "%Y-%m-%dT%H:%M:%S%.f",
        "%Y-%m-%dT%H:%M",
    ];
    let time = forms
        .iter()
        .find_map(|form| DateTime::strptime(form, text).ok());
    let time = time.ok_or("write it as 2026-11-28T08:30:00Z, or as local time, 2026-11-28 08:30 or 2026-11-28 08:30:00")?;
    let unclear = || {
        format!(
            "the clocks of this machine are changed then; write it with its offset, as {}+01:00",
            time.strftime("%Y-%m-%dT%H:%M:%S")
        )
    };
    zone.to_ambiguous_zoned(time)
        .unambiguous()
        .map_err(|_| unclear())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn berlin(text: &str) -> Result<u128, String> {
        let rule = "CET-1CEST,M3.5.0,M10.5.0/3";
        let zone = TimeZone::posix(rule).expect("a zone");
        in_zone(text, &zone).map(|time| time.as_millis())
    }

    #[test]
    fn rfc_3339_and_local_times_are_moments() {
        let moment = Ok(1_795_854_600_000);
        for text in [
            "2026-11-28T08:30:00Z",
            "2026-11-28T09:30:00+01:00",
            "2026-11-28 08:30:00Z",
            "2026-11-28 09:30",
            "2026-11-28 09:30:00",
            "2026-11-28T09:30",
        ] {
            assert_eq!(berlin(text), moment, "{text}");
        }
        assert_eq!(berlin("2026-11-28 09:30:00.123"), Ok(1_795_854_600_123));
        assert_eq!(berlin("2026-07-01 12:00"), Ok(1_782_900_000_000));
    }

    #[test]
    fn local_times_that_come_twice_or_never_need_an_offset() {
        for text in ["2026-10-25 02:30", "2026-03-29 02:30"] {
            let error = berlin(text).expect_err("unclear");
            assert!(error.contains("write it with its offset"), "{error}");
        }
        assert_eq!(berlin("2026-10-25T02:30:00+02:00"), Ok(1_792_888_200_000));
    }

    #[test]
    fn other_texts_are_refused() {
        for text in [
            "",
            "08:30",
            "2026-11-28",
            "2026-13-01 08:30",
            "28.11.2026 08:30",
            "1",
        ] {
            let error = berlin(text).expect_err(text);
            assert!(
                error.starts_with("write it as 2026-11-28T08:30:00Z"),
                "{error}"
            );
        }
        assert_eq!(
            berlin("1969-12-31T00:00:00Z"),
            Err("must not be before 1970".to_owned())
        );
    }
}

//! `nvr record lock`, `unlock` and `locks`: keeps recordings from being deleted.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, anyhow};
use clap::{Args, ValueHint};
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde::Serialize;

use super::form::Form;
use super::form::local;
use super::out;
use super::record_text::{seconds, shown_once};
use crate::base::{SourceId, shown_bytes, unix_now};
use crate::record::{Lock, LockCoverage, LockError, NewLock, lock, lock_coverage, locks, unlock};

/// Options of `nvr record lock`.
#[derive(Debug, Args)]
pub(super) struct LockArgs {
    /// Folder of recordings
    #[arg(value_hint = ValueHint::DirPath)]
    dir: PathBuf,
    /// Source whose recordings are locked
    #[arg(long, value_name = "ID")]
    source: u32,
    /// Beginning of the time: RFC 3339, such as 2026-11-28T08:30:00Z, or local, such as '2026-11-28 08:30'
    #[arg(
        long,
        value_name = "TIME",
        required_unless_present = "last",
        requires = "until"
    )]
    from: Option<String>,
    /// End of the time, which may be to come
    #[arg(long, value_name = "TIME", requires = "from")]
    until: Option<String>,
    /// In place of --from and --until: the time up to now
    #[arg(long, value_name = "DURATION", conflicts_with_all = ["from", "until"], value_parser = humantime::parse_duration)]
    last: Option<Duration>,
    /// Reason for the lock, a line of at most 200 characters
    #[arg(
        long,
        value_name = "TEXT",
        default_value = "",
        hide_default_value = true
    )]
    reason: String,
    /// Output format
    #[arg(long, value_enum, default_value_t)]
    format: Form,
}

/// Options of `nvr record unlock`.
#[derive(Debug, Args)]
pub(super) struct UnlockArgs {
    /// Folder of recordings
    #[arg(value_hint = ValueHint::DirPath)]
    dir: PathBuf,
    /// Id of the lock, as `nvr record locks` shows it
    id: String,
}

/// Options of `nvr record locks`.
#[derive(Debug, Args)]
pub(super) struct LocksArgs {
    /// Folder of recordings
    #[arg(value_hint = ValueHint::DirPath)]
    dir: PathBuf,
    /// Only the locks of this source
    #[arg(long, value_name = "ID")]
    source: Option<u32>,
    /// Output format
    #[arg(long, value_enum, default_value_t)]
    format: Form,
}

/// A lock as JSON shows it. Times are local, durations in seconds.
#[derive(Debug, Serialize)]
struct Shown {
    id: String,
    source_id: SourceId,
    from: String,
    until: String,
    reason: String,
    made: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fault: Option<String>,
    /// Of `nvr record lock` only.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    covered: Option<Covered>,
}

/// The recordings of a lock as JSON shows them.
#[derive(Debug, Serialize)]
struct Covered {
    recordings: u64,
    bytes: u64,
    unknown_ends: u64,
    gaps: Vec<Gap>,
}

#[derive(Debug, Serialize)]
struct Gap {
    from: String,
    until: String,
    duration_s: f64,
}

/// Locks, and shows what is locked.
pub(super) fn lock_main(args: &LockArgs) -> anyhow::Result<ExitCode> {
    let (dir, now) = (std::path::absolute(&args.dir)?, unix_now());
    let zone = TimeZone::system();
    let (from_unix, until_unix) = args.times(now, &zone)?;
    let new = NewLock {
        source: SourceId(args.source),
        from_unix,
        until_unix,
        reason: args.reason.clone(),
    };
    let made = lock(&dir, &new, now).map_err(told_once)?;
    // It is locked, whatever comes now.
    let found = lock_coverage(&dir, &made, now).map_err(shown_once);
    let found = found.with_context(|| format!("{} is locked, but not checked", made.id))?;
    let mut shown = shown(&made, &zone);
    shown.covered = Some(covered(&found, &zone));
    match args.format {
        Form::Json => out::line(json(&shown)),
        Form::Text => {
            out::line(text(&shown));
            let is_to_come = until_unix > now;
            text_of_covered(&found, is_to_come, &zone)
                .iter()
                .for_each(out::line);
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Removes a lock.
pub(super) fn unlock_main(args: &UnlockArgs) -> anyhow::Result<ExitCode> {
    let dir = std::path::absolute(&args.dir)?;
    unlock(&dir, &args.id).map_err(told_once)?;
    Ok(ExitCode::SUCCESS)
}

/// Lists the locks. Exit code 1 if one is damaged.
pub(super) fn locks_main(args: &LocksArgs) -> anyhow::Result<ExitCode> {
    let zone = TimeZone::system();
    let mut locks = locks(&std::path::absolute(&args.dir)?).map_err(shown_once)?;
    locks.retain(|lock| args.source.is_none_or(|id| lock.source == SourceId(id)));
    for lock in &locks {
        let shown = shown(lock, &zone);
        match args.format {
            Form::Text => out::line(text(&shown)),
            Form::Json => out::line(json(&shown)),
        }
    }
    if locks.is_empty() && args.format == Form::Text {
        out::error(format_args!("no locks in {}", args.dir.display()));
    }
    let is_damaged = locks.iter().any(|lock| lock.fault.is_some());
    Ok(if is_damaged {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

impl LockArgs {
    /// The beginning and the end since the Unix epoch.
    fn times(&self, now: Duration, zone: &TimeZone) -> anyhow::Result<(Duration, Duration)> {
        if let (Some(from), Some(until)) = (&self.from, &self.until) {
            let (from, _) = time(from, zone).context("--from")?;
            let (_, until) = time(until, zone).context("--until")?;
            return Ok((from, until));
        }
        let last = self.last.unwrap_or_default();
        Ok((now.saturating_sub(last), now))
    }
}

/// A time since the Unix epoch. A local time that comes twice, when clocks are set back, is two times: the earlier and the later one.
fn time(text: &str, zone: &TimeZone) -> anyhow::Result<(Duration, Duration)> {
    let (earlier, later) = if let Ok(time) = text.parse::<Timestamp>() {
        (time, time)
    } else {
        let local = text.parse::<DateTime>().map_err(|_| {
            anyhow!("`{text}` is no time; write 2026-11-28T08:30:00Z, or '2026-11-28 08:30' in local time")
        })?;
        let ambiguous = zone.to_ambiguous_timestamp(local);
        (ambiguous.earlier()?, ambiguous.later()?)
    };
    let unix = |time: Timestamp| {
        let unix = Duration::try_from(time.as_duration());
        unix.map_err(|_| anyhow!("`{text}` is before 1970; give a later time"))
    };
    Ok((unix(earlier)?, unix(later)?))
}

/// The text of an error has that of the system's error, which would follow it again.
fn told_once(error: LockError) -> anyhow::Error {
    anyhow!("{error}")
}

fn shown(lock: &Lock, zone: &TimeZone) -> Shown {
    Shown {
        id: lock.id.clone(),
        source_id: lock.source,
        from: local(lock.from_unix, zone),
        until: local(lock.until_unix, zone),
        reason: lock.reason.clone(),
        made: lock.made_unix.map(|made| local(made, zone)),
        fault: lock.fault.clone(),
        covered: None,
    }
}

fn covered(found: &LockCoverage, zone: &TimeZone) -> Covered {
    let gap = |&(from, until): &(Duration, Duration)| Gap {
        from: local(from, zone),
        until: local(until, zone),
        duration_s: seconds(until.saturating_sub(from)),
    };
    Covered {
        recordings: found.files,
        bytes: found.bytes,
        unknown_ends: found.unknown_ends,
        gaps: found.gaps.iter().map(gap).collect(),
    }
}

fn json(shown: &Shown) -> String {
    serde_json::to_string(shown).expect("invariant: a lock has numbers and texts only")
}

/// The line for people.
fn text(shown: &Shown) -> String {
    let Shown {
        id,
        source_id,
        from,
        until,
        reason,
        ..
    } = shown;
    let reason = match &shown.fault {
        Some(fault) => format!("damaged: {fault}"),
        None => reason.clone(),
    };
    let line = format!("{id}  source {source_id}  {from} to {until}  {reason}");
    line.trim_end().to_owned()
}

/// The lines for people on the recordings of a new lock.
fn text_of_covered(found: &LockCoverage, is_to_come: bool, zone: &TimeZone) -> Vec<String> {
    let mut lines = vec![match found.files {
        0 if is_to_come => {
            "no recordings yet; those to come in this time will be locked".to_owned()
        }
        0 => "no recordings of this time; check the source and the time".to_owned(),
        files => format!("recordings: {files}, size: {}", shown_bytes(found.bytes)),
    }];
    if found.files > 0 {
        lines.extend(found.gaps.iter().map(|(from, until)| {
            let duration_s = seconds(until.saturating_sub(*from));
            let (from, until) = (local(*from, zone), local(*until, zone));
            format!("gap {from} to {until}, {duration_s:.1} s")
        }));
        if is_to_come {
            lines.push("recordings to come in this time will be locked as well".to_owned());
        }
    }
    if found.unknown_ends > 0 {
        let unknown = found.unknown_ends;
        lines.push(format!(
            "recordings with unknown ends: {unknown}; nvr record fsck tells why"
        ));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Duration = Duration::from_secs(1_795_854_600);

    fn made() -> Lock {
        Lock {
            id: "3_20261128T083000.000Z_20261128T084500.000Z_1a2b3c4d".to_owned(),
            source: SourceId(3),
            from_unix: START,
            until_unix: START + Duration::from_secs(900),
            reason: "fall at the gate".to_owned(),
            made_unix: Some(START + Duration::from_secs(1000)),
            fault: None,
        }
    }

    #[test]
    fn times_are_rfc_3339_or_local() {
        let zone = TimeZone::fixed(jiff::tz::offset(1));
        for text in [
            "2026-11-28T08:30:00Z",
            "2026-11-28T09:30:00+01:00",
            "2026-11-28 08:30:00.000Z",
            "2026-11-28 09:30",
            "2026-11-28T09:30:00",
        ] {
            let time = time(text, &zone).expect(text);
            assert_eq!(time, (START, START), "{text}");
        }
        for text in [
            "",
            "yesterday",
            "09:30",
            "2026-02-30 09:30",
            "1969-01-01 09:30",
        ] {
            let error = time(text, &zone).expect_err(text).to_string();
            assert!(error.starts_with(&format!("`{text}` is ")), "{error}");
        }
    }

    #[test]
    fn a_local_time_that_comes_twice_is_locked_both_times() {
        // Summer time ends on the last Sunday of October at 3:00.
        let zone = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").expect("a zone");
        let (earlier, later) = time("2026-10-25 02:30", &zone).expect("a time");
        assert_eq!(later - earlier, Duration::from_secs(3600));
    }

    #[test]
    fn a_lock_has_a_line_with_its_id_first() {
        assert_eq!(
            text(&shown(&made(), &TimeZone::UTC)),
            "3_20261128T083000.000Z_20261128T084500.000Z_1a2b3c4d  source 3  2026-11-28T08:30:00.000+00:00 to 2026-11-28T08:45:00.000+00:00  fall at the gate"
        );
        let mut shown = shown(&made(), &TimeZone::UTC);
        assert_eq!(
            json(&shown),
            r#"{"id":"3_20261128T083000.000Z_20261128T084500.000Z_1a2b3c4d","source_id":3,"from":"2026-11-28T08:30:00.000+00:00","until":"2026-11-28T08:45:00.000+00:00","reason":"fall at the gate","made":"2026-11-28T08:46:40.000+00:00"}"#
        );
        shown.fault = Some("its content can't be read".to_owned());
        assert!(text(&shown).ends_with("  damaged: its content can't be read"));
    }

    #[test]
    fn what_a_new_lock_covers_is_told_with_its_gaps() {
        let mut found = LockCoverage::default();
        let lines = |found: &LockCoverage, is_to_come| {
            text_of_covered(found, is_to_come, &TimeZone::UTC).join("\n")
        };
        assert_eq!(
            lines(&found, true),
            "no recordings yet; those to come in this time will be locked"
        );
        assert_eq!(
            lines(&found, false),
            "no recordings of this time; check the source and the time"
        );
        found = LockCoverage {
            files: 15,
            bytes: 450_000_000,
            unknown_ends: 1,
            gaps: vec![(START, START + Duration::from_millis(12_340))],
        };
        assert_eq!(
            lines(&found, true),
            "recordings: 15, size: 450.0 MB\n\
             gap 2026-11-28T08:30:00.000+00:00 to 2026-11-28T08:30:12.340+00:00, 12.3 s\n\
             recordings to come in this time will be locked as well\n\
             recordings with unknown ends: 1; nvr record fsck tells why"
        );
        let mut shown = shown(&made(), &TimeZone::UTC);
        shown.covered = Some(covered(&found, &TimeZone::UTC));
        let json: serde_json::Value = serde_json::from_str(&json(&shown)).expect("JSON");
        assert_eq!(
            (&json["recordings"], &json["bytes"]),
            (&15.into(), &450_000_000.into())
        );
        assert_eq!(json["gaps"][0]["duration_s"], 12.34);
    }
}

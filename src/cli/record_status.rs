//! `nvr record status`: how much space recordings take, how long they are kept, and how their disk is worn, from the files alone.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, ValueHint};
use jiff::tz::TimeZone;
use serde::Serialize;

use super::form::{Form, local};
use super::out;
use crate::base::{SourceId, free_bytes, shown_bytes, unix_now};
use crate::config::{
    Amount, CommonFlags, ConfigSource, Environment, ProcessorFlags, RawRecord, RecordSettings,
};
use crate::record::{Life, Medium, MediumKind, SourceUsage, SpareBlocks, Usage, Wear, usage};

/// Options of `nvr record status`.
#[derive(Debug, Args)]
pub(super) struct StatusArgs {
    /// Folder of recordings [default: record.dir of --config]
    #[arg(value_hint = ValueHint::DirPath, required_unless_present = "config")]
    dir: Option<PathBuf>,
    /// Only the line of this source; sums, rate and time are those of all
    #[arg(long, value_name = "ID")]
    source: Option<u32>,
    /// Configuration file of the processor, for record.dir, record.min_free and the budget of the folder
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    config: Option<String>,
    /// Maximum space of the recordings, such as "500 GB" [default: that of --config, else none]
    #[arg(long, value_name = "AMOUNT", value_parser = amount)]
    budget: Option<Amount>,
    /// Free space that the recordings leave [default: that of --config, else 2 GB]
    #[arg(long, value_name = "AMOUNT", value_parser = amount)]
    min_free: Option<Amount>,
    /// Output format
    #[arg(long, value_enum, default_value_t)]
    format: Form,
}

/// A line of the JSON output. Times are local. Rates are those of the last hour of the recordings, gaps included. What is not known is
/// null.
#[derive(Debug, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum Line {
    Source {
        source_id: SourceId,
        files: u64,
        bytes: u64,
        days: u64,
        bits_per_second: Option<u64>,
        oldest: String,
        newest: String,
    },
    Fault {
        reason: String,
    },
    Folder {
        path: String,
        files: u64,
        open: u64,
        bytes: u64,
        bytes_per_day: Option<u64>,
        free_bytes: Option<u64>,
        min_free_bytes: u64,
        budget_bytes: Option<u64>,
        kept_s: Option<u64>,
    },
    Medium {
        medium: &'static str,
        disk: Option<String>,
        model: Option<String>,
        size_bytes: Option<u64>,
        file_system: String,
        mounted: String,
        has_write_cache: Option<bool>,
        used_percent: Option<(u8, u8)>,
        spare_blocks: Option<&'static str>,
        life_s: Option<(u64, u64)>,
    },
}

/// What a folder of recordings and its disk are like.
struct Status {
    dir: PathBuf,
    /// The source whose line is shown; `None` for all.
    only: Option<SourceId>,
    usage: Usage,
    medium: Medium,
    free_bytes: Option<u64>,
    min_free_bytes: u64,
    budget_bytes: Option<u64>,
}

/// Runs the subcommand.
pub(super) fn main(args: &StatusArgs) -> anyhow::Result<ExitCode> {
    let mut configured = args.config.as_deref().map(settings).transpose()?.flatten();
    let dir = args.dir.as_ref();
    let next = configured.as_ref().and_then(RecordSettings::of_next);
    if let Some(next) = next.filter(|next| Some(&next.dir) == dir) {
        configured = Some(next);
    }
    let dir = dir.or(configured.as_ref().map(|settings| &settings.dir));
    let Some(dir) = dir else {
        anyhow::bail!("record.dir is not set in the file of --config; name a folder of recordings");
    };
    let dir = std::path::absolute(dir)?;
    // The text of a fault has that of the system's error, which would follow it again.
    let usage = usage(&dir, unix_now()).map_err(|fault| anyhow::anyhow!("{fault}"))?;
    let of_config = configured.as_ref().map(|settings| settings.min_free_bytes);
    let min_free = args.min_free.map(|amount| amount.0).or(of_config);
    let budget = args.budget.map(|amount| amount.0);
    let status = Status {
        only: args.source.map(SourceId),
        usage,
        medium: Medium::of(&dir),
        free_bytes: free_bytes(&dir),
        min_free_bytes: min_free.unwrap_or(RawRecord::default().min_free.0),
        budget_bytes: budget.or(configured.and_then(|settings| settings.budget_bytes)),
        dir,
    };
    let zone = TimeZone::system();
    match args.format {
        Form::Text => out::line(text(&status, &zone)),
        Form::Json => {
            for line in lines(&status, &zone) {
                let json = serde_json::to_string(&line);
                out::line(json.expect("invariant: a line has numbers and texts only"));
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The settings of the recording in a configuration file.
fn settings(file: &str) -> anyhow::Result<Option<RecordSettings>> {
    let common = CommonFlags {
        config: Some(file.to_owned()),
        ..CommonFlags::default()
    };
    let flags = ProcessorFlags {
        common,
        ..ProcessorFlags::default()
    };
    let source = ConfigSource::new(flags, Environment::of_process());
    // The secrets of the file are not needed.
    Ok(source.for_another_machine().load()?.record)
}

fn amount(text: &str) -> Result<Amount, String> {
    serde_json::from_value(text.into()).map_err(|error| error.to_string())
}

impl Status {
    fn shown(&self) -> impl Iterator<Item = (&SourceId, &SourceUsage)> {
        let sources = self.usage.sources.iter();
        sources.filter(|(id, _)| self.only.is_none_or(|only| only == **id))
    }

    fn kept(&self) -> Option<Duration> {
        self.usage
            .kept(self.free_bytes, self.budget_bytes, self.min_free_bytes)
    }

    fn wear(&self) -> Option<Wear> {
        self.medium.disk()?.wear
    }

    fn life(&self) -> Option<Life> {
        Life::of(self.medium.disk()?, self.usage.bytes_per_day()?)
    }
}

fn lines(status: &Status, zone: &TimeZone) -> Vec<Line> {
    let of_source = |(id, of_source): (&SourceId, &SourceUsage)| Line::Source {
        source_id: *id,
        files: of_source.files,
        bytes: of_source.bytes,
        days: of_source.days,
        bits_per_second: of_source.bytes_per_second.map(|rate| rate * 8),
        oldest: local(of_source.oldest_unix, zone),
        newest: local(of_source.newest_unix, zone),
    };
    let mut lines: Vec<Line> = status.shown().map(of_source).collect();
    let faults = status.usage.faults.iter();
    lines.extend(faults.map(|fault| Line::Fault {
        reason: fault.to_string(),
    }));
    lines.push(Line::Folder {
        path: status.dir.display().to_string(),
        files: status.usage.files(),
        open: status.usage.open,
        bytes: status.usage.bytes(),
        bytes_per_day: status.usage.bytes_per_day(),
        free_bytes: status.free_bytes,
        min_free_bytes: status.min_free_bytes,
        budget_bytes: status.budget_bytes,
        kept_s: status.kept().map(|kept| kept.as_secs()),
    });
    let (medium, disk) = (&status.medium, status.medium.disk());
    lines.push(Line::Medium {
        medium: medium.kind.id(),
        disk: disk.map(|disk| disk.name.clone()),
        model: disk.and_then(|disk| disk.model.clone()),
        size_bytes: disk.and_then(|disk| disk.size_bytes),
        file_system: medium.file_system.clone(),
        mounted: medium.source.clone(),
        has_write_cache: disk.and_then(|disk| disk.has_write_cache),
        used_percent: status.wear().and_then(|wear| wear.used_percent),
        spare_blocks: status.wear().and_then(|wear| match wear.spare {
            SpareBlocks::Unknown => None,
            SpareBlocks::Normal => Some("normal"),
            SpareBlocks::Low => Some("low"),
            SpareBlocks::Urgent => Some("urgent"),
        }),
        life_s: status
            .life()
            .map(|life| (life.shortest.as_secs(), life.longest.as_secs())),
    });
    lines
}

/// A table of the sources, and below it what concerns all of them.
fn text(status: &Status, zone: &TimeZone) -> String {
    let usage = &status.usage;
    let mut text = String::new();
    if usage.sources.is_empty() {
        text += &format!("no recordings in {}\n\n", status.dir.display());
    } else {
        let (oldest, newest) = ("oldest", "newest");
        text += &format!("source    files  days      space  Mbit/s  {oldest:<29}  {newest}\n");
    }
    for (id, of_source) in status.shown() {
        let (files, days, space) = (
            of_source.files,
            of_source.days,
            shown_bytes(of_source.bytes),
        );
        let rate = of_source.bytes_per_second;
        let rate = rate.map_or("-".to_owned(), |rate| format!("{:.1}", rate as f64 * 8e-6));
        let oldest = local(of_source.oldest_unix, zone);
        let newest = local(of_source.newest_unix, zone);
        text +=
            &format!("{id:<6}  {files:>7}  {days:>4}  {space:>9}  {rate:>6}  {oldest}  {newest}\n");
    }
    if !usage.sources.is_empty() {
        text.push('\n');
    }
    for fault in &usage.faults {
        text += &format!("not counted  {fault}\n");
    }
    let (files, open, space) = (usage.files(), usage.open, shown_bytes(usage.bytes()));
    let rate = usage.bytes_per_day();
    let rate = rate.map_or(
        "unknown: not two recordings within the last hour".to_owned(),
        |rate| format!("{} a day", shown_bytes(rate)),
    );
    let kept = status.kept();
    let kept = kept.map_or("unknown".to_owned(), |kept| {
        format!(
            "about {:.1} days at this rate",
            kept.as_secs_f64() / 86_400.0
        )
    });
    for (name, value) in [
        (
            "recordings",
            format!("{space}, files: {files}, open: {open}"),
        ),
        ("rate", rate),
        ("limits", limits(status)),
        ("kept", kept),
        (
            "medium",
            format!("{}{}", status.medium, cache(&status.medium)),
        ),
        ("wear", wear_text(status)),
        ("life", life_text(status)),
    ] {
        text += &format!("{name:<11}  {value}\n");
    }
    text.trim_end().to_owned()
}

fn limits(status: &Status) -> String {
    let free = status.free_bytes.map(shown_bytes);
    let free = free.unwrap_or("unknown".to_owned());
    let min_free = shown_bytes(status.min_free_bytes);
    let budget = status.budget_bytes.map(shown_bytes);
    let budget = budget.unwrap_or("none".to_owned());
    format!("free: {free}, min_free: {min_free}, budget: {budget}")
}

fn cache(medium: &Medium) -> &'static str {
    match medium.disk().and_then(|disk| disk.has_write_cache) {
        Some(true) => ", with a volatile write cache",
        Some(false) => ", without a volatile write cache",
        None => "",
    }
}

fn wear_text(status: &Status) -> String {
    let unknown = match status.medium.kind {
        MediumKind::Nvme => "unknown: `sudo nvr doctor` asks the drive",
        MediumKind::SdCard => "unknown: SD cards do not report it",
        MediumKind::Ssd => "unknown: `sudo smartctl -a` asks the drive",
        MediumKind::Memory => "none",
        _ => "unknown",
    };
    let wear = status.wear().map(|wear| wear.to_string());
    wear.unwrap_or(unknown.to_owned())
}

fn life_text(status: &Status) -> String {
    let of_life = status.life().map(|life| life.to_string());
    of_life.unwrap_or("unknown".to_owned())
}

#[cfg(test)]
#[path = "record_status_tests.rs"]
mod tests;

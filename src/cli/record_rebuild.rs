//! `nvr record fsck --rebuild`: makes the index of recordings anew.

use std::path::Path;
use std::process::ExitCode;

use serde::Serialize;

use super::form::Form;
use super::out;
use crate::base::shown_bytes;
use crate::record::{RebuildSummary, rebuild};

/// The result as JSON shows it.
#[derive(Debug, Serialize)]
struct Rebuilt<'a> {
    kind: &'static str,
    recordings: u64,
    damaged: u64,
    events: u64,
    bytes: u64,
    fault: Option<&'a str>,
}

/// Makes the index of a folder anew. Blocks while all recordings are read.
pub(super) fn main(dir: &Path, form: Form) -> anyhow::Result<ExitCode> {
    // The text of an error has that of the system's error, which would follow it again.
    let summary = rebuild(dir, &mut |_| ()).map_err(|error| anyhow::anyhow!("{error}"))?;
    out::line(match form {
        Form::Text => text(&summary),
        Form::Json => json(&summary),
    });
    Ok(match summary.fault {
        None => ExitCode::SUCCESS,
        Some(_) => ExitCode::FAILURE,
    })
}

fn text(summary: &RebuildSummary) -> String {
    let RebuildSummary {
        recordings,
        damaged,
        events,
        bytes,
        fault,
    } = summary;
    let sums = format!(
        "index: {recordings} recordings, {}, {damaged} damaged, {events} events",
        shown_bytes(*bytes)
    );
    match fault {
        None => sums,
        Some(fault) => format!("{sums}\nnot in it: {fault}"),
    }
}

fn json(summary: &RebuildSummary) -> String {
    let rebuilt = Rebuilt {
        kind: "index",
        recordings: summary.recordings,
        damaged: summary.damaged,
        events: summary.events,
        bytes: summary.bytes,
        fault: summary.fault.as_deref(),
    };
    serde_json::to_string(&rebuilt).expect("invariant: a line has numbers and texts only")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_read_is_told() {
        let mut summary = RebuildSummary {
            recordings: 12,
            damaged: 1,
            events: 30,
            bytes: 4_500_000,
            fault: None,
        };
        assert_eq!(
            text(&summary),
            "index: 12 recordings, 4.5 MB, 1 damaged, 30 events"
        );
        summary.fault = Some("can't read /rec/7".to_owned());
        assert!(text(&summary).ends_with("30 events\nnot in it: can't read /rec/7"));
        assert_eq!(
            json(&summary),
            r#"{"kind":"index","recordings":12,"damaged":1,"events":30,"bytes":4500000,"fault":"can't read /rec/7"}"#
        );
    }
}

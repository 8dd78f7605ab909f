//! Recordings, gaps and findings as `nvr record list` and `fsck` print them: lines of text, or of JSON.

use std::time::Duration;

use jiff::tz::TimeZone;
use serde::Serialize;

use super::form::{Form, local};
use super::out;
use super::record_text::seconds;
use crate::base::{SourceId, shown_bytes};
use crate::record::{CheckSummary, Finding, FindingKind, ListedRecording, ListedState};

/// A line of the output, as JSON shows it. Times are local, durations in seconds.
#[derive(Debug, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(super) enum Line {
    Recording {
        source_id: SourceId,
        start: String,
        duration_s: Option<f64>,
        frames: Option<u64>,
        codec: &'static str,
        width: u32,
        height: u32,
        bytes: u64,
        state: &'static str,
        path: String,
    },
    Gap {
        source_id: SourceId,
        duration_s: f64,
    },
    Finding {
        finding: &'static str,
        path: String,
        byte: Option<u64>,
        reason: String,
    },
    Summary {
        files: u64,
        frames: u64,
        duration_s: f64,
        bytes: u64,
        damaged: u64,
        open: u64,
        ignored: u64,
    },
}

/// Prints a line in this form.
pub(super) fn show(line: &Line, form: Form) {
    match form {
        Form::Text => out::line(text(line)),
        Form::Json => {
            let json = serde_json::to_string(line);
            out::line(json.expect("invariant: a line has numbers and texts only"));
        }
    }
}

/// The line of a recording, with its start in `zone`.
pub(super) fn recording_line(recording: &ListedRecording, zone: &TimeZone) -> Line {
    Line::Recording {
        source_id: recording.source,
        start: local(recording.started_unix, zone),
        duration_s: recording.duration.map(seconds),
        frames: recording.frames,
        codec: recording.codec.name(),
        width: recording.size.width,
        height: recording.size.height,
        bytes: recording.bytes,
        state: match recording.state {
            ListedState::Closed => "closed",
            ListedState::Open => "open",
            ListedState::NotClosed => "not_closed",
        },
        path: recording.path.display().to_string(),
    }
}

/// The line of a gap before a recording.
pub(super) fn gap_line(source_id: SourceId, gap: Duration) -> Line {
    let duration_s = seconds(gap);
    Line::Gap {
        source_id,
        duration_s,
    }
}

/// The line of a fault, or of a recording that is open.
pub(super) fn finding_line(finding: Finding) -> Line {
    Line::Finding {
        finding: match finding.kind {
            FindingKind::Open => "open",
            FindingKind::Damaged => "damaged",
            FindingKind::NotClosed => "not_closed",
            FindingKind::WrongSource => "wrong_source",
            FindingKind::WrongName => "wrong_name",
            FindingKind::Unreadable => "unreadable",
        },
        path: finding.path.display().to_string(),
        byte: finding.byte,
        reason: finding.reason,
    }
}

/// The line of the sums of a check.
pub(super) fn summary_line(summary: &CheckSummary) -> Line {
    Line::Summary {
        files: summary.files,
        frames: summary.frames,
        duration_s: seconds(summary.duration),
        bytes: summary.bytes,
        damaged: summary.damaged,
        open: summary.open,
        ignored: summary.ignored,
    }
}

/// The line for people.
fn text(line: &Line) -> String {
    match line {
        Line::Recording {
            source_id,
            start,
            duration_s,
            frames,
            codec,
            width,
            height,
            bytes,
            state,
            path: _,
        } => {
            let duration = duration_s.map_or("-".to_owned(), |seconds| format!("{seconds:.1}"));
            let frames = frames.map_or("-".to_owned(), |frames| frames.to_string());
            let state = state.replace('_', " ");
            let (size, bytes) = (format!("{width}x{height}"), shown_bytes(*bytes));
            format!(
                "{source_id:<4} {start}  {duration:>8} s  {frames:>7} frames  {codec} {size:<9}  {bytes:>9}  {state}"
            )
        }
        Line::Gap {
            source_id,
            duration_s,
        } => format!("{source_id:<4} gap {duration_s:.1} s"),
        Line::Finding {
            finding,
            path,
            byte,
            reason,
        } => {
            let finding = finding.replace('_', " ");
            let at = byte.map_or(String::new(), |byte| format!("byte {byte}: "));
            format!("{path}: {at}{finding}: {reason}")
        }
        Line::Summary {
            files,
            frames,
            duration_s,
            bytes,
            damaged,
            open,
            ignored,
        } => format!(
            "files: {files}, open: {open}, damaged: {damaged}, frames: {frames}, duration: {duration_s:.1} s, size: {}, ignored names: {ignored}",
            shown_bytes(*bytes)
        ),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::base::Size;
    use crate::media::Codec;

    fn recording() -> ListedRecording {
        ListedRecording {
            path: Path::new("/rec/7/2026-11-28/08/20261128T083000.123Z.mp4").to_owned(),
            source: SourceId(7),
            gap: None,
            started_unix: Duration::from_millis(1_795_854_600_123),
            ended_unix: None,
            duration: Some(Duration::from_nanos(300_040_000_001)),
            frames: Some(7501),
            codec: Codec::H264,
            size: Size::new(1920, 1080),
            bytes: 150_123_456,
            state: ListedState::Closed,
        }
    }

    #[test]
    fn a_recording_has_its_start_in_the_zone() {
        let zone = TimeZone::fixed(jiff::tz::offset(1));
        assert_eq!(
            text(&recording_line(&recording(), &zone)),
            "7    2026-11-28T09:30:00.123+01:00     300.0 s     7501 frames  h264 1920x1080   150.1 MB  closed"
        );
        assert_eq!(
            serde_json::to_string(&recording_line(&recording(), &TimeZone::UTC)).expect("JSON"),
            r#"{"kind":"recording","source_id":7,"start":"2026-11-28T08:30:00.123+00:00","duration_s":300.04,"frames":7501,"codec":"h264","width":1920,"height":1080,"bytes":150123456,"state":"closed","path":"/rec/7/2026-11-28/08/20261128T083000.123Z.mp4"}"#
        );
    }

    #[test]
    fn a_recording_that_is_not_closed_has_no_known_length() {
        let recording = ListedRecording {
            duration: None,
            frames: None,
            state: ListedState::NotClosed,
            ..recording()
        };
        assert_eq!(
            text(&recording_line(&recording, &TimeZone::UTC)),
            "7    2026-11-28T08:30:00.123+00:00         - s        - frames  h264 1920x1080   150.1 MB  not closed"
        );
    }

    #[test]
    fn a_gap_has_a_line() {
        let gap = gap_line(SourceId(12), Duration::from_millis(12_340));
        assert_eq!(text(&gap), "12   gap 12.3 s");
    }

    #[test]
    fn a_finding_has_its_path_its_byte_and_its_reason() {
        let finding = |byte| Finding {
            path: Path::new("/rec/7/a.mp4").to_owned(),
            byte,
            kind: FindingKind::Damaged,
            reason: "zeros in the place of a box".to_owned(),
        };
        assert_eq!(
            text(&finding_line(finding(Some(120)))),
            "/rec/7/a.mp4: byte 120: damaged: zeros in the place of a box"
        );
        assert_eq!(
            text(&finding_line(finding(None))),
            "/rec/7/a.mp4: damaged: zeros in the place of a box"
        );
    }

    #[test]
    fn the_summary_has_all_sums() {
        let summary = CheckSummary {
            files: 12,
            open: 1,
            damaged: 2,
            ignored: 3,
            frames: 7501,
            duration: Duration::from_millis(300_040),
            bytes: 150_123_456,
        };
        assert_eq!(
            text(&summary_line(&summary)),
            "files: 12, open: 1, damaged: 2, frames: 7501, duration: 300.0 s, size: 150.1 MB, ignored names: 3"
        );
    }
}

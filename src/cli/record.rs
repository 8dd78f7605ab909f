//! `nvr record`: lists, checks, locks and exports the recordings in a folder, and shows their space and their disk.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Subcommand, ValueHint};
use jiff::tz::TimeZone;
use serde::Serialize;

use super::form::{Form, local};
use super::out;
use super::record_export::{ExportArgs, VerifyArgs, main_export, main_verify};
use super::record_lock::{LockArgs, LocksArgs, UnlockArgs, lock_main, locks_main, unlock_main};
use super::record_rebuild;
use super::record_status::{self, StatusArgs};
use super::record_text::{seconds, shown_once};
use crate::base::{SourceId, shown_bytes};
use crate::record::{
    CheckSummary, Finding, FindingKind, ListedRecording, ListedState, check, list,
};

/// Options of `nvr record`.
#[derive(Debug, Args)]
pub(super) struct RecordArgs {
    #[command(subcommand)]
    command: RecordCommand,
}

#[derive(Debug, Subcommand)]
enum RecordCommand {
    /// List recordings, with gaps of more than a second
    ///
    /// Only the beginning and the end of a closed recording are read, so damage in its middle is not seen: `nvr record fsck` finds
    /// it. Nothing is changed.
    List(FolderArgs),
    /// Check every byte of recordings by their checksums
    ///
    /// Nothing is changed or repaired, and a recorder may write meanwhile. Of recordings that are open only the sound part is
    /// checked.
    ///
    /// Exit codes: 0 no fault, 1 faults or another failure, 2 wrong command line.
    Fsck(FsckArgs),
    /// Show the space of recordings, how long they are kept, and the wear of their disk
    ///
    /// From the names and sizes of the files alone: no recorder has to run. The rate is that of the last hour before the newest
    /// recording, with gaps.
    Status(StatusArgs),
    /// Lock recordings of a source, so that they are not deleted when space is needed
    ///
    /// A recorder may write and delete meanwhile: once the command has ended, nothing that is locked is deleted any more. What will be
    /// recorded in the time is locked as well. Root, or the user of the recorder, can lock.
    Lock(LockArgs),
    /// Remove a lock
    Unlock(UnlockArgs),
    /// List locks
    ///
    /// Exit codes: 0 no fault, 1 damaged locks or another failure, 2 wrong command line. Damaged locks still protect recordings.
    Locks(LocksArgs),
    /// Export a time of a source as an ordinary MP4 file, with a signed manifest
    ///
    /// Nothing is encoded again: the frames stay as the camera sent them. Beside the video are the manifest (.json), its signature
    /// (.json.sig), the public key (.pub.pem) and the detected objects (.boxes.jsonl). If the camera changed its format within the
    /// time, further videos follow (-2.mp4). Existing files are never replaced. A recorder may write to the folder meanwhile.
    Export(Box<ExportArgs>),
    /// Verify the signature and all files of exports
    ///
    /// With the enclosed key it proves that nothing was changed since the export was signed, with --public-key that a known box
    /// signed it.
    ///
    /// Exit codes: 0 no fault, 1 faults or another failure, 2 wrong command line.
    Verify(VerifyArgs),
}

#[derive(Debug, Args)]
struct FolderArgs {
    /// Folder of recordings
    #[arg(value_hint = ValueHint::DirPath)]
    dir: PathBuf,
    /// Only the recordings of this source
    #[arg(long, value_name = "ID")]
    source: Option<u32>,
    /// Output format
    #[arg(long, value_enum, default_value_t)]
    format: Form,
}

#[derive(Debug, Args)]
struct FsckArgs {
    #[command(flatten)]
    folder: FolderArgs,
    /// Make the index of the recordings anew instead, while no recorder runs
    #[arg(long, conflicts_with = "source")]
    rebuild: bool,
}

/// A line of the output, as JSON shows it. Times are local, durations in seconds.
#[derive(Debug, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum Line {
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

/// Runs a subcommand.
pub(super) fn main(args: RecordArgs) -> anyhow::Result<ExitCode> {
    match args.command {
        RecordCommand::List(folder) => show_list(&folder),
        RecordCommand::Fsck(FsckArgs { folder, rebuild }) if rebuild => {
            record_rebuild::main(&folder.folder()?, folder.format)
        }
        RecordCommand::Fsck(FsckArgs { folder, .. }) => show_check(&folder),
        RecordCommand::Status(args) => record_status::main(&args),
        RecordCommand::Lock(args) => lock_main(&args),
        RecordCommand::Unlock(args) => unlock_main(&args),
        RecordCommand::Locks(args) => locks_main(&args),
        RecordCommand::Export(args) => main_export(*args),
        RecordCommand::Verify(args) => main_verify(&args),
    }
}

fn show_list(args: &FolderArgs) -> anyhow::Result<ExitCode> {
    let zone = TimeZone::system();
    let mut is_empty = true;
    list(&args.folder()?, args.source_id(), &mut |listed| {
        is_empty = false;
        match listed {
            Ok(recording) => {
                if let Some(gap) = recording.gap {
                    show(args, &gap_line(recording.source, gap));
                }
                show(args, &recording_line(&recording, &zone));
            }
            Err(finding) => show(args, &finding_line(finding)),
        }
    })
    .map_err(shown_once)?;
    if is_empty && args.format == Form::Text {
        let of_source = args.source.map(|id| format!(" of source {id}"));
        let of_source = of_source.unwrap_or_default();
        let dir = args.dir.display();
        out::error(format_args!("no recordings{of_source} in {dir}"));
    }
    Ok(ExitCode::SUCCESS)
}

fn show_check(args: &FolderArgs) -> anyhow::Result<ExitCode> {
    let summary = check(&args.folder()?, args.source_id(), &mut |finding| {
        show(args, &finding_line(finding));
    })
    .map_err(shown_once)?;
    show(args, &summary_line(&summary));
    Ok(match summary.damaged {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    })
}

impl FolderArgs {
    /// Absolute, so that paths in findings and errors can be used elsewhere.
    fn folder(&self) -> std::io::Result<PathBuf> {
        std::path::absolute(&self.dir)
    }

    fn source_id(&self) -> Option<SourceId> {
        self.source.map(SourceId)
    }
}

fn show(args: &FolderArgs, line: &Line) {
    match args.format {
        Form::Text => out::line(text(line)),
        Form::Json => {
            let json = serde_json::to_string(line);
            out::line(json.expect("invariant: a line has numbers and texts only"));
        }
    }
}

fn recording_line(recording: &ListedRecording, zone: &TimeZone) -> Line {
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

fn gap_line(source_id: SourceId, gap: Duration) -> Line {
    let duration_s = seconds(gap);
    Line::Gap {
        source_id,
        duration_s,
    }
}

fn finding_line(finding: Finding) -> Line {
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

fn summary_line(summary: &CheckSummary) -> Line {
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

//! `nvr record`: lists, checks, locks and exports the recordings in a folder, and shows their space and their disk.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand, ValueHint};
use jiff::tz::TimeZone;

use super::form::Form;
use super::out;
use super::record_export::{ExportArgs, VerifyArgs, main_export, main_verify};
use super::record_lines::{finding_line, gap_line, recording_line, show, summary_line};
use super::record_lock::{LockArgs, LocksArgs, UnlockArgs, lock_main, locks_main, unlock_main};
use super::record_rebuild;
use super::record_status::{self, StatusArgs};
use super::record_text::shown_once;
use crate::base::SourceId;
use crate::record::{check, list};

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
                    show(&gap_line(recording.source, gap), args.format);
                }
                show(&recording_line(&recording, &zone), args.format);
            }
            Err(finding) => show(&finding_line(finding), args.format),
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
        show(&finding_line(finding), args.format);
    })
    .map_err(shown_once)?;
    show(&summary_line(&summary), args.format);
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

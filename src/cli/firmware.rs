//! `nvr firmware`: the state of the updates on this box, and a word for those who know better than the box.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::bail;
use clap::{Args, Subcommand};

use super::out;
use crate::agent::{
    FirmwareStatus, LocalOptions, confirm_firmware, read_firmware_status, roll_back_firmware,
};
use crate::media::{Codec, init, working_decoder};

/// Options of `nvr firmware`.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct FirmwareArgs {
    #[command(subcommand)]
    command: FirmwareCommand,
    /// Folder with firmware.toml
    #[arg(long, value_name = "DIR", default_value = "/etc/nvr", global = true)]
    config_dir: PathBuf,
    /// Folder of the agent's state
    #[arg(
        long,
        value_name = "DIR",
        default_value = "/var/lib/nvr/agent",
        global = true
    )]
    state_dir: PathBuf,
}

const AFTER_HELP: &str = "\
firmware.toml has the commands with which the agent installs an image on this box:

  install  = [\"swupdate\", \"-i\", \"{file}\"]       # writes the slot that does not run
  slot     = [\"box-slot\", \"current\"]            # prints the slot that runs
  set_next = [\"box-slot\", \"try-other\"]          # default: the installer does that
  confirm  = [\"box-slot\", \"confirm\"]            # keeps the slot that runs
  rollback = [\"box-slot\", \"use-other\"]          # starts the other slot again
  version  = [\"cat\", \"/etc/box-version\"]        # default: IMAGE_VERSION of /etc/os-release
  install_limit  = \"30m\"
  confirm_within = \"10m\"

docs/fleet.md describes the update of a fleet.

Examples:
  nvr firmware status
  nvr firmware rollback";

#[derive(Debug, Subcommand)]
enum FirmwareCommand {
    /// Show the slot that runs, and how far the last update has come
    Status {
        /// Write JSON
        #[arg(long)]
        json: bool,
    },
    /// Keep the new slot without further checks
    Confirm,
    /// Return to the former slot, and restart the machine
    Rollback {
        /// Command that restarts this machine if no agent runs, with its arguments
        #[arg(long, value_name = "COMMAND", default_value = "systemctl reboot")]
        reboot_command: String,
    },
    /// Decode the built-in H.264 clip; the exit code tells whether it worked
    #[command(hide = true)]
    Probe,
}

/// Runs a subcommand.
pub(super) fn main(args: FirmwareArgs) -> anyhow::Result<ExitCode> {
    let mut options = LocalOptions {
        config_dir: std::path::absolute(args.config_dir)?,
        state_dir: std::path::absolute(args.state_dir)?,
        reboot: Vec::new(),
    };
    match args.command {
        FirmwareCommand::Status { json } => show(&read_firmware_status(&options), json)?,
        FirmwareCommand::Confirm => confirm_firmware(&options)?,
        FirmwareCommand::Rollback { reboot_command } => {
            let words = reboot_command.split_whitespace();
            options.reboot = words.map(str::to_owned).collect();
            roll_back_firmware(&options)?;
        }
        FirmwareCommand::Probe => probe()?,
    }
    Ok(ExitCode::SUCCESS)
}

fn show(status: &FirmwareStatus, json: bool) -> anyhow::Result<()> {
    if json {
        out::line(serde_json::to_string(status)?);
        return Ok(());
    }
    match (&status.slot, &status.slot_problem) {
        (Some(slot), _) => out::line(format_args!("slot     {slot}")),
        (None, Some(problem)) => out::line(format_args!("slot     unknown: {problem}")),
        (None, None) => {}
    }
    out::line(format_args!("phase    {}", status.phase.as_str()));
    if let Some(target) = &status.target {
        let generation = status.generation;
        out::line(format_args!("update   {target} (generation {generation})"));
    }
    if let (Some(version), Some(slot)) = (&status.former_version, &status.former_slot) {
        out::line(format_args!("former   {version} in slot {slot}"));
    }
    if let Some(error) = &status.error {
        out::line(format_args!("reason   {error}"));
    }
    Ok(())
}

fn probe() -> anyhow::Result<()> {
    init()?;
    let Some(decoder) = working_decoder(Codec::H264) else {
        bail!("no decoder of this machine decodes the built-in H.264 clip; see `nvr doctor`");
    };
    out::line(decoder);
    Ok(())
}

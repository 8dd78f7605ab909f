//! `nvr fleet`: the operator's desk.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand, ValueEnum};
use tokio::signal::unix::{SignalKind, signal};

use super::fleet_device::{CommandArgs, RemoveArgs, ShowArgs, SimulateArgs, StatusArgs};
use super::fleet_keys::{ExportAclArgs, KeygenArgs, SignArgs};
use super::fleet_rollout::{ApplyArgs, HaltArgs, LintArgs, PlanArgs, RollbackArgs};
use super::{fleet_device, fleet_keys, fleet_rollout, out};
use crate::config::{Environment, MqttFlags, MqttSettings};
use crate::fleet::desk::{Audit, DeskError, DeviceEntry, Exit, FleetFile, Selection, Signer};
use crate::fleet::read_private_key;

/// Options of `nvr fleet`.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct FleetArgs {
    #[command(subcommand)]
    command: FleetCommand,
}

const AFTER_HELP: &str = "\
Exit codes: 0 everything was done, 1 it failed, 2 usage or fleet.toml, 3 devices are missing or have not answered yet,
4 the rollout was stopped by failures and taken back.

Examples:
  nvr fleet lint
  nvr fleet plan
  nvr fleet apply --canary 1 --batch 10% --max-failures 5% --min-sample 20
  nvr fleet apply --resume
  nvr fleet halt
  nvr fleet status --watch
  nvr fleet command gate-1 identify limit=30s";

#[derive(Debug, Subcommand)]
enum FleetCommand {
    /// Check fleet.toml, and each device's document as the device would check it
    Lint(LintArgs),
    /// Show, device by device, what an apply would change
    Plan(PlanArgs),
    /// Publish what has changed, in stages: a canary, then batches
    Apply(Box<ApplyArgs>),
    /// Take a rollout back: publish the former documents where the new ones were not applied yet
    Halt(HaltArgs),
    /// Roll out the documents from before an earlier rollout, in stages
    Rollback(Box<RollbackArgs>),
    /// Show what each device says of itself
    Status(StatusArgs),
    /// Show everything that the broker has of a device
    Show(ShowArgs),
    /// Send a command to a device and wait for its answer
    Command(CommandArgs),
    /// Clear every retained topic of a device
    Remove(RemoveArgs),
    /// Make a key pair for signing documents
    Keygen(KeygenArgs),
    /// Sign a document or a command
    Sign(SignArgs),
    /// Write users and access rules for a broker
    ExportAcl(ExportAclArgs),
    /// Run simulated devices, to try a rollout or a broker
    Simulate(SimulateArgs),
}

/// Options of every subcommand that reads the fleet.
#[derive(Debug, Args)]
pub(super) struct FleetFlags {
    /// File of the fleet; journal, history and audit file are beside it
    #[arg(long, short, value_name = "FILE", default_value = "fleet.toml", env = "NVR_FLEET")]
    pub(super) file: PathBuf,

    #[command(flatten)]
    pub(super) mqtt: MqttFlags,
}

/// Some of the devices.
#[derive(Debug, Args)]
pub(super) struct SelectionFlags {
    /// Only this device; repeatable [default: all devices]
    #[arg(long, value_name = "ID")]
    device: Vec<String>,

    /// Only the devices of this group; repeatable
    #[arg(long, value_name = "NAME")]
    group: Vec<String>,
}

/// Keys of the operator.
#[derive(Debug, Args)]
pub(super) struct KeyFlags {
    /// Private key that signs what is published; repeatable [default: none, documents are not signed]
    #[arg(long, value_name = "FILE", env = "NVR_FLEET_KEY")]
    key: Vec<PathBuf>,
}

/// Output format of listings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(super) enum Form {
    /// For people
    #[default]
    Text,
    /// For programs
    Json,
}

impl FleetFlags {
    /// The file of the fleet.
    pub(super) fn fleet(&self) -> Result<FleetFile, DeskError> {
        Ok(FleetFile::read(&self.file)?)
    }

    /// The settings of the broker.
    pub(super) fn broker(&self, fleet: &FleetFile) -> Result<MqttSettings, DeskError> {
        Ok(fleet.broker(&self.mqtt, &Environment::of_process())?)
    }

    /// The audit file.
    pub(super) fn audit(&self) -> Audit {
        Audit::beside(&self.file, operator())
    }
}

impl SelectionFlags {
    /// The selected devices.
    pub(super) fn of<'a>(&self, fleet: &'a FleetFile) -> Result<Vec<&'a DeviceEntry>, DeskError> {
        fleet.select(&Selection {
            devices: self.device.clone(),
            groups: self.group.clone(),
        })
    }
}

impl KeyFlags {
    /// Reads the keys.
    pub(super) fn signer(&self) -> Result<Signer, DeskError> {
        let keys = self.key.iter().map(|path| read_private_key(path));
        Ok(Signer::new(keys.collect::<Result<_, _>>()?))
    }
}

/// `user@host`, for the audit file.
fn operator() -> String {
    let environment = Environment::of_process();
    let user = ["SUDO_USER", "USER", "LOGNAME"]
        .into_iter()
        .find_map(|name| environment.get(name).map(str::to_owned))
        .unwrap_or_else(|| format!("uid-{}", rustix::process::getuid().as_raw()));
    let host = rustix::system::uname();
    format!("{user}@{}", host.nodename().to_string_lossy())
}

/// The ids of devices.
pub(super) fn ids(devices: &[&DeviceEntry]) -> Vec<String> {
    devices.iter().map(|device| device.id.clone()).collect()
}

/// Ready at SIGINT or SIGTERM.
pub(super) async fn interrupt() {
    let (Ok(mut interrupt), Ok(mut terminate)) = (
        signal(SignalKind::interrupt()),
        signal(SignalKind::terminate()),
    ) else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}

/// Runs a subcommand. Errors are told here, because their exit codes are those of the fleet.
pub(super) fn main(args: FleetArgs) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    let ended = runtime.block_on(async {
        match args.command {
            FleetCommand::Lint(args) => fleet_rollout::lint(&args),
            FleetCommand::Plan(args) => fleet_rollout::plan(&args).await,
            FleetCommand::Apply(args) => fleet_rollout::apply(&args).await,
            FleetCommand::Halt(args) => fleet_rollout::halt(&args).await,
            FleetCommand::Rollback(args) => fleet_rollout::rollback(&args).await,
            FleetCommand::Status(args) => fleet_device::status(&args).await,
            FleetCommand::Show(args) => fleet_device::show(&args).await,
            FleetCommand::Command(args) => fleet_device::command(&args).await,
            FleetCommand::Remove(args) => fleet_device::remove(&args).await,
            FleetCommand::Keygen(args) => fleet_keys::keygen(&args),
            FleetCommand::Sign(args) => fleet_keys::sign(&args),
            FleetCommand::ExportAcl(args) => fleet_keys::export_acl(&args),
            FleetCommand::Simulate(args) => fleet_device::simulate(&args).await,
        }
    });
    let exit = match ended {
        Ok(exit) => exit,
        Err(error) => {
            for line in error.to_string().lines() {
                out::error(format_args!("error: {line}"));
            }
            error.exit()
        }
    };
    Ok(ExitCode::from(exit as u8))
}

/// The exit code of a listing: missing if a device has not answered.
pub(super) fn complete(is_complete: bool) -> Exit {
    match is_complete {
        true => Exit::Done,
        false => Exit::Missing,
    }
}

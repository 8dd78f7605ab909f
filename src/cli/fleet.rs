//! `nvr fleet`: the operator's desk.

use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::fleet_device::{CommandArgs, RemoveArgs, ShowArgs, SimulateArgs, StatusArgs};
use super::fleet_keys::{ExportAclArgs, KeygenArgs, SignArgs};
use super::fleet_rollout::{
    ApplyArgs, HaltArgs, LintArgs, PauseArgs, PlanArgs, ResumeArgs, RollbackArgs,
};
use super::fleet_update::UpdateArgs;
use super::{fleet_device, fleet_keys, fleet_rollout, fleet_update, out};

/// Options of `nvr fleet`.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct FleetArgs {
    #[command(subcommand)]
    command: FleetCommand,
}

const AFTER_HELP: &str = "\
Exit codes:
  0 everything was done
  1 it failed
  2 usage, fleet.toml, or a rollout that is not finished
  3 devices are missing, or have not answered yet
  4 the rollout was stopped by failures and taken back
  5 the rollout pauses between two stages

Examples:
  nvr fleet lint
  nvr fleet plan
  nvr fleet apply --canary 1 --batch 10% --max-failures 5% --min-sample 20
  nvr fleet apply --pause-between-stages
  nvr fleet apply --resume
  nvr fleet pause
  nvr fleet resume
  nvr fleet update --version 2.1 --url https://files.example.com/box-2.1.swu --sha256 HEX --canary 1 --soak 1h
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
    /// Ask the desk that runs the rollout, in another terminal, to wait before its next stage
    Pause(PauseArgs),
    /// End a pause; if no desk runs the rollout any more, go on with it here, as `apply --resume`
    Resume(ResumeArgs),
    /// Install another firmware, in the stages of an apply
    Update(Box<UpdateArgs>),
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
            FleetCommand::Pause(args) => fleet_rollout::pause(&args),
            FleetCommand::Resume(args) => fleet_rollout::resume(&args).await,
            FleetCommand::Update(args) => fleet_update::update(&args).await,
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

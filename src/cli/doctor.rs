//! `nvr doctor`: reports the abilities and faults of this machine on one page.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::form::Form;
use super::out;
use crate::config::{Environment, MqttFlags};
use crate::doctor::{Machine, Options, State, examine, page, run_check};
use crate::support::{check_target, write_bundle};

/// Options of `nvr doctor`.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct DoctorArgs {
    /// Configuration file, for broker and models [default: $NVR_CONFIG, else /etc/nvr/nvr.toml]
    #[arg(long, value_name = "FILE")]
    config: Option<String>,
    /// Build a small TensorRT engine, run it and compare its output; takes minutes on a board
    #[arg(long)]
    tensorrt: bool,
    /// Form of the report
    #[arg(long, value_enum, default_value_t)]
    format: Form,
    /// Pack the report with logs and settings into FILE, a .tar.gz without passwords and tokens
    #[arg(long, value_name = "FILE")]
    bundle: Option<PathBuf>,
    /// Replace an existing file by the bundle
    #[arg(long, requires = "bundle")]
    force: bool,
    /// Examine the file tree below DIR instead of this machine's: a test double
    #[arg(long, value_name = "DIR", default_value = "/", hide = true)]
    root: PathBuf,
    /// Run one check and print its lines, for checks in separate processes
    #[arg(long, value_name = "ID", hide = true)]
    check: Option<String>,
    /// The broker.
    #[command(flatten)]
    mqtt: MqttFlags,
}

const AFTER_HELP: &str = "\
Exit codes: 0 no fault, 1 faults, 2 usage error.

Examples:
  nvr doctor
  nvr doctor --config /etc/nvr/nvr.toml --format json
  nvr doctor --mqtt-host mqtts://mqtt.example.com
  sudo nvr doctor --tensorrt --bundle support.tar.gz";

pub(super) fn main(args: &DoctorArgs) -> anyhow::Result<ExitCode> {
    const USAGE: u8 = 2;
    if let Some(target) = &args.bundle
        && let Err(error) = check_target(target, args.force)
    {
        out::error(format_args!("error: {error}"));
        return Ok(ExitCode::from(USAGE));
    }
    let environment = Environment::of_process();
    if args.mqtt != MqttFlags::default() {
        // As in the roles, a wrong option is a usage error and not a finding about this machine.
        args.mqtt.load(&environment)?;
    }
    let options = Options {
        config: args.config.clone(),
        mqtt: args.mqtt.clone(),
        tensorrt: args.tensorrt,
        root: args.root.clone(),
        environment,
    };
    if let Some(id) = &args.check {
        let known = run_check(id, &Machine::new(&options));
        return Ok(ExitCode::from(if known { 0 } else { USAGE }));
    }
    let report = examine(Machine::new(&options));
    out::line(match args.format {
        Form::Text => page(&report),
        Form::Json => report.to_json(),
    });
    if let Some(target) = &args.bundle {
        write_bundle(target, &Machine::new(&options), &report)?;
        out::error(format_args!(
            "wrote {}; read it before you send it",
            target.display()
        ));
    }
    Ok(match report.state {
        State::Fault => ExitCode::FAILURE,
        _ => ExitCode::SUCCESS,
    })
}

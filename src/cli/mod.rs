//! The command line: one file per subcommand, no logic.

pub mod out;

mod agent;
mod broker;
mod camera;
mod completions;
mod config;
mod control;
#[cfg(feature = "testcam")]
mod demo;
#[cfg(feature = "testcam")]
mod demo_fleet;
mod display;
mod doctor;
mod firmware;
mod fleet;
mod fleet_desk;
mod fleet_device;
mod fleet_flags;
mod fleet_keys;
mod fleet_rollout;
mod fleet_update;
mod form;
mod logging;
mod man;
mod model;
mod model_bill;
mod model_download;
mod model_engine;
mod model_fetch;
mod model_licence;
mod model_text;
mod model_try;
mod moment;
mod picture_output;
mod processor;
mod provision;
mod record;
mod record_export;
mod record_lines;
mod record_lock;
mod record_rebuild;
mod record_status;
mod record_text;
#[cfg(feature = "testcam")]
mod testcam;
mod wall;
mod watch;

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

use crate::agent::{AgentError, ProvisionError};
use crate::config::ConfigProblems;
use crate::detect::BUILDER_COMMAND;
use crate::role::{RunError, StartError};

/// Detect objects in camera pictures, publish them over MQTT, and show the cameras on monitors with their detections.
#[derive(Debug, Parser)]
#[command(name = "nvr", version, about)]
struct Cli {
    /// Format of the log on standard error; NVR_LOG or RUST_LOG sets the filter (`nvr=debug`)
    #[arg(
        long,
        global = true,
        value_enum,
        default_value_t,
        env = "NVR_LOG_FORMAT"
    )]
    log_format: logging::LogFormat,

    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Detect objects in camera pictures and publish them over MQTT
    Processor(Box<processor::ProcessorArgs>),
    /// Show cameras on monitors, each frame with its detections
    Wall(Box<wall::WallArgs>),
    /// Examine one camera
    Camera(camera::CameraArgs),
    /// Serve test cameras over RTSP: looped files in real time, or a moving test pattern
    #[cfg(feature = "testcam")]
    Testcam(Box<testcam::TestcamArgs>),
    /// Run an MQTT broker; by default it accepts only connections from this machine
    Broker(broker::BrokerArgs),
    /// Show the sources and detections on a broker, with their rates
    Watch(watch::WatchArgs),
    /// Write, show and check configuration files
    Config(config::ConfigArgs),
    /// List, check, lock, export and verify recordings
    Record(record::RecordArgs),
    /// List, show, choose, fetch, import and try models; build their engines and measure them
    Model(model::ModelArgs),
    /// Run a demonstration: a broker, cameras, a processor and a wall in one process
    #[cfg(feature = "testcam")]
    Demo(Box<demo::DemoArgs>),
    /// Run a demonstration of a fleet: two boxes get their configuration from a desk, then one more camera
    #[cfg(feature = "testcam")]
    DemoFleet(Box<demo_fleet::DemoFleetArgs>),
    /// List monitors and planes and how a wall would use them; show a test card
    Display(display::DisplayArgs),
    /// Build an engine in this process; `nvr model build` starts it where there is no trtexec
    #[command(name = BUILDER_COMMAND, hide = true)]
    EngineBuilder(model_engine::BuilderArgs),
    /// Report the abilities and faults of this machine; pack the report for support
    Doctor(doctor::DoctorArgs),
    /// Configure many processors and walls from one desk, over the broker
    Fleet(Box<fleet::FleetArgs>),
    /// Query or change a running processor or wall on this machine
    Control(control::ControlArgs),
    /// Show, confirm or take back the last update of this box's firmware
    Firmware(firmware::FirmwareArgs),
    /// Join a fleet: take its documents from the broker, and run a processor, a wall or both by them
    Agent(agent::AgentArgs),
    /// Take over the file that gives this device its identity, its network and its time
    Provision(provision::ProvisionArgs),
    /// Print the script that completes the options of this program in a shell
    Completions(completions::CompletionsArgs),
    /// Print a manual page, or write all of them
    Man(man::ManArgs),
}

impl Command {
    /// Whether it writes a log to standard error.
    fn writes_log(&self) -> bool {
        match self {
            Self::Processor(_)
            | Self::Wall(_)
            | Self::Camera(_)
            | Self::Broker(_)
            | Self::EngineBuilder(_)
            | Self::Display(_)
            | Self::Agent(_)
            | Self::Provision(_) => true,
            #[cfg(feature = "testcam")]
            Self::Testcam(_) | Self::Demo(_) | Self::DemoFleet(_) => true,
            Self::Watch(args) => !args.draws(),
            Self::Config(_)
            | Self::Record(_)
            | Self::Model(_)
            | Self::Doctor(_)
            | Self::Fleet(_)
            | Self::Control(_)
            | Self::Firmware(_)
            | Self::Completions(_)
            | Self::Man(_) => false,
        }
    }
}

/// Exit codes: 0 done, 1 failed, 2 usage or configuration.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let log_format = cli.log_format;
    if cli.command.writes_log() {
        logging::start(log_format);
    }
    let result = match cli.command {
        Command::Processor(args) => processor::main(*args),
        Command::Wall(args) => wall::main(*args),
        Command::Camera(args) => return camera::main(args),
        #[cfg(feature = "testcam")]
        Command::Testcam(args) => testcam::main(&args).map(|()| ExitCode::SUCCESS),
        Command::Broker(args) => broker::main(args).map(|()| ExitCode::SUCCESS),
        Command::Watch(args) => watch::main(args).map(|()| ExitCode::SUCCESS),
        Command::Record(args) => record::main(args),
        Command::Model(args) => model::main(args).map(|()| ExitCode::SUCCESS),
        Command::EngineBuilder(args) => model_engine::builder(args).map(|()| ExitCode::SUCCESS),
        Command::Config(args) => config::main(args).map(|()| ExitCode::SUCCESS),
        #[cfg(feature = "testcam")]
        Command::Demo(args) => demo::main(*args).map(|()| ExitCode::SUCCESS),
        #[cfg(feature = "testcam")]
        Command::DemoFleet(args) => demo_fleet::main(*args).map(|()| ExitCode::SUCCESS),
        Command::Display(args) => display::main(args),
        Command::Doctor(args) => doctor::main(&args),
        Command::Fleet(args) => fleet::main(*args),
        Command::Control(args) => control::main(args),
        Command::Firmware(args) => firmware::main(args),
        Command::Agent(args) => agent::main(args, log_format),
        Command::Provision(args) => provision::main(args),
        Command::Completions(args) => {
            completions::main(&args, Cli::command()).map(|()| ExitCode::SUCCESS)
        }
        Command::Man(args) => man::main(&args, Cli::command()).map(|()| ExitCode::SUCCESS),
    };
    match result {
        Ok(code) => code,
        Err(err) => {
            let is_config = err.chain().any(is_settings_error);
            for line in format!("{err:#}").lines() {
                out::error(format_args!("error: {line}"));
            }
            ExitCode::from(if is_config { 2 } else { 1 })
        }
    }
}

/// Whether the settings caused the error. The exit code then tells a supervisor that a restart does not help.
fn is_settings_error(cause: &(dyn std::error::Error + 'static)) -> bool {
    let start = match cause.downcast_ref() {
        Some(RunError::Page(_)) => return true,
        Some(RunError::Start(start)) => Some(start),
        Some(RunError::Signals(_)) => None,
        None => cause.downcast_ref(),
    };
    let is_agent = matches!(
        cause.downcast_ref(),
        Some(
            AgentError::Identity(_)
                | AgentError::Provision(_)
                | AgentError::User(_)
                | AgentError::Link(_)
        )
    ) || cause.is::<ProvisionError>();
    is_agent
        || cause.is::<ConfigProblems>()
        || matches!(start, Some(StartError::Detector(_) | StartError::Link(_)))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        super::Cli::command().debug_assert();
    }
}

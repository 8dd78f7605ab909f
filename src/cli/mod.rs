//! The command line: one file a subcommand, no logic.

pub mod out;

mod broker;
mod camera;
mod config;
mod control;
#[cfg(feature = "testcam")]
mod demo;
mod display;
mod doctor;
mod logging;
mod model;
mod model_engine;
mod processor;
#[cfg(feature = "testcam")]
mod testcam;
mod wall;
mod watch;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::config::ConfigProblems;
use crate::role::{RunError, StartError};

/// Cameras to detections on MQTT, and to monitors with what was detected.
#[derive(Debug, Parser)]
#[command(name = "nvr", version, about)]
struct Cli {
    /// How log lines are written to standard error; NVR_LOG or RUST_LOG filters them (`nvr=debug`)
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
    /// Look at cameras and publish what they see
    Processor(Box<processor::ProcessorArgs>),
    /// Show cameras on monitors, with what was detected on the frames that it was detected in
    Wall(Box<wall::WallArgs>),
    /// Look at one camera by hand
    Camera(camera::CameraArgs),
    /// Serve test cameras over RTSP: files in a loop in real time, or a moving pattern
    #[cfg(feature = "testcam")]
    Testcam(Box<testcam::TestcamArgs>),
    /// Run an MQTT broker, on this machine only unless told otherwise
    Broker(broker::BrokerArgs),
    /// Show what is on the broker: sources, rates, what is seen
    Watch(watch::WatchArgs),
    /// Write, show and check configuration files
    Config(config::ConfigArgs),
    /// List, show, choose and import models, build engines of them and measure them
    Model(model::ModelArgs),
    /// See it all working: a broker, cameras with footage, a processor and a wall in one process
    #[cfg(feature = "testcam")]
    Demo(Box<demo::DemoArgs>),
    /// List monitors, planes and what a wall would do with them; show a test card
    Display(display::DisplayArgs),
    /// Say on one page what this machine can do and what is wrong with it; pack that for a call for support
    Doctor(doctor::DoctorArgs),
    /// Ask a running processor or wall of this machine
    Control(control::ControlArgs),
}

/// Exit codes: 0 done, 1 failed, 2 usage or configuration.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let log_format = cli.log_format;
    let result = match cli.command {
        Command::Processor(args) => {
            logging::start(log_format);
            processor::main(*args)
        }
        Command::Wall(args) => {
            logging::start(log_format);
            wall::main(*args)
        }
        Command::Camera(args) => {
            logging::start(log_format);
            return camera::main(args);
        }
        #[cfg(feature = "testcam")]
        Command::Testcam(args) => {
            logging::start(log_format);
            testcam::main(&args).map(|()| ExitCode::SUCCESS)
        }
        Command::Broker(args) => {
            logging::start(log_format);
            broker::main(args).map(|()| ExitCode::SUCCESS)
        }
        Command::Watch(args) => {
            if !args.draws() {
                logging::start(log_format);
            }
            watch::main(args).map(|()| ExitCode::SUCCESS)
        }
        Command::Model(args) => model::main(args).map(|()| ExitCode::SUCCESS),
        Command::Config(args) => config::main(args).map(|()| ExitCode::SUCCESS),
        #[cfg(feature = "testcam")]
        Command::Demo(args) => {
            logging::start(log_format);
            demo::main(*args).map(|()| ExitCode::SUCCESS)
        }
        Command::Display(args) => {
            logging::start(log_format);
            display::main(args)
        }
        Command::Doctor(args) => doctor::main(&args),
        Command::Control(args) => control::main(args),
    };
    match result {
        Ok(code) => code,
        Err(err) => {
            let is_config = err.chain().any(is_of_settings);
            for line in format!("{err:#}").lines() {
                out::error(format_args!("error: {line}"));
            }
            ExitCode::from(if is_config { 2 } else { 1 })
        }
    }
}

/// Whether other settings would have helped: the exit code then tells a supervisor that starting again will not.
fn is_of_settings(cause: &(dyn std::error::Error + 'static)) -> bool {
    let start = match cause.downcast_ref() {
        Some(RunError::Page(_)) => return true,
        Some(RunError::Start(start)) => Some(start),
        Some(RunError::Signals(_)) => None,
        None => cause.downcast_ref(),
    };
    cause.is::<ConfigProblems>()
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

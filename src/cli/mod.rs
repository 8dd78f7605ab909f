//! The command line: one file a subcommand, no logic.

pub mod out;

mod broker;
mod config;
mod logging;
mod model;
mod processor;
#[cfg(feature = "testcam")]
mod testcam;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::config::ConfigProblems;

/// Cameras to detections on MQTT.
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
    /// Serve test cameras over RTSP: files in a loop in real time, or a moving pattern
    #[cfg(feature = "testcam")]
    Testcam(Box<testcam::TestcamArgs>),
    /// Run an MQTT broker, on this machine only unless told otherwise
    Broker(broker::BrokerArgs),
    /// Write, show and check configuration files
    Config(config::ConfigArgs),
    /// List, show, choose and import models
    Model(model::ModelArgs),
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
        #[cfg(feature = "testcam")]
        Command::Testcam(args) => {
            logging::start(log_format);
            testcam::main(&args)
        }
        Command::Broker(args) => {
            logging::start(log_format);
            broker::main(args)
        }
        Command::Config(args) => config::main(args),
        Command::Model(args) => model::main(args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(err) => {
            let is_config = err.chain().any(|cause| cause.is::<ConfigProblems>());
            for line in format!("{err:#}").lines() {
                out::error(format_args!("error: {line}"));
            }
            ExitCode::from(if is_config { 2 } else { 1 })
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        super::Cli::command().debug_assert();
    }
}

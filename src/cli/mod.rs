//! The command line: one file a subcommand, no logic.

pub mod out;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Cameras to detections on MQTT.
#[derive(Debug, Parser)]
#[command(name = "nvr", version, about)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {}

/// Exit codes: 0 done, 1 failed, 2 usage or configuration.
pub fn main() -> ExitCode {
    match Cli::parse().command {}
}

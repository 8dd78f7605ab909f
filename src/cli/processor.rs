//! `nvr processor`: detects objects in camera pictures and publishes them over MQTT.

use std::process::ExitCode;

use clap::Args;
use tokio::runtime::{Builder, Runtime};

use crate::agent::end_with_agent;
use crate::config::{ConfigSource, Environment, ProcessorFlags};
use crate::processor::Processor;
use crate::role::run;

/// Options of `nvr processor`.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct ProcessorArgs {
    #[command(flatten)]
    flags: ProcessorFlags,
}

pub(super) const AFTER_HELP: &str = "\
Every option can also be set by an environment variable: NVR_ and the option's name in capitals (NVR_MQTT_HOST).
MQTT_USERNAME and MQTT_PASSWORD are the login at the broker. An empty variable counts as unset.

Examples:
  nvr processor --n 12 --model yolov8x-640
  nvr processor --n 6 --mqtt-host mqtts://mqtt.example.com
  nvr processor --streams 12-19 --stream-server rtsp://192.168.1.100:8554
  nvr processor --source 0=rtsp://viewer:secret@10.0.0.20/Streaming/Channels/102 --source 1=/dev/shm/clip.mp4
  nvr processor --config /etc/nvr/nvr.toml";

/// Reads the settings and runs the processor until a signal stops it.
pub(super) fn main(args: ProcessorArgs) -> anyhow::Result<ExitCode> {
    if !end_with_agent() {
        return Ok(ExitCode::FAILURE);
    }
    let source = ConfigSource::new(args.flags, Environment::of_process());
    let loaded = source.load_all()?;
    for warning in &loaded.warnings {
        tracing::warn!("{warning}");
    }
    let runtime = runtime()?;
    let code = runtime.block_on(run::<Processor>(loaded.settings, source))?;
    // Does not wait for tasks that are stuck in a driver.
    runtime.shutdown_background();
    Ok(code)
}

/// A runtime with two threads: it serves MQTT, HTTP and supervision only. Pixels are handled on named threads.
pub(super) fn runtime() -> std::io::Result<Runtime> {
    Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("nvr-async")
        .enable_all()
        .build()
}

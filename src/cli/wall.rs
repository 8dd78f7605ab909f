//! `nvr wall`: shows cameras on monitors with their detections.

use std::process::ExitCode;

use clap::Args;

use crate::agent::end_with_agent;
use crate::config::{ConfigSource, Environment, WallFlags};
use crate::role::run;
use crate::wall::Wall;

/// Options of `nvr wall`.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct WallArgs {
    #[command(flatten)]
    pub(super) flags: WallFlags,
}

const AFTER_HELP: &str = "\
Every option can also be set by an environment variable: NVR_ and the option's name in capitals (NVR_MQTT_HOST).
MQTT_USERNAME and MQTT_PASSWORD are the login at the broker. An empty variable counts as unset.

Examples:
  nvr wall --n 12
  nvr wall --n 6 --tile-width 640 --tile-height 480
  nvr wall --n 6 --mqtt-host mqtt.example.com
  nvr wall --stream-server 0-11=rtsp://site-a:8554 --stream-server 12-19=rtsp://site-b:8554 --mqtt-host mqtts://mqtt.company.com
  nvr wall --n 6 --output headless --snapshot wall.png --http 127.0.0.1:8080
  nvr wall --config /etc/nvr/nvr.toml --connector HDMI-A-1 --mode 1920x1080@60 --layout focus --alarm-classes person";

/// Reads the settings and runs the wall until a signal stops it.
pub(super) fn main(args: WallArgs) -> anyhow::Result<ExitCode> {
    if !end_with_agent() {
        return Ok(ExitCode::FAILURE);
    }
    let source = ConfigSource::new(args.flags, Environment::of_process());
    let loaded = source.load_all()?;
    for warning in &loaded.warnings {
        tracing::warn!("{warning}");
    }
    let runtime = super::processor::runtime()?;
    let code = runtime.block_on(run::<Wall>(loaded.settings, source))?;
    // Does not wait for tasks that are stuck in a driver.
    runtime.shutdown_background();
    Ok(code)
}

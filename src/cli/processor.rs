//! `nvr processor`: cameras to detections on MQTT.

use clap::Args;

use crate::config::{ConfigSource, Environment, Flags, Settings};

/// Options of `nvr processor`.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct ProcessorArgs {
    #[command(flatten)]
    flags: Flags,
}

pub(super) const AFTER_HELP: &str = "\
Every setting is also a variable of the environment: NVR_ and the option's name in capitals (NVR_MQTT_HOST).
MQTT_USERNAME and MQTT_PASSWORD are the login at the broker. An empty variable counts as unset.

Examples:
  nvr processor --n 12 --model yolov8x-640
  nvr processor --n 6 --mqtt-host mqtts://mqtt.example.com
  nvr processor --streams 12-19 --stream-server rtsp://192.168.1.100:8554
  nvr processor --source 0=rtsp://viewer:secret@10.0.0.20/Streaming/Channels/102 --source 1=/dev/shm/clip.mp4
  nvr processor --config /etc/nvr/nvr.toml";

/// Reads the settings and runs until it is told to stop.
pub(super) fn main(args: ProcessorArgs) -> anyhow::Result<()> {
    let source = ConfigSource::new(args.flags, Environment::of_process());
    let loaded = source.load_all()?;
    for warning in &loaded.warnings {
        tracing::warn!("{warning}");
    }
    run(loaded.settings, source)
}

fn run(settings: Settings, watch: ConfigSource) -> anyhow::Result<()> {
    let file = watch.file();
    tracing::info!(
        instance_id = settings.instance_id,
        sources = settings.sources.len(),
        broker = settings.mqtt.host,
        port = settings.mqtt.port,
        file = file.map(|file| file.display().to_string()),
        "settings read"
    );
    Ok(())
}

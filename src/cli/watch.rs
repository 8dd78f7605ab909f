//! `nvr watch`: shows the sources and detections on a broker.

use std::io::IsTerminal;

use clap::Args;
use tokio::signal::unix::{SignalKind, signal};

use super::out;
use crate::config::{Environment, MqttFlags};
use crate::watch::{LineFormat, Watcher};

/// Options of `nvr watch`.
#[derive(Debug, Args)]
pub(super) struct WatchArgs {
    #[command(flatten)]
    mqtt: MqttFlags,

    /// Print lines in this format instead of a screen [default: a screen on a terminal, else text]
    #[arg(long, value_enum, value_name = "FORMAT")]
    format: Option<LineFormat>,
}

impl WatchArgs {
    /// Whether the terminal is drawn on. Log lines would disturb the picture.
    pub(super) fn draws(&self) -> bool {
        self.format.is_none() && std::io::stdout().is_terminal()
    }
}

/// Runs until SIGTERM or SIGINT.
pub(super) fn main(args: WatchArgs) -> anyhow::Result<()> {
    let draws = args.draws();
    let settings = args.mqtt.load(&Environment::of_process())?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let end = async {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        };
        let watcher = Watcher::new(settings)?;
        if draws {
            watcher.show(end).await?;
        } else {
            let format = args.format.unwrap_or_default();
            watcher
                .write_lines(format, end, |line| out::line(line))
                .await;
        }
        Ok(())
    })
}

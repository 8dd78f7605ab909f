//! `nvr demo-fleet`: a broker, cameras, two boxes and a desk, a process each.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::demo::DemoFlags;
use super::out;
use crate::demo::fleet::{FleetDemoOptions, run};

/// Options of `nvr demo-fleet`.
#[derive(Debug, Args)]
pub(super) struct DemoFleetArgs {
    /// Number of cameras before one is added
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=63))]
    n: u32,
    #[command(flatten)]
    demo: DemoFlags,
    /// Run time in seconds; every step is carried out in any case [default: until Ctrl-C]
    #[arg(long, value_name = "SECONDS")]
    duration: Option<f64>,
    /// At the end, write the wall's picture to this PNG or JPEG file; needs --duration
    #[arg(long, value_name = "FILE", requires = "duration")]
    snapshot: Option<PathBuf>,
}

/// Runs it on one thread: the kernel ends the processes with the thread that started them.
pub(super) fn main(args: DemoFleetArgs) -> anyhow::Result<()> {
    let demo = args.demo;
    let files = demo.films().into_iter();
    let options = FleetDemoOptions {
        cameras: args.n,
        files: files.map(std::path::absolute).collect::<Result<_, _>>()?,
        mqtt_port: demo.mqtt_port,
        rtsp_port: demo.rtsp_port,
        http: demo.http,
        duration: args.duration.map(Duration::try_from_secs_f64).transpose()?,
        snapshot: args.snapshot.map(std::path::absolute).transpose()?,
        model: demo.model,
        backend: demo.backend,
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(run(options, |line| out::line(line)))?;
    Ok(())
}

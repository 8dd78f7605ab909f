//! `nvr demo-fleet`: a broker, cameras, two boxes and a desk, a process each.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::{demo, out};
use crate::config::Backend;
use crate::demo::fleet::{FleetDemoOptions, run};

/// Options of `nvr demo-fleet`.
#[derive(Debug, Args)]
pub(super) struct DemoFleetArgs {
    /// Number of cameras before one is added
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=63))]
    n: u32,
    /// Videos that the cameras show (H.264 or H.265) [default: the footage that `make setup` fetched, else the test pattern]
    files: Vec<PathBuf>,
    /// Run time in seconds; every step is carried out in any case [default: until Ctrl-C]
    #[arg(long, value_name = "SECONDS")]
    duration: Option<f64>,
    /// Address of the wall's page; if the port is in use, a free one is chosen
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080")]
    http: SocketAddr,
    /// At the end, write the wall's picture to this PNG or JPEG file; needs --duration
    #[arg(long, value_name = "FILE", requires = "duration")]
    snapshot: Option<PathBuf>,
    /// Port of the broker; if it is in use, a free one is chosen
    #[arg(long, value_name = "PORT", default_value_t = 1883)]
    mqtt_port: u16,
    /// Port of the cameras; if it is in use, a free one is chosen
    #[arg(long, value_name = "PORT", default_value_t = 8554)]
    rtsp_port: u16,
    /// Model id [default: as for `nvr processor`]
    #[arg(long, value_name = "ID")]
    model: Option<String>,
    /// Inference backend [default: auto]
    #[arg(long, value_name = "BACKEND")]
    backend: Option<Backend>,
}

/// Runs it on one thread: the kernel ends the processes with the thread that started them.
pub(super) fn main(args: DemoFleetArgs) -> anyhow::Result<()> {
    let files = demo::films(args.files, args.backend).into_iter();
    let options = FleetDemoOptions {
        cameras: args.n,
        files: files.map(std::path::absolute).collect::<Result<_, _>>()?,
        mqtt_port: args.mqtt_port,
        rtsp_port: args.rtsp_port,
        http: args.http,
        duration: args.duration.map(Duration::try_from_secs_f64).transpose()?,
        snapshot: args.snapshot.map(std::path::absolute).transpose()?,
        model: args.model,
        backend: args.backend,
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(run(options, |line| out::line(line)))?;
    Ok(())
}

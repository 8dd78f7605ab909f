//! `nvr demo`: broker, cameras, processor and wall in one process.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::out;
use crate::base::cache_dir;
use crate::config::{Backend, OutputChoice, ProcessorFlags, RawProcessor};
use crate::demo::{DemoOptions, run};

/// Options of `nvr demo`.
#[derive(Debug, Args)]
pub(super) struct DemoArgs {
    /// Number of cameras
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=64))]
    n: u32,
    #[command(flatten)]
    demo: DemoFlags,
    /// Run time in seconds [default: until Ctrl-C]
    #[arg(long, value_name = "SECONDS")]
    duration: Option<f64>,
    /// Output of the wall besides the page: a monitor (kms) or none (headless)
    #[arg(long, value_name = "OUTPUT", default_value = "headless")]
    output: OutputChoice,
    /// Directory of the recordings, at most 1 GB [default: demo-recordings in the cache]
    #[arg(long, value_name = "DIR")]
    record: Option<PathBuf>,
    /// At the end, write the wall's picture to this PNG file
    #[arg(long, value_name = "FILE.png")]
    snapshot: Option<PathBuf>,
    /// Minimum confidence of published detections.
    #[arg(
        long,
        value_name = "SCORE",
        help = format!("Minimum confidence of published detections, 0 to 1 [default: {}]", RawProcessor::default().confidence)
    )]
    confidence: Option<f64>,
}

/// Options of both demos.
#[derive(Debug, Args)]
pub(super) struct DemoFlags {
    /// Videos that the cameras show (H.264 or H.265) [default: the footage that `make setup` fetched, else the test pattern]
    files: Vec<PathBuf>,
    /// Address of the wall's page; if the port is in use, a free one is chosen
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080")]
    pub(super) http: SocketAddr,
    /// Port of the broker; if it is in use, a free one is chosen
    #[arg(long, value_name = "PORT", default_value_t = 1883)]
    pub(super) mqtt_port: u16,
    /// Port of the cameras; if it is in use, a free one is chosen
    #[arg(long, value_name = "PORT", default_value_t = 8554)]
    pub(super) rtsp_port: u16,
    /// Model id [default: as for `nvr processor`]
    #[arg(long, value_name = "ID")]
    pub(super) model: Option<String>,
    /// Inference backend [default: auto]
    #[arg(long, value_name = "BACKEND")]
    pub(super) backend: Option<Backend>,
}

pub(super) fn main(args: DemoArgs) -> anyhow::Result<()> {
    let demo = args.demo;
    let options = DemoOptions {
        cameras: args.n,
        files: demo.films(),
        mqtt_port: demo.mqtt_port,
        rtsp_port: demo.rtsp_port,
        duration: args.duration.map(Duration::try_from_secs_f64).transpose()?,
        http: demo.http,
        output: args.output,
        record: args
            .record
            .unwrap_or_else(|| cache_dir().join("demo-recordings")),
        snapshot: args.snapshot,
        flags: ProcessorFlags::default()
            .with("model", demo.model)
            .with("backend", demo.backend)
            .with("confidence", args.confidence),
    };
    super::processor::runtime()?.block_on(run(options, |line| out::line(line)))?;
    Ok(())
}

impl DemoFlags {
    /// The videos that the cameras show: those of the command line, else the footage.
    pub(super) fn films(&self) -> Vec<PathBuf> {
        match (self.files.is_empty(), self.backend) {
            (false, _) => self.files.clone(),
            // The scripted detector reads the objects that the test pattern encodes, and finds nothing in other pictures.
            (true, Some(Backend::Scripted)) => Vec::new(),
            (true, _) => footage(),
        }
    }
}

fn footage() -> Vec<PathBuf> {
    let file = cache_dir().join("footage/vtest.mp4");
    Some(file)
        .filter(|file| file.is_file())
        .into_iter()
        .collect()
}

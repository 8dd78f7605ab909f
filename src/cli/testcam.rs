//! `nvr testcam`: test cameras over RTSP.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use clap::Args;

use super::out;
use crate::agent::end_with_agent;
use crate::base::{Size, parse_id_list};
use crate::config::{Credentials, Secret, TestPattern};
use crate::media::testcam::{
    CameraOptions, Feed, LoginScheme, Testcam, TestcamLogin, TestcamOptions, TestcamTls,
};

/// `nvr testcam`
#[derive(Debug, Args)]
pub(super) struct TestcamArgs {
    /// H.264 or H.265 videos (MP4, MKV, …), distributed over the cameras in turn [default: the test pattern]
    files: Vec<PathBuf>,
    /// Number of cameras
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=256))]
    n: u32,
    /// Port to listen on; 0 chooses a free port
    #[arg(long, default_value_t = 8554)]
    port: u16,
    /// Address to listen on; 0.0.0.0 for all addresses of this machine
    #[arg(long, default_value = "127.0.0.1")]
    bind: IpAddr,
    /// Path of a camera; {id} is replaced by its number
    #[arg(long, default_value = "live{id}.stream")]
    path: String,
    /// Difference of the start positions of two neighbouring cameras in their file or pattern
    #[arg(long, default_value = "7s", value_parser = humantime::parse_duration)]
    offset: Duration,
    /// Show the moving test pattern, encoded live
    #[arg(long, conflicts_with = "files")]
    pattern: bool,
    /// Size of the pattern
    #[arg(long, default_value = "1280x720", value_parser = parse_size)]
    size: Size,
    /// Frame rate of the pattern, in frames per second
    #[arg(long, default_value_t = 25.0, value_parser = parse_fps)]
    fps: f64,
    /// Number of objects that move in the pattern
    #[arg(long, default_value_t = 3)]
    objects: u32,
    /// User name of the login that the cameras require; the password comes from the variable in --password-env
    #[arg(long, requires = "password_env")]
    username: Option<String>,
    /// Environment variable that holds the password
    #[arg(long, value_name = "VARIABLE", requires = "username")]
    password_env: Option<String>,
    /// Use Basic authentication (password in clear text) instead of Digest
    #[arg(long, requires = "username")]
    basic: bool,
    /// Serve RTSPS with this certificate in PEM
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_certificate: Option<PathBuf>,
    /// The certificate's private key in PEM
    #[arg(long, value_name = "FILE", requires = "tls_certificate")]
    tls_key: Option<PathBuf>,
    /// Give each viewer a separate RTP stream
    #[arg(long)]
    separate: bool,
    /// Ids of cameras that answer but send no pictures, such as 0-2,5
    #[arg(long, value_name = "IDS", default_value = "")]
    silent: String,
    /// Error of the cameras' clocks, in milliseconds
    #[arg(
        long,
        value_name = "MS",
        default_value_t = 0,
        allow_hyphen_values = true
    )]
    clock_offset_ms: i64,
    /// Send no RTCP sender reports; receivers then do not know the cameras' time
    #[arg(long)]
    no_sender_reports: bool,
}

/// Serves until SIGTERM or SIGINT.
pub(super) fn main(args: &TestcamArgs) -> anyhow::Result<()> {
    if !end_with_agent() {
        anyhow::bail!("the process that started this one has ended");
    }
    let options = options(args)?;
    let testcam = Testcam::start(&options)?;
    until_signal(|| tell(&options, &testcam))?;
    testcam.stop();
    Ok(())
}

fn options(args: &TestcamArgs) -> anyhow::Result<TestcamOptions> {
    let silent = match args.silent.as_str() {
        "" => Vec::new(),
        list => parse_id_list(list).map_err(|reason| anyhow::anyhow!("--silent: {reason}"))?,
    };
    let pattern = TestPattern {
        size: args.size,
        fps: args.fps,
        objects: args.objects,
    };
    let cameras = (0..args.n).map(|id| CameraOptions {
        feed: match args.files.get(id as usize % args.files.len().max(1)) {
            Some(file) => Feed::File(file.clone()),
            None => Feed::Pattern(pattern),
        },
        offset: args.offset * id,
        clock_offset_ms: args.clock_offset_ms,
        sender_reports: !args.no_sender_reports,
        silent: silent.iter().any(|silent| silent.0 == id),
    });
    Ok(TestcamOptions {
        bind: args.bind,
        port: args.port,
        path: args.path.clone(),
        cameras: cameras.collect(),
        login: login(args)?,
        tls: args
            .tls_certificate
            .clone()
            .zip(args.tls_key.clone())
            .map(|(certificate, key)| TestcamTls { certificate, key }),
        shared: !args.separate,
    })
}

fn login(args: &TestcamArgs) -> anyhow::Result<Option<TestcamLogin>> {
    let Some((username, variable)) = args.username.as_ref().zip(args.password_env.as_ref()) else {
        return Ok(None);
    };
    let password = std::env::var(variable)
        .with_context(|| format!("--password-env names {variable}, which is not set"))?;
    Ok(Some(TestcamLogin {
        credentials: Credentials {
            username: Secret::new(username),
            password: Secret::new(password),
        },
        scheme: if args.basic {
            LoginScheme::Basic
        } else {
            LoginScheme::Digest
        },
    }))
}

/// Prints the cameras' addresses.
fn tell(options: &TestcamOptions, testcam: &Testcam) {
    for (id, camera) in options.cameras.iter().enumerate() {
        let shown = match &camera.feed {
            Feed::File(path) => path.display().to_string(),
            Feed::Pattern(_) => "test pattern".to_owned(),
        };
        out::line(format_args!("{}  {shown}", testcam.url(id)));
    }
}

/// Waits for SIGTERM or SIGINT. `ready` is called when both would be noticed.
fn until_signal(ready: impl FnOnce()) -> anyhow::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        ready();
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        Ok(())
    })
}

fn parse_size(text: &str) -> Result<Size, String> {
    let sides = text
        .split_once('x')
        .and_then(|(width, height)| Some(Size::new(width.parse().ok()?, height.parse().ok()?)));
    sides.ok_or_else(|| "write a size as 1280x720".to_owned())
}

fn parse_fps(text: &str) -> Result<f64, String> {
    let fps = text.parse().ok().filter(|fps| *fps > 0.0 && *fps <= 240.0);
    fps.ok_or_else(|| "write a frame rate above 0 and up to 240".to_owned())
}

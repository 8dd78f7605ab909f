//! `nvr camera`: examination of one camera.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, anyhow};
use clap::{Args, Subcommand, ValueEnum};

use super::out;
use crate::base::{Stop, private_file};
use crate::config::{
    Credentials, Location, Secret, SourceTls, StreamSettings, Transport, UriText, parse_pin,
};
use crate::media::{self, CameraReport, Login, ProbeError};

/// `nvr camera`
#[derive(Debug, Args)]
pub(super) struct CameraArgs {
    #[command(subcommand)]
    command: CameraCommand,
}

#[derive(Debug, Subcommand)]
enum CameraCommand {
    /// Report a camera's streams, rates and clock, and save a picture
    ///
    /// Exit codes: 0 a picture was received, 1 another failure, 2 wrong command line, 3 the camera asks for a login or refuses
    /// the given one, 4 the camera can't be reached.
    Probe(ProbeArgs),
}

#[derive(Debug, Args)]
struct ProbeArgs {
    /// URI of the camera, such as rtsp://10.0.0.20:554/Streaming/Channels/101 or v4l2:///dev/video0
    uri: String,
    /// User name; the password comes from the variable in --password-env
    #[arg(long, requires = "password_env")]
    username: Option<String>,
    /// Environment variable that holds the password
    #[arg(long, value_name = "VARIABLE", requires = "username")]
    password_env: Option<String>,
    /// Transport of RTP
    #[arg(long, value_enum, default_value_t)]
    transport: TransportArg,
    /// CA file, PEM: authorities that are trusted besides the system's, for RTSPS
    #[arg(long, value_name = "FILE", conflicts_with = "pin")]
    ca: Option<PathBuf>,
    /// SHA-256 fingerprint of the only accepted certificate, for RTSPS
    #[arg(long, value_name = "SHA256", value_parser = parse_pin_argument)]
    pin: Option<[u8; 32]>,
    /// Time to measure; up to three times as long if key frames or sender reports are late
    #[arg(long, default_value = "5s", value_parser = humantime::parse_duration)]
    duration: Duration,
    /// Save the first picture
    #[arg(long, value_name = "FILE")]
    jpeg: Option<PathBuf>,
    /// Format of the report
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

#[derive(Debug, Clone, Copy, Default, ValueEnum)]
enum TransportArg {
    /// TCP, interleaved in the RTSP connection
    #[default]
    Tcp,
    /// UDP
    Udp,
}

#[derive(Debug, Clone, Copy, Default, ValueEnum)]
enum Format {
    /// Lines of text
    #[default]
    Text,
    /// One JSON object
    Json,
}

/// Longest wait for the first picture: key frames may be ten seconds apart.
const START_LIMIT: Duration = Duration::from_secs(20);
/// Longest time without a frame after that.
const STALL_LIMIT: Duration = Duration::from_secs(5);

/// Runs a subcommand. The exit code names the cause of a failure.
pub(super) fn main(args: CameraArgs) -> ExitCode {
    let CameraCommand::Probe(args) = args.command;
    probe(&args).unwrap_or_else(|error| {
        out::error(format_args!("error: {error:#}"));
        ExitCode::FAILURE
    })
}

fn probe(args: &ProbeArgs) -> anyhow::Result<ExitCode> {
    let settings = match settings(args) {
        Ok(settings) => settings,
        Err(error) => {
            out::error(format_args!("error: {error:#}"));
            return Ok(ExitCode::from(2));
        }
    };
    media::init()?;
    match media::probe_camera(&settings, args.duration, &Stop::default()) {
        Ok(report) => {
            if let (Some(path), Some(jpeg)) = (&args.jpeg, &report.first_frame_jpeg) {
                private_file(path)
                    .and_then(|mut file| file.write_all(jpeg))
                    .with_context(|| format!("the picture can't be saved to {}", path.display()))?;
            }
            match args.format {
                Format::Text => print(&report, args.jpeg.as_deref()),
                Format::Json => out::line(serde_json::to_string_pretty(&report)?),
            }
            Ok(ExitCode::SUCCESS)
        }
        Err(error) => {
            if let Format::Json = args.format {
                let ProbeError { code, message } = &error;
                out::line(
                    serde_json::json!({ "uri": settings.location.to_string(), "code": code, "message": message }),
                );
            }
            out::error(format_args!("error: {error}"));
            Ok(ExitCode::from(match error.code {
                "unauthorized" => 3,
                "unreachable" => 4,
                _ => 1,
            }))
        }
    }
}

fn settings(args: &ProbeArgs) -> anyhow::Result<StreamSettings> {
    let here = std::env::current_dir().context("there is no current directory")?;
    let (location, in_uri): (Location, Option<Credentials>) = UriText::new(&args.uri)
        .parse(&here)
        .map_err(|problems| anyhow!("the URI {}", problems.join("; ")))?;
    let credentials =
        match (&args.username, &args.password_env) {
            (Some(username), Some(variable)) => Some(Credentials {
                username: Secret::new(username),
                password: Secret::new(std::env::var(variable).with_context(|| {
                    format!("--password-env names {variable}, which is not set")
                })?),
            }),
            _ => in_uri,
        };
    Ok(StreamSettings {
        location,
        credentials,
        transport: match args.transport {
            TransportArg::Tcp => Transport::Tcp,
            TransportArg::Udp => Transport::Udp,
        },
        jitter_buffer: Duration::from_millis(50),
        tls: SourceTls {
            ca: args.ca.clone(),
            pinned_sha256: args.pin,
        },
        stall_limit: STALL_LIMIT,
        start_limit: START_LIMIT,
    })
}

fn print(report: &CameraReport, jpeg: Option<&Path>) {
    let row = |name: &str, value: String| out::line(format_args!("{name:<19}{value}"));
    row("camera", report.uri.clone());
    row(
        "login",
        match report.login {
            Login::NotAsked => "not asked for".to_owned(),
            Login::Accepted => "asked for, accepted".to_owned(),
            Login::None => "none".to_owned(),
        },
    );
    for stream in &report.streams {
        row("stream", format!("{} {}", stream.media, stream.encoding));
    }
    row("codec", report.codec.clone());
    row("decoder", report.decoder.clone());
    row("size", or_unknown(report.size));
    row(
        "frame rate",
        match (report.fps, report.nominal_fps) {
            (Some(fps), Some(nominal)) => format!("{fps:.1} fps (stream states {nominal:.1})"),
            (Some(fps), None) => format!("{fps:.1} fps"),
            (None, _) => "unknown".to_owned(),
        },
    );
    row(
        "key frame every",
        match report.key_frame_interval_s {
            Some(seconds) => format!("{seconds:.1} s"),
            None if matches!(&*report.codec, "raw" | "mjpeg") => "picture".to_owned(),
            None => format!("unknown: fewer than two in {:.0} s", report.measured_s),
        },
    );
    row(
        "bit rate",
        or_unknown(report.bitrate_kbps.map(|rate| format!("{rate:.0} kbit/s"))),
    );
    row(
        "first picture",
        format!("after {:.1} s", report.first_frame_s),
    );
    row(
        "camera's clock",
        match report.clock_offset_ms {
            Some(ms) if ms.abs() < 1000 => {
                format!("{ms:+} ms against this machine, from sender reports")
            }
            Some(ms) => format!(
                "{:+.1} s against this machine, from sender reports; set a time server in the camera",
                ms as f64 / 1000.0
            ),
            None if report.login == Login::None => "none: the time of arrival is used".to_owned(),
            None => "unknown: no sender report; the time of arrival is used".to_owned(),
        },
    );
    if let Some(path) = jpeg.filter(|_| report.first_frame_jpeg.is_some()) {
        row("picture", format!("saved to {}", path.display()));
    }
    if let Some(problem) = &report.problem {
        row("problem", problem.clone());
    }
}

fn or_unknown(value: Option<impl std::fmt::Display>) -> String {
    value.map_or_else(|| "unknown".to_owned(), |value| value.to_string())
}

fn parse_pin_argument(text: &str) -> Result<[u8; 32], String> {
    let remedy = "write 64 hexadecimal digits, as `openssl x509 -fingerprint -sha256` prints them";
    parse_pin(text).ok_or_else(|| remedy.to_owned())
}

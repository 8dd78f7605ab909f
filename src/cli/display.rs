//! `nvr display`: a list of monitors and planes, and a test card.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::bail;
use clap::Args;
use tokio::signal::unix::{SignalKind, signal};
use tracing::warn;

use super::form::Form;
use super::out;
use crate::base::{Clock, Size, Stop};
use crate::config::{HeadSettings, ModeRequest, Rotation, WallSettings};
use crate::display::kms::{self, CardReport, KmsDisplay};
use crate::display::{Display, testcard};

/// Options of `nvr display`.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct DisplayArgs {
    /// Show a test card for this many seconds, 0 for no limit; without this option, list monitors and planes
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, default_missing_value = "10")]
    show: Option<u64>,
    /// DRM card: device node or driver name [default: the card with a monitor]
    #[arg(long)]
    card: Option<String>,
    /// Connector, such as HDMI-A-1; repeatable, each shows a test card [default: the first of HDMI, DP, eDP]
    #[arg(long)]
    connector: Vec<String>,
    /// Resolution and refresh rate, such as 1920x1080@60 [default: the monitor's preferred mode]
    #[arg(long, value_parser = mode)]
    mode: Option<ModeRequest>,
    /// Turn the picture clockwise: 0, 90, 180 or 270 degrees
    #[arg(long, default_value = "0", value_parser = rotation)]
    rotate: Rotation,
    /// Part of the screen that a television cuts off at each edge, as a fraction, 0 to 0.1
    #[arg(long, default_value_t = 0.0, value_parser = overscan)]
    overscan: f32,
    /// Format of the list; with --show, of the display's report
    #[arg(long, value_enum, default_value_t)]
    format: Form,
}

const AFTER_HELP: &str = "\
Examples:
  nvr display
  nvr display --show
  nvr display --show 60 --connector DP-1 --mode 1920x1080@60 --rotate 90";

pub(super) fn main(args: DisplayArgs) -> anyhow::Result<ExitCode> {
    match args.show {
        None => list(args.card.as_deref(), args.format),
        Some(seconds) => show(args, seconds),
    }
}

fn list(wanted: Option<&str>, format: Form) -> anyhow::Result<ExitCode> {
    for node in kms::endangered() {
        warn!(
            card = %node.display(),
            "NVIDIA's driver switches its outputs off when this list has been made, because no program holds them; `nvr doctor` reads the \
             monitors without that"
        );
    }
    let mut cards = kms::available();
    if let Some(wanted) = wanted {
        cards.retain(|card| card.driver == wanted || card.path.ends_with(wanted));
    }
    if format == Form::Json {
        out::line(serde_json::to_string_pretty(&cards)?);
    } else if cards.is_empty() {
        out::line(
            "no DRM device (/dev/dri/card*), so no monitor can be used; a wall runs with --output headless",
        );
    } else {
        cards.iter().for_each(describe);
    }
    let is_usable = cards.iter().any(|card| card.problem.is_none());
    Ok(if is_usable {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn describe(card: &CardReport) {
    /// Modes that are listed: a monitor may have a hundred.
    const MODES: usize = 8;
    out::line(format_args!("{}  {}", card.path.display(), card.driver));
    if let Some(problem) = &card.problem {
        out::line(format_args!("  not usable now: {problem}"));
    }
    for connector in &card.connectors {
        let monitor = connector.monitor.as_deref().unwrap_or("");
        out::line(format_args!(
            "  {:<12} {} {monitor}",
            connector.name, connector.state
        ));
        if let Some(mode) = &connector.chosen_mode {
            let more = connector.modes.len().saturating_sub(MODES);
            let more = if more > 0 {
                format!(" and {more} more")
            } else {
                String::new()
            };
            let listed: Vec<&str> = connector
                .modes
                .iter()
                .take(MODES)
                .map(String::as_str)
                .collect();
            out::line(format_args!(
                "    mode  {mode}; of {}{more}",
                listed.join(" ")
            ));
        }
        for (index, plan) in connector.plans.iter().enumerate() {
            let word = if index == 0 { "plan" } else { "else" };
            out::line(format_args!("    {word}  {plan}"));
        }
    }
    for plane in card.planes.iter().flatten() {
        let crtcs: Vec<String> = plane.crtcs.iter().map(u32::to_string).collect();
        let zpos = plane
            .zpos
            .map_or(String::new(), |zpos| format!(", zpos {zpos}"));
        out::line(format_args!(
            "  plane {:<4} {:<8} CRTC {}{zpos}, {}",
            plane.id,
            plane.kind,
            crtcs.join(" "),
            plane.formats.join(" ")
        ));
    }
}

fn show(args: DisplayArgs, seconds: u64) -> anyhow::Result<ExitCode> {
    let head = |connector: Option<String>| HeadSettings {
        connector,
        mode: args.mode,
        rotate: args.rotate,
        overscan: args.overscan,
        ..HeadSettings::default()
    };
    let heads = if args.connector.is_empty() {
        vec![head(None)]
    } else {
        args.connector
            .iter()
            .cloned()
            .map(|name| head(Some(name)))
            .collect()
    };
    let settings = WallSettings {
        card: args.card,
        heads,
        ..WallSettings::default()
    };
    let stop = Stop::default();
    let runtime = super::processor::runtime()?;
    {
        let _guard = runtime.enter();
        let (mut terminate, mut interrupt) = (
            signal(SignalKind::terminate())?,
            signal(SignalKind::interrupt())?,
        );
        let stop = stop.clone();
        runtime.spawn(async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            stop.raise();
        });
    }
    let clock = Clock::system();
    let limit = (seconds > 0).then(|| Duration::from_secs(seconds));
    let displays = kms::open_heads(&settings, &clock)?;
    let shown: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = displays
            .into_iter()
            .map(|display| {
                let (clock, stop) = (&clock, &stop);
                scope.spawn(move || show_one(display, clock, limit, stop, args.format))
            })
            .collect();
        threads
            .into_iter()
            .map(std::thread::ScopedJoinHandle::join)
            .collect()
    });
    runtime.shutdown_background();
    for outcome in shown {
        match outcome {
            Ok(outcome) => outcome?,
            Err(_) => bail!("the test card's thread panicked"),
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn show_one(
    mut display: KmsDisplay,
    clock: &Clock,
    limit: Option<Duration>,
    stop: &Stop,
    format: Form,
) -> anyhow::Result<()> {
    out::line(format_args!("showing on {}", display.info().description));
    let start = clock.now();
    let scenes = testcard::show(&mut display, clock, limit, stop)?;
    let report = display.report();
    match format {
        Form::Json => out::line(&report),
        Form::Text => out::line(format_args!(
            "{}: {scenes} scenes in {:.1} s, paced by the {}; {}",
            display.info().description,
            (clock.now() - start).as_secs_f64(),
            report["paced_by"].as_str().unwrap_or_default(),
            report["plan"].as_str().unwrap_or("no plan"),
        )),
    }
    Ok(())
}

fn mode(text: &str) -> Result<ModeRequest, String> {
    let parsed = || {
        let (size, rate) = match text.split_once('@') {
            Some((size, rate)) => (
                size,
                Some(
                    rate.parse::<f64>()
                        .ok()
                        .filter(|hz| (1.0..=1000.0).contains(hz))?,
                ),
            ),
            None => (text, None),
        };
        let (width, height) = size.split_once('x')?;
        let side = |text: &str| {
            text.parse()
                .ok()
                .filter(|side| (64..=16_384).contains(side))
        };
        Some(ModeRequest {
            size: Size::new(side(width)?, side(height)?),
            refresh_hz: rate,
        })
    };
    parsed().ok_or_else(|| format!("`{text}` is not a mode; write it as 1920x1080 or 1920x1080@60"))
}

fn rotation(text: &str) -> Result<Rotation, String> {
    let degrees: u16 = text
        .parse()
        .map_err(|_| format!("must be 0, 90, 180 or 270 degrees, got {text}"))?;
    Rotation::try_from(degrees)
}

fn overscan(text: &str) -> Result<f32, String> {
    let fraction = text
        .parse()
        .ok()
        .filter(|fraction| (0.0..=0.1).contains(fraction));
    fraction.ok_or_else(|| format!("must be a fraction from 0 to 0.1, got {text}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_are_written_with_or_without_a_rate() {
        let size = Size::new(1920, 1080);
        assert_eq!(
            mode("1920x1080"),
            Ok(ModeRequest {
                size,
                refresh_hz: None
            })
        );
        assert_eq!(
            mode("1920x1080@59.94"),
            Ok(ModeRequest {
                size,
                refresh_hz: Some(59.94)
            })
        );
        for wrong in ["1920", "1920x1080@", "0x0", "1920x1080@0", "x@"] {
            assert!(mode(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn impossible_overscan_and_rotation_are_refused() {
        assert!(overscan("0.2").is_err());
        assert!(rotation("45").is_err());
    }
}

//! `nvr record export` and `nvr record verify`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, ValueHint};
use jiff::Timestamp;
use serde::Serialize;
use tokio::signal::unix::{SignalKind, signal};

use super::form::Form;
use super::moment::moment;
use super::out::{self, ProgressLine};
use crate::base::{SourceId, Stop, shown_bytes};
use crate::record::{
    ExportProblem, ExportProgress, ExportRequest, ExportSaid, Exported, Verified, export, verify,
};

/// Options of `nvr record export`.
#[derive(Debug, Args)]
pub(super) struct ExportArgs {
    /// Folder of recordings
    #[arg(value_hint = ValueHint::DirPath)]
    dir: PathBuf,
    /// The source to export
    #[arg(long, value_name = "ID")]
    source: u32,
    /// The beginning, such as 2026-11-28T08:30:00Z or, in local time, "2026-11-28 08:30"; the export begins with the last key frame
    /// that is not later
    #[arg(long, value_name = "TIME", value_parser = moment)]
    from: Duration,
    /// The end; the export ends before the first key frame that is not earlier
    #[arg(long, value_name = "TIME", value_parser = moment)]
    until: Duration,
    /// The video, which must end in .mp4; the manifest and the other files get their names from it
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    output: PathBuf,
    /// The private key that signs the export: Ed25519, PKCS#8 PEM, mode 0600
    ///
    /// [default: .nvr-signing-key.pem in the folder of recordings, made at its first use]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    key: Option<PathBuf>,
    /// Output format
    #[arg(long, value_enum, default_value_t)]
    format: Form,
}

/// Options of `nvr record verify`.
#[derive(Debug, Args)]
pub(super) struct VerifyArgs {
    /// Manifests of exports, with their files beside them
    #[arg(required = true, value_name = "MANIFEST", value_hint = ValueHint::FilePath)]
    manifests: Vec<PathBuf>,
    /// The public key of the box that should have made them, as PEM
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    public_key: Option<PathBuf>,
    /// Output format
    #[arg(long, value_enum, default_value_t)]
    format: Form,
}

/// A line of the output, as JSON shows it. Times are RFC 3339, durations in seconds.
#[derive(Debug, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum Line {
    Export {
        manifest: String,
        files: Vec<String>,
        videos: u64,
        frames: u64,
        analysed_frames: u64,
        bytes: u64,
        first_captured: String,
        last_captured: String,
        key: String,
    },
    Gap {
        from: String,
        until: String,
        duration_s: f64,
    },
    Damage {
        recording: String,
        reason: String,
    },
    Problem {
        path: String,
        reason: String,
    },
    Verified {
        manifest: String,
        problems: u64,
        is_key_known: bool,
        key: Option<String>,
        #[serde(rename = "box")]
        host: Option<String>,
        source_id: Option<SourceId>,
        first_captured: Option<String>,
        last_captured: Option<String>,
        videos: Option<u64>,
        frames: Option<u64>,
        gaps: Option<u64>,
        damage: Option<u64>,
    },
}

/// Runs `nvr record export`.
pub(super) fn main_export(args: ExportArgs) -> anyhow::Result<ExitCode> {
    let request = ExportRequest {
        dir: std::path::absolute(&args.dir)?,
        source: SourceId(args.source),
        from: args.from,
        until: args.until,
        output: args.output,
        key: args.key,
    };
    let stop = stop_on_signals()?;
    let mut progress = ProgressLine::default();
    let exported = export(
        &request,
        &mut |now| progress.show(progress_text(now)),
        &stop,
    );
    drop(progress);
    // The text of an error has that of its cause.
    let exported = exported.map_err(|error| anyhow::anyhow!("{error}"))?;
    for line in export_lines(&exported) {
        show(args.format, &line);
    }
    Ok(ExitCode::SUCCESS)
}

/// Runs `nvr record verify`.
pub(super) fn main_verify(args: &VerifyArgs) -> anyhow::Result<ExitCode> {
    let mut is_sound = true;
    for manifest in &args.manifests {
        let verified = verify(manifest, args.public_key.as_deref());
        let verified = verified.map_err(|error| anyhow::anyhow!("{error}"))?;
        is_sound &= verified.problems.is_empty();
        for line in verify_lines(manifest, verified) {
            show(args.format, &line);
        }
    }
    Ok(match is_sound {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

/// A flag that SIGINT and SIGTERM raise.
fn stop_on_signals() -> std::io::Result<Stop> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let stop = Stop::default();
    let raised = stop.clone();
    let (mut interrupt, mut terminate) = {
        let _guard = runtime.enter();
        (
            signal(SignalKind::interrupt())?,
            signal(SignalKind::terminate())?,
        )
    };
    // It ends with the process.
    std::thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                }
            });
            raised.raise();
        })?;
    Ok(stop)
}

fn progress_text(progress: ExportProgress) -> String {
    match progress {
        ExportProgress::Checking { done, total } => format!("checking recording {done} of {total}"),
        ExportProgress::Writing { done, total } => {
            format!("writing {} of {}", shown_bytes(done), shown_bytes(total))
        }
    }
}

fn show(format: Form, line: &Line) {
    match format {
        Form::Text => out::line(text(line)),
        Form::Json => {
            let json = serde_json::to_string(line);
            out::line(json.expect("invariant: a line has numbers and texts only"));
        }
    }
}

fn export_lines(exported: &Exported) -> Vec<Line> {
    let path = |path: &PathBuf| path.display().to_string();
    let mut lines = vec![Line::Export {
        manifest: path(&exported.manifest),
        files: exported.files.iter().map(path).collect(),
        videos: exported.videos,
        frames: exported.frames,
        analysed_frames: exported.analysed,
        bytes: exported.bytes,
        first_captured: utc(exported.first_captured),
        last_captured: utc(exported.last_captured),
        key: exported.key.to_string(),
    }];
    lines.extend(exported.gaps.iter().map(|&(from, until)| Line::Gap {
        from: utc(from),
        until: utc(until),
        duration_s: (until.saturating_sub(from).as_secs_f64() * 1e3).round() / 1e3,
    }));
    let damage = exported.damage.iter();
    lines.extend(damage.map(|(recording, reason)| Line::Damage {
        recording: recording.clone(),
        reason: reason.clone(),
    }));
    lines
}

fn verify_lines(manifest: &Path, verified: Verified) -> Vec<Line> {
    let problems = verified.problems.len() as u64;
    let problem = |ExportProblem { path, reason }| Line::Problem {
        path: path.display().to_string(),
        reason,
    };
    let mut lines: Vec<Line> = verified.problems.into_iter().map(problem).collect();
    let said = verified.said.as_ref();
    let of = |text: fn(&ExportSaid) -> String| said.map(text);
    lines.push(Line::Verified {
        manifest: manifest.display().to_string(),
        problems,
        is_key_known: verified.is_key_known,
        key: of(|said| said.key.to_string()),
        host: of(|said| said.host.clone()),
        source_id: said.map(|said| said.source),
        first_captured: of(|said| said.first_captured.clone()),
        last_captured: of(|said| said.last_captured.clone()),
        videos: said.map(|said| said.videos),
        frames: said.map(|said| said.frames),
        gaps: said.map(|said| said.gaps),
        damage: said.map(|said| said.damage),
    });
    lines
}

/// The line for people.
fn text(line: &Line) -> String {
    match line {
        Line::Export {
            files,
            frames,
            bytes,
            first_captured,
            last_captured,
            key,
            ..
        } => {
            let mut lines = files.clone();
            let bytes = shown_bytes(*bytes);
            lines.push(format!("frames: {frames}, {bytes}, from {first_captured} to {last_captured}, signed with the key {key}"));
            lines.join("\n")
        }
        Line::Gap {
            from,
            until,
            duration_s,
        } => format!("gap {duration_s:.1} s from {from} to {until}"),
        Line::Damage { recording, reason } => format!("not exported: {recording}: {reason}"),
        Line::Problem { path, reason } => format!("{path}: {reason}"),
        Line::Verified {
            manifest,
            problems: 0,
            is_key_known,
            key,
            host,
            source_id: Some(source_id),
            first_captured: Some(first),
            last_captured: Some(last),
            frames: Some(frames),
            gaps: Some(gaps),
            damage: Some(damage),
            ..
        } => {
            let key = key.as_deref().unwrap_or_default();
            let host = host.as_deref().unwrap_or_default();
            let proven = match is_key_known {
                true => {
                    format!("the box with the key {key} signed it, and nothing was changed since")
                }
                false => format!(
                    "nothing was changed since it was signed with the key {key}. Who has that key is not proven: give the public key of the box with --public-key"
                ),
            };
            format!(
                "{manifest}: source {source_id} of {host}, from {first} to {last}, frames: {frames}, gaps: {gaps}, damaged parts: {damage}\n{manifest}: {proven}"
            )
        }
        Line::Verified {
            manifest, problems, ..
        } => format!("{manifest}: not proven, problems: {problems}"),
    }
}

/// RFC 3339 in UTC, with milliseconds.
fn utc(unix: Duration) -> String {
    let milliseconds = i64::try_from(unix.as_millis()).unwrap_or(i64::MAX);
    let time = Timestamp::from_millisecond(milliseconds).unwrap_or(Timestamp::MAX);
    format!("{time:.3}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verified(is_key_known: bool) -> Line {
        Line::Verified {
            manifest: "gate.json".to_owned(),
            problems: 0,
            is_key_known,
            key: Some("0123456789abcdef".to_owned()),
            host: Some("box-1".to_owned()),
            source_id: Some(SourceId(3)),
            first_captured: Some("2026-11-28T08:30:00Z".to_owned()),
            last_captured: Some("2026-11-28T08:31:00Z".to_owned()),
            videos: Some(1),
            frames: Some(1500),
            gaps: Some(0),
            damage: Some(0),
        }
    }

    #[test]
    fn a_sound_export_says_what_is_proven() {
        let said = "gate.json: source 3 of box-1, from 2026-11-28T08:30:00Z to 2026-11-28T08:31:00Z, frames: 1500, gaps: 0, damaged parts: 0\n";
        assert_eq!(
            text(&verified(true)),
            format!(
                "{said}gate.json: the box with the key 0123456789abcdef signed it, and nothing was changed since"
            )
        );
        assert_eq!(
            text(&verified(false)),
            format!(
                "{said}gate.json: nothing was changed since it was signed with the key 0123456789abcdef. Who has that key is not proven: give the public key of the box with --public-key"
            )
        );
    }

    #[test]
    fn a_problem_has_its_file() {
        let manifest = Path::new("gate.json");
        let verified = Verified {
            problems: vec![ExportProblem {
                path: "gate.mp4".into(),
                reason: "has 3 bytes, not 4".to_owned(),
            }],
            said: None,
            is_key_known: false,
        };
        let lines: Vec<String> = verify_lines(manifest, verified).iter().map(text).collect();
        assert_eq!(
            lines,
            [
                "gate.mp4: has 3 bytes, not 4",
                "gate.json: not proven, problems: 1"
            ]
        );
    }

    #[test]
    fn times_have_milliseconds() {
        assert_eq!(
            utc(Duration::from_millis(1_795_854_600_120)),
            "2026-11-28T08:30:00.120Z"
        );
    }
}

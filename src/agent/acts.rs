//! Commands that take time: requests to the roles, `nvr doctor`, and a restart of the machine.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::process::Command;
use tokio::task::spawn_blocking;

use super::child::{RequestError, ask};
use super::cycle::ChildRole;
use super::refusal::{Refused, codes};
use crate::base::SourceId;
use crate::config::without_secrets;
use crate::control::{Answer, Request};

/// Time limit of a request to a role.
const REQUEST_LIMIT: Duration = Duration::from_secs(20);
/// Time limit of `nvr doctor`, which probes decoders and cameras.
const DOCTOR_LIMIT: Duration = Duration::from_secs(180);
/// Maximum length of a JPEG of an answer in bytes.
const JPEG_BYTES: usize = 256 * 1024;
/// Maximum length of the report of `nvr doctor` in bytes.
const REPORT_BYTES: usize = 512 * 1024;

/// What acts need of the box.
#[derive(Debug)]
pub(super) struct Settings {
    /// `nvr` itself.
    pub(super) program: PathBuf,
    /// The id of the device, the instance id of its roles.
    pub(super) device: String,
    /// The folder of the configurations of the roles, which `nvr doctor` reads.
    pub(super) configs: PathBuf,
    /// The command that restarts the machine.
    pub(super) reboot: Vec<String>,
}

/// A command that takes time. `roles` are those that run.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Act {
    /// The wall shows a text.
    Identify {
        roles: Vec<ChildRole>,
        text: String,
        limit: Duration,
    },
    /// A JPEG of a source, or of all that a wall shows.
    Snapshot {
        roles: Vec<ChildRole>,
        source: Option<SourceId>,
    },
    /// Sources are paused, or go on.
    Pause {
        roles: Vec<ChildRole>,
        source: Option<SourceId>,
        paused: bool,
    },
    /// The session of a source starts anew.
    RestartSource {
        roles: Vec<ChildRole>,
        source: SourceId,
    },
    /// `nvr doctor`.
    Doctor,
    /// The machine starts anew.
    Reboot,
}

impl Act {
    /// Its time limit.
    pub(super) fn limit(&self) -> Duration {
        match self {
            Self::Doctor => DOCTOR_LIMIT,
            _ => REQUEST_LIMIT * 2,
        }
    }
}

/// Carries it out.
pub(super) async fn carry_out(act: Act, settings: &Settings) -> Result<Option<Value>, Refused> {
    let all = |roles, request| of_roles(roles, request, settings);
    match act {
        Act::Identify { roles, text, limit } => {
            let seconds = limit.as_secs();
            all(roles, Request::Identify { text, seconds }).await
        }
        Act::Snapshot { roles, source } => {
            let request = Request::Snapshot {
                source_id: source,
                most_bytes: JPEG_BYTES,
            };
            all(roles, request).await
        }
        Act::Pause {
            roles,
            source: source_id,
            paused,
        } => {
            let request = match paused {
                true => Request::Pause { source_id },
                false => Request::Resume { source_id },
            };
            all(roles, request).await
        }
        Act::RestartSource { roles, source } => {
            all(roles, Request::Restart { source_id: source }).await
        }
        Act::Doctor => doctor(settings).await,
        Act::Reboot => reboot(settings).await,
    }
}

/// Asks every role. The answer has those that obeyed; if none did, the reason of the first.
async fn of_roles(
    roles: Vec<ChildRole>,
    request: Request,
    settings: &Settings,
) -> Result<Option<Value>, Refused> {
    let mut obeyed = serde_json::Map::new();
    let mut refused = None;
    for role in roles {
        let (device, request) = (settings.device.clone(), request.clone());
        let asked = spawn_blocking(move || ask(role, &device, &request, REQUEST_LIMIT)).await;
        match asked.unwrap_or(Err(RequestError::Failed { role })) {
            Ok(Answer::Ok(value)) => {
                obeyed.insert(role.to_string(), value);
            }
            Ok(Answer::Refused(problems)) => {
                let reasons: Vec<String> = problems
                    .into_iter()
                    .map(|problem| problem.message)
                    .collect();
                refused.get_or_insert((codes::NOT_SUPPORTED, reasons.join("; ")));
            }
            Err(err) => {
                refused.get_or_insert((codes::FAILED, err.to_string()));
            }
        }
    }
    match refused.filter(|_| obeyed.is_empty()) {
        Some(refused) => Err(refused),
        None => Ok(Some(Value::Object(obeyed))),
    }
}

async fn doctor(settings: &Settings) -> Result<Option<Value>, Refused> {
    let mut command = Command::new(&settings.program);
    command.args(["doctor", "--format", "json"]);
    let configs = [ChildRole::Processor, ChildRole::Wall]
        .map(|role| super::config_file::path(&settings.configs, role));
    if let Some(config) = configs.iter().find(|path| path.exists()) {
        command.arg("--config").arg(config);
    }
    let run = command
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await;
    let output = run.map_err(|err| (codes::FAILED, format!("can't run nvr doctor: {err}")))?;
    let text = String::from_utf8_lossy(&output.stdout);
    if text.len() > REPORT_BYTES {
        let message = format!(
            "the report has {} bytes, the limit is {REPORT_BYTES}; run nvr doctor on the device",
            text.len()
        );
        return Err((codes::FAILED, message));
    }
    let text = without_secrets(&text);
    let report: Value = serde_json::from_str(&text).map_err(|_| {
        let how = super::child::ending(output.status);
        (
            codes::FAILED,
            format!("nvr doctor ended with {how} without a report"),
        )
    })?;
    Ok(Some(report))
}

async fn reboot(settings: &Settings) -> Result<Option<Value>, Refused> {
    let Some((program, arguments)) = settings.reboot.split_first() else {
        let message = "this device has no command that restarts the machine".to_owned();
        return Err((codes::NOT_SUPPORTED, message));
    };
    let run = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .await;
    match run {
        Ok(output) if output.status.success() => Ok(Some(json!({ "rebooting": true }))),
        Ok(output) => {
            let told = String::from_utf8_lossy(&output.stderr);
            let how = super::child::ending(output.status);
            let message = format!("{program} ended with {how}: {}", told.trim());
            Err((codes::FAILED, message))
        }
        Err(err) => Err((codes::FAILED, format!("can't run {program}: {err}"))),
    }
}

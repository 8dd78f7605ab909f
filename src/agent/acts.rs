//! Commands that take time: requests to the roles, `nvr doctor`, and a restart of the machine.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::process::Command;
use tokio::task::spawn_blocking;
use tracing::warn;

use super::child::{Recipient, RequestError};
use super::cycle::ChildRole;
use super::led::{Led, LedError};
use super::refusal::{Refused, codes};
use crate::base::{SourceId, ending};
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
    /// The folder of the configurations of the roles, which `nvr doctor` reads.
    pub(super) configs: PathBuf,
    /// The LED that blinks at identify.
    pub(super) led: Option<Led>,
    /// The command that restarts the machine.
    pub(super) reboot: Vec<String>,
}

/// A command that takes time. `roles` are those that run.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Act {
    /// The wall shows a text.
    Identify {
        roles: Vec<Recipient>,
        text: String,
        limit: Duration,
    },
    /// A JPEG of a source, or of all that a wall shows.
    Snapshot {
        roles: Vec<Recipient>,
        source: Option<SourceId>,
    },
    /// Sources are paused, or go on.
    Pause {
        roles: Vec<Recipient>,
        source: Option<SourceId>,
        paused: bool,
    },
    /// The session of a source starts anew.
    RestartSource {
        roles: Vec<Recipient>,
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
    match act {
        Act::Identify { roles, text, limit } => {
            let seconds = limit.as_secs();
            let blinking = settings.led.as_ref().map(|led| led.blink(limit));
            let shown = all_of(roles, Request::Identify { text, seconds }).await;
            with_led(shown, blinking)
        }
        Act::Snapshot { roles, source } => {
            let request = Request::Snapshot {
                source_id: source,
                most_bytes: JPEG_BYTES,
            };
            first_of(roles, request).await
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
            all_of(roles, request).await
        }
        Act::RestartSource { roles, source } => {
            all_of(roles, Request::Restart { source_id: source }).await
        }
        Act::Doctor => doctor(settings).await,
        Act::Reboot => reboot(&settings.reboot).await,
    }
}

/// Asks every role. The answer has those that obeyed; if none did, the reason of the first.
async fn all_of(roles: Vec<Recipient>, request: Request) -> Result<Option<Value>, Refused> {
    let mut obeyed = serde_json::Map::new();
    let mut refused = None;
    for to in roles {
        let role = to.role;
        match one(to, request.clone()).await {
            Ok(value) => {
                obeyed.insert(role.to_string(), value);
            }
            Err(reason) => {
                refused.get_or_insert(reason);
            }
        }
    }
    match refused.filter(|_| obeyed.is_empty()) {
        Some(refused) => Err(refused),
        None => Ok(Some(Value::Object(obeyed))),
    }
}

/// Asks the roles in their order until one obeys; if none does, the reason of the last.
async fn first_of(roles: Vec<Recipient>, request: Request) -> Result<Option<Value>, Refused> {
    let mut refused = (codes::NOT_RUNNING, "no role runs".to_owned());
    for to in roles {
        let role = to.role;
        match one(to, request.clone()).await {
            Ok(value) => return Ok(Some(json!({ role.to_string(): value }))),
            Err(reason) => refused = reason,
        }
    }
    Err(refused)
}

async fn one(to: Recipient, request: Request) -> Result<Value, Refused> {
    let role = to.role;
    let asked = spawn_blocking(move || to.ask(&request, REQUEST_LIMIT)).await;
    match asked.unwrap_or(Err(RequestError::Failed { role })) {
        Ok(Answer::Ok(value)) => Ok(value),
        Ok(Answer::Refused(problems)) => {
            let reasons: Vec<String> = problems
                .into_iter()
                .map(|problem| problem.message)
                .collect();
            Err((codes::NOT_SUPPORTED, reasons.join("; ")))
        }
        Err(err) => Err((codes::FAILED, err.to_string())),
    }
}

/// The answer to identify: of the walls, and of the LED if there is one. One of them suffices.
fn with_led(
    shown: Result<Option<Value>, Refused>,
    blinking: Option<Result<Value, LedError>>,
) -> Result<Option<Value>, Refused> {
    let mut answer = match (shown, &blinking) {
        (Ok(Some(Value::Object(shown))), _) => shown,
        (Ok(_), _) | (Err(_), Some(Ok(_))) => serde_json::Map::new(),
        (Err(reason), _) => return Err(reason),
    };
    match blinking {
        Some(Ok(led)) => {
            answer.insert("led".to_owned(), led);
        }
        Some(Err(err)) if answer.is_empty() => return Err((codes::FAILED, err.to_string())),
        Some(Err(err)) => warn!(%err, "the LED does not blink"),
        None => {}
    }
    Ok(Some(Value::Object(answer)))
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
        let how = ending(output.status);
        (
            codes::FAILED,
            format!("nvr doctor ended with {how} without a report"),
        )
    })?;
    Ok(Some(report))
}

/// Restarts the machine by `command`.
pub(super) async fn reboot(command: &[String]) -> Result<Option<Value>, Refused> {
    let Some((program, arguments)) = command.split_first() else {
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
            let how = ending(output.status);
            let message = format!("{program} ended with {how}: {}", told.trim());
            Err((codes::FAILED, message))
        }
        Err(err) => Err((codes::FAILED, format!("can't run {program}: {err}"))),
    }
}

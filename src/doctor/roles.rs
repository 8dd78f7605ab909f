//! Processors and walls that run on this machine. They are asked through their control sockets.

use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;

use serde::Deserialize as _;
use serde_json::Value;

use super::{Emit, Line, Machine, State, role_summary};
use crate::base::folder::folders;
use crate::control::{self, Answer, ClientError, Found, Request, is_stale, request, sockets_in};

/// A role answers at once, or hangs.
const ASK_LIMIT: Duration = Duration::from_secs(3);

const AS_USER: &str = "run this as that user, or as root: `sudo nvr doctor`";

pub(super) fn check(machine: &Machine, emit: Emit<'_>) {
    let Found { sockets, skipped } = sockets(machine);
    let (stale, live): (Vec<_>, Vec<_>) = sockets.into_iter().partition(|socket| is_stale(socket));
    if live.is_empty() && skipped.is_empty() {
        emit(Line::ok("running roles", "no processor or wall runs here"));
    }
    for socket in &live {
        emit(role_line(socket));
    }
    for error in skipped {
        let found = format!("a folder is not examined: {error}");
        let remedy = format!("{AS_USER}; if no user of this machine created it, remove it");
        emit(Line::warning("running roles", found, remedy));
    }
    if let [first, ..] = stale.as_slice() {
        let (count, first) = (stale.len(), first.display());
        let found = format!(
            "{count} remain from processes that were killed (for example {first}); they are harmless"
        );
        emit(Line::ok("stale sockets", found));
    }
}

/// All control sockets of the examined tree, stale or not.
pub(crate) fn sockets(machine: &Machine) -> Found {
    let folders = folders().into_iter();
    sockets_in(folders.map(|folder| machine.tree.at(&folder.path.display().to_string())))
}

/// The name of a role in the report: `processor-dock-1`.
pub(crate) fn role_name(socket: &Path) -> String {
    let name = socket.file_stem().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

/// Why a role gave no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AskError {
    #[error("{0}")]
    Refused(String),
    /// It can't be reached, is busy, or hangs.
    #[error(transparent)]
    Client(#[from] ClientError),
}

/// The answer of a role.
pub(crate) fn ask(socket: &Path, what: &Request) -> Result<Value, AskError> {
    match request(socket, what, ASK_LIMIT)? {
        Answer::Ok(value) => Ok(value),
        Answer::Refused(problems) => {
            let messages = problems.into_iter().map(|problem| problem.message);
            Err(AskError::Refused(Vec::from_iter(messages).join("; ")))
        }
    }
}

fn role_line(socket: &Path) -> Line {
    let name = role_name(socket);
    match ask(socket, &Request::Status) {
        Ok(answer) => match control::Status::deserialize(&answer) {
            Ok(status) => role_summary::line(&name, &status),
            Err(_) => {
                let version = answer["version"].as_str().unwrap_or("unknown");
                let form = "answers in a form that this program does not know";
                let remedy = "print its status with `nvr control status`, and use one version of both programs";
                Line::warning(name, format!("{form}; it is version {version}"), remedy)
            }
        },
        Err(AskError::Client(ClientError::Connect { source, .. }))
            if source.kind() == ErrorKind::PermissionDenied =>
        {
            let found = "belongs to another user, and this user may not ask it";
            Line::warning(name, found, AS_USER)
        }
        Err(AskError::Client(
            error @ (ClientError::Busy { .. } | ClientError::Peer { .. } | ClientError::Folder(_)),
        )) => Line::of_error(State::Warning, name, error, "try again"),
        Err(error) => {
            let found = format!("accepts requests but does not answer: {error}");
            let remedy = "it hangs: see its log, and restart it";
            Line::of_error(State::Fault, name, found, remedy)
        }
    }
}

//! Processors and walls that run on this machine, asked through their control sockets.

use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;

use serde::Deserialize as _;
use serde_json::Value;

use super::check::Tell;
use super::patient::Patient;
use super::report::{Line, State};
use super::status::Status;
use crate::base::folder::folders;
use crate::control::{self, Answer, ClientError, Found, Request, reach, request, sockets_in};

/// They answer at once, or hang.
const ASK_LIMIT: Duration = Duration::from_secs(3);

pub(super) fn look(patient: &Patient, tell: Tell<'_>) {
    let Found { sockets, skipped } = sockets(patient);
    let (left, live): (Vec<_>, Vec<_>) = sockets.into_iter().partition(|socket| is_left(socket));
    if live.is_empty() && skipped.is_empty() {
        tell(Line::ok("running roles", "no processor or wall runs here"));
    }
    live.iter()
        .map(|socket| of_socket(socket))
        .for_each(&mut *tell);
    for error in skipped {
        tell(Line::warning(
            "running roles",
            format!("not looked into: {error}"),
            "run this as that user, or as the superuser: `sudo nvr doctor`; where nobody of this machine made it, remove it",
        ));
    }
    if let [first, ..] = left.as_slice() {
        tell(Line::ok(
            "sockets of the past",
            format!(
                "{} are left from processes that were killed ({} for one); they do no harm",
                left.len(),
                first.display()
            ),
        ));
    }
}

/// A process that was killed leaves its socket behind, at which nobody answers.
pub(super) fn is_left(socket: &Path) -> bool {
    reach(socket).is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused)
}

/// Every control socket, answered or not, in the tree that is examined.
pub(super) fn sockets(patient: &Patient) -> Found {
    let folders = folders().into_iter();
    sockets_in(folders.map(|folder| patient.place.at(&folder.path.display().to_string())))
}

/// What stands for a role in a report: `processor-dock-1`.
pub(super) fn role_name(socket: &Path) -> String {
    let name = socket.file_stem().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

/// A role's answer.
///
/// # Errors
/// Where there is none: its process is gone, busy, or hangs.
pub(super) fn ask(socket: &Path, what: &Request) -> Result<Value, NoAnswer> {
    match request(socket, what, ASK_LIMIT)? {
        Answer::Ok(value) => Ok(value),
        Answer::Refused(problems) => {
            let words: Vec<String> = problems
                .into_iter()
                .map(|problem| problem.message)
                .collect();
            Err(NoAnswer::Refused(words.join("; ")))
        }
    }
}

/// Why a role did not answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoAnswer {
    /// It does not do that.
    #[error("{0}")]
    Refused(String),
    /// Nothing came back.
    #[error(transparent)]
    Client(#[from] ClientError),
}

fn of_socket(socket: &Path) -> Line {
    let name = role_name(socket);
    match ask(socket, &Request::Status) {
        Ok(answer) => match control::Status::deserialize(&answer) {
            Ok(status) => Status::of(&status).judge(&name),
            Err(_) => Line::warning(
                name,
                format!(
                    "answers in a form that this program does not know; it is version {}",
                    answer["version"].as_str().unwrap_or("unknown")
                ),
                "look at it with `nvr control status`, and let both be of one version",
            ),
        },
        Err(NoAnswer::Client(ClientError::Connect { source, .. }))
            if source.kind() == ErrorKind::PermissionDenied =>
        {
            Line::warning(
                name,
                "runs under another user, and may not be asked",
                "run this as that user, or as the superuser: `sudo nvr doctor`",
            )
        }
        Err(NoAnswer::Client(
            error @ (ClientError::Busy { .. } | ClientError::Peer { .. } | ClientError::Folder(_)),
        )) => Line::of_error(State::Warning, name, &error, "try again"),
        Err(error) => Line::of_error(
            State::Fault,
            name,
            &format!("takes requests and does not answer: {error}"),
            "it hangs: see its log, and start it again",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_that_nobody_serves_is_no_fault() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("wall-box.sock");
        drop(std::os::unix::net::UnixListener::bind(&path).expect("bound"));
        assert!(is_left(&path));
        let served = dir.path().join("wall-other.sock");
        let _server = std::os::unix::net::UnixListener::bind(&served).expect("bound");
        assert!(!is_left(&served));
    }
}

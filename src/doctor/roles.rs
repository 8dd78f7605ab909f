//! Processors and walls that run on this machine, asked through their control sockets.

use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use super::Tell;
use super::patient::Patient;
use super::report::{Line, State};
use crate::control::{Answer, Request, candidates, request};

/// They answer at once, or hang.
const ASK_LIMIT: Duration = Duration::from_secs(3);

pub(super) fn look(patient: &Patient, tell: Tell<'_>) {
    let (left, live): (Vec<_>, Vec<_>) = sockets(patient)
        .into_iter()
        .partition(|socket| is_left(socket));
    if live.is_empty() {
        tell(Line::ok("running roles", "no processor or wall runs here"));
    }
    live.iter()
        .map(|socket| of_socket(socket))
        .for_each(&mut *tell);
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
    UnixStream::connect(socket)
        .is_err_and(|error| error.kind() == std::io::ErrorKind::ConnectionRefused)
}

/// Every control socket, answered or not, in the tree that is examined.
pub(super) fn sockets(patient: &Patient) -> Vec<PathBuf> {
    let folders = candidates().into_iter();
    let folders = folders.map(|folder| patient.place.at(&folder.display().to_string()));
    let mut found: Vec<PathBuf> = folders
        .filter_map(|folder| std::fs::read_dir(folder).ok())
        .flat_map(Iterator::flatten)
        .map(|entry| entry.path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "sock")
        })
        .collect();
    found.sort();
    found.dedup();
    found
}

/// What stands for a role in a report: `processor-dock-1`.
pub(super) fn role_name(socket: &Path) -> String {
    let name = socket.file_stem().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

/// A role's answer.
///
/// # Errors
/// In words, where there is none.
pub(super) fn ask(socket: &Path, what: &Request) -> Result<Value, String> {
    match request(socket, what, ASK_LIMIT) {
        Ok(Answer::Ok(value)) => Ok(value),
        Ok(Answer::Refused(problems)) => {
            let words: Vec<String> = problems
                .into_iter()
                .map(|problem| problem.message)
                .collect();
            Err(words.join("; "))
        }
        Err(error) => Err(error.to_string()),
    }
}

fn of_socket(socket: &Path) -> Line {
    let name = role_name(socket);
    if let Err(error) = UnixStream::connect(socket) {
        return match error.kind() {
            std::io::ErrorKind::PermissionDenied => Line::warning(
                name,
                "runs under another user, and may not be asked",
                "run this as that user, or as the superuser: `sudo nvr doctor`",
            ),
            _ => Line::of_error(State::Warning, name, &error, "start it again"),
        };
    }
    match ask(socket, &Request::Status) {
        Ok(status) => judge(name, &status),
        Err(error) => Line::of_error(
            State::Fault,
            name,
            &format!("takes requests and does not answer: {error}"),
            "it hangs: see its log, and start it again",
        ),
    }
}

fn judge(name: String, status: &Value) -> Line {
    let version = status["version"].as_str().unwrap_or("unknown");
    let stuck = texts(&status["stuck"]);
    let log = format!(
        "`journalctl -u nvr-{}` tells more",
        name.split('-').next().unwrap_or_default()
    );
    if !stuck.is_empty() {
        let found = format!("version {version}; stuck: {}", stuck.join(", "));
        return Line::fault(name, found, log);
    }
    let Some(sources) = status["sources"].as_array() else {
        return Line::ok(name, format!("version {version}, answers"));
    };
    let live = sources
        .iter()
        .filter(|source| source["state"] == "live")
        .count();
    let broker = status["broker"].as_str().unwrap_or("unknown");
    let reason = |source: &Value| {
        let message = source["reason"]["message"]
            .as_str()
            .unwrap_or("no frame yet");
        format!("source {}: {message}", source["source_id"])
    };
    let ill: Vec<String> = sources
        .iter()
        .filter(|source| source["state"] != "live" && source["state"] != "paused")
        .map(reason)
        .collect();
    let found = format!(
        "version {version}, {live} of {} sources live, broker: {broker}",
        sources.len()
    );
    if ill.is_empty() && broker == "connected" {
        Line::ok(name, found)
    } else {
        let ill = ill
            .iter()
            .map(|words| format!("; {words}"))
            .collect::<String>();
        Line::warning(
            name,
            format!("{found}{ill}"),
            format!("look at a camera with `nvr camera probe URI`; {log}"),
        )
    }
    .with_figure("sources_live", live as f64)
    .with_figure("sources", sources.len() as f64)
}

fn texts(list: &Value) -> Vec<&str> {
    list.as_array()
        .map(|list| list.iter().filter_map(Value::as_str).collect())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_processor_s_own_word_is_told() {
        let name = || "processor-box".to_owned();
        let live = json!({"source_id": 0, "state": "live"});
        let well = json!({"version": "1", "broker": "connected", "sources": [live], "stuck": []});
        assert_eq!(
            judge(name(), &well),
            Line::ok(
                "processor-box",
                "version 1, 1 of 1 sources live, broker: connected"
            )
            .with_figure("sources_live", 1.0)
            .with_figure("sources", 1.0)
        );
        let failed = json!({"source_id": 3, "state": "failed", "reason": {"message": "no route"}});
        let ill =
            json!({"version": "1", "broker": "connected", "sources": [live, failed], "stuck": []});
        let line = judge(name(), &ill);
        assert_eq!(line.state, State::Warning);
        assert!(
            line.found.ends_with("; source 3: no route"),
            "{}",
            line.found
        );
        let stuck = json!({"version": "1", "stuck": ["detect"]});
        assert_eq!(judge(name(), &stuck).state, State::Fault);
        assert_eq!(
            judge("wall-box".to_owned(), &json!({"version": "1"})).state,
            State::Ok
        );
    }

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

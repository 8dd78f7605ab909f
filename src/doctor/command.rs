//! Runs other programs of this machine with a time limit. A program that hangs is killed.

use std::io::Read;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use crate::base::child::wait;

/// Most bytes of an output that are kept: a journal may be endless.
const MAX_OUTPUT_BYTES: u64 = 64 << 20;

/// How a program ended, its standard output and its standard error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Output {
    pub(crate) status: ExitStatus,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// Why a program gave no output.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CommandError {
    #[error("{0} is not installed")]
    NotInstalled(String),
    #[error("{0} did not answer within {limit} s and was ended", limit = .1.as_secs())]
    Timeout(String, Duration),
    #[error("{0} can't be started: {1}")]
    Start(String, String),
}

/// Runs a program and waits for its end until `limit`. A program that hangs in the kernel is abandoned.
pub(crate) fn run(
    program: &str,
    arguments: &[&str],
    limit: Duration,
) -> Result<Output, CommandError> {
    let name = program.to_owned();
    let mut child = Command::new(program)
        .args(arguments)
        // This program reads its messages.
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => CommandError::NotInstalled(name.clone()),
            _ => CommandError::Start(name.clone(), error.to_string()),
        })?;
    let deadline = Instant::now() + limit;
    let out = read_on_thread(child.stdout.take(), text);
    let err = read_on_thread(child.stderr.take(), text);
    let status = wait(&mut child, deadline);
    if status.is_none() {
        let _ = child.kill();
    }
    let texts = [out, err].map(|text| {
        // A grandchild may hold the pipe open for ever.
        let left = deadline.saturating_duration_since(Instant::now()) + Duration::from_millis(200);
        text.recv_timeout(left)
    });
    match (status, texts) {
        (Some(status), [Ok(out), Ok(err)]) => Ok(Output { status, out, err }),
        _ => Err(CommandError::Timeout(name, limit)),
    }
}

/// Reads a stream on a thread, and sends the result. Nothing is sent if there is no stream.
pub(super) fn read_on_thread<S: Read + Send + 'static>(
    stream: Option<S>,
    read: impl FnOnce(S) -> String + Send + 'static,
) -> Receiver<String> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || stream.map(|stream| sender.send(read(stream))));
    receiver
}

fn text(stream: impl Read) -> String {
    let mut bytes = Vec::new();
    let _ = stream.take(MAX_OUTPUT_BYTES).read_to_end(&mut bytes);
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_secs(20);

    #[test]
    fn a_program_s_output_and_end_are_returned() {
        let output = run("sh", &["-c", "echo a; echo b >&2; exit 3"], SOON).expect("sh runs");
        assert_eq!((output.out.as_str(), output.err.as_str()), ("a\n", "b\n"));
        assert_eq!(output.status.code(), Some(3));
    }

    #[test]
    fn a_program_that_is_missing_or_hangs_is_an_error() {
        let missing = run("no-such-program-here", &[], SOON);
        let name = "no-such-program-here".to_owned();
        assert_eq!(missing, Err(CommandError::NotInstalled(name)));
        let limit = Duration::from_millis(100);
        let late = run("sleep", &["600"], limit).expect_err("it hangs");
        let late = late.to_string();
        assert!(late.starts_with("sleep did not answer within"), "{late}");
        // The shell ends at once, but its child holds the output open.
        let started = Instant::now();
        run("sh", &["-c", "sleep 5 & exit 0"], limit).expect_err("its output does not end");
        assert!(started.elapsed() < SOON);
    }
}

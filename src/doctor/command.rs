//! Other programs of this machine, asked within a deadline: those that are not installed give no answer, and those that
//! hang are killed.

use std::io::Read;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// Most of an output that is kept: a journal may be endless.
const MOST_BYTES: u64 = 64 << 20;

/// What a program said before it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Output {
    /// How it ended.
    pub(super) status: ExitStatus,
    /// Its standard output.
    pub(super) out: String,
    /// Its standard error.
    pub(super) err: String,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum CommandError {
    /// No such program.
    #[error("{0} is not installed")]
    Absent(String),
    /// It did not end.
    #[error("{program} did not answer within {} s and was ended", limit.as_secs())]
    Late {
        /// Which.
        program: String,
        /// How long was waited.
        limit: Duration,
    },
    /// It could not be started.
    #[error("{program} can't be started: {reason}")]
    Start {
        /// Which.
        program: String,
        /// The system's word.
        reason: String,
    },
}

/// Runs a program and waits for its end, `limit` at most. What hangs in the kernel is left behind.
///
/// # Errors
/// When it is not there or does not end.
pub(super) fn run(
    program: &str,
    arguments: &[&str],
    limit: Duration,
) -> Result<Output, CommandError> {
    let mut child = Command::new(program)
        .args(arguments)
        // Its words are read by this program too.
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => CommandError::Absent(program.to_owned()),
            _ => CommandError::Start {
                program: program.to_owned(),
                reason: error.to_string(),
            },
        })?;
    let deadline = Instant::now() + limit;
    let out = child.stdout.take().map(drain);
    let err = child.stderr.take().map(drain);
    let text = |stream: Option<mpsc::Receiver<String>>| {
        // A grandchild may hold the pipe open for ever.
        let left = deadline.saturating_duration_since(Instant::now()) + Duration::from_millis(200);
        stream.and_then(|stream| stream.recv_timeout(left).ok())
    };
    let late = || CommandError::Late {
        program: program.to_owned(),
        limit,
    };
    loop {
        match child.try_wait() {
            Ok(Some(status)) => {
                let (out, err) = (text(out), text(err));
                let (Some(out), Some(err)) = (out, err) else {
                    return Err(late());
                };
                return Ok(Output { status, out, err });
            }
            Ok(None) if Instant::now() < deadline => std::thread::sleep(Duration::from_millis(10)),
            _ => {
                let _ = child.kill();
                return Err(late());
            }
        }
    }
}

/// Reads a stream to its end on a thread of its own.
fn drain(stream: impl Read + Send + 'static) -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = stream.take(MOST_BYTES).read_to_end(&mut bytes);
        let _ = sender.send(String::from_utf8_lossy(&bytes).into_owned());
    });
    receiver
}

/// How a process ended, in words: `exit code 3`, `signal 11 (SIGSEGV, it touched memory that is not its own)`.
pub(super) fn ending(status: ExitStatus) -> String {
    match (status.signal(), status.code()) {
        (Some(signal), _) => format!("signal {signal}{}", meaning(signal)),
        (None, Some(code)) => format!("exit code {code}"),
        (None, None) => "no exit code".to_owned(),
    }
}

fn meaning(signal: i32) -> &'static str {
    match signal {
        libc::SIGSEGV => " (SIGSEGV, it touched memory that is not its own)",
        libc::SIGABRT => " (SIGABRT, it ended itself)",
        libc::SIGBUS => " (SIGBUS, it touched memory that is not there)",
        libc::SIGILL => " (SIGILL, an instruction that this processor does not have)",
        libc::SIGFPE => " (SIGFPE, a division by zero)",
        libc::SIGKILL => " (SIGKILL, often for want of memory)",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_secs(20);

    #[test]
    fn a_program_s_words_and_end_are_told() {
        let output = run("sh", &["-c", "echo a; echo b >&2; exit 3"], SOON).expect("sh runs");
        assert_eq!((output.out.as_str(), output.err.as_str()), ("a\n", "b\n"));
        assert_eq!(ending(output.status), "exit code 3");
        let output = run("sh", &["-c", "kill -SEGV $$"], SOON).expect("sh runs");
        assert_eq!(
            ending(output.status),
            "signal 11 (SIGSEGV, it touched memory that is not its own)"
        );
    }

    #[test]
    fn what_is_not_there_or_hangs_is_no_answer() {
        assert_eq!(
            run("no-such-program-here", &[], SOON),
            Err(CommandError::Absent("no-such-program-here".to_owned()))
        );
        let limit = Duration::from_millis(100);
        let late = run("sleep", &["600"], limit).expect_err("it hangs");
        assert!(
            late.to_string().starts_with("sleep did not answer within"),
            "{late}"
        );
        // The shell ends at once, and what it left behind holds its output.
        let started = Instant::now();
        run("sh", &["-c", "sleep 5 & exit 0"], limit).expect_err("its output does not end");
        assert!(started.elapsed() < SOON);
    }
}

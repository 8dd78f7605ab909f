//! Runs a tool to its end, with a time limit, and reads the end of what it has written.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use crate::base::Stop;
use crate::base::child::kill_group;

/// How often a tool is looked after.
const LOOK: Duration = Duration::from_millis(100);

/// Why a tool has no exit status. What it did until then stays.
#[derive(Debug)]
pub(super) enum Unended {
    /// It can't be started or waited for.
    NotRun(std::io::Error),
    /// It has exceeded its time limit.
    Late,
    /// The caller has stopped it.
    Stopped,
}

/// Runs `command` without input to its end. It is killed, with the processes that it has started, at the time limit and when
/// `stop` is raised. Blocks.
///
/// # Errors
/// If it has no exit status.
pub(super) fn run_to_end(
    command: &mut Command,
    limit: Duration,
    stop: &Stop,
) -> Result<ExitStatus, Unended> {
    let until = Instant::now() + limit;
    let mut child = command
        .stdin(Stdio::null())
        .process_group(0)
        .spawn()
        .map_err(Unended::NotRun)?;
    loop {
        if let Some(status) = child.try_wait().map_err(Unended::NotRun)? {
            return Ok(status);
        }
        let is_late = Instant::now() >= until;
        if is_late || stop.wait(LOOK) {
            kill_group(&mut child);
            let _ = child.wait();
            return Err(match is_late {
                true => Unended::Late,
                false => Unended::Stopped,
            });
        }
    }
}

/// The last bytes of a file, at most so many, as text. Empty if it can't be read.
pub(super) fn log_end(path: &Path, bytes: u64) -> String {
    let read = || {
        let mut file = File::open(path)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(bytes)))?;
        let mut end = Vec::new();
        file.read_to_end(&mut end)?;
        std::io::Result::Ok(String::from_utf8_lossy(&end).into_owned())
    };
    read().unwrap_or_default()
}

//! Runs a check in a separate process: this program, started again for that one check, which prints its lines on standard output.
//!
//! Vendor libraries print there too (NVIDIA's decoder prints `Opening in BLOCKING MODE`), so each line begins with a
//! mark. The process leads a process group, which is killed as a whole, and dies with the thread that started it.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use rustix::process::{Signal, set_parent_process_death_signal};

use super::command::read_on_thread;
use super::{CHECKS, Line, Machine};
use crate::base::child::{kill_group, wait};

/// Start of each line of the report.
const MARK: &str = "nvr-doctor ";

/// Lines of standard error that are shown after a crash.
const TAIL: usize = 3;

/// Time that a process has to exit after its output ended. A process that hangs in the kernel does not exit.
const EXIT_LIMIT: Duration = Duration::from_secs(1);

/// The child's side: runs the check `id` and prints its lines. False if there is no such check.
pub fn run_check(id: &str, machine: &Machine) -> bool {
    let Some(check) = CHECKS.iter().find(|check| check.id == id) else {
        return false;
    };
    // If this fails and the parent is killed, this process runs until its own end.
    let _ = set_parent_process_death_signal(Some(Signal::KILL));
    (check.run)(machine, &mut |line: Line| {
        let text = serde_json::to_string(&line).unwrap_or_default();
        let mut out = std::io::stdout().lock();
        // A parent that is gone needs no lines.
        let _ = writeln!(out, "{MARK}{text}").and_then(|()| out.flush());
    });
    true
}

/// The parent's side: a process that runs one check.
pub(super) struct Process {
    child: Child,
    last_lines: Receiver<String>,
}

impl Process {
    pub(super) fn start(id: &str, machine: &Machine) -> std::io::Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .args(["doctor", "--check", id])
            .args(machine.arguments())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()?;
        let last_lines = read_on_thread(child.stderr.take(), last_lines_of);
        Ok(Self { child, last_lines })
    }

    /// Its lines. They end with its output.
    pub(super) fn take_lines(&mut self) -> impl Iterator<Item = Line> + Send + use<> {
        self.child.stdout.take().into_iter().flat_map(marked_lines)
    }

    /// Kills it and all that it started, unless it has ended.
    pub(super) fn kill(mut self) {
        kill_group(&mut self.child);
    }

    /// Its exit status and its last messages, after the end of its output. None if it does not end.
    pub(super) fn end(mut self) -> Option<(ExitStatus, String)> {
        let status = wait(&mut self.child, Instant::now() + EXIT_LIMIT)?;
        let told = || self.last_lines.recv_timeout(EXIT_LIMIT).ok();
        let last_lines = (!status.success()).then(told).flatten();
        Some((status, last_lines.unwrap_or_default()))
    }
}

fn text_lines(stream: impl Read) -> impl Iterator<Item = String> {
    let lines = BufReader::new(stream).split(b'\n').map_while(Result::ok);
    lines.map(|line| String::from_utf8_lossy(&line).into_owned())
}

/// The lines of the report among all output.
fn marked_lines(stream: impl Read) -> impl Iterator<Item = Line> {
    text_lines(stream).filter_map(|line| {
        let (_, json) = line.split_once(MARK)?;
        serde_json::from_str(json).ok()
    })
}

fn last_lines_of(stream: impl Read) -> String {
    let mut last = VecDeque::new();
    for line in text_lines(stream) {
        last.truncate(TAIL - 1);
        last.push_front(line);
    }
    Vec::from_iter(last.into_iter().rev()).join(" / ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::ExitStatusExt;

    #[test]
    fn marked_lines_are_separated_from_the_output_of_libraries() {
        let line = Line::ok("h264", "decodes; \"quoted\"");
        let text = serde_json::to_string(&line).expect("JSON");
        let printed =
            format!("Opening in BLOCKING MODE\nNvMMLiteOpen : {MARK}{text}\n{MARK}no JSON\n");
        let lines: Vec<Line> = marked_lines(printed.as_bytes()).collect();
        assert_eq!(lines, [line]);
    }

    #[test]
    fn a_crash_names_its_signal_and_the_last_messages() {
        let last = last_lines_of("1\n2\na\nb".as_bytes());
        let line = CHECKS[4].crashed(ExitStatus::from_raw(11), &last);
        assert_eq!(
            line.found,
            "the process of this check crashed with signal 11 (SIGSEGV, access to memory that it does not own); its last messages: 2 / a / b"
        );
    }
}

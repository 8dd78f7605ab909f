//! A check in a process of its own: this program, called again for that one check, which tells its lines on standard output.
//!
//! Vendors' libraries print there too (NVIDIA's decoder says `Opening in BLOCKING MODE`), so that a line of ours begins with
//! a mark. The process leads a group, which is ended with all that it started, and dies with the thread that started it. Where
//! none can be started, the check runs on this thread.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group, set_parent_process_death_signal};

use super::check::{Check, Emit, hangs};
use super::command::ending;
use super::report::Line;
use super::{CHECKS, Machine};

/// What a line of ours begins with.
const MARK: &str = "nvr-doctor ";

/// Lines of its standard error that a crash is told with.
const TAIL: usize = 3;

/// How long an ended process may take to be gone; one that hangs in the kernel never is.
const GONE_LIMIT: Duration = Duration::from_secs(1);

/// The child's side: runs the check `id` and tells its lines. False where there is no such check.
pub fn run_check(id: &str, machine: &Machine) -> bool {
    let Some(check) = CHECKS.iter().find(|check| check.id == id) else {
        return false;
    };
    // Where it fails, a parent that is killed leaves us behind until our own end.
    let _ = set_parent_process_death_signal(Some(Signal::KILL));
    (check.run)(machine, &mut |line: Line| {
        let text = serde_json::to_string(&line).unwrap_or_default();
        let mut out = std::io::stdout().lock();
        // A parent that went away needs no lines.
        let _ = writeln!(out, "{MARK}{text}").and_then(|()| out.flush());
    });
    true
}

/// The parent's side: runs the check `id` in a process of its own, `limit` at most.
pub(super) fn run(id: &str, machine: &Machine, limit: Duration, emit: Emit<'_>) {
    let Some(check) = CHECKS.iter().find(|check| check.id == id) else {
        return;
    };
    let Ok(mut child) = start(id, machine) else {
        // Under emulation a program can't always call itself, and with no process left an answer at a risk is better than none.
        (check.run)(machine, emit);
        return;
    };
    let deadline = Instant::now() + limit;
    let words = child.stderr.take().map(tail);
    let lines = child.stdout.take().map(marked);
    let mut silent = false;
    let mut told = false;
    if let Some(lines) = lines {
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match lines.recv_timeout(left) {
                Ok(line) => {
                    told = true;
                    emit(line);
                }
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {
                    silent = true;
                    break;
                }
            }
        }
    }
    let status = end(&mut child, silent);
    if silent {
        emit(hangs(check, limit));
        return;
    }
    match status {
        Some(status) if status.success() => {}
        // It never ran: under emulation a program that can't be called ends so, where elsewhere it does not begin.
        Some(status) if !told && matches!(status.code(), Some(126 | 127)) => {
            (check.run)(machine, emit);
        }
        Some(status) => {
            let words = words.and_then(|words| words.recv_timeout(GONE_LIMIT).ok());
            emit(crashed(check, status, &words.unwrap_or_default()));
        }
        None => emit(hangs(check, limit)),
    }
}

fn start(id: &str, machine: &Machine) -> std::io::Result<Child> {
    let mut command = Command::new(std::env::current_exe()?);
    command
        .args(["doctor", "--check", id])
        .args(machine.arguments())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0);
    command.spawn()
}

/// Ends the process and what it started where it has not ended by itself; nothing where it can't be ended.
fn end(child: &mut Child, kill: bool) -> Option<ExitStatus> {
    let group = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let deadline = Instant::now() + GONE_LIMIT;
    let mut killed = false;
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Some(status),
            Ok(None) if Instant::now() < deadline => {}
            _ => return None,
        }
        if kill && !killed {
            killed = true;
            if let Some(group) = group {
                let _ = kill_process_group(group, Signal::KILL);
            }
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Our lines among all that is printed.
fn marked(stream: impl Read + Send + 'static) -> Receiver<Line> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stream).split(b'\n').map_while(Result::ok) {
            let line = String::from_utf8_lossy(&line);
            let ours = line
                .split_once(MARK)
                .and_then(|(_, text)| serde_json::from_str(text).ok());
            if let Some(line) = ours
                && sender.send(line).is_err()
            {
                return;
            }
        }
    });
    receiver
}

/// The last lines of a stream, at its end.
fn tail(stream: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        let mut last: Vec<String> = Vec::new();
        for line in BufReader::new(stream).split(b'\n').map_while(Result::ok) {
            last.push(String::from_utf8_lossy(&line).into_owned());
            if last.len() > TAIL {
                last.remove(0);
            }
        }
        let _ = sender.send(last.join(" / "));
    });
    receiver
}

fn crashed(check: &Check, status: ExitStatus, words: &str) -> Line {
    let words = if words.is_empty() {
        String::new()
    } else {
        format!("; its last words: {words}")
    };
    Line::fault(
        check.title,
        format!(
            "the process that looked at it crashed by {}{words}",
            ending(status)
        ),
        "a library of this machine is broken, or does not fit its driver: install it anew; the lines above show how far it came",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::ExitStatusExt;

    #[test]
    fn our_lines_are_told_from_what_libraries_print() {
        let line = Line::ok("h264", "decodes; \"quoted\"");
        let text = serde_json::to_string(&line).expect("JSON");
        let printed =
            format!("Opening in BLOCKING MODE\nNvMMLiteOpen : {MARK}{text}\n{MARK}no JSON\n");
        let told: Vec<Line> = marked(std::io::Cursor::new(printed)).iter().collect();
        assert_eq!(told, [line]);
    }

    #[test]
    fn a_crash_is_told_by_its_signal() {
        let check = &CHECKS[4];
        let line = crashed(check, ExitStatus::from_raw(11), "a / b");
        assert_eq!(
            line.found,
            "the process that looked at it crashed by signal 11 (SIGSEGV, it touched memory that is not its own); its last words: a / b"
        );
    }
}

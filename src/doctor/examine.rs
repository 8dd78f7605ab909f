//! Runs all checks at the same time, each on a thread or in a separate process, and waits for each until its limit.

use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use super::check::{Check, Emit};
use super::report::{Line, Report, Section};
use super::subprocess::Process;
use super::{CHECKS, Machine};

/// Examines the machine. Blocks for about ten seconds, because it listens to the broker, and for one minute at most (with
/// `--tensorrt` five). A check that hangs is abandoned, and its section says so.
pub fn examine(machine: Machine) -> Report {
    let machine = Arc::new(machine);
    let start = |check| Running::start(check, &machine);
    let running: Vec<Running> = CHECKS.iter().map(start).collect();
    Report::new(running.into_iter().map(Running::wait).collect())
}

struct Running {
    check: &'static Check,
    limit: Duration,
    began: Instant,
    lines: Receiver<Line>,
    /// Sends the lines, and gives the duration of the check.
    thread: std::io::Result<JoinHandle<Duration>>,
    process: SharedProcess,
}

/// The separate process of a check, until its output ends or its limit is reached.
type SharedProcess = Arc<Mutex<Option<Process>>>;

impl Running {
    fn start(check: &'static Check, machine: &Arc<Machine>) -> Self {
        let limit = check.limit_for(machine);
        let machine = machine.clone();
        let mut process = check
            .in_subprocess
            .then(|| Process::start(check.id, &machine));
        let output = match &mut process {
            Some(Ok(process)) => Some(process.take_lines()),
            // Under emulation a program can't always start itself. Then an answer at a risk is better than none.
            _ => None,
        };
        let process = SharedProcess::new(Mutex::new(process.and_then(Result::ok)));
        let shared = process.clone();
        let (sender, lines) = channel();
        let began = Instant::now();
        let thread = Builder::new().name(format!("doctor-{}", check.id));
        let thread = thread.spawn(move || {
            // The receiver is gone if the check took too long.
            let mut emit = |line: Line| drop(sender.send(line));
            match output {
                Some(output) => follow(check, &machine, &shared, output, &mut emit),
                None => (check.run)(&machine, &mut emit),
            }
            began.elapsed()
        });
        Self {
            check,
            limit,
            began,
            lines,
            thread,
            process,
        }
    }

    /// The lines that arrive within the limit.
    fn wait(self) -> Section {
        let (check, began, limit) = (self.check, self.began, self.limit);
        let mut lines = Vec::new();
        let hangs = loop {
            let left = (began + limit).saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok(line) => lines.push(line),
                Err(error) => break error == RecvTimeoutError::Timeout,
            }
        };
        if hangs && let Some(process) = take(&self.process) {
            process.kill();
        }
        let (took, problem) = match self.thread.map(|thread| (!hangs).then(|| thread.join())) {
            Ok(None) => (limit, Some(check.no_answer(limit))),
            Ok(Some(Ok(took))) => (took, None),
            Ok(Some(Err(_panic))) => (began.elapsed(), Some(check.panicked())),
            Err(error) => (Duration::ZERO, Some(check.not_started(&error))),
        };
        lines.extend(problem);
        Section {
            id: check.id.to_owned(),
            title: check.title.to_owned(),
            took_ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
            lines,
        }
    }
}

/// Emits the lines of a separate process, and the line of its crash.
fn follow(
    check: &Check,
    machine: &Machine,
    process: &SharedProcess,
    output: impl Iterator<Item = Line>,
    emit: Emit<'_>,
) {
    let mut has_lines = false;
    for line in output {
        has_lines = true;
        emit(line);
    }
    // None if it was killed at its limit.
    let Some(process) = take(process) else {
        return;
    };
    match process.end() {
        Some((status, _)) if status.success() => {}
        // It never ran: under emulation the start succeeds, and the process ends with one of these codes.
        Some((status, _)) if !has_lines && matches!(status.code(), Some(126 | 127)) => {
            (check.run)(machine, emit);
        }
        Some((status, last_lines)) => emit(check.crashed(status, &last_lines)),
        None => emit(check.no_answer(check.limit_for(machine))),
    }
}

fn take(process: &SharedProcess) -> Option<Process> {
    process.lock().ok()?.take()
}

#[cfg(test)]
mod tests {
    use super::super::fixture::machine_with;
    use super::super::report::State;
    use super::*;

    static HANGING: Check = Check::new("hanging", "Hanging", 1, |_, emit| {
        emit(Line::ok("first", "seen"));
        std::thread::sleep(Duration::from_secs(3600));
    });
    static PANICKING: Check = Check::new("panicking", "P", 20, |_, emit| {
        emit(Line::ok("first", "seen"));
        panic!("for a test");
    });

    #[test]
    fn a_check_that_hangs_or_panics_is_a_fault_after_its_earlier_lines() {
        let machine = Arc::new(machine_with("").1);
        let began = Instant::now();
        let section = Running::start(&HANGING, &machine).wait();
        assert!(began.elapsed() < Duration::from_secs(60));
        assert_eq!(section.lines[0], Line::ok("first", "seen"));
        assert_eq!(section.lines[1].state, State::Fault);
        assert!(section.lines[1].found.starts_with("no answer within 1 s"));
        let section = Running::start(&PANICKING, &machine).wait();
        let states: Vec<State> = section.lines.iter().map(|line| line.state).collect();
        assert_eq!(states, [State::Ok, State::Fault]);
    }

    #[test]
    fn checks_have_different_names_and_end_within_a_minute() {
        let mut ids: Vec<&str> = CHECKS.iter().map(|check| check.id).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), CHECKS.len());
        for check in &CHECKS {
            assert!(check.limit < Duration::from_secs(60), "{}", check.id);
        }
    }
}

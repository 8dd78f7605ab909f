//! Runs all checks at the same time, each on a thread or in a separate process, and waits for each until its limit.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use super::subprocess::Process;
use super::{CHECKS, Check, Emit, Line, Machine, Report, Section};

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
    machine: Arc<Machine>,
    began: Instant,
    lines: Receiver<Line>,
    /// Sends the lines, and gives the duration of the check.
    thread: std::io::Result<JoinHandle<Duration>>,
    /// The separate process of the check.
    process: Option<Process>,
}

impl Running {
    fn start(check: &'static Check, machine: &Arc<Machine>) -> Self {
        let process = check
            .in_subprocess
            .then(|| Process::start(check.id, machine));
        match process {
            Some(Ok(mut process)) => {
                let output = process.take_lines();
                let process = Some(process);
                Self::on_thread(check, machine, process, |emit| output.for_each(emit))
            }
            // Under emulation a program can't always start itself. Then an answer at a risk is better than none.
            _ => Self::in_this_process(check, machine),
        }
    }

    fn in_this_process(check: &'static Check, machine: &Arc<Machine>) -> Self {
        let examined = machine.clone();
        Self::on_thread(check, machine, None, move |emit| {
            (check.run)(&examined, emit)
        })
    }

    fn on_thread(
        check: &'static Check,
        machine: &Arc<Machine>,
        process: Option<Process>,
        run: impl FnOnce(Emit<'_>) + Send + 'static,
    ) -> Self {
        let (sender, lines) = channel();
        let began = Instant::now();
        let thread = Builder::new().name(format!("doctor-{}", check.id));
        let thread = thread.spawn(move || {
            // The receiver is gone if the check took too long.
            run(&mut |line| drop(sender.send(line)));
            began.elapsed()
        });
        Self {
            check,
            machine: machine.clone(),
            began,
            lines,
            thread,
            process,
        }
    }

    /// The lines that arrive within the limit, and the line of a hang or a crash.
    fn wait(self) -> Section {
        let (check, limit) = (self.check, self.check.limit_for(&self.machine));
        let mut lines = Vec::new();
        let hangs = loop {
            let left = (self.began + limit).saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok(line) => lines.push(line),
                Err(error) => break error == RecvTimeoutError::Timeout,
            }
        };
        match self.process {
            Some(process) if hangs || self.thread.is_err() => process.kill(),
            Some(process) => match process.end() {
                Some((status, _)) if status.success() => {}
                // It never ran: under emulation the start succeeds, and the process ends with one of these codes.
                Some((status, _))
                    if lines.is_empty() && matches!(status.code(), Some(126 | 127)) =>
                {
                    return Self::in_this_process(check, &self.machine).wait();
                }
                Some((status, last_lines)) => lines.push(check.crashed(status, &last_lines)),
                None => lines.push(check.no_answer(limit)),
            },
            None => {}
        }
        let (took, problem) = match self.thread.map(|thread| (!hangs).then(|| thread.join())) {
            Ok(None) => (limit, Some(check.no_answer(limit))),
            Ok(Some(Ok(took))) => (took, None),
            Ok(Some(Err(_panic))) => (self.began.elapsed(), Some(check.panicked())),
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

#[cfg(test)]
mod tests {
    use super::super::fixture::{machine_with, short};
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
        for (check, problem) in [
            (&HANGING, "Fault | Hanging | no answer within 1 s"),
            (&PANICKING, "Fault | P | this check failed itself"),
        ] {
            let lines = Running::start(check, &machine).wait().lines;
            assert_eq!(lines.len(), 2, "{lines:?}");
            assert_eq!(short(&lines[0]), "Ok | first | seen");
            assert!(short(&lines[1]).starts_with(problem), "{lines:?}");
        }
        assert!(began.elapsed() < Duration::from_secs(60));
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

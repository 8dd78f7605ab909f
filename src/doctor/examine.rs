//! Runs the checks side by side, each on a thread, and waits for each no longer than its limit.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use super::check::{Check, hangs};
use super::report::{Line, Report, Section};
use super::{CHECKS, Machine, subprocess};

/// Beyond its limit, a process of its own needs a moment to be ended and to say so.
const GRACE: Duration = Duration::from_secs(3);

/// Examines the machine. Blocks for some ten seconds: the broker is listened to. What hangs is left behind, and its section
/// says so; a minute is the most that it takes, but for `--tensorrt`.
pub fn examine(machine: Machine) -> Report {
    let machine = Arc::new(machine);
    let begun: Vec<Running> = CHECKS
        .iter()
        .map(|check| Running::start(check, &machine))
        .collect();
    Report::new(begun.into_iter().map(Running::wait).collect())
}

struct Running {
    check: &'static Check,
    limit: Duration,
    began: Instant,
    told: Receiver<Told>,
}

/// What the thread of a check says.
enum Told {
    Line(Line),
    /// All was looked at, in this time.
    Ended(Duration),
}

impl Running {
    fn start(check: &'static Check, machine: &Arc<Machine>) -> Self {
        let (emit, told) = channel();
        let limit = check.limit_for(machine);
        let machine = machine.clone();
        let began = Instant::now();
        let refused = emit.clone();
        let spawned = std::thread::Builder::new()
            .name(format!("doctor-{}", check.id))
            .spawn(move || work(check, &machine, limit, &emit));
        if let Err(error) = spawned {
            // The receiver is ours, and is there.
            let _ = refused.send(Told::Line(Line::fault(
                check.title,
                format!("not looked at: there is no thread to do it ({error})"),
                "end what is not needed, and start this again",
            )));
            let _ = refused.send(Told::Ended(Duration::ZERO));
        }
        Self {
            check,
            limit: if check.in_subprocess {
                limit + GRACE
            } else {
                limit
            },
            began,
            told,
        }
    }

    /// What was told within the limit.
    fn wait(self) -> Section {
        let mut lines = Vec::new();
        let deadline = self.began + self.limit;
        let took = loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.told.recv_timeout(left) {
                Ok(Told::Line(line)) => lines.push(line),
                Ok(Told::Ended(took)) => break took,
                Err(RecvTimeoutError::Disconnected) => {
                    lines.push(Line::fault(
                        self.check.title,
                        "this check itself failed: a defect of this program",
                        "report it, with what it wrote to standard error",
                    ));
                    break self.began.elapsed();
                }
                Err(RecvTimeoutError::Timeout) => {
                    lines.push(hangs(self.check, self.limit));
                    break self.limit;
                }
            }
        };
        Section {
            id: self.check.id.to_owned(),
            title: self.check.title.to_owned(),
            took_ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
            lines,
        }
    }
}

fn work(check: &Check, machine: &Machine, limit: Duration, emit: &Sender<Told>) {
    let began = Instant::now();
    let mut told = |line: Line| {
        // Whoever waited may have given up, and said so.
        let _ = emit.send(Told::Line(line));
    };
    if check.in_subprocess {
        subprocess::run(check.id, machine, limit, &mut told);
    } else {
        (check.run)(machine, &mut told);
    }
    let _ = emit.send(Told::Ended(began.elapsed()));
}

#[cfg(test)]
mod tests {
    use super::super::machine::tests::fixture;
    use super::super::report::State;
    use super::*;

    static HANGING: Check = super::super::check::check(
        "hanging",
        "Hanging",
        Duration::from_millis(200),
        false,
        |_, emit| {
            emit(Line::ok("first", "seen"));
            std::thread::sleep(Duration::from_secs(3600));
        },
    );
    static PANICKING: Check = super::super::check::check(
        "panicking",
        "P",
        Duration::from_secs(20),
        false,
        |_, emit| {
            emit(Line::ok("first", "seen"));
            panic!("for a test");
        },
    );

    #[test]
    fn what_hangs_or_panics_is_a_fault_beside_what_was_found_before() {
        let (_dir, machine) = fixture(&[]);
        let machine = Arc::new(machine);
        let began = Instant::now();
        let section = Running::start(&HANGING, &machine).wait();
        assert!(began.elapsed() < Duration::from_secs(60));
        assert_eq!(section.lines[0], Line::ok("first", "seen"));
        assert_eq!(section.lines[1].state, State::Fault);
        assert!(section.lines[1].found.starts_with("no answer within 0 s"));
        let section = Running::start(&PANICKING, &machine).wait();
        let states: Vec<State> = section.lines.iter().map(|line| line.state).collect();
        assert_eq!(states, [State::Ok, State::Fault]);
    }

    #[test]
    fn checks_have_names_of_their_own_and_end_within_a_minute() {
        let mut ids: Vec<&str> = CHECKS.iter().map(|check| check.id).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), CHECKS.len());
        for check in &CHECKS {
            assert!(
                check.limit + GRACE <= Duration::from_secs(60),
                "{}",
                check.id
            );
        }
    }
}

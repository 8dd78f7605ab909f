//! A check: it examines one part of the machine and emits lines.

use std::process::ExitStatus;
use std::time::Duration;

use super::{Line, Machine};
use crate::base::ending;

/// Takes each line as soon as it is known, so that a crash loses none of the lines before it.
pub(super) type Emit<'a> = &'a mut dyn FnMut(Line);

pub(super) type Run = fn(&Machine, Emit<'_>);

/// One part of the machine.
pub(super) struct Check {
    pub(super) id: &'static str,
    pub(super) title: &'static str,
    pub(super) limit: Duration,
    /// Whether it runs in a separate process.
    pub(super) in_subprocess: bool,
    pub(super) run: Run,
}

impl Check {
    /// A check that runs in this process.
    pub(super) const fn new(id: &'static str, title: &'static str, limit_s: u64, run: Run) -> Self {
        Self {
            id,
            title,
            limit: Duration::from_secs(limit_s),
            in_subprocess: false,
            run,
        }
    }

    /// Of a check that opens drivers or vendor libraries.
    pub(super) const fn in_subprocess(mut self) -> Self {
        self.in_subprocess = true;
        self
    }

    /// The time limit on this machine. `trtexec` tries every way to compute a layer, also for a small network; on a busy board this
    /// takes minutes.
    pub(super) fn limit_for(&self, machine: &Machine) -> Duration {
        if self.id == "tensorrt" && machine.tensorrt {
            Duration::from_secs(300)
        } else {
            self.limit
        }
    }

    pub(super) fn no_answer(&self, limit: Duration) -> Line {
        let limit_s = limit.as_secs();
        let found = format!("no answer within {limit_s} s: a driver or a library hangs");
        let remedy = "see the kernel's log (`dmesg`) and `ps -eo stat,pid,args | grep ^D`; if a driver hangs, only a restart of the machine helps";
        Line::fault(self.title, found, remedy)
    }

    pub(super) fn panicked(&self) -> Line {
        let found = "this check failed itself: a defect of this program";
        let remedy = "report it, with the text that it wrote to standard error";
        Line::fault(self.title, found, remedy)
    }

    pub(super) fn not_started(&self, error: &std::io::Error) -> Line {
        let found = format!("not examined: no thread could be started ({error})");
        let remedy = "end programs that are not needed, and start this again";
        Line::fault(self.title, found, remedy)
    }

    pub(super) fn crashed(&self, status: ExitStatus, last_lines: &str) -> Line {
        let end = ending(status);
        let messages = match last_lines {
            "" => String::new(),
            lines => format!("; its last messages: {lines}"),
        };
        let found = format!("the process of this check crashed with {end}{messages}");
        let remedy = "a library of this machine is broken, or does not fit its driver: install it again; the lines above show the last step that worked";
        Line::fault(self.title, found, remedy)
    }
}

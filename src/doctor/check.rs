//! A check: one part of the machine, and how its lines are told.

use std::time::Duration;

use super::{Line, Machine};

/// Hears of a line as soon as it is known: what was found before a crash is not lost.
pub(super) type Emit<'a> = &'a mut dyn FnMut(Line);

/// One part of the machine.
pub(super) struct Check {
    pub(super) id: &'static str,
    pub(super) title: &'static str,
    /// Longest that it may take.
    pub(super) limit: Duration,
    /// Whether it runs in a process of its own.
    pub(super) in_subprocess: bool,
    pub(super) run: fn(&Machine, Emit<'_>),
}

pub(super) const fn check(
    id: &'static str,
    title: &'static str,
    limit: Duration,
    in_subprocess: bool,
    run: fn(&Machine, Emit<'_>),
) -> Check {
    Check {
        id,
        title,
        limit,
        in_subprocess,
        run,
    }
}

impl Check {
    /// `trtexec` tries every way to compute a layer, also of a small network: minutes on a board that is busy.
    pub(super) fn limit_for(&self, machine: &Machine) -> Duration {
        if self.id == "tensorrt" && machine.tensorrt {
            Duration::from_secs(300)
        } else {
            self.limit
        }
    }
}

/// A check that gives no answer is a finding by itself.
pub(super) fn hangs(check: &Check, limit: Duration) -> Line {
    Line::fault(
        check.title,
        format!(
            "no answer within {} s: something below hangs",
            limit.as_secs()
        ),
        "see the kernel's log (`dmesg`) and `ps -eo stat,pid,args | grep ^D`; where a driver hangs, only a restart of the machine helps",
    )
}

/// What a check tells of a machine.
#[cfg(test)]
pub(super) fn lines_of(check: fn(&Machine, Emit<'_>), machine: &Machine) -> Vec<Line> {
    let mut lines = Vec::new();
    check(machine, &mut |line| lines.push(line));
    lines
}

//! A check: one part of the machine, and how its lines are told.

use std::time::Duration;

use super::{Line, Patient};

/// Hears of a line as soon as it is known: what was found before a crash is not lost.
pub(super) type Tell<'a> = &'a mut dyn FnMut(Line);

/// One part of the machine.
pub(super) struct Check {
    pub(super) id: &'static str,
    pub(super) title: &'static str,
    /// Longest that it may take.
    pub(super) limit: Duration,
    /// Whether it runs in a process of its own.
    pub(super) apart: bool,
    pub(super) look: fn(&Patient, Tell<'_>),
}

pub(super) const fn check(
    id: &'static str,
    title: &'static str,
    limit: Duration,
    apart: bool,
    look: fn(&Patient, Tell<'_>),
) -> Check {
    Check {
        id,
        title,
        limit,
        apart,
        look,
    }
}

impl Check {
    /// `trtexec` tries every way to compute a layer, also of a small network: minutes on a board that is busy.
    pub(super) fn limit_for(&self, patient: &Patient) -> Duration {
        if self.id == "tensorrt" && patient.tensorrt {
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

/// What a check tells of a patient.
#[cfg(test)]
pub(super) fn told(look: fn(&Patient, Tell<'_>), patient: &Patient) -> Vec<Line> {
    let mut lines = Vec::new();
    look(patient, &mut |line| lines.push(line));
    lines
}

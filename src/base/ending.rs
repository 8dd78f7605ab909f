//! How a process has ended, in words.

use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;

use rustix::process::Signal;

/// Signals that end a process with a fault, and what they mean.
const SIGNALS: [(i32, &str); 6] = [
    (
        Signal::SEGV.as_raw(),
        "SIGSEGV, access to memory that it does not own",
    ),
    (Signal::ABORT.as_raw(), "SIGABRT, it ended itself"),
    (
        Signal::BUS.as_raw(),
        "SIGBUS, access to memory that does not exist",
    ),
    (
        Signal::ILL.as_raw(),
        "SIGILL, an instruction that this CPU does not have",
    ),
    (Signal::FPE.as_raw(), "SIGFPE, a division by zero"),
    (
        Signal::KILL.as_raw(),
        "SIGKILL, often because memory ran out",
    ),
];

/// How a process ended: `exit code 3`, `signal 8 (SIGFPE, a division by zero)`.
pub fn ending(status: ExitStatus) -> String {
    let Some(signal) = status.signal() else {
        let code = status.code();
        return code.map_or("no exit code".to_owned(), |code| {
            format!("exit code {code}")
        });
    };
    let known = SIGNALS.iter().find(|(known, _)| *known == signal);
    let meaning = known.map_or(String::new(), |(_, meaning)| format!(" ({meaning})"));
    format!("signal {signal}{meaning}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_signals_are_named() {
        for (raw, expected) in [
            (3 << 8, "exit code 3"),
            (
                11,
                "signal 11 (SIGSEGV, access to memory that it does not own)",
            ),
            (15, "signal 15"),
        ] {
            assert_eq!(ending(ExitStatus::from_raw(raw)), expected);
        }
    }
}

//! Logs of this machine: the journal of the units and the end of the kernel's log.

use std::time::Duration;

use crate::base::ending;
use crate::doctor::command;

/// A large journal on a slow medium takes time.
const JOURNAL_LIMIT: Duration = Duration::from_secs(30);
const KERNEL_LIMIT: Duration = Duration::from_secs(10);

/// Lines of the kernel's log that are kept, from its end.
const KERNEL_LINES: usize = 3000;

const JOURNAL_ARGUMENTS: [&str; 6] = [
    "--unit=nvr-*",
    "--since=-2d",
    "--lines=20000",
    "--output=short-iso",
    "--no-pager",
    "--quiet",
];

/// A log, or the reason why it is missing.
pub(super) type Log = Result<String, String>;

/// The log of this program's units for the last two days, at most twenty thousand lines.
pub(super) fn journal() -> Log {
    let text = output("journalctl", &JOURNAL_ARGUMENTS, JOURNAL_LIMIT)?;
    if text.trim().is_empty() {
        return Err(
            "the journal has nothing of the units nvr-*, or this user may not read it".to_owned(),
        );
    }
    Ok(text)
}

/// The end of the kernel's log.
pub(super) fn kernel() -> Log {
    let text = output("dmesg", &[], KERNEL_LIMIT)?;
    let lines: Vec<&str> = text.lines().collect();
    Ok(lines[lines.len().saturating_sub(KERNEL_LINES)..].join("\n"))
}

fn output(program: &str, arguments: &[&str], limit: Duration) -> Log {
    let output = command::run(program, arguments, limit).map_err(|error| error.to_string())?;
    if output.status.success() {
        return Ok(output.out);
    }
    let end = ending(output.status);
    Err(format!("{program} ended with {end}: {}", output.err.trim()))
}

//! Logs of this machine: the units' journal and the end of the kernel's log.

use std::time::Duration;

use super::command;

/// A large journal on a slow medium takes its time.
const JOURNAL_LIMIT: Duration = Duration::from_secs(30);
const KERNEL_LIMIT: Duration = Duration::from_secs(10);

/// Lines of the kernel's log that are kept: its end.
const KERNEL_LINES: usize = 3000;

/// A log, or why there is none.
pub(super) type Log = Result<String, String>;

/// What the units of this program wrote in the last two days, at most twenty thousand lines.
pub(super) fn journal() -> Log {
    let arguments = [
        "--unit=nvr-*",
        "--since=-2d",
        "--lines=20000",
        "--output=short-iso",
        "--no-pager",
        "--quiet",
    ];
    said("journalctl", &arguments, JOURNAL_LIMIT).and_then(|text| {
        if text.trim().is_empty() {
            Err(
                "the journal has nothing of the units nvr-*, or this user may not read it"
                    .to_owned(),
            )
        } else {
            Ok(text)
        }
    })
}

/// The end of the kernel's log.
pub(super) fn kernel() -> Log {
    let text = said("dmesg", &[], KERNEL_LIMIT)?;
    let lines: Vec<&str> = text.lines().collect();
    Ok(lines[lines.len().saturating_sub(KERNEL_LINES)..].join("\n"))
}

fn said(program: &str, arguments: &[&str], limit: Duration) -> Log {
    let output = command::run(program, arguments, limit).map_err(|error| error.to_string())?;
    if output.status.success() {
        Ok(output.out)
    } else {
        let end = command::ending(output.status);
        Err(format!("{program} ended with {end}: {}", output.err.trim()))
    }
}

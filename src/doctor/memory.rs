//! Memory, swap, and processes that the kernel killed because memory ran out.

use super::check::Emit;
use super::machine::Machine;
use super::report::{Line, State};

/// A smaller free share of the memory is a warning.
const MIN_FREE_SHARE: f64 = 0.1;

pub(super) fn check(machine: &Machine, emit: Emit<'_>) {
    let tree = &machine.tree;
    if tree.read("/proc/meminfo").is_none() {
        emit(Line::ok(
            "memory",
            "not known (/proc/meminfo can't be read)",
        ));
        return;
    }
    // A line `MemTotal:  16303916 kB`.
    let gb = |key: &str| {
        let value = tree.value("/proc/meminfo", key)?;
        Some(value.split(' ').next()?.parse::<f64>().ok()? / 1e6)
    };
    if let (Some(total), Some(free)) = (gb("MemTotal:"), gb("MemAvailable:")) {
        let line = Line::new(
            State::of(false, free < total * MIN_FREE_SHARE),
            "memory",
            format!("{free:.1} GB of {total:.1} GB free"),
            "end programs that are not needed, analyse substreams instead of main streams, or use fewer cameras",
        );
        emit(
            line.with_figure("total_gb", total)
                .with_figure("free_gb", free),
        );
    }
    match (gb("SwapTotal:"), gb("SwapFree:")) {
        (Some(0.0), Some(_)) => emit(Line::ok("swap", "none")),
        (Some(total), Some(free)) => {
            let found = format!("{:.1} GB of {total:.1} GB used", total - free);
            emit(Line::ok("swap", found));
        }
        _ => {}
    }
    let kills = tree.value("/proc/vmstat", "oom_kill ");
    if let Some(kills) = kills.and_then(|count| count.parse::<u64>().ok())
        && kills > 0
    {
        let line = Line::warning(
            "out of memory",
            format!("the kernel killed {kills} processes since the start"),
            "`journalctl -k | grep -i oom` names them; use fewer cameras or a smaller model",
        );
        emit(line.with_figure("count", kills as f64));
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::lines_with;
    use super::*;

    fn lines(available: &str, vmstat: &str) -> Vec<Line> {
        let files = format!(
            r"
/proc/meminfo MemTotal:        8000000 kB\nMemFree: 1 kB\nMemAvailable:    {available} kB\nSwapTotal: 4000000 kB\nSwapFree: 3000000 kB\n
/proc/vmstat {vmstat}\n"
        );
        lines_with(check, &files)
    }

    #[test]
    fn little_memory_and_killed_processes_are_warnings() {
        let memory = Line::ok("memory", "3.0 GB of 8.0 GB free");
        assert_eq!(
            lines("3000000", r"pgfault 3\noom_kill 0"),
            [
                memory
                    .with_figure("total_gb", 8.0)
                    .with_figure("free_gb", 3.0),
                Line::ok("swap", "1.0 GB of 4.0 GB used"),
            ]
        );
        let short = lines("700000", "oom_kill 2");
        let whats = short
            .iter()
            .map(|line| (line.what.as_str(), line.remedy.is_some()));
        assert_eq!(
            Vec::from_iter(whats),
            [("memory", true), ("swap", false), ("out of memory", true)]
        );
    }
}

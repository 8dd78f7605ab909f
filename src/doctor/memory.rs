//! Memory, swap, and whether the kernel had to kill for want of it.

use super::check::Emit;
use super::file_tree::FileTree;
use super::machine::Machine;
use super::report::Line;

/// Below this share of memory the next camera is one too many.
const SHORT: f64 = 0.1;

pub(super) fn check(machine: &Machine, emit: Emit<'_>) {
    let tree = &machine.tree;
    let Some(facts) = tree.read("/proc/meminfo") else {
        emit(Line::ok("memory", "not told (/proc/meminfo can't be read)"));
        return;
    };
    let gb = |key: &str| kilobytes(&facts, key).map(|kb| kb / 1e6);
    if let (Some(total), Some(free)) = (gb("MemTotal:"), gb("MemAvailable:")) {
        let found = format!("{free:.1} GB of {total:.1} GB free");
        let line = if free < total * SHORT {
            Line::warning(
                "memory",
                found,
                "end what is not needed, analyse substreams instead of main streams, or use fewer cameras",
            )
        } else {
            Line::ok("memory", found)
        };
        emit(
            line.with_figure("total_gb", total)
                .with_figure("free_gb", free),
        );
    }
    if let (Some(total), Some(free)) = (gb("SwapTotal:"), gb("SwapFree:")) {
        emit(Line::ok(
            "swap",
            if total == 0.0 {
                "none".to_owned()
            } else {
                format!("{:.1} GB of {total:.1} GB used", total - free)
            },
        ));
    }
    if let Some(kills) = kills(tree).filter(|kills| *kills > 0) {
        emit(
            Line::warning(
                "out of memory",
                format!("the kernel killed {kills} processes since the start"),
                "`journalctl -k | grep -i oom` names them; use fewer cameras or a smaller model",
            )
            .with_figure("count", kills as f64),
        );
    }
}

/// A line `MemTotal:  16303916 kB`.
fn kilobytes(facts: &str, key: &str) -> Option<f64> {
    let rest = facts.lines().find_map(|line| line.strip_prefix(key))?;
    rest.split_whitespace().next()?.parse().ok()
}

fn kills(tree: &FileTree) -> Option<u64> {
    let facts = tree.read("/proc/vmstat")?;
    let count = facts
        .lines()
        .find_map(|line| line.strip_prefix("oom_kill "))?;
    count.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::super::check::lines_of;
    use super::super::machine::tests::fixture;
    use super::*;

    fn lines(available: &str, vmstat: &str) -> Vec<Line> {
        let facts = format!(
            "MemTotal:        8000000 kB\nMemFree: 1 kB\nMemAvailable:    {available} kB\nSwapTotal: 4000000 kB\nSwapFree: 3000000 kB\n"
        );
        let (_dir, machine) = fixture(&[("/proc/meminfo", &facts), ("/proc/vmstat", vmstat)]);
        lines_of(check, &machine)
    }

    #[test]
    fn little_memory_and_kills_are_warnings() {
        let well = lines("3000000", "pgfault 3\noom_kill 0\n");
        assert_eq!(
            well,
            [
                Line::ok("memory", "3.0 GB of 8.0 GB free")
                    .with_figure("total_gb", 8.0)
                    .with_figure("free_gb", 3.0),
                Line::ok("swap", "1.0 GB of 4.0 GB used"),
            ]
        );
        let short = lines("700000", "oom_kill 2\n");
        let states: Vec<_> = short
            .iter()
            .map(|line| (line.what.as_str(), line.remedy.is_some()))
            .collect();
        assert_eq!(
            states,
            [("memory", true), ("swap", false), ("out of memory", true)]
        );
    }
}

//! Memory, swap, and processes that the kernel killed because memory ran out.

use super::{Emit, Line, Machine, State};

/// A smaller free share of the memory is a warning.
const MIN_FREE_SHARE: f64 = 0.1;

pub(super) fn check(machine: &Machine, emit: Emit<'_>) {
    let tree = &machine.tree;
    if tree.read("/proc/meminfo").is_none() {
        let found = "not known (/proc/meminfo can't be read)";
        emit(Line::ok("memory", found));
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
        let line = line.with_figure("total_gb", total);
        emit(line.with_figure("free_gb", free));
    }
    if let (Some(total), Some(free)) = (gb("SwapTotal:"), gb("SwapFree:")) {
        let found = match total {
            0.0 => "none".to_owned(),
            _ => format!("{:.1} GB of {total:.1} GB used", total - free),
        };
        emit(Line::ok("swap", found));
    }
    let kills = tree.value("/proc/vmstat", "oom_kill ");
    if let Some(kills @ 1..) = kills.and_then(|count| count.parse::<u64>().ok()) {
        let line = Line::warning(
            "out of memory",
            format!("the kernel killed {kills} processes since the start"),
            "`journalctl -k | grep -i oom` names them; use fewer cameras or a smaller model",
        );
        emit(line.with_figure("count", kills as f64));
    }
}

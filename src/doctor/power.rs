//! A weak power supply and the power mode: both slow a board down while it is cool.
//!
//! Sources: NVIDIA's Jetson Linux Developer Guide, "Platform Power and Performance" (over-current counters: `oc1` under-voltage,
//! `oc2` average and `oc3` instantaneous over-current; `nvpmodel`); Raspberry Pi's documentation of `get_throttled`.

use super::{Emit, FileTree, Kind, Line, State};

/// Bits of `get_throttled` for now; sixteen bits above, for the time since the start.
const PI_BITS: [(u64, &str); 4] = [
    (1, "under-voltage"),
    (2, "a capped frequency"),
    (4, "throttling"),
    (8, "the soft temperature limit"),
];

const SUPPLY: &str =
    "use the board's own power supply and a short cable, and remove loads from its USB ports";

pub(super) fn check(tree: &FileTree, emit: Emit<'_>) {
    for (_, sensor) in tree.folders("/sys/class/hwmon", "hwmon") {
        let files = sensor.names("", "oc").into_iter();
        let counters = files.filter_map(|file| over_current(&sensor, &file));
        counters.for_each(&mut *emit);
    }
    raspberry_pi(tree).into_iter().for_each(&mut *emit);
    if Kind::of(tree) == Kind::Jetson {
        emit(power_mode(tree));
    }
}

/// A Jetson's counter since the start. The file names are those of Orin and Thor; Xavier has none.
fn over_current(sensor: &FileTree, file: &str) -> Option<Line> {
    let meaning = match file.strip_prefix("oc")?.strip_suffix("_event_cnt")? {
        "1" => "under-voltage",
        "2" => "average over-current",
        "3" => "instantaneous over-current",
        _ => "over-current",
    };
    let count = sensor.number(file)?;
    let found = match count {
        0 => "never since the start".to_owned(),
        _ => format!("{count} times since the start; each slows CPU and GPU down for a moment"),
    };
    let remedy = format!("{SUPPLY}; otherwise choose a lower power mode (`sudo nvpmodel -m`)");
    let what = format!("power: {meaning}");
    let line = Line::new(State::of(false, count != 0), what, found, remedy);
    Some(line.with_figure("count", count as f64))
}

fn raspberry_pi(tree: &FileTree) -> Option<Line> {
    let bits = tree.hex("/sys/devices/platform/soc/soc:firmware/get_throttled");
    let bits = *bits.first()?;
    let names = |bits: u64| {
        let set = PI_BITS.iter().filter(|(bit, _)| bits & bit != 0);
        Vec::from_iter(set.map(|(_, name)| *name)).join(", ")
    };
    let (now, before) = (names(bits), names(bits >> 16));
    let what = "power and throttling";
    Some(match (now.as_str(), before.as_str()) {
        ("", "") => Line::ok(what, "nothing since the start"),
        ("", before) => Line::warning(what, format!("since the start: {before}; not now"), SUPPLY),
        (now, _) => Line::warning(what, format!("now: {now}"), SUPPLY),
    })
}

/// The mode that `nvpmodel` saved, with its name from the configuration of `nvpmodel`.
fn power_mode(tree: &FileTree) -> Line {
    let mode = tree.value("/var/lib/nvpmodel/status", "pmode:");
    let number = mode.and_then(|mode| mode.split_whitespace().next()?.parse::<u32>().ok());
    let Some(number) = number else {
        let found = "not known (/var/lib/nvpmodel/status is missing); `nvpmodel -q` prints it";
        return Line::ok("power mode", found);
    };
    let config = tree.text("/etc/nvpmodel.conf");
    let modes = config.lines().filter_map(mode_of);
    let (current, others): (Vec<_>, Vec<_>) = modes.partition(|(id, _)| *id == number);
    let name = current.first().map_or("without a name", |(_, name)| name);
    let mut found = format!("{name} ({number})");
    if !others.is_empty() {
        let others = others.iter().map(|(id, name)| format!("{name} (-m {id})"));
        found += "; others, by `sudo nvpmodel`: ";
        found += &Vec::from_iter(others).join(", ");
    }
    Line::ok("power mode", found)
}

/// A line such as `< POWER_MODEL ID=0 NAME=MAXN >`.
fn mode_of(line: &str) -> Option<(u32, &str)> {
    let rest = line.trim().strip_prefix("< POWER_MODEL ID=")?;
    let (id, rest) = rest.split_once(" NAME=")?;
    Some((id.trim().parse().ok()?, rest.split_whitespace().next()?))
}

//! A weak power supply and the power mode: both slow a board down while it is cool.
//!
//! Sources: NVIDIA's Jetson Linux Developer Guide, "Platform Power and Performance" (over-current counters: `oc1` under-voltage,
//! `oc2` average and `oc3` instantaneous over-current; `nvpmodel`); Raspberry Pi's documentation of `get_throttled`.

use super::board::Kind;
use super::check::Emit;
use super::file_tree::FileTree;
use super::report::{Line, State};

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
    for sensor in tree.names("/sys/class/hwmon", "hwmon") {
        let folder = format!("/sys/class/hwmon/{sensor}");
        let files = tree.names(&folder, "oc").into_iter();
        files
            .filter_map(|file| over_current(tree, &folder, &file))
            .for_each(&mut *emit);
    }
    raspberry_pi(tree).into_iter().for_each(&mut *emit);
    if Kind::of(tree) == Kind::Jetson {
        emit(power_mode(tree));
    }
}

/// A Jetson's counter since the start. The file names are those of Orin and Thor; Xavier has none.
fn over_current(tree: &FileTree, folder: &str, file: &str) -> Option<Line> {
    let meaning = match file.strip_prefix("oc")?.strip_suffix("_event_cnt")? {
        "1" => "under-voltage",
        "2" => "average over-current",
        "3" => "instantaneous over-current",
        _ => "over-current",
    };
    let count = tree.number(&format!("{folder}/{file}"))?;
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
    let bits = tree.hex("/sys/devices/platform/soc/soc:firmware/get_throttled")?;
    let names = |bits: u64| {
        let set = PI_BITS.iter().filter(|(bit, _)| bits & bit != 0);
        let names: Vec<&str> = set.map(|(_, name)| *name).collect();
        names.join(", ")
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
    let what = "power mode";
    let mode = tree.value("/var/lib/nvpmodel/status", "pmode:");
    let number = mode.and_then(|mode| mode.split_whitespace().next()?.parse::<u32>().ok());
    let Some(number) = number else {
        return Line::ok(
            what,
            "not known (/var/lib/nvpmodel/status is missing); `nvpmodel -q` prints it",
        );
    };
    let modes = modes(&tree.read("/etc/nvpmodel.conf").unwrap_or_default());
    let (current, others): (Vec<_>, Vec<_>) = modes.into_iter().partition(|(id, _)| *id == number);
    let name = current.first().map_or("without a name", |(_, name)| name);
    let mut found = format!("{name} ({number})");
    if !others.is_empty() {
        let others = others.iter().map(|(id, name)| format!("{name} (-m {id})"));
        let others: Vec<String> = others.collect();
        found += &format!("; others, by `sudo nvpmodel`: {}", others.join(", "));
    }
    Line::ok(what, found)
}

/// Lines such as `< POWER_MODEL ID=0 NAME=MAXN >`.
fn modes(text: &str) -> Vec<(u32, String)> {
    let of_line = |line: &str| {
        let rest = line.trim().strip_prefix("< POWER_MODEL ID=")?;
        let (id, rest) = rest.split_once(" NAME=")?;
        let name = rest.split_whitespace().next()?;
        Some((id.trim().parse().ok()?, name.to_owned()))
    };
    text.lines().filter_map(of_line).collect()
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{assert_has, cases, short_with};
    use super::super::thermal;

    #[test]
    fn a_weak_supply_is_seen_on_a_jetson() {
        let files = r"
/etc/nv_tegra_release # R36 (release), REVISION: 4.3, GCID: 1
/sys/class/hwmon/hwmon3/name soctherm_oc
/sys/class/hwmon/hwmon3/oc1_event_cnt 0\n
/sys/class/hwmon/hwmon3/oc1_throt_en 1\n
/sys/class/hwmon/hwmon3/oc3_event_cnt 27\n
/var/lib/nvpmodel/status pmode:0001\n
/etc/nvpmodel.conf # x\n< POWER_MODEL ID=0 NAME=15W >\n< POWER_MODEL ID=1 NAME=25W >\n< PM_CONFIG DEFAULT=1 >\n
/sys/devices/system/cpu/cpu0/cpufreq/scaling_max_freq 1344000\n
/sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq 1728000\n";
        let lines = short_with(thermal::check, files);
        for expected in [
            "Ok | power: under-voltage | never since the start",
            "Warning | power: instantaneous over-current | 27 times since the start; each slows CPU and GPU down for a moment",
            "Ok | power mode | 25W (1); others, by `sudo nvpmodel`: 15W (-m 0)",
            "Ok | CPU clock | up to 1.34 GHz of 1.73 GHz, by the power mode",
        ] {
            assert_has(&lines, expected);
        }
    }

    #[test]
    fn the_bits_of_a_raspberry_pi_are_named() {
        let table = "
0 → Ok | power and throttling | nothing since the start
50005 → Warning | power and throttling | now: under-voltage, throttling
80000 → Warning | power and throttling | since the start: the soft temperature limit; not now";
        for (bits, expected) in cases(table) {
            let file = format!(r"/sys/devices/platform/soc/soc:firmware/get_throttled {bits}\n");
            assert_has(&short_with(thermal::check, &file), expected);
        }
    }
}

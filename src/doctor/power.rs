//! A weak power supply, and the power mode: what slows a board down while it is cool.
//!
//! Sources: NVIDIA's Jetson Linux Developer Guide, "Platform Power and Performance" (over-current counters: `oc1` under-voltage,
//! `oc2` average and `oc3` instantaneous over-current; `nvpmodel`); Raspberry Pi's documentation of `get_throttled`.

use super::board::Kind;
use super::check::Emit;
use super::file_tree::FileTree;
use super::report::Line;

/// Bits of `get_throttled`, now and, sixteen bits above, since the start.
const PI_BITS: [(u64, &str); 4] = [
    (1, "under-voltage"),
    (2, "a capped frequency"),
    (4, "throttling"),
    (8, "the soft temperature limit"),
];

const SUPPLY: &str =
    "use the board's own power supply and a short cable, and take loads off its USB ports";

pub(super) fn check(tree: &FileTree, emit: Emit<'_>) {
    over_currents(tree).into_iter().for_each(&mut *emit);
    if let Some(line) = raspberry(tree) {
        emit(line);
    }
    if Kind::of(tree) == Kind::Jetson {
        emit(power_mode(tree));
    }
}

/// Jetson's counters since the start. Their file names are those of Orin and Thor; Xavier has none.
fn over_currents(tree: &FileTree) -> Vec<Line> {
    let meaning = |number: &str| match number {
        "1" => "under-voltage",
        "2" => "average over-current",
        "3" => "instantaneous over-current",
        _ => "over-current",
    };
    let mut lines = Vec::new();
    for sensor in tree.names("/sys/class/hwmon", "hwmon") {
        let folder = format!("/sys/class/hwmon/{sensor}");
        for file in tree.names(&folder, "oc") {
            let Some(number) = file
                .strip_prefix("oc")
                .and_then(|rest| rest.strip_suffix("_event_cnt"))
            else {
                continue;
            };
            let Some(count) = tree.number(&format!("{folder}/{file}")) else {
                continue;
            };
            let what = format!("power: {}", meaning(number));
            let line = if count == 0 {
                Line::ok(what, "never since the start")
            } else {
                Line::warning(
                    what,
                    format!(
                        "{count} times since the start; each slows CPU and GPU down for a moment"
                    ),
                    format!("{SUPPLY}; else choose a lower power mode (`sudo nvpmodel -m`)"),
                )
            };
            lines.push(line.with_figure("count", count as f64));
        }
    }
    lines
}

fn raspberry(tree: &FileTree) -> Option<Line> {
    let bits = tree.hex("/sys/devices/platform/soc/soc:firmware/get_throttled")?;
    let words = |bits: u64| {
        let set = PI_BITS.iter().filter(|(bit, _)| bits & bit != 0);
        let words: Vec<&str> = set.map(|(_, word)| *word).collect();
        words.join(", ")
    };
    let (now, before) = (words(bits), words(bits >> 16));
    let what = "power and throttling";
    Some(match (now.is_empty(), before.is_empty()) {
        (true, true) => Line::ok(what, "nothing since the start"),
        (false, _) => Line::warning(what, format!("now: {now}"), SUPPLY),
        (true, false) => Line::warning(what, format!("since the start: {before}; not now"), SUPPLY),
    })
}

/// The mode that `nvpmodel` remembers, by its name in its own configuration.
fn power_mode(tree: &FileTree) -> Line {
    let what = "power mode";
    let status = tree.read("/var/lib/nvpmodel/status");
    let number: Option<u32> = status
        .as_deref()
        .and_then(|status| status.strip_prefix("pmode:"))
        .and_then(|rest| rest.split_whitespace().next()?.parse().ok());
    let Some(number) = number else {
        return Line::ok(
            what,
            "not told (/var/lib/nvpmodel/status is not there); `nvpmodel -q` tells it",
        );
    };
    let modes = modes(&tree.read("/etc/nvpmodel.conf").unwrap_or_default());
    let name = modes.iter().find(|(id, _)| *id == number);
    let name = name.map_or("of an unknown name", |(_, name)| name);
    let others: Vec<String> = modes
        .iter()
        .filter(|(id, _)| *id != number)
        .map(|(id, name)| format!("{name} (-m {id})"))
        .collect();
    let others = if others.is_empty() {
        String::new()
    } else {
        format!("; others, by `sudo nvpmodel`: {}", others.join(", "))
    };
    Line::ok(what, format!("{name} ({number}){others}"))
}

/// Lines `< POWER_MODEL ID=0 NAME=MAXN >`.
fn modes(text: &str) -> Vec<(u32, String)> {
    text.lines()
        .filter_map(|line| {
            let rest = line.trim().strip_prefix("< POWER_MODEL ID=")?;
            let (id, rest) = rest.split_once(" NAME=")?;
            Some((
                id.trim().parse().ok()?,
                rest.split_whitespace().next()?.to_owned(),
            ))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::check::lines_of;
    use super::super::machine::tests::fixture;
    use super::super::report::State;
    use super::super::thermal;

    fn found(files: &[(&str, &str)]) -> Vec<(State, String, String)> {
        let (_dir, machine) = fixture(files);
        lines_of(thermal::check, &machine)
            .into_iter()
            .map(|line| (line.state, line.what, line.found))
            .collect()
    }

    fn has(found: &[(State, String, String)], state: State, what: &str, words: &str) {
        let line = (state, what.to_owned(), words.to_owned());
        assert!(found.contains(&line), "no {line:?} in {found:#?}");
    }

    #[test]
    fn a_weak_supply_is_seen_on_a_jetson() {
        let found = found(&[
            (
                "/etc/nv_tegra_release",
                "# R36 (release), REVISION: 4.3, GCID: 1",
            ),
            ("/sys/class/hwmon/hwmon3/name", "soctherm_oc"),
            ("/sys/class/hwmon/hwmon3/oc1_event_cnt", "0\n"),
            ("/sys/class/hwmon/hwmon3/oc1_throt_en", "1\n"),
            ("/sys/class/hwmon/hwmon3/oc3_event_cnt", "27\n"),
            ("/var/lib/nvpmodel/status", "pmode:0001\n"),
            (
                "/etc/nvpmodel.conf",
                "# x\n< POWER_MODEL ID=0 NAME=15W >\n< POWER_MODEL ID=1 NAME=25W >\n< PM_CONFIG DEFAULT=1 >\n",
            ),
            (
                "/sys/devices/system/cpu/cpu0/cpufreq/scaling_max_freq",
                "1344000\n",
            ),
            (
                "/sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq",
                "1728000\n",
            ),
        ]);
        has(
            &found,
            State::Ok,
            "power: under-voltage",
            "never since the start",
        );
        has(
            &found,
            State::Warning,
            "power: instantaneous over-current",
            "27 times since the start; each slows CPU and GPU down for a moment",
        );
        has(
            &found,
            State::Ok,
            "power mode",
            "25W (1); others, by `sudo nvpmodel`: 15W (-m 0)",
        );
        has(
            &found,
            State::Ok,
            "processor's clock",
            "up to 1.34 GHz of 1.73 GHz, as the power mode has it",
        );
    }

    #[test]
    fn a_raspberry_pi_s_bits_are_told_in_words() {
        let bits =
            |text: &str| found(&[("/sys/devices/platform/soc/soc:firmware/get_throttled", text)]);
        let what = "power and throttling";
        has(&bits("0\n"), State::Ok, what, "nothing since the start");
        has(
            &bits("50005\n"),
            State::Warning,
            what,
            "now: under-voltage, throttling",
        );
        has(
            &bits("80000\n"),
            State::Warning,
            what,
            "since the start: the soft temperature limit; not now",
        );
    }
}

//! Temperatures, and what slows the machine down: heat, and by `power` a weak supply or a power mode.
//!
//! Zones, trip points and cooling devices are those of the kernel's `Documentation/driver-api/thermal/sysfs-api.rst`.

use super::board::Kind;
use super::check::Emit;
use super::file_tree::FileTree;
use super::machine::Machine;
use super::power;
use super::report::Line;

/// Where a zone has no trip points, silicon is near its end here.
const HOT_C: f64 = 95.0;

pub(super) fn check(machine: &Machine, emit: Emit<'_>) {
    let tree = &machine.tree;
    let zones = tree.names("/sys/class/thermal", "thermal_zone");
    let temperatures: Vec<Line> = zones
        .iter()
        .filter_map(|zone| temperature(tree, zone))
        .collect();
    if temperatures.is_empty() {
        emit(Line::ok(
            "temperatures",
            "this machine tells none (virtual machines do not)",
        ));
    }
    temperatures.into_iter().for_each(&mut *emit);
    slowed(tree).into_iter().for_each(&mut *emit);
    power::check(tree, emit);
    let kind = Kind::of(tree);
    if let Some(line) = frequency(tree, kind) {
        emit(line);
    }
}

/// A zone against its own trip points. Zones of parts that are switched off (Orin's `cv0`) can't be read and are left out.
fn temperature(tree: &FileTree, zone: &str) -> Option<Line> {
    let at = |name: &str| format!("/sys/class/thermal/{zone}/{name}");
    let celsius = |name: &str| Some(tree.number(&at(name))? as f64 / 1000.0);
    let now = celsius("temp")?;
    let name = tree.read(&at("type")).unwrap_or_else(|| zone.to_owned());
    let lowest = |wanted: &[&str]| {
        let trips = tree.names(&at(""), "trip_point_");
        trips
            .iter()
            .filter_map(|file| file.strip_suffix("_type"))
            .filter(|trip| {
                let kind = tree.read(&at(&format!("{trip}_type")));
                kind.is_some_and(|kind| wanted.contains(&kind.as_str()))
            })
            .filter_map(|trip| celsius(&format!("{trip}_temp")))
            // Drivers put zero, or far below it, where a trip point is not in use.
            .filter(|limit| *limit > 0.0)
            .min_by(f64::total_cmp)
    };
    let (slows, stops) = (lowest(&["passive", "hot"]), lowest(&["critical"]));
    let what = format!("temperature {name}");
    let figure = |line: Line| line.with_figure("celsius", now);
    let cool = "clean its fan and vents, give it air, and keep it out of the sun";
    Some(figure(match (slows, stops) {
        (_, Some(stops)) if now >= stops => Line::fault(
            what,
            format!("{now:.0} °C, and at {stops:.0} °C the machine switches itself off"),
            cool,
        ),
        (Some(slows), _) if now >= slows => Line::warning(
            what,
            format!("{now:.0} °C: it is slowed down from {slows:.0} °C on"),
            cool,
        ),
        (None, None) if now >= HOT_C => Line::warning(what, format!("{now:.0} °C"), cool),
        (Some(slows), _) => Line::ok(
            what,
            format!("{now:.0} °C, slowed down from {slows:.0} °C on"),
        ),
        (None, Some(stops)) => {
            Line::ok(what, format!("{now:.0} °C, switched off at {stops:.0} °C"))
        }
        (None, None) => Line::ok(what, format!("{now:.0} °C")),
    }))
}

/// Cooling devices that take speed away, and counters of processors that did so. Fans only make noise.
fn slowed(tree: &FileTree) -> Vec<Line> {
    let mut lines = Vec::new();
    for device in tree.names("/sys/class/thermal", "cooling_device") {
        let at = |name: &str| format!("/sys/class/thermal/{device}/{name}");
        let name = tree.read(&at("type")).unwrap_or_else(|| device.clone());
        let (Some(now), Some(most)) =
            (tree.number(&at("cur_state")), tree.number(&at("max_state")))
        else {
            continue;
        };
        if now > 0 && !name.to_lowercase().contains("fan") {
            lines.push(Line::warning(
                format!("throttling {name}"),
                format!("at step {now} of {most}"),
                "cool the machine; see the temperatures above",
            ));
        }
    }
    let counter = "/sys/devices/system/cpu/cpu0/thermal_throttle/package_throttle_count";
    if let Some(count) = tree.number(counter).filter(|count| *count > 0) {
        lines.push(
            Line::warning(
                "throttling processor",
                format!("{count} times since the start"),
                "cool the machine; see the temperatures above",
            )
            .with_figure("count", count as f64),
        );
    }
    if lines.is_empty() {
        lines.push(Line::ok("throttling", "nothing is slowed down by heat now"));
    }
    lines
}

fn frequency(tree: &FileTree, kind: Kind) -> Option<Line> {
    let at = |name: &str| tree.number(&format!("/sys/devices/system/cpu/cpu0/cpufreq/{name}"));
    let (limit, most) = (at("scaling_max_freq")?, at("cpuinfo_max_freq")?);
    let ghz = |khz: i64| khz as f64 / 1e6;
    let what = "processor's clock";
    let found = format!("up to {:.2} GHz", ghz(limit));
    Some(if limit >= most {
        Line::ok(what, found)
    } else {
        let found = format!("{found} of {:.2} GHz", ghz(most));
        if kind == Kind::Jetson {
            Line::ok(what, format!("{found}, as the power mode has it"))
        } else {
            Line::warning(
                what,
                found,
                "something limits it: look into the power profile (`powerprofilesctl`, `cpupower frequency-info`)",
            )
        }
    })
}

#[cfg(test)]
mod tests {
    use super::super::check::lines_of;
    use super::super::machine::tests::fixture;
    use super::super::report::State;
    use super::*;

    fn found(files: &[(&str, &str)]) -> Vec<(State, String, String)> {
        let (_dir, machine) = fixture(files);
        lines_of(check, &machine)
            .into_iter()
            .map(|line| (line.state, line.what, line.found))
            .collect()
    }

    fn has(found: &[(State, String, String)], state: State, what: &str, words: &str) {
        let line = (state, what.to_owned(), words.to_owned());
        assert!(found.contains(&line), "no {line:?} in {found:#?}");
    }

    const ZONE: &str = "/sys/class/thermal/thermal_zone0";

    fn zone(temp: &str) -> Vec<(State, String, String)> {
        let files = [
            ("temp", temp),
            ("type", "tj-thermal\n"),
            ("trip_point_0_type", "critical\n"),
            ("trip_point_0_temp", "104500\n"),
            ("trip_point_1_type", "passive\n"),
            ("trip_point_1_temp", "99000\n"),
            ("trip_point_2_type", "active\n"),
            ("trip_point_2_temp", "50000\n"),
        ];
        let files: Vec<(String, &str)> = files
            .iter()
            .map(|(name, content)| (format!("{ZONE}/{name}"), *content))
            .collect();
        let files: Vec<(&str, &str)> = files
            .iter()
            .map(|(path, content)| (path.as_str(), *content))
            .collect();
        found(&files)
    }

    #[test]
    fn a_temperature_is_judged_by_its_own_zone_s_trip_points() {
        let what = "temperature tj-thermal";
        has(
            &zone("51250\n"),
            State::Ok,
            what,
            "51 °C, slowed down from 99 °C on",
        );
        has(
            &zone("99000\n"),
            State::Warning,
            what,
            "99 °C: it is slowed down from 99 °C on",
        );
        has(
            &zone("105000\n"),
            State::Fault,
            what,
            "105 °C, and at 104 °C the machine switches itself off",
        );
    }

    #[test]
    fn fans_do_not_slow_anything_down_and_other_cooling_does() {
        let cooling = |name: &str| {
            found(&[
                ("/sys/class/thermal/cooling_device0/type", name),
                ("/sys/class/thermal/cooling_device0/cur_state", "2"),
                ("/sys/class/thermal/cooling_device0/max_state", "4"),
            ])
        };
        has(
            &cooling("pwm-fan"),
            State::Ok,
            "throttling",
            "nothing is slowed down by heat now",
        );
        has(
            &cooling("cpufreq-cpu0"),
            State::Warning,
            "throttling cpufreq-cpu0",
            "at step 2 of 4",
        );
    }

    #[test]
    fn a_machine_without_sensors_is_well() {
        let found = found(&[]);
        assert!(found.iter().all(|line| line.0 == State::Ok), "{found:?}");
        assert_eq!(found[0].1, "temperatures");
    }
}

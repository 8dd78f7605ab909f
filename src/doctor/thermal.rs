//! Temperatures, and throttling by heat. `power` adds throttling by a weak power supply or a power mode.
//!
//! Zones, trip points and cooling devices are those of the kernel's `Documentation/driver-api/thermal/sysfs-api.rst`.

use super::board::Kind;
use super::check::Emit;
use super::file_tree::FileTree;
use super::machine::Machine;
use super::power;
use super::report::{Line, State};

/// The limit of a zone without trip points, in °C.
const HOT_C: f64 = 95.0;

const CPU: &str = "/sys/devices/system/cpu/cpu0";

const COOL: &str =
    "clean the fan and vents, improve the air flow, and keep the machine out of the sun";
const THROTTLED: &str = "cool the machine; see the temperatures above";

pub(super) fn check(machine: &Machine, emit: Emit<'_>) {
    let tree = &machine.tree;
    let zones = tree.names("/sys/class/thermal", "thermal_zone");
    let mut temperatures = zones.iter().filter_map(|zone| temperature(tree, zone));
    match temperatures.next() {
        Some(first) => emit(first),
        None => emit(Line::ok(
            "temperatures",
            "this machine reports none (virtual machines do not)",
        )),
    }
    temperatures.for_each(&mut *emit);
    throttling(tree).into_iter().for_each(&mut *emit);
    power::check(tree, emit);
    cpu_clock(tree).into_iter().for_each(emit);
}

/// A zone and its trip points. Zones of parts that are switched off (Orin's `cv0`) can't be read and are left out.
fn temperature(tree: &FileTree, zone: &str) -> Option<Line> {
    let at = |name: &str| format!("/sys/class/thermal/{zone}/{name}");
    let celsius = |name: &str| Some(tree.number(&at(name))? as f64 / 1000.0);
    let now = celsius("temp")?;
    let name = tree.read(&at("type")).unwrap_or_else(|| zone.to_owned());
    let lowest_trip = |kinds: &[&str]| {
        let types = tree.names(&at(""), "trip_point_").into_iter();
        let limits = types.filter_map(|file| {
            let trip = file.strip_suffix("_type")?;
            let kind = tree.read(&at(&file))?;
            let limit = celsius(&format!("{trip}_temp"))?;
            // Drivers set zero, or far below it, for a trip point that is not in use.
            (kinds.contains(&kind.as_str()) && limit > 0.0).then_some(limit)
        });
        limits.min_by(f64::total_cmp)
    };
    let (throttles, shuts_down) = (lowest_trip(&["passive", "hot"]), lowest_trip(&["critical"]));
    let what = format!("temperature {name}");
    let reaches = |limit: Option<f64>| limit.is_some_and(|limit| now >= limit);
    let is_critical = reaches(shuts_down);
    let limit = match (throttles, shuts_down) {
        (_, Some(limit)) if is_critical => {
            format!("; at {limit:.0} °C the machine switches itself off")
        }
        (Some(limit), _) => format!(", throttled above {limit:.0} °C"),
        (None, Some(limit)) => format!(", switched off at {limit:.0} °C"),
        (None, None) => String::new(),
    };
    let is_hot = reaches(throttles.or(shuts_down).or(Some(HOT_C)));
    let found = format!("{now:.0} °C{limit}");
    let line = Line::new(State::of(is_critical, is_hot), what, found, COOL);
    Some(line.with_figure("celsius", now))
}

/// Active cooling devices except fans, which do not reduce speed, and the throttle counter of the CPU.
fn throttling(tree: &FileTree) -> Vec<Line> {
    let devices = tree.names("/sys/class/thermal", "cooling_device");
    let mut lines: Vec<Line> = devices
        .into_iter()
        .filter_map(|device| {
            let at = |name: &str| format!("/sys/class/thermal/{device}/{name}");
            let (now, most) = (
                tree.number(&at("cur_state"))?,
                tree.number(&at("max_state"))?,
            );
            let name = tree.read(&at("type")).unwrap_or_else(|| device.clone());
            let what = format!("throttling {name}");
            let is_active = now > 0 && !name.to_lowercase().contains("fan");
            is_active.then(|| Line::warning(what, format!("at step {now} of {most}"), THROTTLED))
        })
        .collect();
    let count = tree.number(&format!("{CPU}/thermal_throttle/package_throttle_count"));
    if let Some(count) = count.filter(|count| *count > 0) {
        let found = format!("{count} times since the start");
        let line = Line::warning("throttling CPU", found, THROTTLED);
        lines.push(line.with_figure("count", count as f64));
    }
    if lines.is_empty() {
        lines.push(Line::ok("throttling", "no part is throttled by heat now"));
    }
    lines
}

fn cpu_clock(tree: &FileTree) -> Option<Line> {
    let ghz = |name: &str| Some(tree.number(&format!("{CPU}/cpufreq/{name}"))? as f64 / 1e6);
    let (limit, most) = (ghz("scaling_max_freq")?, ghz("cpuinfo_max_freq")?);
    let is_jetson = Kind::of(tree) == Kind::Jetson;
    let of_most = match (limit < most, is_jetson) {
        (false, _) => String::new(),
        (true, true) => format!(" of {most:.2} GHz, by the power mode"),
        (true, false) => format!(" of {most:.2} GHz"),
    };
    Some(Line::new(
        State::of(false, limit < most && !is_jetson),
        "CPU clock",
        format!("up to {limit:.2} GHz{of_most}"),
        "the clock is limited: check the power profile (`powerprofilesctl`, `cpupower frequency-info`)",
    ))
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{assert_has, cases, short_with};
    use super::*;

    #[test]
    fn a_temperature_is_compared_with_the_trip_points_of_its_zone() {
        let table = "
51250 → Ok | temperature tj-thermal | 51 °C, throttled above 99 °C
99000 → Warning | temperature tj-thermal | 99 °C, throttled above 99 °C
105000 → Fault | temperature tj-thermal | 105 °C; at 104 °C the machine switches itself off";
        for (temp, expected) in cases(table) {
            let files = format!(
                r"
zone/temp {temp}\n
zone/type tj-thermal\n
zone/trip_point_0_type critical\n
zone/trip_point_0_temp 104500\n
zone/trip_point_1_type passive\n
zone/trip_point_1_temp 99000\n
zone/trip_point_2_type active\n
zone/trip_point_2_temp 50000\n"
            );
            let files = files.replace("zone/", "/sys/class/thermal/thermal_zone0/");
            assert_has(&short_with(check, &files), expected);
        }
    }

    #[test]
    fn fans_do_not_throttle_and_other_cooling_devices_do() {
        let table = "
pwm-fan → Ok | throttling | no part is throttled by heat now
cpufreq-cpu0 → Warning | throttling cpufreq-cpu0 | at step 2 of 4";
        for (name, expected) in cases(table) {
            let files = format!(
                "
/sys/class/thermal/cooling_device0/type {name}
/sys/class/thermal/cooling_device0/cur_state 2
/sys/class/thermal/cooling_device0/max_state 4"
            );
            assert_has(&short_with(check, &files), expected);
        }
    }

    #[test]
    fn a_machine_without_sensors_has_no_fault() {
        let lines = short_with(check, "");
        assert!(lines.iter().all(|line| line.starts_with("Ok")), "{lines:?}");
        assert!(lines[0].starts_with("Ok | temperatures |"), "{lines:?}");
    }
}

//! Temperatures, and throttling by heat. `power` adds throttling by a weak power supply or a power mode.
//!
//! Zones, trip points and cooling devices are those of the kernel's `Documentation/driver-api/thermal/sysfs-api.rst`.

use super::{Emit, FileTree, Kind, Line, Machine, State, power};

/// The limit of a zone without trip points, in °C.
const HOT_C: f64 = 95.0;

const THROTTLE_COUNT: &str = "/sys/devices/system/cpu/cpu0/thermal_throttle/package_throttle_count";

const COOL: &str =
    "clean the fan and vents, improve the air flow, and keep the machine out of the sun";
const THROTTLED: &str = "cool the machine; see the temperatures above";

pub(super) fn check(machine: &Machine, emit: Emit<'_>) {
    let tree = &machine.tree;
    let zones = tree.folders("/sys/class/thermal", "thermal_zone");
    let temperatures = zones.into_iter().filter_map(temperature);
    let mut temperatures = temperatures.peekable();
    if temperatures.peek().is_none() {
        let found = "this machine reports none (virtual machines do not)";
        emit(Line::ok("temperatures", found));
    }
    temperatures.for_each(&mut *emit);
    throttling(tree).into_iter().for_each(&mut *emit);
    power::check(tree, emit);
    cpu_clock(tree).into_iter().for_each(emit);
}

/// A zone and its trip points. Zones of parts that are switched off (Orin's `cv0`) can't be read and are left out.
fn temperature((name, zone): (String, FileTree)) -> Option<Line> {
    let celsius = |file: &str| Some(zone.number(file)? as f64 / 1000.0);
    let now = celsius("temp")?;
    let name = zone.read("type").unwrap_or(name);
    let lowest_trip = |kinds: &[&str]| {
        let types = zone.names("", "trip_point_").into_iter();
        let limits = types.filter_map(|file| {
            let trip = file.strip_suffix("_type")?;
            let kind = zone.read(&file)?;
            let limit = celsius(&format!("{trip}_temp"))?;
            // Drivers set zero, or far below it, for a trip point that is not in use.
            (kinds.contains(&&*kind) && limit > 0.0).then_some(limit)
        });
        limits.min_by(f64::total_cmp)
    };
    let (throttles, shuts_down) = (lowest_trip(&["passive", "hot"]), lowest_trip(&["critical"]));
    let is_critical = shuts_down.is_some_and(|limit| now >= limit);
    let is_hot = now >= throttles.or(shuts_down).unwrap_or(HOT_C);
    let limit = match (throttles, shuts_down) {
        (_, Some(limit)) if is_critical => {
            format!("; at {limit:.0} °C the machine switches itself off")
        }
        (Some(limit), _) => format!(", throttled above {limit:.0} °C"),
        (None, Some(limit)) => format!(", switched off at {limit:.0} °C"),
        (None, None) => String::new(),
    };
    let (what, found) = (format!("temperature {name}"), format!("{now:.0} °C{limit}"));
    let line = Line::new(State::of(is_critical, is_hot), what, found, COOL);
    Some(line.with_figure("celsius", now))
}

/// Active cooling devices except fans, which do not reduce speed, and the throttle counter of the CPU.
fn throttling(tree: &FileTree) -> Vec<Line> {
    let active = |(name, device): (String, FileTree)| {
        let (now, most) = (device.number("cur_state")?, device.number("max_state")?);
        let name = device.read("type").unwrap_or(name);
        let (what, found) = (
            format!("throttling {name}"),
            format!("at step {now} of {most}"),
        );
        let is_slowed = now > 0 && !name.to_lowercase().contains("fan");
        is_slowed.then(|| Line::warning(what, found, THROTTLED))
    };
    let devices = tree.folders("/sys/class/thermal", "cooling_device");
    let mut lines: Vec<Line> = devices.into_iter().filter_map(active).collect();
    if let Some(count @ 1..) = tree.number(THROTTLE_COUNT) {
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
    let cpu = tree.folder("/sys/devices/system/cpu/cpu0/cpufreq");
    let ghz = |name: &str| Some(cpu.number(name)? as f64 / 1e6);
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

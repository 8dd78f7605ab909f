//! systemd: whether the units of the roles are enabled, running and watched, and whether a hardware watchdog watches systemd.

use super::{Emit, FileTree, Line, Machine, State, command};

use std::collections::BTreeMap;
use std::time::Duration;

/// Arguments of `systemctl`: the properties of the units of the package.
const SHOW: [&str; 4] = [
    "show",
    "--property=Id,LoadState,ActiveState,SubState,UnitFileState,WatchdogUSec,NRestarts,Result",
    "nvr-processor.service",
    "nvr-wall.service",
];

/// systemd answers at once, or its bus is broken.
const ASK_LIMIT: Duration = Duration::from_secs(5);

pub(super) fn check(machine: &Machine, emit: Emit<'_>) {
    let tree = &machine.tree;
    // `nvr doctor` itself may run as a unit.
    if let Some(limit) = machine.environment.get("WATCHDOG_USEC") {
        let found = format!("is watched by systemd, {limit} µs");
        emit(Line::ok("this process", found));
    }
    if !tree.has("/run/systemd/system") {
        let found = "does not run here (a container, or another init): the program that starts nvr must also restart it";
        emit(Line::ok("systemd", found));
    } else if tree.is_machine() {
        units().into_iter().for_each(&mut *emit);
    }
    emit(hardware_watchdog(tree));
}

fn units() -> Vec<Line> {
    let problem = match command::run("systemctl", &SHOW, ASK_LIMIT) {
        Ok(output) if output.status.success() => {
            let units = output.out.split("\n\n");
            let units = units.filter(|text| !text.trim().is_empty());
            return units.map(unit_line).collect();
        }
        Ok(output) => format!("systemctl says: {}", output.err.trim()),
        Err(error) => error.to_string(),
    };
    let remedy = "run `systemctl status`: systemd's bus does not answer";
    vec![Line::warning("units", problem, remedy)]
}

/// The line of one unit from its properties, one per line: `Id=nvr-wall.service`.
fn unit_line(properties: &str) -> Line {
    let pairs = properties.lines().filter_map(|line| line.split_once('='));
    let properties: BTreeMap<&str, &str> = pairs.collect();
    let of = |key: &str| properties.get(key).copied().unwrap_or_default();
    let what = of("Id").trim_end_matches(".service").to_owned();
    if of("LoadState") != "loaded" {
        return Line::ok(what, "not installed; board/common/systemd has this unit");
    }
    let (active, sub, file) = (of("ActiveState"), of("SubState"), of("UnitFileState"));
    let (is_watched, watched) = match of("WatchdogUSec") {
        "" | "0" | "infinity" => (false, "not watched".to_owned()),
        limit => (true, format!("watched, {limit}")),
    };
    let restarts = of("NRestarts");
    let mut found = format!("{active} ({sub}), {file}, restarts {restarts}, {watched}");
    if active == "failed" {
        found += &format!("; result: {}", of("Result"));
    }
    let log = format!("`journalctl -u {what} -n 50` shows the reason");
    let is_fault = active == "failed" || (active, sub) == ("activating", "auto-restart");
    let remedy = match (active, file) {
        ("active", "disabled") => {
            format!("it will not start with the machine: `systemctl enable {what}`")
        }
        ("active", _) if !is_watched => format!(
            "add WatchdogSec=60 (`systemctl edit {what}`): otherwise a process that hangs is never restarted"
        ),
        ("inactive", "enabled") => {
            format!("it is enabled but does not run: `systemctl start {what}`, {log}")
        }
        _ if is_fault => log,
        _ => String::new(),
    };
    Line::new(State::of(is_fault, !remedy.is_empty()), what, found, remedy)
        .with_figure("restarts", restarts.parse().unwrap_or(0.0))
}

/// The watchdog that restarts the board when systemd itself hangs; `RuntimeWatchdogSec=` of `systemd-system.conf(5)` feeds it.
fn hardware_watchdog(tree: &FileTree) -> Line {
    let what = "hardware watchdog";
    let mut devices = tree.folders("/sys/class/watchdog", "watchdog").into_iter();
    let Some((name, device)) = devices.next() else {
        let found = match tree.has("/dev/watchdog") {
            true => "/dev/watchdog exists; the kernel reports nothing about it",
            false => "none here",
        };
        return Line::ok(what, found);
    };
    let identity = device.read("identity").unwrap_or(name);
    let seconds = device.read("timeout");
    let timeout = seconds.map_or(String::new(), |seconds| format!(", {seconds} s"));
    match device.read("state").as_deref() {
        Some("active") => Line::ok(what, format!("{identity} is fed{timeout}")),
        Some(_) => Line::warning(
            what,
            format!("{identity} exists but is not used"),
            "set RuntimeWatchdogSec=30 in /etc/systemd/system.conf.d/watchdog.conf: otherwise a kernel or an init that hangs is never restarted",
        ),
        None => {
            let unknown = "the kernel does not report whether it is used";
            Line::ok(what, format!("{identity}{timeout}; {unknown}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{cases, full};
    use super::*;

    #[test]
    fn a_unit_has_no_fault_if_it_runs_is_enabled_and_watched() {
        let unit = |properties: &str| {
            let words: Vec<&str> = properties.split(' ').collect();
            let keys = ["ActiveState", "SubState", "UnitFileState", "WatchdogUSec"].iter();
            let pairs = keys.zip(words).map(|(key, word)| format!("{key}={word}\n"));
            let common =
                "Id=nvr-processor.service\nLoadState=loaded\nNRestarts=3\nResult=exit-code\n";
            unit_line(&(common.to_owned() + &pairs.collect::<String>()))
        };
        assert_eq!(
            full(&unit("active running enabled 1min")),
            r#"Ok | nvr-processor | active (running), enabled, restarts 3, watched, 1min {"restarts": 3.0}"#
        );
        let table = "
active running enabled 0 → Warning
active running enabled infinity → Warning
active running disabled 1min → Warning
inactive dead enabled 1min → Warning
inactive dead disabled 1min → Ok
failed failed enabled 1min → Fault
activating auto-restart enabled 1min → Fault
activating start enabled 1min → Ok";
        for (properties, state) in cases(table) {
            let line = unit(properties);
            assert_eq!(format!("{:?}", line.state), state, "{properties}");
        }
        let failed = unit("failed failed enabled 1min");
        assert!(failed.found.ends_with("; result: exit-code"), "{failed:?}");
        assert_eq!(
            full(&unit_line("Id=nvr-wall.service\nLoadState=not-found\n")),
            "Ok | nvr-wall | not installed; board/common/systemd has this unit"
        );
    }
}

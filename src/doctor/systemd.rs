//! systemd: whether the units of the roles are enabled, running and watched, and whether a hardware watchdog watches systemd.

use std::collections::BTreeMap;
use std::time::Duration;

use super::check::Emit;
use super::command;
use super::file_tree::FileTree;
use super::machine::Machine;
use super::report::{Line, State};

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
        emit(Line::ok(
            "this process",
            format!("is watched by systemd, {limit} µs"),
        ));
    }
    if !tree.has("/run/systemd/system") {
        emit(Line::ok(
            "systemd",
            "does not run here (a container, or another init): the program that starts nvr must also restart it",
        ));
    } else if tree.is_machine() {
        units(emit);
    }
    emit(hardware_watchdog(tree));
}

fn units(emit: Emit<'_>) {
    let problem = match command::run("systemctl", &SHOW, ASK_LIMIT) {
        Ok(output) if output.status.success() => {
            let units = output.out.split("\n\n");
            let units = units.filter(|text| !text.trim().is_empty());
            units.map(unit_line).for_each(emit);
            return;
        }
        Ok(output) => format!("systemctl says: {}", output.err.trim()),
        Err(error) => error.to_string(),
    };
    emit(Line::warning(
        "units",
        problem,
        "run `systemctl status`: systemd's bus does not answer",
    ));
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
    let log = format!("`journalctl -u {what} -n 50` shows the reason");
    let (state, remedy) = match (active, file) {
        ("failed", _) => {
            found += &format!("; result: {}", of("Result"));
            (State::Fault, log)
        }
        ("active", "disabled") => (
            State::Warning,
            format!("it will not start with the machine: `systemctl enable {what}`"),
        ),
        ("active", _) if !is_watched => (
            State::Warning,
            format!(
                "add WatchdogSec=60 (`systemctl edit {what}`): otherwise a process that hangs is never restarted"
            ),
        ),
        ("activating", _) if sub == "auto-restart" => (State::Fault, log),
        ("inactive", "enabled") => (
            State::Warning,
            format!("it is enabled but does not run: `systemctl start {what}`, {log}"),
        ),
        _ => (State::Ok, String::new()),
    };
    Line::new(state, what, found, remedy).with_figure("restarts", restarts.parse().unwrap_or(0.0))
}

/// The watchdog that restarts the board when systemd itself hangs; `RuntimeWatchdogSec=` of `systemd-system.conf(5)` feeds it.
fn hardware_watchdog(tree: &FileTree) -> Line {
    let what = "hardware watchdog";
    let names = tree.names("/sys/class/watchdog", "watchdog");
    let Some(name) = names.first() else {
        return if tree.has("/dev/watchdog") {
            Line::ok(
                what,
                "/dev/watchdog exists; the kernel reports nothing about it",
            )
        } else {
            Line::ok(what, "none here")
        };
    };
    let at = |file: &str| tree.read(&format!("/sys/class/watchdog/{name}/{file}"));
    let identity = at("identity").unwrap_or_else(|| name.clone());
    let timeout = at("timeout").map_or_else(String::new, |seconds| format!(", {seconds} s"));
    match at("state").as_deref() {
        Some("active") => Line::ok(what, format!("{identity} is fed{timeout}")),
        Some(_) => Line::warning(
            what,
            format!("{identity} exists but is not used"),
            "set RuntimeWatchdogSec=30 in /etc/systemd/system.conf.d/watchdog.conf: otherwise a kernel or an init that hangs is never restarted",
        ),
        None => Line::ok(
            what,
            format!("{identity}{timeout}; the kernel does not report whether it is used"),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{cases, lines_with};
    use super::*;

    fn unit(active: &str, sub: &str, file: &str, watchdog: &str) -> Line {
        unit_line(&format!(
            "Id=nvr-processor.service\nLoadState=loaded\nActiveState={active}\nSubState={sub}\nUnitFileState={file}\nWatchdogUSec={watchdog}\nNRestarts=3\nResult=exit-code\n"
        ))
    }

    #[test]
    fn a_unit_has_no_fault_if_it_runs_is_enabled_and_watched() {
        let found = "active (running), enabled, restarts 3, watched, 1min";
        assert_eq!(
            unit("active", "running", "enabled", "1min"),
            Line::ok("nvr-processor", found).with_figure("restarts", 3.0)
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
            let words: Vec<&str> = properties.split(' ').collect();
            let line = unit(words[0], words[1], words[2], words[3]);
            assert_eq!(format!("{:?}", line.state), state, "{properties}");
        }
        let failed = unit("failed", "failed", "enabled", "1min");
        assert!(failed.found.ends_with("; result: exit-code"), "{failed:?}");
        assert_eq!(
            unit_line("Id=nvr-wall.service\nLoadState=not-found\n"),
            Line::ok(
                "nvr-wall",
                "not installed; board/common/systemd has this unit"
            )
        );
    }

    #[test]
    fn a_hardware_watchdog_that_is_not_fed_is_a_warning() {
        let watchdog = |state: &str| {
            let files = format!(
                r"
/sys/class/watchdog/watchdog0/identity Tegra WDT\n
/sys/class/watchdog/watchdog0/timeout 30\n
/sys/class/watchdog/watchdog0/state {state}\n"
            );
            lines_with(check, &files).pop().expect("a line")
        };
        let fed = Line::ok("hardware watchdog", "Tegra WDT is fed, 30 s");
        assert_eq!(watchdog("active"), fed);
        assert_eq!(watchdog("inactive").state, State::Warning);
        let lines = lines_with(check, "");
        let is_ok = |line: &Line| line.state == State::Ok;
        assert!(lines.iter().all(is_ok), "{lines:?}");
    }
}

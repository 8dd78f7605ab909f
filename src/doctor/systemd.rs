//! systemd: whether the roles' units are enabled, run and are watched, and whether the hardware watches systemd itself.

use std::collections::BTreeMap;
use std::time::Duration;

use super::check::Emit;
use super::command;
use super::file_tree::FileTree;
use super::machine::Machine;
use super::report::Line;

/// The units of the package.
const UNITS: [&str; 2] = ["nvr-processor.service", "nvr-wall.service"];

/// systemd answers at once, or its bus is broken.
const ASK_LIMIT: Duration = Duration::from_secs(5);

pub(super) fn check(machine: &Machine, emit: Emit<'_>) {
    let tree = &machine.tree;
    own(machine, emit);
    if !tree.has("/run/systemd/system") {
        emit(Line::ok(
            "systemd",
            "does not run this machine (a container, or another init): whoever starts nvr has to start it again when it ends",
        ));
    } else if tree.is_machine() {
        units(emit);
    }
    emit(hardware(tree));
}

/// Whether this very process is a service: somebody may have put `nvr doctor` into a unit.
fn own(machine: &Machine, emit: Emit<'_>) {
    let environment = &machine.environment;
    if let Some(limit) = environment.get("WATCHDOG_USEC") {
        emit(Line::ok(
            "this process",
            format!("is watched by systemd, {limit} µs"),
        ));
    }
}

fn units(emit: Emit<'_>) {
    let properties =
        "--property=Id,LoadState,ActiveState,SubState,UnitFileState,WatchdogUSec,NRestarts,Result";
    let mut arguments = vec!["show", properties];
    arguments.extend(UNITS);
    match command::run("systemctl", &arguments, ASK_LIMIT) {
        Ok(output) if output.status.success() => {
            for unit in output
                .out
                .split("\n\n")
                .filter(|text| !text.trim().is_empty())
            {
                emit(unit_line(&properties_of(unit)));
            }
        }
        Ok(output) => emit(Line::warning(
            "units",
            format!("systemctl says: {}", output.err.trim()),
            "run `systemctl status`: systemd's bus does not answer",
        )),
        Err(error) => emit(Line::warning(
            "units",
            error.to_string(),
            "run `systemctl status`: systemd's bus does not answer",
        )),
    }
}

fn properties_of(text: &str) -> BTreeMap<&str, &str> {
    text.lines()
        .filter_map(|line| line.split_once('='))
        .collect()
}

fn unit_line(unit: &BTreeMap<&str, &str>) -> Line {
    let of = |key: &str| unit.get(key).copied().unwrap_or_default();
    let what = of("Id").trim_end_matches(".service").to_owned();
    if of("LoadState") != "loaded" {
        return Line::ok(what, "no such unit here; board/common/systemd has one");
    }
    let watched = match of("WatchdogUSec") {
        "" | "0" | "infinity" => None,
        limit => Some(limit),
    };
    let found = format!(
        "{} ({}), {}, restarts {}, {}",
        of("ActiveState"),
        of("SubState"),
        of("UnitFileState"),
        of("NRestarts"),
        watched.map_or("not watched".to_owned(), |limit| format!(
            "watched, {limit}"
        ))
    );
    let log = format!("`journalctl -u {what} -n 50` tells why");
    let restarts: f64 = of("NRestarts").parse().unwrap_or(0.0);
    let line = match (of("ActiveState"), of("UnitFileState")) {
        ("failed", _) => Line::fault(what, format!("{found}; it ended by {}", of("Result")), log),
        ("active", "disabled") => Line::warning(
            what.clone(),
            found,
            format!("it will not start with the machine: `systemctl enable {what}`"),
        ),
        ("active", _) if watched.is_none() => Line::warning(
            what.clone(),
            found,
            format!(
                "add WatchdogSec=60 (`systemctl edit {what}`): a process that hangs is else never started again"
            ),
        ),
        ("activating", _) if of("SubState") == "auto-restart" => Line::fault(what, found, log),
        ("inactive", "enabled") => Line::warning(
            what.clone(),
            found,
            format!("it is enabled and does not run: `systemctl start {what}`, {log}"),
        ),
        _ => Line::ok(what, found),
    };
    line.with_figure("restarts", restarts)
}

/// The watchdog that restarts the board when systemd itself hangs; `RuntimeWatchdogSec=` of `systemd-system.conf(5)` feeds it.
fn hardware(tree: &FileTree) -> Line {
    let what = "hardware watchdog";
    let names = tree.names("/sys/class/watchdog", "watchdog");
    let Some(name) = names.first() else {
        return if tree.has("/dev/watchdog") {
            Line::ok(
                what,
                "/dev/watchdog is there; the kernel tells no more of it",
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
            format!("{identity} is there and not used"),
            "set RuntimeWatchdogSec=30 in /etc/systemd/system.conf.d/watchdog.conf: a kernel or an init that hangs else stays so until somebody comes",
        ),
        None => Line::ok(
            what,
            format!("{identity}{timeout}; the kernel does not tell whether it is used"),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::super::check::lines_of;
    use super::super::machine::tests::fixture;
    use super::super::report::State;
    use super::*;

    fn unit(active: &str, sub: &str, file: &str, watchdog: &str) -> Line {
        let text = format!(
            "Id=nvr-processor.service\nLoadState=loaded\nActiveState={active}\nSubState={sub}\nUnitFileState={file}\nWatchdogUSec={watchdog}\nNRestarts=3\nResult=exit-code\n"
        );
        unit_line(&properties_of(&text))
    }

    #[test]
    fn a_unit_is_well_where_it_runs_is_enabled_and_watched() {
        let line = unit("active", "running", "enabled", "1min");
        assert_eq!(
            line,
            Line::ok(
                "nvr-processor",
                "active (running), enabled, restarts 3, watched, 1min"
            )
            .with_figure("restarts", 3.0)
        );
        for (active, sub, file, watchdog, state) in [
            ("active", "running", "enabled", "0", State::Warning),
            ("active", "running", "enabled", "infinity", State::Warning),
            ("active", "running", "disabled", "1min", State::Warning),
            ("inactive", "dead", "enabled", "1min", State::Warning),
            ("inactive", "dead", "disabled", "1min", State::Ok),
            ("failed", "failed", "enabled", "1min", State::Fault),
            (
                "activating",
                "auto-restart",
                "enabled",
                "1min",
                State::Fault,
            ),
            ("activating", "start", "enabled", "1min", State::Ok),
        ] {
            assert_eq!(
                unit(active, sub, file, watchdog).state,
                state,
                "{active} {file} {watchdog}"
            );
        }
        let absent = unit_line(&properties_of("Id=nvr-wall.service\nLoadState=not-found\n"));
        assert_eq!(
            absent,
            Line::ok(
                "nvr-wall",
                "no such unit here; board/common/systemd has one"
            )
        );
    }

    #[test]
    fn a_hardware_watchdog_that_nobody_feeds_is_a_warning() {
        let watchdog = |state: &str| {
            let (_dir, machine) = fixture(&[
                ("/sys/class/watchdog/watchdog0/identity", "Tegra WDT\n"),
                ("/sys/class/watchdog/watchdog0/timeout", "30\n"),
                ("/sys/class/watchdog/watchdog0/state", state),
            ]);
            lines_of(check, &machine).pop().expect("a line")
        };
        assert_eq!(
            watchdog("active\n"),
            Line::ok("hardware watchdog", "Tegra WDT is fed, 30 s")
        );
        assert_eq!(watchdog("inactive\n").state, State::Warning);
        let (_dir, machine) = fixture(&[]);
        let lines = lines_of(check, &machine);
        assert!(
            lines.iter().all(|line| line.state == State::Ok),
            "{lines:?}"
        );
    }
}

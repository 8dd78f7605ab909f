//! Wear of flash memory, if the medium reports it.
//!
//! eMMC: the kernel's `Documentation/driver-api/mmc/mmc-dev-attrs.rst`. The values are those of JEDEC's JESD84-B50 (EXT_CSD 267–269):
//! used tenths of the life time, and the state of the spare blocks. SD cards report nothing. NVMe drives report it by a command
//! for which the kernel has no file. `nvme` or `smartctl` can send it, if one is installed and the user is root.

use std::time::Duration;

use serde_json::Value;

use super::command::{self, CommandError};
use super::{Emit, FileTree, Line, State};

/// A medium should be replaced above this share of its life time.
const WORN_PERCENT: u64 = 80;

const REPLACE: &str = "save its data and plan its replacement; it lasts longer with fewer writes (logs in memory: Storage=volatile in journald.conf)";

/// Time limit for the report of a drive.
const ASK_LIMIT: Duration = Duration::from_secs(5);

pub(super) fn check(tree: &FileTree, emit: Emit<'_>) {
    for (name, medium) in tree.folders("/sys/block", "mmcblk") {
        // `mmcblk0boot0` and `mmcblk0rpmb` are parts of the same medium.
        if name["mmcblk".len()..].chars().all(|c| c.is_ascii_digit()) {
            emit(emmc(&name, &medium.folder("device")));
        }
    }
    for (name, drive) in tree.folders("/sys/class/nvme", "nvme") {
        let log = if tree.is_machine() {
            log_of(&format!("/dev/{name}"))
        } else {
            Err("the drive is not in this machine".to_owned())
        };
        emit(nvme(&name, &drive.text("model"), log));
    }
}

fn emmc(name: &str, device: &FileTree) -> Line {
    let what = format!("wear of {name}");
    let card = device.read("name").map(|card| format!(" {card}"));
    let card = card.unwrap_or_default();
    if device.text("type") == "SD" {
        let found =
            format!("not reported by SD cards{card}; they wear out sooner than eMMC or NVMe");
        return Line::ok(what, found);
    }
    let tenths = device.hex("life_time").into_iter().max().unwrap_or(0);
    let used = match tenths {
        0 => {
            let found = format!("not reported by this eMMC{card} (older than version 5.0)");
            return Line::ok(what, found);
        }
        11.. => "all of its life time".to_owned(),
        _ => format!("{}–{} % of its life time", (tenths - 1) * 10, tenths * 10),
    };
    let (spare, by_spare) = match device.hex("pre_eol_info")[..] {
        [2, ..] => (", and 80 % of its spare blocks", State::Warning),
        [3, ..] => (", and nearly all of its spare blocks", State::Fault),
        _ => ("", State::Ok),
    };
    let by_life = State::of(tenths > 10, tenths * 10 > WORN_PERCENT);
    let found = format!("{used} used{spare}");
    Line::new(by_life.max(by_spare), what, found, REPLACE)
        .with_figure("used_percent", tenths.min(10) as f64 * 10.0)
}

/// The log of an NVMe drive.
fn log_of(device: &str) -> Result<Value, String> {
    for (program, arguments) in [
        ("nvme", &["smart-log", "-o", "json", device][..]),
        ("smartctl", &["-j", "-a", device]),
    ] {
        match command::run(program, arguments, ASK_LIMIT) {
            Ok(output) => return Ok(serde_json::from_str(&output.out).unwrap_or_default()),
            Err(CommandError::NotInstalled(_)) => {}
            Err(other) => return Err(other.to_string()),
        }
    }
    Err("neither nvme nor smartctl is installed (`apt install nvme-cli`)".to_owned())
}

/// The used percent of the life time of an NVMe drive, by the name of its disk, such as `nvme0n1`. `None` if no program can tell it.
pub(super) fn used_percent(disk: &str) -> Option<u64> {
    let (drive, _) = disk.strip_prefix("nvme")?.split_once('n')?;
    let log = log_of(&format!("/dev/nvme{drive}")).ok()?;
    health(&log).map(|(used, _, _)| used)
}

fn nvme(name: &str, model: &str, log: Result<Value, String>) -> Line {
    let what = format!("wear of {name}");
    let health = log.and_then(|log| {
        let health = health(&log);
        health.ok_or_else(|| "only root can read it: run `sudo nvr doctor`".to_owned())
    });
    let (used, critical, errors) = match health {
        Ok(health) => health,
        Err(reason) => return Line::ok(what, format!("{model}: not known, {reason}")),
    };
    let mut found = format!("{model}: {used} % of its life time used, {errors} media errors");
    if critical != 0 {
        found += &format!("; the drive reports a critical warning ({critical:#x})");
    }
    let state = State::of(critical != 0, used > WORN_PERCENT || errors > 0);
    Line::new(state, what, found, REPLACE).with_figure("used_percent", used as f64)
}

/// The used percent of the life time, the critical warnings and the media errors, from the log of `nvme smart-log` (flat; some
/// versions say `percent_used`) or of `smartctl` (nested).
fn health(log: &Value) -> Option<(u64, u64, u64)> {
    let log = log.get("nvme_smart_health_information_log").unwrap_or(log);
    let used = log.get("percentage_used").or(log.get("percent_used"))?;
    let (critical, errors) = (&log["critical_warning"], &log["media_errors"]);
    // Newer versions of nvme-cli split it into bits.
    let critical = critical.as_u64().or(critical["value"].as_u64());
    let (critical, errors) = (critical.unwrap_or(0), errors.as_u64().unwrap_or(0));
    Some((used.as_u64()?, critical, errors))
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{cases, short};
    use super::*;

    #[test]
    fn the_logs_of_both_programs_are_read_and_judged() {
        let table = r#"
{"critical_warning":0,"percent_used":83,"media_errors":2} → Warning | wear of nvme0 | X: 83 % of its life time used, 2 media errors
{"nvme_smart_health_information_log":{"critical_warning":0,"percentage_used":83,"media_errors":2}} → Warning | wear of nvme0 | X: 83 % of its life time used, 2 media errors
{"percentage_used":1,"critical_warning":{"value":4}} → Fault | wear of nvme0 | X: 1 % of its life time used, 0 media errors; the drive reports a critical warning (0x4)
{"percentage_used":1,"critical_warning":1} → Fault | wear of nvme0 | X: 1 % of its life time used, 0 media errors; the drive reports a critical warning (0x1)
{"percentage_used":1} → Ok | wear of nvme0 | X: 1 % of its life time used, 0 media errors
{} → Ok | wear of nvme0 | X: not known, only root can read it: run `sudo nvr doctor`"#;
        for (log, expected) in cases(table) {
            let log = serde_json::from_str(log).expect("JSON");
            assert_eq!(short(&nvme("nvme0", "X", Ok(log))), expected);
        }
    }
}

//! Wear of flash memory, and drives that expect to fail, if the medium reports it.
//!
//! eMMC: the kernel's `Documentation/driver-api/mmc/mmc-dev-attrs.rst`. The values are those of JEDEC's JESD84-B50 (EXT_CSD 267–269):
//! used tenths of the life time, and the state of the spare blocks. SD cards report nothing. NVMe drives report it by a command
//! for which the kernel has no file. `nvme` or `smartctl` can send it, if one is installed and the user is root.
//!
//! SATA drives are asked by `smartctl`. From version 7.5 it gives one share for all of them; before, there is a statistic of the
//! standard (ACS-4, page 7), and else an attribute of the maker, whose normalised value falls from 100.

use std::time::Duration;

use serde_json::Value;

use super::command::{self, CommandError};
use super::{Emit, FileTree, Line, State};
use crate::record::MediumKind;

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
        let log = log_of(tree, || nvme_log(&format!("/dev/{name}")));
        emit(nvme(&name, &drive.text("model"), log));
    }
    for (name, drive) in tree.folders("/sys/block", "sd") {
        let kind = MediumKind::of(drive.root());
        if matches!(kind, MediumKind::Ssd | MediumKind::HardDisk) {
            let log = log_of(tree, || sata_log(&name));
            emit(sata(&name, kind, &drive.text("device/model"), log));
        }
    }
}

/// The log of a drive, if the tree is that of this machine.
fn log_of(tree: &FileTree, ask: impl FnOnce() -> Result<Value, String>) -> Result<Value, String> {
    match tree.is_machine() {
        true => ask(),
        false => Err("the drive is not in this machine".to_owned()),
    }
}

/// The attributes of makers whose normalised value is the share of the life time that is left, by smartctl's names for them.
const LIFE_LEFT: [&str; 5] = [
    "SSD_Life_Left",
    "Percent_Lifetime_Remain",
    "Remaining_Lifetime_Perc",
    "Media_Wearout_Indicator",
    "Wear_Leveling_Count",
];

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

/// What the first of these programs that is installed tells of a drive. Its exit status is not looked at: that of `smartctl` has a
/// bit for each sign of a failure.
fn ask(programs: &[(&str, &[&str])], missing: &str) -> Result<Value, String> {
    for (program, arguments) in programs {
        match command::run(program, arguments, ASK_LIMIT) {
            Ok(output) => return Ok(serde_json::from_str(&output.out).unwrap_or_default()),
            Err(CommandError::NotInstalled(_)) => {}
            Err(other) => return Err(other.to_string()),
        }
    }
    Err(missing.to_owned())
}

/// The log of an NVMe drive.
fn nvme_log(device: &str) -> Result<Value, String> {
    let programs: [(&str, &[&str]); 2] = [
        ("nvme", &["smart-log", "-o", "json", device]),
        ("smartctl", &["-j", "-a", device]),
    ];
    ask(
        &programs,
        "neither nvme nor smartctl is installed (`apt install nvme-cli`)",
    )
}

/// The log of a SATA drive, by the name of its disk.
fn sata_log(disk: &str) -> Result<Value, String> {
    let device = format!("/dev/{disk}");
    ask(
        &[("smartctl", &["-j", "-x", &device])],
        "smartctl is not installed (`apt install smartmontools`)",
    )
}

/// The used percent of the life time of an NVMe drive or an SSD, by the name of its disk, such as `nvme0n1`. `None` if no program
/// can tell it.
pub(super) fn used_percent(disk: &str) -> Option<u64> {
    if disk.starts_with("sd") {
        return used_by_smart(&sata_log(disk).ok()?);
    }
    let (drive, _) = disk.strip_prefix("nvme")?.split_once('n')?;
    let log = nvme_log(&format!("/dev/nvme{drive}")).ok()?;
    health(&log).map(|(used, _, _)| used)
}

fn sata(name: &str, kind: MediumKind, model: &str, log: Result<Value, String>) -> Line {
    let what = match kind {
        MediumKind::HardDisk => format!("health of {name}"),
        _ => format!("wear of {name}"),
    };
    let log = match log {
        Ok(log) => log,
        Err(reason) => return Line::ok(what, format!("{model}: not known, {reason}")),
    };
    let used = used_by_smart(&log);
    let passed = log.pointer("/smart_status/passed").and_then(Value::as_bool);
    if used.is_none() && passed.is_none() {
        let said = log.pointer("/smartctl/messages/0/string");
        let reason = match said.and_then(Value::as_str) {
            Some(said) => format!("{said}; `sudo nvr doctor` may read it"),
            None => "the drive does not report it".to_owned(),
        };
        return Line::ok(what, format!("{model}: not known, {reason}"));
    }
    let life = match (used, kind) {
        (Some(used), _) => Some(format!("{used} % of its life time used")),
        (None, MediumKind::HardDisk) => None,
        (None, _) => Some("it does not report its wear".to_owned()),
    };
    let outlook = match passed {
        Some(false) => Some("it expects to fail soon"),
        Some(true) if life.is_none() => Some("it expects no failure"),
        _ => None,
    };
    let found: Vec<&str> = life.as_deref().into_iter().chain(outlook).collect();
    let found = format!("{model}: {}", found.join("; "));
    let is_worn = used.is_some_and(|used| used > WORN_PERCENT);
    let state = State::of(passed == Some(false), is_worn);
    let line = Line::new(state, what, found, REPLACE);
    match used {
        Some(used) => line.with_figure("used_percent", used as f64),
        None => line,
    }
}

/// The used percent of the life time of a SATA drive, from the log of `smartctl`.
fn used_by_smart(log: &Value) -> Option<u64> {
    let named = |list: Option<&Value>, names: &[&str]| {
        let list = list?.as_array()?.iter();
        let mut found = list.filter(|one| names.contains(&one["name"].as_str().unwrap_or("")));
        found.find_map(|one| one["value"].as_u64())
    };
    let pages = log.pointer("/ata_device_statistics/pages");
    let mut pages = pages.and_then(Value::as_array).into_iter().flatten();
    let by_standard = || {
        pages.find_map(|page| named(page.get("table"), &["Percentage Used Endurance Indicator"]))
    };
    let by_maker = || {
        let left = named(log.pointer("/ata_smart_attributes/table"), &LIFE_LEFT)?;
        100_u64.checked_sub(left)
    };
    let by_program = log.pointer("/endurance_used/current_percent");
    let by_program = by_program.and_then(Value::as_u64);
    by_program.or_else(by_standard).or_else(by_maker)
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
    fn the_log_of_a_sata_drive_is_read_and_judged() {
        let table = r#"
{"endurance_used":{"current_percent":7},"smart_status":{"passed":true}} → Ok | wear of sda | X: 7 % of its life time used
{"ata_device_statistics":{"pages":[{"number":1,"table":[{"name":"Lifetime Power-On Resets","value":50}]},{"number":7,"table":[{"name":"Percentage Used Endurance Indicator","value":83}]}]},"ata_smart_attributes":{"table":[{"id":177,"name":"Wear_Leveling_Count","value":99}]}} → Warning | wear of sda | X: 83 % of its life time used
{"ata_smart_attributes":{"table":[{"id":9,"name":"Power_On_Hours","value":97,"raw":{"value":35825}},{"id":177,"name":"Wear_Leveling_Count","value":95,"raw":{"value":95}}]}} → Ok | wear of sda | X: 5 % of its life time used
{"ata_smart_attributes":{"table":[{"id":202,"name":"Percent_Lifetime_Remain","value":1,"raw":{"value":99}}]},"smart_status":{"passed":false}} → Fault | wear of sda | X: 99 % of its life time used; it expects to fail soon
{"ata_smart_attributes":{"table":[{"id":177,"name":"Wear_Leveling_Count","value":200}]},"smart_status":{"passed":true}} → Ok | wear of sda | X: it does not report its wear
{"smartctl":{"messages":[{"string":"Smartctl open device: /dev/sda failed: Permission denied"}],"exit_status":2}} → Ok | wear of sda | X: not known, Smartctl open device: /dev/sda failed: Permission denied; `sudo nvr doctor` may read it
{} → Ok | wear of sda | X: not known, the drive does not report it"#;
        for (log, expected) in cases(table) {
            let log = serde_json::from_str(log).expect("JSON");
            let line = sata("sda", MediumKind::Ssd, "X", Ok(log));
            assert_eq!(short(&line), expected);
        }
        for (passed, expected) in [
            (true, "Ok | health of sda | X: it expects no failure"),
            (false, "Fault | health of sda | X: it expects to fail soon"),
        ] {
            let log = serde_json::json!({"smart_status": {"passed": passed}});
            let line = sata("sda", MediumKind::HardDisk, "X", Ok(log));
            assert_eq!(short(&line), expected);
        }
    }

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

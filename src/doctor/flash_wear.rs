//! Wear of flash memory, if the medium reports it.
//!
//! eMMC: the kernel's `Documentation/driver-api/mmc/mmc-dev-attrs.rst`. The values are those of JEDEC's JESD84-B50 (EXT_CSD 267–269):
//! used tenths of the life time, and the state of the spare blocks. SD cards report nothing. NVMe drives report it by a command
//! for which the kernel has no file. `nvme` or `smartctl` can send it, if one is installed and the user is root.

use std::time::Duration;

use serde_json::Value;

use super::check::Emit;
use super::command::{self, CommandError};
use super::file_tree::FileTree;
use super::report::{Line, State};

/// A medium should be replaced above this share of its life time.
const WORN_PERCENT: u64 = 80;

const REPLACE: &str = "save its data and plan its replacement; it lasts longer with fewer writes (logs in memory: Storage=volatile in journald.conf)";

/// Time limit for the report of a drive.
const ASK_LIMIT: Duration = Duration::from_secs(5);

pub(super) fn check(tree: &FileTree, emit: Emit<'_>) {
    for name in tree.names("/sys/block", "mmcblk") {
        // `mmcblk0boot0` and `mmcblk0rpmb` are parts of the same medium.
        if name["mmcblk".len()..].chars().all(|c| c.is_ascii_digit()) {
            emit(emmc(tree, &name));
        }
    }
    for name in tree.names("/sys/class/nvme", "nvme") {
        emit(nvme(tree, &name));
    }
}

fn emmc(tree: &FileTree, name: &str) -> Line {
    let at = |file: &str| format!("/sys/block/{name}/device/{file}");
    let read = |file: &str| tree.read(&at(file));
    let what = format!("wear of {name}");
    let card = read("name").map_or_else(String::new, |card| format!(" {card}"));
    if read("type").as_deref() == Some("SD") {
        let found =
            format!("not reported by SD cards{card}; they wear out sooner than eMMC or NVMe");
        return Line::ok(what, found);
    }
    let number = |text: &str| u64::from_str_radix(text.trim_start_matches("0x"), 16).ok();
    let tenths =
        read("life_time").and_then(|text| text.split_whitespace().filter_map(number).max());
    let used = match tenths {
        None | Some(0) => {
            let found = format!("not reported by this eMMC{card} (older than version 5.0)");
            return Line::ok(what, found);
        }
        Some(11..) => "all of its life time".to_owned(),
        Some(tenths) => format!("{}–{} % of its life time", (tenths - 1) * 10, tenths * 10),
    };
    let percent = tenths.unwrap_or_default().min(11) * 10;
    let (spare, spare_is_low, spare_is_gone) = match tree.hex(&at("pre_eol_info")) {
        Some(2) => (", and 80 % of its spare blocks", true, false),
        Some(3) => (", and nearly all of its spare blocks", true, true),
        _ => ("", false, false),
    };
    let state = State::of(
        percent > 100 || spare_is_gone,
        percent > WORN_PERCENT || spare_is_low,
    );
    Line::new(state, what, format!("{used} used{spare}"), REPLACE)
        .with_figure("used_percent", percent.min(100) as f64)
}

fn nvme(tree: &FileTree, name: &str) -> Line {
    let what = format!("wear of {name}");
    let model = tree.read(&format!("/sys/class/nvme/{name}/model"));
    let model = model.unwrap_or_default();
    let health = if tree.is_machine() {
        ask(&format!("/dev/{name}"))
    } else {
        Err("the drive is not in this machine".to_owned())
    };
    match health {
        Ok(health) => health_line(what, &model, health),
        Err(reason) => Line::ok(what, format!("{model}: not known, {reason}")),
    }
}

fn ask(device: &str) -> Result<Health, String> {
    let output = match command::run("nvme", &["smart-log", "-o", "json", device], ASK_LIMIT) {
        Err(CommandError::NotInstalled(_)) => {
            command::run("smartctl", &["-j", "-a", device], ASK_LIMIT)
        }
        other => other,
    };
    let output = output.map_err(|error| match error {
        CommandError::NotInstalled(_) => {
            "neither nvme nor smartctl is installed (`apt install nvme-cli`)".to_owned()
        }
        other => other.to_string(),
    })?;
    let log = serde_json::from_str(&output.out).unwrap_or_default();
    Health::of(&log).ok_or_else(|| "only root can read it: run `sudo nvr doctor`".to_owned())
}

/// The health of an NVMe drive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Health {
    used_percent: u64,
    critical: u64,
    media_errors: u64,
}

impl Health {
    /// Of `nvme smart-log` (flat; some versions say `percent_used`) or of `smartctl` (nested).
    fn of(log: &Value) -> Option<Self> {
        let log = log.get("nvme_smart_health_information_log").unwrap_or(log);
        let used = log.get("percentage_used").or(log.get("percent_used"));
        let critical = &log["critical_warning"];
        Some(Self {
            used_percent: used?.as_u64()?,
            // Newer versions of nvme-cli split it into bits.
            critical: critical
                .as_u64()
                .or(critical["value"].as_u64())
                .unwrap_or(0),
            media_errors: log["media_errors"].as_u64().unwrap_or(0),
        })
    }
}

fn health_line(what: String, model: &str, health: Health) -> Line {
    let Health {
        used_percent,
        critical,
        media_errors,
    } = health;
    let mut found =
        format!("{model}: {used_percent} % of its life time used, {media_errors} media errors");
    if critical != 0 {
        found += &format!("; the drive reports a critical warning ({critical:#x})");
    }
    let state = State::of(
        critical != 0,
        used_percent > WORN_PERCENT || media_errors > 0,
    );
    Line::new(state, what, found, REPLACE).with_figure("used_percent", used_percent as f64)
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{cases, machine_with, short};
    use super::*;

    #[test]
    fn an_emmc_reports_the_worse_of_its_two_kinds_of_cells() {
        let table = "
0x01 0x02 + 0x01 → Ok | wear of mmcblk0 | 10–20 % of its life time used
0x08 0x01 + 0x01 → Ok | wear of mmcblk0 | 70–80 % of its life time used
0x09 0x01 + 0x01 → Warning | wear of mmcblk0 | 80–90 % of its life time used
0x0b 0x01 + 0x01 → Fault | wear of mmcblk0 | all of its life time used
0x01 0x01 + 0x02 → Warning | wear of mmcblk0 | 0–10 % of its life time used, and 80 % of its spare blocks
0x01 0x01 + 0x03 → Fault | wear of mmcblk0 | 0–10 % of its life time used, and nearly all of its spare blocks
0x00 0x00 + 0x00 → Ok | wear of mmcblk0 | not reported by this eMMC (older than version 5.0)";
        for (registers, expected) in cases(table) {
            let (life, spare) = registers.split_once(" + ").expect("two registers");
            let (_dir, machine) = machine_with(&format!(
                r"
/sys/block/mmcblk0/device/type MMC\n
/sys/block/mmcblk0/device/life_time {life}\n
/sys/block/mmcblk0/device/pre_eol_info {spare}\n
/sys/block/mmcblk0boot0/device/type MMC\n
/sys/block/mmcblk1/device/type SD\n"
            ));
            let mut lines = Vec::new();
            check(&machine.tree, &mut |line| lines.push(short(&line)));
            assert_eq!(lines[0], expected, "{registers}");
            assert_eq!(lines.len(), 2, "boot parts are not separate media");
            assert!(lines[1].contains("| not reported by SD cards"), "{lines:?}");
        }
    }

    #[test]
    fn the_logs_of_both_programs_are_read() {
        let of = |text: &str| Health::of(&serde_json::from_str(text).expect("JSON"));
        let worn = Health {
            used_percent: 83,
            critical: 0,
            media_errors: 2,
        };
        let flat = r#"{"critical_warning":0,"percent_used":83,"media_errors":2}"#;
        assert_eq!(of(flat), Some(worn));
        let nested = flat.replace("percent_used", "percentage_used");
        let nested = format!(r#"{{"nvme_smart_health_information_log":{nested}}}"#);
        assert_eq!(of(&nested), Some(worn));
        let bits = of(r#"{"critical_warning":{"value":4},"percentage_used":1}"#);
        assert_eq!(bits.map(|health| health.critical), Some(4));
        assert_eq!(of("{}"), None);
    }

    #[test]
    fn a_drive_is_judged_by_its_warnings_errors_and_life_time() {
        for (used_percent, critical, media_errors, state) in [
            (83, 0, 2, State::Warning),
            (1, 0, 0, State::Ok),
            (1, 1, 0, State::Fault),
        ] {
            let health = Health {
                used_percent,
                critical,
                media_errors,
            };
            assert_eq!(health_line("wear".to_owned(), "X", health).state, state);
        }
    }
}

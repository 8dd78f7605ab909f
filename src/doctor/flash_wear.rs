//! How worn flash memory is, where it tells.
//!
//! eMMC: the kernel's `Documentation/driver-api/mmc/mmc-dev-attrs.rst`; the values are those of JEDEC's JESD84-B50 (EXT_CSD 267–269):
//! tenths of the life that is used, and the state of the reserve. SD cards tell nothing. NVMe drives tell by a command
//! that the kernel has no file for: `nvme` or `smartctl` asks them, where one is installed and this is the superuser.

use std::time::Duration;

use serde_json::Value;

use super::check::Emit;
use super::command::{self, CommandError};
use super::file_tree::FileTree;
use super::report::Line;

/// From this share of its life on, a medium should be replaced when it suits.
const WORN_PERCENT: u64 = 80;

const REPLACE: &str = "save what is on it and plan its replacement; fewer writes (logs to memory: Storage=volatile in journald.conf) make it last longer";

/// Longest that a drive may take to tell.
const ASK_LIMIT: Duration = Duration::from_secs(5);

pub(super) fn check(tree: &FileTree, emit: Emit<'_>) {
    for name in tree.names("/sys/block", "mmcblk") {
        // `mmcblk0boot0` and `mmcblk0rpmb` are parts of the same.
        if name["mmcblk".len()..].chars().all(|c| c.is_ascii_digit()) {
            emit(emmc(tree, &name));
        }
    }
    for name in tree.names("/sys/class/nvme", "nvme") {
        emit(nvme(tree, &name));
    }
}

fn emmc(tree: &FileTree, name: &str) -> Line {
    let at = |file: &str| tree.read(&format!("/sys/block/{name}/device/{file}"));
    let what = format!("wear of {name}");
    let card = at("name").map_or_else(String::new, |card| format!(" {card}"));
    if at("type").as_deref() == Some("SD") {
        return Line::ok(
            what,
            format!("SD cards do not tell it{card}; they wear out sooner than eMMC or NVMe"),
        );
    }
    let number = |text: &str| u64::from_str_radix(text.trim_start_matches("0x"), 16).ok();
    let life = at("life_time").and_then(|text| text.split_whitespace().filter_map(number).max());
    let reserve = tree.hex(&format!("/sys/block/{name}/device/pre_eol_info"));
    let used = match life {
        None | Some(0) => {
            return Line::ok(
                what,
                format!("not told by this eMMC{card} (older than version 5.0)"),
            );
        }
        Some(11..) => "all of its life".to_owned(),
        Some(tenths) => format!("{}–{} % of its life", (tenths - 1) * 10, tenths * 10),
    };
    let percent = life.unwrap_or_default().min(11) * 10;
    let found = match reserve {
        Some(2) => format!("{used} used, 80 % of its spare blocks too"),
        Some(3) => format!("{used} used, its spare blocks are nearly gone"),
        _ => format!("{used} used"),
    };
    let line = if percent > 100 || reserve == Some(3) {
        Line::fault(what, found, REPLACE)
    } else if percent > WORN_PERCENT || reserve == Some(2) {
        Line::warning(what, found, REPLACE)
    } else {
        Line::ok(what, found)
    };
    line.with_figure("used_percent", percent.min(100) as f64)
}

fn nvme(tree: &FileTree, name: &str) -> Line {
    let what = format!("wear of {name}");
    let model = tree
        .read(&format!("/sys/class/nvme/{name}/model"))
        .unwrap_or_default();
    let not_told = |why: String| Line::ok(what.clone(), format!("{model}: not told, {why}"));
    if !tree.is_machine() {
        return not_told("its drive can't be asked from here".to_owned());
    }
    let device = format!("/dev/{name}");
    let asked = command::run("nvme", &["smart-log", "-o", "json", &device], ASK_LIMIT);
    let asked = match asked {
        Err(CommandError::Absent(_)) => command::run("smartctl", &["-j", "-a", &device], ASK_LIMIT),
        other => other,
    };
    match asked {
        Ok(output) => match serde_json::from_str(&output.out)
            .ok()
            .and_then(|log| health(&log))
        {
            Some(health) => judge(what, &model, &health),
            None => not_told("that is for the superuser alone: run `sudo nvr doctor`".to_owned()),
        },
        Err(CommandError::Absent(_)) => {
            not_told("neither nvme nor smartctl is installed (`apt install nvme-cli`)".to_owned())
        }
        Err(other) => not_told(other.to_string()),
    }
}

/// What a drive's log says of its health.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Health {
    used_percent: u64,
    critical: u64,
    media_errors: u64,
}

/// Of `nvme smart-log` (flat, `percent_used` in some versions) or of `smartctl`, which nests it.
fn health(log: &Value) -> Option<Health> {
    let log = log.get("nvme_smart_health_information_log").unwrap_or(log);
    let number = |names: &[&str]| names.iter().find_map(|name| log.get(name)?.as_u64());
    Some(Health {
        used_percent: number(&["percentage_used", "percent_used"])?,
        // Newer versions of nvme-cli take its bits apart.
        critical: number(&["critical_warning"])
            .or_else(|| log.get("critical_warning")?.get("value")?.as_u64())
            .unwrap_or(0),
        media_errors: number(&["media_errors"]).unwrap_or(0),
    })
}

fn judge(what: String, model: &str, health: &Health) -> Line {
    let found = format!(
        "{model}: {} % of its life used, {} errors of its medium",
        health.used_percent, health.media_errors
    );
    let line = if health.critical != 0 {
        let found = format!("{found}; it warns of itself ({:#x})", health.critical);
        Line::fault(what, found, REPLACE)
    } else if health.used_percent > WORN_PERCENT || health.media_errors > 0 {
        Line::warning(what, found, REPLACE)
    } else {
        Line::ok(what, found)
    };
    line.with_figure("used_percent", health.used_percent as f64)
}

#[cfg(test)]
mod tests {
    use super::super::machine::tests::fixture;
    use super::super::report::State;
    use super::*;

    fn lines(life: &str, reserve: &str) -> Vec<(State, String)> {
        let (_dir, machine) = fixture(&[
            ("/sys/block/mmcblk0/device/type", "MMC\n"),
            ("/sys/block/mmcblk0/device/life_time", life),
            ("/sys/block/mmcblk0/device/pre_eol_info", reserve),
            ("/sys/block/mmcblk0boot0/device/type", "MMC\n"),
            ("/sys/block/mmcblk1/device/type", "SD\n"),
        ]);
        let mut lines = Vec::new();
        check(&machine.tree, &mut |line: Line| {
            lines.push((line.state, line.found))
        });
        lines
    }

    #[test]
    fn an_emmc_tells_the_worse_of_its_two_kinds_of_cells() {
        for (life, reserve, state, found) in [
            (
                "0x01 0x02\n",
                "0x01\n",
                State::Ok,
                "10–20 % of its life used",
            ),
            (
                "0x08 0x01\n",
                "0x01\n",
                State::Ok,
                "70–80 % of its life used",
            ),
            (
                "0x09 0x01\n",
                "0x01\n",
                State::Warning,
                "80–90 % of its life used",
            ),
            (
                "0x0b 0x01\n",
                "0x01\n",
                State::Fault,
                "all of its life used",
            ),
            (
                "0x01 0x01\n",
                "0x02\n",
                State::Warning,
                "0–10 % of its life used, 80 % of its spare blocks too",
            ),
            (
                "0x01 0x01\n",
                "0x03\n",
                State::Fault,
                "0–10 % of its life used, its spare blocks are nearly gone",
            ),
            (
                "0x00 0x00\n",
                "0x00\n",
                State::Ok,
                "not told by this eMMC (older than version 5.0)",
            ),
        ] {
            let lines = lines(life, reserve);
            assert_eq!(lines[0], (state, found.to_owned()), "{life}{reserve}");
            assert_eq!(lines.len(), 2, "its boot parts are no media of their own");
            assert!(lines[1].1.starts_with("SD cards do not tell it"));
        }
    }

    #[test]
    fn both_programs_logs_are_read() {
        let of = |text: &str| health(&serde_json::from_str(text).expect("JSON"));
        let worn = Health {
            used_percent: 83,
            critical: 0,
            media_errors: 2,
        };
        assert_eq!(
            of(r#"{"critical_warning":0,"percent_used":83,"media_errors":2}"#),
            Some(worn)
        );
        assert_eq!(
            of(
                r#"{"nvme_smart_health_information_log":{"critical_warning":0,"percentage_used":83,"media_errors":2}}"#
            ),
            Some(worn)
        );
        assert_eq!(
            of(r#"{"critical_warning":{"value":4},"percentage_used":1}"#)
                .map(|health| health.critical),
            Some(4)
        );
        assert_eq!(of("{}"), None);
        assert_eq!(judge("wear".to_owned(), "X", &worn).state, State::Warning);
        let fresh = Health {
            used_percent: 1,
            critical: 0,
            media_errors: 0,
        };
        assert_eq!(judge("wear".to_owned(), "X", &fresh).state, State::Ok);
        let failing = Health {
            critical: 1,
            ..fresh
        };
        assert_eq!(judge("wear".to_owned(), "X", &failing).state, State::Fault);
    }
}

//! Reads a card's monitors from sysfs, without opening its device.
//!
//! The first program that opens a card is its master, and NVIDIA's driver switches all outputs off when a master goes
//! (`nv_drm_master_drop` in NVIDIA's open-gpu-kernel-modules): a picture without a master, such as a boot logo, would go dark by
//! being looked at.

use std::fs;
use std::path::Path;

use super::card::holders;
use super::connector::ConnectorStatus;
use super::edid::monitor_name;
use super::report::{CardReport, ConnectorReport};

/// Where the kernel describes cards and connectors.
const CARDS: &str = "/sys/class/drm";
/// The names under which NVIDIA's driver binds devices: a card in a PC, and the display of a Jetson.
const NVIDIA_DRIVERS: &[&str] = &["nvidia", "nv_platform"];

/// The report of the card with this device node, if its driver is NVIDIA's; of any other driver none.
pub(super) fn report_of_nvidia(node: &Path) -> Option<CardReport> {
    let mut report = read(Path::new(CARDS), node)?;
    let others = holders(node);
    let mut others = others.iter().filter(|name| !name.starts_with("nvr "));
    if let Some(other) = others.next() {
        report.problem = Some(format!(
            "{other} has it open; stop it before a wall is to use it (a desktop: systemctl isolate multi-user.target)"
        ));
    }
    Some(report)
}

/// Whether the driver of the card with this device node is NVIDIA's.
pub(super) fn is_nvidia(node: &Path) -> bool {
    nvidia_card(Path::new(CARDS), node).is_some()
}

/// The name of the card, if its driver is NVIDIA's.
fn nvidia_card<'a>(cards: &Path, node: &'a Path) -> Option<&'a str> {
    let card = node.file_name()?.to_str()?;
    let driver = fs::read_link(cards.join(card).join("device/driver")).ok()?;
    let driver = driver.file_name()?.to_str()?;
    NVIDIA_DRIVERS.contains(&driver).then_some(card)
}

fn read(cards: &Path, node: &Path) -> Option<CardReport> {
    let card = nvidia_card(cards, node)?;
    let prefix = format!("{card}-");
    let entries = fs::read_dir(cards).into_iter().flatten().flatten();
    let connector = |entry: fs::DirEntry| {
        let name = entry
            .file_name()
            .to_str()?
            .strip_prefix(&prefix)?
            .to_owned();
        (!name.starts_with("Writeback")).then(|| connector(name, &entry.path()))
    };
    let mut connectors: Vec<ConnectorReport> = entries.filter_map(connector).collect();
    connectors.sort_unstable_by(|one, other| one.name.cmp(&other.name));
    let problem = connectors.is_empty().then(|| {
        "its driver nvidia-drm has no connectors; load it with the option modeset=1".to_owned()
    });
    Some(CardReport {
        path: node.to_owned(),
        driver: "nvidia-drm".to_owned(),
        problem,
        connectors,
        planes: None,
    })
}

fn connector(name: String, directory: &Path) -> ConnectorReport {
    let text = |file: &str| fs::read_to_string(directory.join(file)).unwrap_or_default();
    let edid = fs::read(directory.join("edid")).unwrap_or_default();
    let modes: Vec<String> = text("modes").lines().map(str::to_owned).collect();
    ConnectorReport {
        name,
        state: match text("status").trim() {
            "connected" => ConnectorStatus::Connected,
            "disconnected" => ConnectorStatus::Disconnected,
            _ => ConnectorStatus::Unknown,
        }
        .name()
        .to_owned(),
        monitor: monitor_name(&edid),
        // Sorted by the kernel: the monitor's own first.
        chosen_mode: modes.first().cloned(),
        modes,
        plans: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn monitors_of_nvidia_s_driver_are_read_without_its_device() {
        let root = tempfile::tempdir().expect("a folder");
        let (cards, drivers) = (root.path().join("drm"), root.path().join("drivers"));
        let node = Path::new("/dev/dri/card1");
        let bind = |driver: &str| {
            let device = cards.join("card1/device");
            fs::create_dir_all(&device).expect("a folder");
            let _ = fs::remove_file(device.join("driver"));
            symlink(drivers.join(driver), device.join("driver")).expect("a link");
        };
        bind("nv_platform");
        let none = read(&cards, node).expect("a report");
        assert!(
            none.problem
                .is_some_and(|problem| problem.contains("modeset=1"))
        );
        for (name, status, modes) in [
            ("card1-HDMI-A-1", "connected\n", "1920x1080\n1280x720\n"),
            ("card1-DP-1", "disconnected\n", ""),
            ("card1-Writeback-1", "unknown\n", ""),
            ("card10-DP-1", "connected\n", "640x480\n"),
        ] {
            let connector = cards.join(name);
            fs::create_dir_all(&connector).expect("a folder");
            fs::write(connector.join("status"), status).expect("written");
            fs::write(connector.join("modes"), modes).expect("written");
        }
        let report = read(&cards, node).expect("a report");
        assert_eq!(report.problem, None);
        let found: Vec<_> = report
            .connectors
            .iter()
            .map(|connector| {
                (
                    &*connector.name,
                    &*connector.state,
                    connector.chosen_mode.as_deref(),
                )
            })
            .collect();
        let expected = [
            ("DP-1", "no monitor", None),
            ("HDMI-A-1", "connected", Some("1920x1080")),
        ];
        assert_eq!(found, expected);
        assert!(report.planes.is_none());
        bind("virtio_gpu");
        assert!(read(&cards, node).is_none(), "it may be opened");
    }
}

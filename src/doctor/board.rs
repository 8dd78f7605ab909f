//! The machine: model, system, processors. `l4t` adds the releases of a Jetson.

use super::check::Emit;
use super::file_tree::FileTree;
use super::l4t;
use super::machine::Machine;
use super::report::{Line, counted};

/// Kinds of machine that other sections judge differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// NVIDIA Jetson: it has hardware decoders, a GPU and TensorRT.
    Jetson,
    RaspberryPi,
    Other,
}

impl Kind {
    /// By the device tree, which containers can read too, or by NVIDIA's release file.
    pub(super) fn of(tree: &FileTree) -> Self {
        let read = |name: &str| tree.read(&format!("/proc/device-tree/{name}"));
        let compatible = read("compatible").unwrap_or_default();
        if tree.has("/etc/nv_tegra_release") || compatible.contains("nvidia,tegra") {
            Self::Jetson
        } else if read("model").is_some_and(|model| model.starts_with("Raspberry Pi")) {
            Self::RaspberryPi
        } else {
            Self::Other
        }
    }
}

pub(super) fn check(machine: &Machine, emit: Emit<'_>) {
    let tree = &machine.tree;
    emit(Line::ok("model", model(tree)));
    if Kind::of(tree) == Kind::Jetson {
        l4t::check(tree, emit);
    }
    let os = tree.value("/etc/os-release", "PRETTY_NAME=");
    let os = os
        .as_deref()
        .map_or("an unknown system", |name| name.trim_matches('"'));
    let kernel = tree.read("/proc/sys/kernel/osrelease");
    let kernel = kernel.as_deref().unwrap_or("unknown");
    emit(Line::ok("system", format!("{os}, Linux {kernel}")));
    emit(processors(tree));
    for (path, name) in [
        ("/.dockerenv", "Docker"),
        ("/run/.containerenv", "Podman"),
        ("/run/systemd/container", "according to systemd"),
    ] {
        if tree.has(path) {
            let found = format!(
                "this runs in a container ({name}) and sees only what the container is given"
            );
            emit(Line::ok("container", found));
            break;
        }
    }
    if let Some(uptime) = uptime(tree) {
        emit(Line::ok("up since", uptime));
    }
}

fn model(tree: &FileTree) -> String {
    if let Some(model) = tree.read("/proc/device-tree/model") {
        return model;
    }
    let dmi = ["sys_vendor", "product_name"];
    let names = dmi
        .iter()
        .filter_map(|name| tree.read(&format!("/sys/class/dmi/id/{name}")));
    let names: Vec<String> = names.collect();
    if names.is_empty() {
        return "not named by the device tree or the firmware".to_owned();
    }
    names.join(" ")
}

fn processors(tree: &FileTree) -> Line {
    let text = tree.read("/proc/cpuinfo").unwrap_or_default();
    let is_start = |line: &&str| line.starts_with("processor");
    let count = match text.lines().filter(is_start).count() {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        count => count,
    };
    // 64-bit ARM kernels give no model name.
    let mut names = text
        .lines()
        .filter_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let name = names
        .next()
        .map_or_else(String::new, |(_, name)| format!(", {name}"));
    let cores = counted(count, "core");
    let arch = std::env::consts::ARCH;
    Line::ok("processor", format!("{arch}, {cores}{name}")).with_figure("cores", count as f64)
}

fn uptime(tree: &FileTree) -> Option<String> {
    let text = tree.read("/proc/uptime")?;
    let seconds: f64 = text.split_whitespace().next()?.parse().ok()?;
    let minutes = (seconds / 60.0) as u64;
    Some(match (minutes / 1440, minutes / 60 % 24, minutes % 60) {
        (0, 0, minutes) => format!("{minutes} min"),
        (0, hours, minutes) => format!("{hours} h {minutes} min"),
        (days, hours, _) => format!("{days} d {hours} h"),
    })
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{machine_with, short_with};
    use super::*;

    #[test]
    fn kinds_of_machine_are_distinguished() {
        for (file, kind) in [
            (
                r"/proc/device-tree/compatible nvidia,p3768-0000+p3767-0005\0nvidia,tegra234\0",
                Kind::Jetson,
            ),
            (
                r"/proc/device-tree/model Raspberry Pi 4 Model B Rev 1.4\0",
                Kind::RaspberryPi,
            ),
            ("/sys/class/dmi/id/product_name NUC", Kind::Other),
        ] {
            assert_eq!(Kind::of(&machine_with(file).1.tree), kind);
        }
    }

    #[test]
    fn a_machine_without_files_has_no_fault() {
        let lines = short_with(check, "");
        assert!(lines.iter().all(|line| line.starts_with("Ok")), "{lines:?}");
        assert_eq!(
            lines[0],
            "Ok | model | not named by the device tree or the firmware"
        );
        assert!(lines[2].contains(std::env::consts::ARCH));
    }
}

//! The machine: model, system, processors. `l4t` adds the releases of a Jetson.

use super::{Emit, FileTree, Line, Machine, l4t};
use crate::base::counted;

/// Kinds of machine that other sections judge differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// NVIDIA Jetson: it has hardware decoders, a GPU and TensorRT.
    Jetson,
    RaspberryPi,
    Other,
}

/// Kinds of container, by the files that exist in them.
const CONTAINERS: [(&str, &str); 3] = [
    ("/.dockerenv", "Docker"),
    ("/run/.containerenv", "Podman"),
    ("/run/systemd/container", "according to systemd"),
];

impl Kind {
    /// By the device tree, which containers can read too, or by NVIDIA's release file.
    pub(super) fn of(tree: &FileTree) -> Self {
        let compatible = tree.text("/proc/device-tree/compatible");
        let model = tree.text("/proc/device-tree/model");
        if tree.has("/etc/nv_tegra_release") || compatible.contains("nvidia,tegra") {
            Self::Jetson
        } else if model.starts_with("Raspberry Pi") {
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
    let os = os.unwrap_or("an unknown system".into());
    let kernel = tree.read("/proc/sys/kernel/osrelease");
    let (os, kernel) = (os.trim_matches('"'), kernel.unwrap_or("unknown".into()));
    emit(Line::ok("system", format!("{os}, Linux {kernel}")));
    emit(processors(tree));
    if let Some(name) = tree.first(&CONTAINERS) {
        let found =
            format!("this runs in a container ({name}) and sees only what the container is given");
        emit(Line::ok("container", found));
    }
    if let Some(uptime) = uptime(tree) {
        emit(Line::ok("up since", uptime));
    }
}

fn model(tree: &FileTree) -> String {
    let dmi = tree.folder("/sys/class/dmi/id");
    let dmi = format!("{} {}", dmi.text("sys_vendor"), dmi.text("product_name"));
    match (tree.read("/proc/device-tree/model"), dmi.trim()) {
        (Some(model), _) => model,
        (None, "") => "not named by the device tree or the firmware".to_owned(),
        (None, dmi) => dmi.to_owned(),
    }
}

fn processors(tree: &FileTree) -> Line {
    let text = tree.text("/proc/cpuinfo");
    let of_each = text.lines().filter(|line| line.starts_with("processor"));
    let count = match of_each.count() {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        count => count,
    };
    // 64-bit ARM kernels give no model name.
    let name = tree.value("/proc/cpuinfo", "model name");
    let name = name.map_or(String::new(), |name| name.replacen(": ", ", ", 1));
    let (arch, cores) = (std::env::consts::ARCH, counted(count, "core"));
    let found = format!("{arch}, {cores}{name}");
    Line::ok("processor", found).with_figure("cores", count as f64)
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
    use super::super::fixture::{cases, lines_with, machine_with};
    use super::*;

    #[test]
    fn kinds_of_machine_are_distinguished() {
        let table = r"
/proc/device-tree/compatible nvidia,p3768-0000+p3767-0005\0nvidia,tegra234\0 → Jetson
/proc/device-tree/model Raspberry Pi 4 Model B Rev 1.4\0 → RaspberryPi
/sys/class/dmi/id/product_name NUC → Other";
        for (file, kind) in cases(table) {
            let found = Kind::of(&machine_with(file).1.tree);
            assert_eq!(format!("{found:?}"), kind);
        }
    }

    #[test]
    fn the_architecture_is_that_of_this_program() {
        assert!(
            lines_with(check, "")[2]
                .found
                .contains(std::env::consts::ARCH)
        );
    }
}

//! The machine: model, system, processors. `l4t` adds the releases of a Jetson.

use super::{Emit, FileTree, Line, Machine, counted, l4t};

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
        if tree.has("/etc/nv_tegra_release") || compatible.contains("nvidia,tegra") {
            Self::Jetson
        } else if tree
            .text("/proc/device-tree/model")
            .starts_with("Raspberry Pi")
        {
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
    let dmi = ["sys_vendor", "product_name"].into_iter();
    let dmi = dmi.filter_map(|name| tree.read(&format!("/sys/class/dmi/id/{name}")));
    let dmi = Vec::from_iter(dmi).join(" ");
    match tree.read("/proc/device-tree/model") {
        Some(model) => model,
        None if dmi.is_empty() => "not named by the device tree or the firmware".to_owned(),
        None => dmi,
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
    let mut names = text
        .lines()
        .filter_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let name = names.next().map(|(_, name)| format!(", {name}"));
    let (arch, cores) = (std::env::consts::ARCH, counted(count, "core"));
    let found = format!("{arch}, {cores}{}", name.unwrap_or_default());
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
    use super::super::fixture::{cases, machine_with, short_with};
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
        assert!(short_with(check, "")[2].contains(std::env::consts::ARCH));
    }
}

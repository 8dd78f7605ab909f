//! Which machine this is: board, system, processors; what is NVIDIA's of it is in `l4t`.

use super::check::Emit;
use super::file_tree::FileTree;
use super::l4t;
use super::machine::Machine;
use super::report::Line;

/// Kinds of machine that other sections judge differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// NVIDIA Jetson: hardware decoders, a GPU and TensorRT belong to it.
    Jetson,
    /// Raspberry Pi.
    RaspberryPi,
    /// Anything else.
    Other,
}

impl Kind {
    /// By the device tree, which containers see too, or NVIDIA's file.
    pub(super) fn of(tree: &FileTree) -> Self {
        let model = tree.read("/proc/device-tree/model").unwrap_or_default();
        let parts = tree
            .read("/proc/device-tree/compatible")
            .unwrap_or_default();
        if tree.has("/etc/nv_tegra_release") || parts.contains("nvidia,tegra") {
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
    let kind = Kind::of(tree);
    emit(Line::ok("model", model(tree)));
    if kind == Kind::Jetson {
        l4t::check(tree, emit);
    }
    let os = os_name(tree).unwrap_or_else(|| "an unknown system".to_owned());
    let kernel = tree
        .read("/proc/sys/kernel/osrelease")
        .unwrap_or_else(|| "unknown".to_owned());
    emit(Line::ok("system", format!("{os}, Linux {kernel}")));
    emit(processors(tree));
    if let Some(container) = container(tree) {
        emit(Line::ok(
            "container",
            format!(
                "this runs in a container ({container}): it sees what was passed into it, and no more"
            ),
        ));
    }
    if let Some(up) = uptime(tree) {
        emit(Line::ok("up since", up));
    }
}

fn model(tree: &FileTree) -> String {
    if let Some(model) = tree.read("/proc/device-tree/model") {
        return model;
    }
    let of_dmi = |name: &str| tree.read(&format!("/sys/class/dmi/id/{name}"));
    match (of_dmi("sys_vendor"), of_dmi("product_name")) {
        (None, None) => "not told by the device tree or the firmware".to_owned(),
        (vendor, product) => {
            let words: Vec<String> = vendor.into_iter().chain(product).collect();
            words.join(" ")
        }
    }
}

fn os_name(tree: &FileTree) -> Option<String> {
    let text = tree.read("/etc/os-release")?;
    let name = text
        .lines()
        .find_map(|line| line.strip_prefix("PRETTY_NAME="))?;
    Some(name.trim_matches('"').to_owned())
}

fn processors(tree: &FileTree) -> Line {
    let listed = tree.read("/proc/cpuinfo").unwrap_or_default();
    let count = listed
        .lines()
        .filter(|line| line.starts_with("processor"))
        .count();
    // 64-bit ARM kernels name none.
    let name = listed
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "))
        .map_or_else(String::new, |(_, name)| format!(", {name}"));
    let count = match count {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        count => count,
    };
    let s = if count == 1 { "" } else { "s" };
    Line::ok(
        "processor",
        format!("{}, {count} core{s}{name}", std::env::consts::ARCH),
    )
    .with_figure("cores", count as f64)
}

fn container(tree: &FileTree) -> Option<&'static str> {
    [
        ("/.dockerenv", "Docker"),
        ("/run/.containerenv", "Podman"),
        ("/run/systemd/container", "by systemd's word"),
    ]
    .into_iter()
    .find_map(|(path, name)| tree.has(path).then_some(name))
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
    use super::super::check::lines_of;
    use super::super::machine::tests::fixture;
    use super::super::report::State;
    use super::*;

    #[test]
    fn machines_are_told_apart() {
        let kind = |path: &str, content: &str| Kind::of(&fixture(&[(path, content)]).1.tree);
        assert_eq!(
            kind(
                "/proc/device-tree/compatible",
                "nvidia,p3768-0000+p3767-0005\0nvidia,tegra234\0"
            ),
            Kind::Jetson
        );
        assert_eq!(
            kind(
                "/proc/device-tree/model",
                "Raspberry Pi 4 Model B Rev 1.4\0"
            ),
            Kind::RaspberryPi
        );
        assert_eq!(kind("/sys/class/dmi/id/product_name", "NUC"), Kind::Other);
    }

    #[test]
    fn a_machine_that_tells_nothing_is_told_so() {
        let (_dir, machine) = fixture(&[]);
        let lines = lines_of(check, &machine);
        assert!(
            lines.iter().all(|line| line.state == State::Ok),
            "{lines:?}"
        );
        assert_eq!(
            lines[0].found,
            "not told by the device tree or the firmware"
        );
        assert!(lines[2].found.contains(std::env::consts::ARCH));
    }
}

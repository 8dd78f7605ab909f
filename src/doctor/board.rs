//! Which machine this is: board, system, processors; what is NVIDIA's of it is in `l4t`.

use super::check::Tell;
use super::l4t;
use super::patient::Patient;
use super::place::Place;
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
    pub(super) fn of(place: &Place) -> Self {
        let model = place.read("/proc/device-tree/model").unwrap_or_default();
        let parts = place
            .read("/proc/device-tree/compatible")
            .unwrap_or_default();
        if place.has("/etc/nv_tegra_release") || parts.contains("nvidia,tegra") {
            Self::Jetson
        } else if model.starts_with("Raspberry Pi") {
            Self::RaspberryPi
        } else {
            Self::Other
        }
    }
}

pub(super) fn look(patient: &Patient, tell: Tell<'_>) {
    let place = &patient.place;
    let kind = Kind::of(place);
    tell(Line::ok("model", model(place)));
    if kind == Kind::Jetson {
        l4t::look(place, tell);
    }
    let os = os_name(place).unwrap_or_else(|| "an unknown system".to_owned());
    let kernel = place
        .read("/proc/sys/kernel/osrelease")
        .unwrap_or_else(|| "unknown".to_owned());
    tell(Line::ok("system", format!("{os}, Linux {kernel}")));
    tell(processors(place));
    if let Some(container) = container(place) {
        tell(Line::ok(
            "container",
            format!(
                "this runs in a container ({container}): it sees what was passed into it, and no more"
            ),
        ));
    }
    if let Some(up) = uptime(place) {
        tell(Line::ok("up since", up));
    }
}

fn model(place: &Place) -> String {
    if let Some(model) = place.read("/proc/device-tree/model") {
        return model;
    }
    let of_dmi = |name: &str| place.read(&format!("/sys/class/dmi/id/{name}"));
    match (of_dmi("sys_vendor"), of_dmi("product_name")) {
        (None, None) => "not told by the device tree or the firmware".to_owned(),
        (vendor, product) => {
            let words: Vec<String> = vendor.into_iter().chain(product).collect();
            words.join(" ")
        }
    }
}

fn os_name(place: &Place) -> Option<String> {
    let text = place.read("/etc/os-release")?;
    let name = text
        .lines()
        .find_map(|line| line.strip_prefix("PRETTY_NAME="))?;
    Some(name.trim_matches('"').to_owned())
}

fn processors(place: &Place) -> Line {
    let listed = place.read("/proc/cpuinfo").unwrap_or_default();
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

fn container(place: &Place) -> Option<&'static str> {
    [
        ("/.dockerenv", "Docker"),
        ("/run/.containerenv", "Podman"),
        ("/run/systemd/container", "by systemd's word"),
    ]
    .into_iter()
    .find_map(|(path, name)| place.has(path).then_some(name))
}

fn uptime(place: &Place) -> Option<String> {
    let text = place.read("/proc/uptime")?;
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
    use super::super::check::told;
    use super::super::patient::tests::machine;
    use super::super::report::State;
    use super::*;

    #[test]
    fn machines_are_told_apart() {
        let kind = |path: &str, content: &str| Kind::of(&machine(&[(path, content)]).1.place);
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
        let (_dir, patient) = machine(&[]);
        let lines = told(look, &patient);
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

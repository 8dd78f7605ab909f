//! The libraries that GStreamer's plug-in for NVIDIA cards opens, and its elements that the registry's file hides. A Jetson has
//! another plug-in.
//!
//! The plug-in opens NVRTC, which compiles its scalers, by the name `libnvrtc.so` alone: every release from 1.18 to 1.26. Builds
//! that carry compiled scalers register them without NVRTC.

use std::path::{Path, PathBuf};

use super::{Emit, FileTree, Kind, Line, Machine};
use crate::base::open_library;
use crate::media::{has_element, load_nvcodec, registry_file};

const WHAT: &str = "NVIDIA's libraries";

const DRIVER: &str = "install NVIDIA's driver with its libraries for video (libcuda1, libnvcuvid1), or start the container with --gpus all and NVIDIA_DRIVER_CAPABILITIES=compute,utility,video";

/// One element that needs the driver alone, and one that needs NVRTC too.
const ELEMENTS: [&str; 2] = ["nvh264dec", "cudascale"];

/// Which of [`ELEMENTS`] are registered.
pub(super) type Registered = [bool; 2];

/// To be called before anything loads the plug-in: what the registry's file has.
pub(super) fn registered() -> Registered {
    ELEMENTS.map(has_element)
}

pub(super) fn check(machine: &Machine, cached: Registered, emit: Emit<'_>) {
    if Kind::of(&machine.tree) == Kind::Jetson {
        return;
    }
    let driver = open_library(c"libcuda.so.1");
    if driver.is_err() && !has_card(&machine.tree) {
        return;
    }
    load_nvcodec();
    let (now, file) = (registered(), registry_file());
    let file = file.display().to_string();
    let video = driver.and(open_library(c"libnvcuvid.so.1"));
    emit(match video {
        Err(reason) => {
            let found = format!("{reason}; NVIDIA's card does not decode");
            Line::warning(WHAT, found, DRIVER)
        }
        Ok(_) => with_driver(open_library(c"libnvrtc.so"), nvrtc_of_release(), now, &file),
    });
    let hidden = [0, 1].into_iter().filter(|at| now[*at] && !cached[*at]);
    let hidden: Vec<&str> = hidden.map(|at| ELEMENTS[at]).collect();
    if !hidden.is_empty() {
        let hidden = hidden.join(" and ");
        let found = format!("{file} hides {hidden}: it is older than NVIDIA's libraries");
        let remedy =
            format!("`rm {file}`, also that of the user of the roles, and start them again");
        emit(Line::warning("GStreamer's registry", found, remedy));
    }
}

/// Whether the PCI bus has a display or 3D controller of NVIDIA.
fn has_card(tree: &FileTree) -> bool {
    let mut devices = tree.folders("/sys/bus/pci/devices", "").into_iter();
    devices.any(|(_, pci)| pci.text("vendor") == "0x10de" && pci.text("class").starts_with("0x03"))
}

/// NVRTC under the names that CUDA's runtime packages give it; that of CUDA 13 last, which GStreamer 1.22 can't use.
fn nvrtc_of_release() -> Option<PathBuf> {
    let names = [c"libnvrtc.so.12", c"libnvrtc.so.11.2", c"libnvrtc.so.13"];
    names.iter().find_map(|name| open_library(name).ok())
}

/// The line of a machine on which the driver's libraries open.
fn with_driver(
    nvrtc: Result<PathBuf, String>,
    of_release: Option<PathBuf>,
    [decodes, scales]: Registered,
    registry: &str,
) -> Line {
    let opened = "libcuda.so.1 and libnvcuvid.so.1 open";
    let then = format!("; then `rm {registry}`");
    let (found, remedy) = match (nvrtc, of_release) {
        _ if !decodes => (
            format!("{opened}, but GStreamer has no nvh264dec"),
            "install gstreamer1.0-plugins-bad; if it is installed, `GST_DEBUG=2 gst-inspect-1.0 nvcodec` prints the reason".to_owned(),
        ),
        (Ok(_), _) if scales => return Line::ok(WHAT, format!("{opened}, libnvrtc.so too")),
        (Err(_), _) if scales => {
            return Line::ok(WHAT, format!("{opened}; this GStreamer needs no libnvrtc.so"));
        }
        (Ok(path), _) => (
            format!("{} opens, but GStreamer has no cudascale: the CPU scales", path.display()),
            "install NVRTC of CUDA 12 (GStreamer 1.22 compiles for an architecture that CUDA 13 dropped)".to_owned() + &then,
        ),
        (Err(_), Some(path)) => {
            let name = path.file_name().unwrap_or_default().display();
            let link = path.parent().unwrap_or(Path::new("/")).join("libnvrtc.so");
            let remedy = format!("`sudo ln -s {name} {}`, or install its -dev package{then}", link.display());
            let path = path.display();
            (format!("GStreamer opens libnvrtc.so, and only {path} is there: the CPU scales"), remedy)
        }
        (Err(reason), None) => (
            format!("{reason}; the CPU scales"),
            format!("install NVRTC of CUDA 12 and its -dev package, which has libnvrtc.so{then}"),
        ),
    };
    Line::warning(WHAT, found, remedy)
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{lines_with, machine_with, short};
    use super::*;

    // `doctor_nvcodec` of the suite has the other cases.
    #[test]
    fn a_driver_without_elements_is_named_with_what_is_missing() {
        let none = || Err("libnvrtc.so: No such file".to_owned());
        for (nvrtc, now, told) in [
            (
                none(),
                [false; 2],
                "libcuda.so.1 and libnvcuvid.so.1 open, but GStreamer has no nvh264dec",
            ),
            (
                none(),
                [true, false],
                "libnvrtc.so: No such file; the CPU scales",
            ),
            (
                Ok("/lib/libnvrtc.so".into()),
                [true, false],
                "/lib/libnvrtc.so opens, but GStreamer has no cudascale: the CPU scales",
            ),
        ] {
            let line = with_driver(nvrtc, None, now, "/r.bin");
            assert_eq!(short(&line), format!("Warning | {WHAT} | {told}"));
        }
        let compiled = with_driver(none(), None, [true; 2], "/r.bin");
        assert!(
            compiled.found.ends_with("needs no libnvrtc.so"),
            "{compiled:?}"
        );
    }

    #[test]
    fn only_cards_of_nvidia_are_examined_and_no_jetson() {
        let device = |vendor, class| {
            let folder = "/sys/bus/pci/devices/0000:01:00.0";
            format!("{folder}/vendor {vendor}\n{folder}/class {class}\n")
        };
        let has = |vendor, class| has_card(&machine_with(&device(vendor, class)).1.tree);
        assert!(has("0x10de", "0x030200"));
        assert!(!has("0x10de", "0x040300") && !has("0x8086", "0x030000"));
        let jetson = device("0x10de", "0x030000") + "/etc/nv_tegra_release # R36";
        assert!(lines_with(|machine, emit| check(machine, [false; 2], emit), &jetson).is_empty());
    }
}

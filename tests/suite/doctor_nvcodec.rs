//! `nvr doctor` on a machine with an NVIDIA card: libraries that are missing, and elements that GStreamer's registry hides. The
//! libraries are empty, and a double of the plug-in looks for them as the real one does.

use std::path::Path;
use std::process::Command;

use nvr::doctor::{Line, Report, State};

use crate::doctor::{Machine, examined, line};
use crate::support::doubles;

const CARD: [(&str, &str); 2] = [
    ("/sys/bus/pci/devices/0000:01:00.0/vendor", "0x10de\n"),
    ("/sys/bus/pci/devices/0000:01:00.0/class", "0x030200\n"),
];

/// A machine with a card and the plug-in alone, without libraries.
fn machine() -> Machine {
    let machine = Machine::new(&CARD);
    for folder in ["plugins", "libs"] {
        std::fs::create_dir(machine.path(folder)).expect("a folder");
    }
    doubles::build(
        "nvcodec.c",
        &machine.path("plugins").join("libgstnvcodec.so"),
    );
    machine
}

/// Builds a library that runs `initialiser` when it is opened.
fn add(library: &Path, initialiser: &str) {
    let source = library.with_extension("c");
    let text = format!("__attribute__((constructor)) static void f(void) {{ {initialiser} }}\n");
    std::fs::write(&source, text).expect("written");
    let mut cc = Command::new("cc");
    cc.args(["-shared", "-fPIC", "-o"])
        .arg(library)
        .arg(&source);
    assert!(cc.status().expect("a C compiler").success());
}

fn report(machine: &Machine) -> Report {
    let mut command = machine.there();
    command.env("LD_LIBRARY_PATH", machine.path("libs"));
    command.env("GST_PLUGIN_SYSTEM_PATH", machine.path("plugins"));
    command.env("GST_REGISTRY", machine.path("registry.bin"));
    examined(&mut command).1
}

fn hidden(report: &Report) -> Option<&Line> {
    let decoders = report.section("decoders").expect("a section");
    decoders
        .lines
        .iter()
        .find(|line| line.what == "GStreamer's registry")
}

#[test]
fn each_step_to_a_card_that_decodes_and_scales_is_named() {
    let machine = machine();
    let (libs, registry) = (machine.path("libs"), machine.path("registry.bin"));
    let step = || {
        let report = report(&machine);
        let libraries = line(&report, "decoders", "NVIDIA's libraries").clone();
        (libraries, hidden(&report).cloned())
    };
    let hides = |elements: &str| {
        format!(
            "{} hides {elements}: it is older than NVIDIA's libraries",
            registry.display()
        )
    };
    let (libraries, registered) = step();
    assert_eq!(
        libraries.found,
        "libcuda.so.1: cannot open shared object file: No such file or directory; NVIDIA's card does not decode"
    );
    assert_eq!(registered, None);

    for name in ["libcuda.so.1", "libnvcuvid.so.1", "libnvrtc.so.12"] {
        add(&libs.join(name), "");
    }
    let (libraries, registered) = step();
    let only = libs.join("libnvrtc.so.12");
    assert_eq!(
        libraries.found,
        format!(
            "GStreamer opens libnvrtc.so, and only {} is there: the CPU scales",
            only.display()
        )
    );
    let (link, remedy) = (
        libs.join("libnvrtc.so"),
        libraries.remedy.unwrap_or_default(),
    );
    assert!(
        remedy.starts_with(&format!("`sudo ln -s libnvrtc.so.12 {}`", link.display())),
        "{remedy}"
    );
    assert_eq!(registered.map(|line| line.found), Some(hides("nvh264dec")));

    std::os::unix::fs::symlink("libnvrtc.so.12", link).expect("linked");
    let (libraries, registered) = step();
    assert_eq!(libraries.state, State::Ok, "{libraries:?}");
    let registered = registered.expect("a line");
    assert_eq!(registered.found, hides("nvh264dec and cudascale"));
    let remedy = registered.remedy.unwrap_or_default();
    assert!(
        remedy.starts_with(&format!("`rm {}`", registry.display())),
        "{remedy}"
    );

    std::fs::remove_file(&registry).expect("GStreamer wrote it");
    let (libraries, registered) = step();
    assert_eq!(
        libraries.found,
        "libcuda.so.1 and libnvcuvid.so.1 open, libnvrtc.so too"
    );
    assert_eq!((libraries.state, registered), (State::Ok, None));
}

#[test]
fn a_driver_that_crashes_costs_no_line_about_decoders() {
    let machine = machine();
    report(&machine);
    add(
        &machine.path("libs").join("libcuda.so.1"),
        "*(volatile int *)0 = 0;",
    );
    let report = report(&machine);
    assert_eq!(line(&report, "decoders", "h264: used").state, State::Fault);
    let crash = line(&report, "decoders", "Decoders");
    assert!(
        crash
            .found
            .starts_with("the process of this check crashed with signal 11 (SIGSEGV, "),
        "{crash:?}"
    );
}

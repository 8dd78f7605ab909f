//! `nvr doctor` as a user runs it: on this machine, on machines that are file trees, with test doubles of NVIDIA's
//! libraries, with libraries that crash, and with real brokers.

mod broker;
mod engines;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nvr::doctor::{Line, Report, State};

use crate::support::broker::free_port;
use crate::support::process::nvr;

/// A machine as a file tree, with empty folders in the place of this machine's caches.
pub(crate) struct Machine {
    dir: tempfile::TempDir,
}

impl Machine {
    pub(crate) fn new(files: &[(&str, &str)]) -> Self {
        let machine = Self {
            dir: tempfile::tempdir().expect("a folder"),
        };
        for name in ["cache", "tmp", "root"] {
            std::fs::create_dir(machine.path(name)).expect("a folder");
        }
        for (path, content) in files {
            machine.put(path, content);
        }
        machine
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn put(&self, path: &str, content: &str) {
        let path = self.path("root").join(path.trim_start_matches('/'));
        std::fs::create_dir_all(path.parent().expect("it has one")).expect("a folder");
        std::fs::write(path, content).expect("written");
    }

    /// `nvr doctor` of this machine, without its caches and its broker.
    pub(crate) fn here(&self) -> Command {
        let mut command = nvr();
        command.arg("doctor").stdin(Stdio::null());
        command.env("NVR_CACHE", self.path("cache"));
        command.env("TMPDIR", self.path("tmp"));
        command.env("NVR_RUNTIME_DIR", self.path("run"));
        command.env("NVR_MODELS_DIR", self.path("models"));
        command.env("NVR_MQTT_PORT", free_port().to_string());
        // The tests' folder may have models.
        command.current_dir(self.path("tmp"));
        command
    }

    /// `nvr doctor` of the tree.
    pub(crate) fn there(&self) -> Command {
        let mut command = self.here();
        command.arg("--root").arg(self.path("root"));
        command
    }
}

/// The exit code and the report of the command.
pub(crate) fn examined(command: &mut Command) -> (Option<i32>, Report) {
    let output = command
        .args(["--format", "json"])
        .output()
        .expect("it runs");
    let err = String::from_utf8_lossy(&output.stderr);
    let report = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
        panic!("{error}: {}{err}", String::from_utf8_lossy(&output.stdout))
    });
    (output.status.code(), report)
}

pub(crate) fn line<'a>(report: &'a Report, section: &str, what: &str) -> &'a Line {
    let section = report.section(section).expect("a section of that name");
    let found = section.lines.iter().find(|line| line.what == what);
    found.unwrap_or_else(|| panic!("no `{what}` in {section:#?}"))
}

/// Asserts that a section has this line: `State | what | found`.
fn is(report: &Report, section: &str, expected: &str) {
    let what = expected.split(" | ").nth(1).expect("three parts");
    let line = line(report, section, what);
    let found = format!("{:?} | {what} | {}", line.state, line.found);
    assert_eq!(found, expected, "{line:?}");
    assert_eq!(line.remedy.is_some(), line.state != State::Ok, "{line:?}");
}

const ORIN: [(&str, &str); 9] = [
    (
        "/proc/device-tree/model",
        "NVIDIA Jetson Orin Nano Engineering Reference Developer Kit Super\0",
    ),
    (
        "/proc/device-tree/compatible",
        "nvidia,p3768-0000+p3767-0005-super\0nvidia,p3767-0005\0nvidia,tegra234\0",
    ),
    (
        "/etc/nv_tegra_release",
        "# R36 (release), REVISION: 4.3, GCID: 38968081, BOARD: generic, EABI: aarch64\n",
    ),
    ("/etc/os-release", "PRETTY_NAME=\"Ubuntu 22.04.5 LTS\"\n"),
    ("/proc/sys/kernel/osrelease", "5.15.148-tegra\n"),
    ("/sys/class/thermal/thermal_zone0/type", "tj-thermal\n"),
    ("/sys/class/thermal/thermal_zone0/temp", "48312\n"),
    ("/sys/class/hwmon/hwmon1/oc1_event_cnt", "4\n"),
    ("/sys/block/mmcblk0/device/type", "SD\n"),
];

/// Whether this machine may have a hardware decoder; build machines have only libavcodec.
fn has_hardware_decoder() -> bool {
    Path::new("/dev/nvidiactl").exists() || Path::new("/dev/dri/renderD128").exists()
}

/// The ids of the report's sections, in their order.
pub(crate) const SECTIONS: [&str; 15] = [
    "board",
    "memory",
    "heat",
    "storage",
    "recordings",
    "decoders",
    "tensorrt",
    "models",
    "displays",
    "cameras",
    "configuration",
    "broker",
    "clock",
    "systemd",
    "roles",
];

/// The ids of this report's sections.
pub(crate) fn ids(report: &Report) -> Vec<&str> {
    report.sections.iter().map(|section| &*section.id).collect()
}

#[test]
fn a_machine_without_hardware_is_reported() {
    let machine = Machine::new(&[]);
    let (code, report) = examined(&mut machine.here());
    assert_eq!(code, Some(0), "{report:#?}");
    assert_eq!(ids(&report), SECTIONS);
    assert_eq!((report.schema, report.faults), (1, 0), "{report:#?}");
    assert!(
        line(&report, "board", "processor")
            .found
            .starts_with(std::env::consts::ARCH),
        "{report:#?}"
    );
    let libav = line(&report, "decoders", "h264 avdec_h264");
    assert_eq!(libav.state, State::Ok, "{libav:?}");
    assert!(libav.figures["fps"] > 0.0, "{libav:?}");
    if !has_hardware_decoder() {
        is(
            &report,
            "decoders",
            "Ok | h264: used | avdec_h264, on the CPU",
        );
        is(
            &report,
            "decoders",
            "Ok | h264 nvv4l2decoder | not installed",
        );
        assert_eq!(line(&report, "tensorrt", "CUDA").state, State::Ok);
    }
    if !Path::new("/dev/dri").exists() {
        is(
            &report,
            "displays",
            "Ok | DRM cards | none (/dev/dri/card*): a processor needs none; a wall runs here with --output headless",
        );
    }
    let models = line(&report, "models", "models");
    assert_eq!(models.state, State::Warning, "{models:?}");
    is(
        &report,
        "models",
        "Ok | engines | none in the cache; a processor with TensorRT builds its own",
    );
    is(
        &report,
        "roles",
        "Ok | running roles | no processor or wall runs here",
    );
    let broker = line(&report, "broker", "broker: TCP");
    // No option and no configuration names a broker.
    assert_eq!(broker.state, State::Warning);
    assert!(broker.found.contains("Connection refused"), "{broker:?}");
}

#[test]
fn the_page_is_text_for_people() {
    let machine = Machine::new(&ORIN);
    let output = machine.there().output().expect("it runs");
    let page = String::from_utf8_lossy(&output.stdout);
    for wanted in [
        "\nBoard\n  ok       model                    NVIDIA Jetson Orin Nano",
        "\n  ok       JetPack                  6.2 (by the release of L4T)\n",
        "\n  FAULT    CUDA",
        "\n                                    -> ",
    ] {
        assert!(page.contains(wanted), "no {wanted:?} in\n{page}");
    }
    assert_eq!(output.status.code(), Some(1), "{page}");
    assert!(
        page.trim_end()
            .lines()
            .last()
            .expect("a verdict")
            .contains(" faults, "),
        "{page}"
    );
}

#[test]
fn missing_libraries_of_a_jetson_are_faults() {
    let machine = Machine::new(&ORIN);
    let nothing = machine.path("tmp");
    let (code, report) = examined(machine.there().env("NVR_TENSORRT_LIB_DIR", nothing));
    assert_eq!(code, Some(1));
    is(&report, "board", "Ok | L4T | 36.4.3");
    is(
        &report,
        "board",
        "Ok | JetPack | 6.2 (by the release of L4T)",
    );
    is(
        &report,
        "board",
        "Ok | system | Ubuntu 22.04.5 LTS, Linux 5.15.148-tegra",
    );
    is(&report, "heat", "Ok | temperature tj-thermal | 48 °C");
    let supply = line(&report, "heat", "power: under-voltage");
    assert_eq!(
        (supply.state, supply.figures["count"]),
        (State::Warning, 4.0)
    );
    assert_eq!(line(&report, "storage", "wear of mmcblk0").state, State::Ok);
    assert_eq!(line(&report, "tensorrt", "CUDA").state, State::Fault);
    assert_eq!(line(&report, "tensorrt", "TensorRT").state, State::Fault);
    if !has_hardware_decoder() {
        is(
            &report,
            "decoders",
            "Warning | h264: used | avdec_h264: the CPU decodes, and this Jetson's NVDEC is not used",
        );
    }
}

/// A folder with a library that runs `initialiser` when it is opened.
fn broken(initialiser: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a folder");
    let source = dir.path().join("broken.c");
    let text = format!("__attribute__((constructor)) static void f(void) {{ {initialiser} }}\n");
    std::fs::write(&source, text).expect("written");
    let built = Command::new("cc")
        .args(["-shared", "-fPIC", "-o"])
        .arg(dir.path().join("libcudart.so.12"))
        .arg(&source)
        .status()
        .expect("a C compiler");
    assert!(built.success());
    dir
}

#[test]
fn a_library_that_crashes_costs_its_section_only() {
    let libraries = broken("*(volatile int *)0 = 0;");
    let machine = Machine::new(&ORIN);
    let mut command = machine.there();
    command.env("NVR_TENSORRT_LIB_DIR", libraries.path());
    let (code, report) = examined(&mut command);
    assert_eq!(code, Some(1));
    let crash = line(&report, "tensorrt", "CUDA and TensorRT");
    assert_eq!(crash.state, State::Fault);
    assert!(
        crash
            .found
            .starts_with("the process of this check crashed with signal 11 (SIGSEGV, "),
        "{crash:?}"
    );
    // The section of the models emitted this line before it opened the same libraries.
    assert_eq!(line(&report, "models", "models").state, State::Warning);
    is(&report, "board", "Ok | L4T | 36.4.3");
    assert_eq!(
        line(&report, "decoders", "h264 avdec_h264").state,
        State::Ok
    );
}

#[test]
fn a_file_that_never_answers_is_a_fault_of_its_section() {
    let machine = Machine::new(&ORIN);
    for path in [
        "root/sys/class/thermal/thermal_zone0/type",
        "root/proc/meminfo",
    ] {
        // Like a sensor whose driver hangs, and like a file that this process itself reads.
        let path = machine.path(path);
        let _ = std::fs::remove_file(&path);
        std::fs::create_dir_all(path.parent().expect("it has one")).expect("a folder");
        let made = Command::new("mkfifo")
            .arg(&path)
            .status()
            .expect("mkfifo runs");
        assert!(made.success());
    }
    let began = Instant::now();
    let (code, report) = examined(&mut machine.there());
    assert!(began.elapsed() < Duration::from_secs(60));
    assert_eq!(code, Some(1));
    is(
        &report,
        "heat",
        "Fault | Temperatures and power | no answer within 10 s: a driver or a library hangs",
    );
    is(
        &report,
        "memory",
        "Fault | Memory | no answer within 10 s: a driver or a library hangs",
    );
    is(&report, "board", "Ok | L4T | 36.4.3");
}

#[test]
fn an_unknown_check_is_a_usage_error() {
    let output = nvr()
        .args(["doctor", "--check", "nothing"])
        .output()
        .expect("it runs");
    assert_eq!(output.status.code(), Some(2));
}

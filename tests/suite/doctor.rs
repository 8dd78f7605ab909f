//! `nvr doctor` as a user runs it: on this machine, on machines that are file trees, with test doubles of NVIDIA's
//! libraries, with libraries that crash, and with real brokers.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nvr::detect::{OutputFormat, SMOKE_ONNX};
use nvr::doctor::{Line, Report, State};
use serde_json::json;

use crate::support::broker::{Broker, Kind, Setup, free_port};
use crate::support::onnx::TinyNetwork;
use crate::support::process::nvr;
use crate::support::tensorrt::{DoubleEngine, GPU, Site};
use crate::support::tiny::OBJECTS;

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

/// The expected network of `smoke.onnx`.
fn smoke_network() -> TinyNetwork {
    TinyNetwork::finding(
        OutputFormat::Yolov8,
        nvr::base::Size::new(96, 64),
        2,
        &OBJECTS,
    )
}

#[test]
fn the_small_engine_s_network_is_the_committed_file() {
    let network = smoke_network().onnx();
    if std::env::var_os("NVR_UPDATE").is_some() {
        let path = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/src/detect/tensorrt/smoke.onnx"
        );
        std::fs::write(path, &network).expect("written");
    }
    assert!(network == SMOKE_ONNX, "write it again with NVR_UPDATE=1");
}

/// `nvr doctor --tensorrt` with test doubles; `trtexec` builds `engine`.
fn with_small_engine(site: &Site, engine: &DoubleEngine) -> Report {
    site.add_trtexec("--fp16 --int8 --memPoolSize --timingCacheFile --skipInference --buildOnly");
    std::fs::write(site.path("trtexec.engine"), engine.text()).expect("written");
    let machine = Machine::new(&ORIN);
    let mut command = machine.there();
    command.arg("--tensorrt").envs(site.environment());
    examined(&mut command).1
}

#[test]
fn a_small_engine_runs_on_every_version_that_is_served() {
    for major in [8, 10] {
        let site = Site::new(major);
        let report = with_small_engine(&site, &DoubleEngine::of(&smoke_network(), major));
        is(&report, "tensorrt", &format!("Ok | GPU | {GPU}"));
        let cuda = line(&report, "tensorrt", "CUDA");
        assert!(cuda.found.contains("/libs/libcudart.so.12"), "{cuda:?}");
        let library = line(&report, "tensorrt", "TensorRT");
        assert!(
            library
                .found
                .contains(&format!("/libs/libnvinfer.so.{major}")),
            "{library:?}"
        );
        assert_eq!(library.state, State::Ok);
        for step in ["build", "load", "run"] {
            let line = line(&report, "tensorrt", &format!("small engine: {step}"));
            assert_eq!(line.state, State::Ok, "{report:#?}");
        }
        let run = &line(&report, "tensorrt", "small engine: run").found;
        assert!(
            run.starts_with("finds what it has to find in 3 pictures, "),
            "{run}"
        );
    }
}

#[test]
fn a_small_engine_with_other_numbers_is_a_fault() {
    let site = Site::new(10);
    let mut network = smoke_network();
    // The only slope is the score of the person in the light.
    for slope in &mut network.slope {
        *slope *= 0.9;
    }
    let report = with_small_engine(&site, &DoubleEngine::of(&network, 10));
    is(
        &report,
        "tensorrt",
        "Fault | small engine: run | in a picture of brightness 255 it finds [van 0.875, person 0.675] instead of [van 0.875, person 0.750]",
    );
}

#[test]
fn engines_of_the_cache_are_compared_with_this_machine() {
    let site = Site::new(10);
    let network = smoke_network();
    let model = site.import(&network);
    let engine = DoubleEngine::of(&network, 10);
    let path = site.keep(&engine, &site.key(&model));
    let run = || {
        let machine = Machine::new(&ORIN);
        let mut command = machine.there();
        command.envs(site.environment());
        command.env("NVR_MODELS_DIR", site.models());
        examined(&mut command).1
    };
    let key = format!("TensorRT 10.3.0, {GPU}, 16-bit, batch 1");
    let fits = format!("Ok | engine tiny | fits this machine (for {key})");
    is(&run(), "models", &fits);

    std::fs::write(&path, "shorter").expect("written");
    let damaged = run();
    let damaged = line(&damaged, "models", "engine tiny");
    assert_eq!(damaged.state, State::Warning);
    assert!(damaged.found.contains("7 bytes instead of"), "{damaged:?}");

    let mut other = site.key(&model);
    other.tensorrt = "8.5.2".to_owned();
    site.keep(&engine, &other);
    let stale = run();
    let stale = line(&stale, "models", "engine tiny");
    assert_eq!(stale.state, State::Warning);
    assert!(
        stale.found.contains("it is for TensorRT 8.5.2"),
        "{stale:?}"
    );
    let remedy = stale.remedy.as_deref().unwrap_or_default();
    assert!(remedy.contains("`nvr model build tiny`"), "{remedy}");
}

#[cfg(target_arch = "x86_64")]
#[test]
fn versions_of_nvidia_s_libraries_are_reported_without_a_gpu() {
    use crate::support::tensorrt::real;
    if Path::new("/dev/nvidiactl").exists() {
        return;
    }
    let machine = Machine::new(&[]);
    let libraries = machine.path("tmp");
    for (name, file) in [
        ("libcudart.so.12", "libcudart.so.12"),
        ("libnvinfer.so.10", "libnvinfer_lean.so.10"),
    ] {
        std::os::unix::fs::symlink(real(file), libraries.join(name)).expect("linked");
    }
    let (_, report) = examined(machine.there().env("NVR_TENSORRT_LIB_DIR", &libraries));
    let cuda = line(&report, "tensorrt", "CUDA");
    assert!(
        cuda.found.starts_with("runtime 12.9, no driver (/"),
        "{cuda:?}"
    );
    let gpu = line(&report, "tensorrt", "GPU");
    assert_eq!(gpu.state, State::Ok, "not on a PC: {gpu:?}");
    assert!(
        gpu.found
            .starts_with("no NVIDIA GPU can be used: CUDA says `"),
        "{gpu:?}"
    );
    let library = line(&report, "tensorrt", "TensorRT");
    assert!(library.found.starts_with("10.16.1 (/"), "{library:?}");
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

/// `nvr doctor` with a configuration of this `[mqtt]` table.
fn with_broker(mqtt: &str) -> Report {
    let machine = Machine::new(&[]);
    let text =
        format!("instance_id = \"box\"\ncamera = []\n[mqtt]\nhost = \"localhost\"\n{mqtt}\n");
    let file = machine.path("nvr.toml");
    std::fs::write(&file, text).expect("written");
    let mut command = machine.there();
    command
        .env_remove("NVR_MQTT_PORT")
        .arg("--config")
        .arg(&file);
    examined(&mut command).1
}

#[test]
fn a_broker_is_reached_step_by_step_and_clocks_are_compared() {
    let broker = Broker::start(Kind::Mosquitto);
    let mut events = broker.stream("nvr/detections/0");
    let event = |ahead_s: f64, instance: &str| {
        let now = nvr::base::unix_now().as_secs_f64() + ahead_s;
        let time = jiff::Timestamp::from_millisecond((now * 1e3) as i64).expect("a time");
        json!({
            "source_id": 0, "frame_id": 1, "timestamp": time.to_string(), "model_id": "m", "inference_time_ms": 1,
            "detections": [], "latency_ms": 0, "instance_id": instance, "clock": "arrival",
        })
    };
    let (done, is_done) = std::sync::mpsc::channel::<()>();
    let port = broker.port();
    let publisher = std::thread::spawn(move || {
        while is_done.try_recv().is_err() {
            for line in [
                event(0.0, "near"),
                event(90.0, "ahead"),
                event(-7.0, "behind"),
            ] {
                events.type_in(format!("{line}\n").as_bytes());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    });
    let report = with_broker(&format!("port = {port}"));
    done.send(()).expect("it publishes");
    publisher.join().expect("it published");
    for step in ["name", "TCP", "login", "subscription"] {
        let line = line(&report, "broker", &format!("broker: {step}"));
        assert_eq!(line.state, State::Ok, "{line:?}");
    }
    is(
        &report,
        "broker",
        "Ok | on the broker | online: 0 processors, 0 walls",
    );
    let near = line(&report, "broker", "clock of near");
    assert_eq!(near.state, State::Ok, "{near:?}");
    assert!(near.figures["behind_ms"].abs() < 1000.0, "{near:?}");
    for (who, behind_ms) in [("ahead", -90_000.0), ("behind", 7_000.0)] {
        let far = line(&report, "broker", &format!("clock of {who}"));
        assert_eq!(far.state, State::Warning, "{far:?}");
        assert!(
            (far.figures["behind_ms"] - behind_ms).abs() < 1000.0,
            "{far:?}"
        );
    }
}

#[test]
fn each_failure_to_reach_a_broker_has_a_distinct_line() {
    let setup = Setup {
        login: Some(("box", "right")),
        ..Setup::default()
    };
    let guarded = Broker::start_with(Kind::Mosquitto, setup);
    let port = guarded.port();
    let ends_with = |mqtt: &str| {
        let report = with_broker(mqtt);
        let section = report.section("broker").expect("a section");
        let last = section.lines.last().expect("a line").clone();
        assert_eq!(last.state, State::Fault, "{section:#?}");
        (last.what, last.found)
    };
    let (what, found) = ends_with(&format!(
        "port = {port}\nusername = \"box\"\npassword = \"wrong\""
    ));
    assert_eq!(what, "broker: login");
    assert!(
        found.contains("refuses the login (not authorised)"),
        "{found}"
    );
    let (what, found) = ends_with(&format!("port = {}", free_port()));
    assert_eq!(what, "broker: TCP");
    assert!(found.contains("Connection refused"), "{found}");
    let (what, found) = ends_with(&format!("port = {port}\ntls = {{}}"));
    assert_eq!(what, "broker: TLS");
    assert!(found.starts_with("TLS fails: "), "{found}");
    let right = with_broker(&format!(
        "port = {port}\nusername = \"box\"\npassword = \"right\""
    ));
    is_login(&right, "the broker accepts the login, ");
}

fn is_login(report: &Report, found: &str) {
    let login = line(report, "broker", "broker: login");
    assert_eq!(login.state, State::Ok, "{login:?}");
    assert!(login.found.starts_with(found), "{login:?}");
}

/// A broker that accepts every login and refuses subscriptions. Mosquitto instead accepts such subscriptions and delivers nothing.
fn forbidding_broker() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let port = listener.local_addr().expect("it has one").port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            std::thread::spawn(move || {
                // The doctor first only tests whether the port is open.
                let mut packet = [0; 1024];
                while let Ok(length @ 1..) = stream.read(&mut packet) {
                    let answer = match packet[0] >> 4 {
                        1 => vec![0x20, 2, 0, 0],
                        // Less than 128 bytes remain, so their number is one byte.
                        8 => [&[0x90, 6], &packet[2..4], &[0x80; 4]].concat(),
                        _ => return,
                    };
                    assert!(length > 4 && stream.write_all(&answer).is_ok());
                }
            });
        }
    });
    port
}

#[test]
fn a_broker_that_refuses_subscriptions_is_a_fault() {
    let report = with_broker(&format!("port = {}", forbidding_broker()));
    is_login(&report, "the broker accepts connections without a login, ");
    is(
        &report,
        "broker",
        "Fault | broker: subscription | the broker does not permit reading nvr/processors/+, nvr/walls/+, nvr/sources/+, nvr/detections/+",
    );
}

#[test]
fn an_unknown_check_is_a_usage_error() {
    let output = nvr()
        .args(["doctor", "--check", "nothing"])
        .output()
        .expect("it runs");
    assert_eq!(output.status.code(), Some(2));
}

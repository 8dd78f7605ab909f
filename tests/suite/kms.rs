//! Tests with real kernel drivers in a virtual machine: displays of two kinds, a camera, and disks that fail.
//! `tools/test kms` runs them.

mod failing_disk;
mod power_cut;
mod recorder;
mod wall;

use std::time::Duration;

use image::{Rgba, RgbaImage};
use nvr::base::Size;
use nvr::detect::{ImportRequest, OutputFormat, Range, import};
use nvr::display::testcard::BARS;
use nvr::doctor::{Report, State};
use nvr::render::Color;
use serde_json::Value;

use crate::doctor::line;
use crate::support::broker::{Broker, Kind};
use crate::support::onnx::TinyNetwork;
use crate::support::stage::{documents, page};
use crate::support::tiny::OBJECTS;
use crate::support::vm::{Gpu, HOST, Job, PATIENCE, Vm};
use crate::support::wait::until;

/// Fills the picture of the console with one colour. The console does not overwrite it.
fn paint_console(vm: &Vm, size: Size, byte: &str) {
    vm.ok("echo 0 > /sys/class/graphics/fbcon/cursor_blink");
    // In one write: after several the kernel (6.12) leaves the end of the last row to a later flush.
    let bytes = size.width * size.height * 4;
    vm.ok(&format!(
        "tr '\\0' '\\{byte}' </dev/zero | dd of=/dev/fb0 bs={bytes} count=1 iflag=fullblock"
    ));
}

/// Corners and centre of a picture.
fn samples(picture: &RgbaImage) -> [Rgba<u8>; 3] {
    let (width, height) = picture.dimensions();
    [(0, 0), (width / 2, height / 2), (width - 1, height - 1)]
        .map(|(x, y)| *picture.get_pixel(x, y))
}

#[test]
#[ignore = "needs a virtual machine: `tools/test kms` runs it"]
fn a_virtio_gpu_is_one_plane_and_its_screen_can_be_read() {
    let size = Size::new(1280, 720);
    let mut vm = Vm::boot("virtio", Gpu::Virtio { size }, &[]);
    let output = "/sys/class/drm/card0-Virtual-1";
    assert_eq!(vm.ok(&format!("cat {output}/status")), "connected\n");
    assert_eq!(vm.ok(&format!("head -1 {output}/modes")), "1280x720\n");
    // The cursor plane exists, but the kernel lists it only for programs that enable it.
    assert_eq!(vm.planes().len(), 2);
    assert_eq!(shown(&vm), ["[fbcon] XR24 1280x720+0+0"]);
    vm.plug(false);
    assert_eq!(vm.ok(&format!("cat {output}/status")), "disconnected\n");
    vm.plug(true);
    assert_eq!(vm.ok(&format!("cat {output}/status")), "connected\n");
    paint_console(&vm, size, "160");
    let picture = until("the screen is grey", PATIENCE, || {
        let picture = vm.screendump("console");
        (samples(&picture) == [Rgba([112, 112, 112, 255]); 3]).then_some(picture)
    });
    assert_eq!(picture.dimensions(), (1280, 720));
}

#[test]
#[ignore = "needs a virtual machine: `tools/test kms` runs it"]
fn vkms_has_overlays_and_its_picture_can_be_read() {
    let vm = Vm::boot("vkms", Gpu::Vkms, &[]);
    assert_eq!(
        vm.ok("ls /sys/class/drm"),
        "card0\ncard0-Virtual-1\ncard0-Writeback-1\nversion\n"
    );
    // A primary, eight overlays and a cursor.
    assert_eq!(vm.planes().len(), 10);
    assert_eq!(shown(&vm), ["[fbcon] XR24 1024x768+0+0"]);
    paint_console(&vm, Size::new(1024, 768), "160");
    // The first program that opens an unused card is its master.
    let holder = vm.spawn("sh", &["-c", "exec 9<>/dev/dri/card0 && exec sleep 600"]);
    until("the card is held", PATIENCE, || {
        let held = vm.run(&format!("readlink /proc/{}/fd/9", holder.pid()));
        (held.out == "/dev/dri/card0\n").then_some(())
    });
    let picture = vm.writeback(&holder, "console");
    assert_eq!(picture.dimensions(), (1024, 768));
    assert_eq!(samples(&picture), [Rgba([112, 112, 112, 255]); 3]);
    // The connector is released and can be used again.
    assert!(vm.state().contains("Writeback-1\n\tcrtc=(null)"));
    paint_console(&vm, Size::new(1024, 768), "240");
    let picture = vm.writeback(&holder, "console-again");
    assert_eq!(samples(&picture), [Rgba([160, 160, 160, 255]); 3]);
}

#[test]
#[ignore = "needs a virtual machine: `tools/test kms` runs it"]
fn a_test_card_is_blended_into_the_one_plane_of_a_virtio_gpu() {
    let size = Size::new(1280, 720);
    let mut vm = Vm::boot("virtio-card", Gpu::Virtio { size }, &[]);
    let card = vm.nvr(&["display", "--show", "0"]);
    let picture = until("the card is on the screen", PATIENCE, || {
        assert_eq!(card.code(), None, "{}{}", card.out(), card.err());
        let picture = vm.screendump("shown");
        shows_test_card(&picture).then_some(picture)
    });
    assert_eq!(picture.dimensions(), (1280, 720));
    assert_eq!(shown(&vm), ["nvr XR24 1280x720+0+0"]);
    ends_and_gives_the_console_back(&vm, &card);
}

#[test]
#[ignore = "needs a virtual machine: `tools/test kms` runs it"]
fn a_test_card_is_put_on_the_planes_of_vkms() {
    let vm = Vm::boot("vkms-card", Gpu::Vkms, &[]);
    let card = vm.nvr(&["display", "--show", "0"]);
    until("the card is on the screen", PATIENCE, || {
        assert_eq!(card.code(), None, "{}{}", card.out(), card.err());
        card.out().contains("showing on").then_some(())
    });
    until("the card is on the screen", PATIENCE, || {
        shows_test_card(&vm.writeback(&card, "shown")).then_some(())
    });
    // The base, two pictures, and the overlay above them.
    assert_eq!(
        shown(&vm),
        [
            "nvr XR24 1024x768+0+0",
            "nvr XR24 396x268+102+422",
            "nvr XR24 396x268+522+422",
            "nvr AR24 1024x768+0+0",
        ]
    );
    ends_and_gives_the_console_back(&vm, &card);
}

/// Checks the positions of bars, edges, and the frame above bars and pictures, as `nvr display` draws them.
fn shows_test_card(picture: &RgbaImage) -> bool {
    const FRAME: Color = Color::rgb(213, 94, 0);
    let at = |x: f64, y: f64, color: Color| {
        let (width, height) = picture.dimensions();
        let pixel = picture.get_pixel(
            (f64::from(width - 1) * x) as u32,
            (f64::from(height - 1) * y) as u32,
        );
        // Colours are blue first, as in the memory of the card.
        let Color([blue, green, red, _]) = color;
        let wanted = [red, green, blue];
        std::iter::zip(&pixel.0, wanted).all(|(is, wanted)| is.abs_diff(wanted) <= 1)
    };
    let bars = (0..).zip(BARS);
    bars.into_iter()
        .all(|(bar, color)| at(0.1 + 0.8 * (f64::from(bar) + 0.5) / 7.0, 0.25, color))
        && at(0.0, 0.0, Color::WHITE)
        && at(1.0, 1.0, Color::WHITE)
        && at(0.403, 0.45, FRAME)
        && at(0.403, 0.65, FRAME)
}

/// The active planes, each with its program, format and position.
fn shown(vm: &Vm) -> Vec<String> {
    let planes = vm.planes().into_iter();
    planes
        .filter_map(|plane| plane.shown)
        .map(|shown| format!("{} {} {}", shown.program, shown.format, shown.place))
        .collect()
}

/// Ends a program that shows a picture, and waits for the console.
fn ends_and_gives_the_console_back(vm: &Vm, program: &Job) {
    vm.ok(&format!("kill {}", program.pid()));
    assert_eq!(program.end(PATIENCE), 0, "{}", program.err());
    until("the console is shown again", PATIENCE, || {
        let shown = shown(vm);
        (shown.len() == 1 && shown[0].starts_with("[fbcon] ")).then_some(())
    });
}

#[test]
#[ignore = "needs a virtual machine: `tools/test kms` runs it"]
fn a_v4l2_camera_is_probed_and_processed() {
    let broker = Broker::start(Kind::Mosquitto);
    let reader = broker.observe("nvr/#");
    // The first of its inputs is a webcam.
    let mut vm = Vm::boot(
        "vivid",
        Gpu::Absent,
        &["vivid", "vivid.n_devs=1", "vivid.node_types=1"],
    );
    let probe = vm.nvr(&[
        "camera",
        "probe",
        "--format",
        "json",
        "--duration",
        "2s",
        "v4l2:///dev/video0",
    ]);
    assert_eq!(probe.end(PATIENCE), 0, "{}", probe.err());
    let report: Value = serde_json::from_str(&probe.out()).expect("a report");
    assert_eq!(
        report["size"],
        serde_json::json!({"width": 1280, "height": 720}),
        "{report}"
    );
    assert_eq!(
        (&report["codec"], &report["nominal_fps"]),
        (&"raw".into(), &25.0.into()),
        "{report}"
    );

    let (host, port) = (HOST.to_string(), broker.port().to_string());
    let processor = vm.nvr(&[
        "processor",
        "--instance-id",
        "guest",
        "--mqtt-host",
        &host,
        "--mqtt-port",
        &port,
        "--backend",
        "scripted",
        "--max-fps",
        "5",
        "--start-limit",
        "30s",
        "--stall-limit",
        "10s",
        "--http",
        "0.0.0.0:8080",
        "--source",
        "0=v4l2:///dev/video0",
    ]);
    let published = |topic: &str| {
        assert_eq!(processor.code(), None, "{}", processor.err());
        documents(&reader, topic)
    };
    let events = until("ten events", PATIENCE, || {
        let events = published("nvr/detections/0");
        (events.len() >= 10).then_some(events)
    });
    for event in &events {
        assert_eq!(event["instance_id"], "guest");
        assert_eq!(
            (&event["frame_width"], &event["frame_height"]),
            (&1280.into(), &720.into())
        );
    }
    // The first figures count from the start; those of the next ten seconds are the driver's rate, and none of its others.
    let status = until("the camera is live at its rate", PATIENCE, || {
        published("nvr/sources/0").into_iter().find(|status| {
            let fps = status["fps_in"].as_f64().unwrap_or_default();
            status["state"] == "live" && (16.0..28.0).contains(&fps)
        })
    });
    assert_eq!(
        (&status["width"], &status["height"], &status["clock"]),
        (&1280.into(), &720.into(), &"arrival".into())
    );
    assert_eq!(
        (&status["codec"], &status["decoder"]),
        (&"raw".into(), &"none".into())
    );
    let metrics = page(&format!("127.0.0.1:{}", vm.forward(8080)), "/metrics");
    assert!(
        metrics.contains("nvr_source_live{source_id=\"0\"} 1"),
        "{metrics}"
    );

    let other = vm.nvr(&["camera", "probe", "v4l2:///dev/video0"]);
    assert_eq!(other.end(PATIENCE), 1);
    assert_eq!(
        other.err(),
        "error: /dev/video0 is in use by another program; `fuser -v /dev/video0` names it\n"
    );
    vm.ok(&format!("kill {}", processor.pid()));
    assert_eq!(processor.end(PATIENCE), 0, "{}", processor.err());
}

/// The doctor's checks run side by side, and in the guest they have one slow processor.
const EXAMINATION: Duration = Duration::from_secs(180);

#[test]
#[ignore = "needs a virtual machine: `tools/test kms` runs it"]
fn the_doctor_sees_a_card_and_a_camera() {
    let models = tiny_model();
    let vm = Vm::boot(
        "doctor",
        Gpu::Vkms,
        &["vivid", "vivid.n_devs=1", "vivid.node_types=1"],
    );
    let doctor = vm.nvr(&["doctor", "--format", "json"]);
    let code = doctor.end(EXAMINATION);
    let report: Report = serde_json::from_str(&doctor.out())
        .unwrap_or_else(|error| panic!("{error}: {}{}", doctor.out(), doctor.err()));
    // Failures that result from the slow guest do not matter here.
    assert_eq!(code == 0, report.faults == 0, "{report:#?}");
    let found = |section: &str, what: &str| {
        let line = line(&report, section, what);
        assert_eq!(line.state, State::Ok, "{line:?}");
        &*line.found
    };
    assert_eq!(found("displays", "card0"), "vkms, 1 connector, 10 planes");
    let connector = found("displays", "card0 Virtual-1");
    assert!(
        connector.starts_with("connected; mode 1024x768@60, of "),
        "{connector}"
    );
    let plan = found("displays", "card0 Virtual-1 plan");
    assert!(!plan.is_empty());
    let planes: Vec<&str> = report
        .section("displays")
        .expect("a section")
        .lines
        .iter()
        .filter(|line| line.what.starts_with("card0 plane "))
        .map(|line| &*line.found)
        .collect();
    assert!(
        planes.iter().all(|plane| plane.contains("XR24")),
        "{planes:#?}"
    );
    assert_eq!(
        planes
            .iter()
            .filter(|plane| plane.starts_with("primary, CRTC 0, "))
            .count(),
        1
    );
    let camera = found("cameras", "/dev/video0");
    assert!(
        camera.starts_with(
            "vivid (vivid): camera, YUYV UYVY YU12 NV12 GREY RGB3 BGR3 320x180 to 3840x2160, 6 sizes; not usable: YVYU "
        ),
        "{camera}"
    );

    let page = vm.nvr(&["doctor"]);
    page.end(EXAMINATION);
    let page = page.out();
    vm.note("page.txt", &page);
    for wanted in [
        "\nDisplays\n  ok       card0                    vkms, ",
        "\nV4L2 cameras\n  ok       /dev/video0              vivid (vivid): camera, ",
    ] {
        assert!(page.contains(wanted), "no {wanted:?} in\n{page}");
    }

    let models = models.path().display().to_string();
    let arguments = ["model", "bench", "tiny", "--calls", "3", "--models-dir"];
    let bench = vm.nvr(&[&arguments[..], &[&models]].concat());
    assert_eq!(bench.end(EXAMINATION), 0, "{}", bench.err());
    let table = bench.out();
    vm.note("bench.txt", &table);
    let median = |backend: &str| {
        let line = table.lines().find(|line| line.starts_with(backend));
        let words = line.and_then(|line| line.split_whitespace().nth(1));
        words.and_then(|word| word.parse::<f64>().ok())
    };
    assert!(median("rten").is_some_and(|ms| ms > 0.0), "{table}");
    assert_eq!(median("tensorrt"), None, "{table}");
}

/// A directory with one installed model, `tiny`. A network of the usual size takes minutes where the guest's processors are
/// emulated: qemu computes each fused multiply-add in software.
fn tiny_model() -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("tiny.onnx");
    let input = Size::new(96, 64);
    let network = TinyNetwork::finding(OutputFormat::Yolov8, input, 2, &OBJECTS);
    std::fs::write(&file, network.onnx()).expect("written");
    let request = ImportRequest {
        file,
        id: "tiny".to_owned(),
        range: Some(Range::Unit),
        labels: Some(vec!["person".to_owned(), "van".to_owned()]),
        ..ImportRequest::default()
    };
    import(&request, &[dir.path().to_owned()]).expect("it is installed");
    dir
}

//! The wall on two kinds of monitors: cameras, broker and processor run on this machine, `nvr wall` in the guest.

use std::time::Instant;

use image::RgbaImage;
use nvr::base::Size;
use nvr::config::TestPattern;
use nvr::media::testcam::{CameraOptions, Feed, TestcamOptions};
use serde_json::Value;

use super::{ends_and_gives_the_console_back, shown};
use crate::support::broker::Kind;
use crate::support::stage::Stage;
use crate::support::tiles::{
    FAULT, WARNING, has_boxes, has_exact_colours, has_warning, is_dimmed, says, tile,
};
use crate::support::vm::{Gpu, HOST, Job, PATIENCE, Vm, from_guest};
use crate::support::wait::until;

/// The size of the pattern's pictures, so that they are shown without scaling.
const TILE: Size = Size::new(320, 240);
const SCREEN: Size = Size::new(640, 480);
const PATTERN: TestPattern = TestPattern {
    size: TILE,
    fps: 5.0,
    objects: 2,
};
/// The camera that the processor analyses.
const ANALYSED: u32 = 0;
/// The camera that stops sending.
const SILENT: u32 = 1;
/// The test pattern of the wall, whose colours are exact because it was not encoded.
const EXACT: u32 = 2;
/// The camera that is missing.
const MISSING: u32 = 3;

/// Cameras, broker and a processor on this machine.
fn site() -> Stage {
    let camera = CameraOptions::new(Feed::Pattern(PATTERN));
    let cameras = TestcamOptions {
        cameras: vec![camera; 2],
        ..TestcamOptions::default()
    };
    Stage::with(Kind::Mosquitto, &cameras, &[])
}

/// Starts a wall of four tiles on the guest's monitor.
fn start(vm: &Vm, site: &Stage) -> Job {
    let camera = |id: u32| {
        let url = from_guest(site.cameras.url(id as usize));
        format!("{id}={url}")
    };
    let (host, port) = (HOST.to_string(), site.broker.port().to_string());
    let wall = vm.nvr(&[
        "wall",
        "--output",
        "kms",
        "--mode",
        "640x480@60",
        "--name",
        "Gate",
        "--instance-id",
        "guest",
        "--mqtt-host",
        &host,
        "--mqtt-port",
        &port,
        "--source",
        &camera(ANALYSED),
        "--source",
        &camera(SILENT),
        "--source",
        &format!("{EXACT}=test-pattern:?width=320&height=240&fps=5&objects=2"),
        "--source",
        // Nothing listens there.
        &format!("{MISSING}=rtsp://{HOST}:1/gone"),
    ]);
    // At first use, the program and its libraries are loaded over a slow bus.
    let deadline = Instant::now() + PATIENCE * 2;
    until("a mode is set", PATIENCE * 3, || {
        assert_eq!(wall.code(), None, "{}", wall.err());
        let err = wall.err();
        assert!(Instant::now() < deadline, "no mode was set: {err}");
        wall.err().contains("mode set").then_some(())
    });
    wall
}

/// Takes pictures of the monitor until one passes `check`, which gives the reason for a failure.
fn until_shown(
    wall: &Job,
    mut take: impl FnMut() -> RgbaImage,
    check: impl Fn(&RgbaImage) -> Result<(), String>,
) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        assert_eq!(wall.code(), None, "{}", wall.err());
        let Err(missing) = check(&take()) else {
            return;
        };
        assert!(Instant::now() < deadline, "{missing}\n{}", wall.err());
    }
}

/// Checks the state of every tile: boxes around detected objects, exact colours, and texts of the states.
fn shows_everything(picture: &RgbaImage) -> Result<(), String> {
    if picture.dimensions() != (SCREEN.width, SCREEN.height) {
        return Err(format!("a screen of {:?}", picture.dimensions()));
    }
    let tile = |index| tile(picture, TILE, index);
    has_boxes(&tile(ANALYSED), &PATTERN)?;
    has_exact_colours(&tile(EXACT), &PATTERN)?;
    if has_boxes(&tile(EXACT), &PATTERN).is_ok() {
        return Err("lines round what no processor looks at".to_owned());
    }
    has_warning(&tile(EXACT))?;
    says(&tile(MISSING), FAULT, "NO CAMERA")
}

/// The status of the wall from its control socket.
fn status(vm: &Vm) -> Value {
    let nvr = env!("CARGO_BIN_EXE_nvr");
    let told = vm.ok(&format!("{nvr} control status --role wall"));
    serde_json::from_str(&told).expect("JSON")
}

/// The planes in the status of the wall: the role of each, with the kernel's description of the same plane. Fails if the kernel
/// has further active planes.
fn planned(vm: &Vm, status: &Value) -> Vec<String> {
    let kernel = vm.planes();
    let planes = status["displays"]["heads"][0]["planes"].as_array();
    let planes = planes.unwrap_or_else(|| panic!("planes in {status:#}"));
    let on = kernel.iter().filter(|plane| plane.shown.is_some());
    assert_eq!(on.count(), planes.len(), "{kernel:#?}\n{status:#}");
    let described = planes.iter().map(|planned| {
        let plane = kernel.iter().find(|plane| planned["plane"] == plane.id);
        let shown = plane.and_then(|plane| plane.shown.as_ref());
        let shown = shown.unwrap_or_else(|| panic!("{planned} is off: {kernel:#?}"));
        assert_eq!(planned["format"], *shown.format);
        let carries = planned["carries"].as_str().unwrap_or_default();
        format!("{carries}: {} {}", shown.format, shown.place)
    });
    described.collect()
}

/// The texts of the tiles in the status of the wall.
fn words(status: &Value) -> Vec<&str> {
    let tiles = status["state"]["tiles"].as_array();
    let tiles = tiles.unwrap_or_else(|| panic!("tiles in {status:#}"));
    tiles
        .iter()
        .filter_map(|tile| tile["text"].as_str())
        .collect()
}

/// Whether the console is in graphics mode, and the mode of its keyboard.
fn console(vm: &Vm) -> (bool, String) {
    // KDGETMODE and KDGKBMODE of linux/kd.h, each of which fills an int.
    let told = vm.ok(
        "perl -e 'open(T, \"<\", \"/dev/tty0\") or die; for (0x4b3b, 0x4b44) { my $is = pack(\"i\", -1); \
         ioctl(T, $_, $is) or die; print unpack(\"i\", $is), \" \"; }'",
    );
    let (mode, keyboard) = told.trim().split_once(' ').expect("two numbers");
    (mode == "1", keyboard.to_owned())
}

#[test]
#[ignore = "needs a virtual machine: `tools/test kms` runs it"]
fn tiles_are_on_the_planes_of_vkms_and_boxes_above_them() {
    let site = site();
    let vm = Vm::boot("vkms-wall", Gpu::Vkms, &[]);
    let wall = start(&vm, &site);
    until_shown(&wall, || vm.writeback(&wall, "tiles"), shows_everything);
    // The report of the display is at most one second old.
    let status = until("the wall tells of its planes", PATIENCE, || {
        let status = status(&vm);
        let planes = status["displays"]["heads"][0]["planes"].as_array();
        planes
            .is_some_and(|planes| planes.len() == 5)
            .then_some(status)
    });
    assert_eq!(
        planned(&vm, &status),
        [
            "base: XR24 640x480+0+0",
            "picture 0: XR24 320x240+0+0",
            "picture 1: XR24 320x240+320+0",
            "picture 2: XR24 320x240+0+240",
            "overlay: AR24 640x480+0+0",
        ]
    );
    assert_eq!(
        words(&status),
        ["", "", "NO PROCESSOR", "NO CAMERA · NO PROCESSOR"]
    );
    site.cameras.silence(SILENT as usize, true);
    until_shown(
        &wall,
        || vm.writeback(&wall, "stale"),
        |picture| {
            let tile = tile(picture, TILE, SILENT);
            says(&tile, WARNING, "STALE")?;
            is_dimmed(&tile)
        },
    );
    ends_and_gives_the_console_back(&vm, &wall);
}

#[test]
#[ignore = "needs a virtual machine: `tools/test kms` runs it"]
fn a_wall_on_one_plane_outlives_its_monitor_and_the_console_outlives_a_killed_wall() {
    let site = site();
    let mut vm = Vm::boot("virtio-wall", Gpu::Virtio { size: SCREEN }, &[]);
    let (is_dark, keyboard) = console(&vm);
    assert!(!is_dark);
    let wall = start(&vm, &site);
    until_shown(&wall, || vm.screendump("tiles"), shows_everything);
    assert_eq!(planned(&vm, &status(&vm)), ["base: XR24 640x480+0+0"]);

    vm.plug(false);
    until("the wall notices", PATIENCE, || {
        assert_eq!(wall.code(), None, "{}", wall.err());
        shown(&vm).is_empty().then_some(())
    });
    vm.plug(true);
    until_shown(&wall, || vm.screendump("plugged-again"), shows_everything);
    assert_eq!(shown(&vm), ["head-0 XR24 640x480+0+0"]);

    vm.ok(&format!("kill -9 {}", wall.pid()));
    assert_eq!(wall.end(PATIENCE), 137);
    assert!(console(&vm).0, "nobody could give the console back");
    let wall = start(&vm, &site);
    until_shown(&wall, || vm.screendump("started-again"), shows_everything);
    assert!(console(&vm).0);
    ends_and_gives_the_console_back(&vm, &wall);
    assert_eq!(console(&vm), (false, keyboard));
}

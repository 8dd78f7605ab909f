//! The wall on monitors of two kinds: cameras, broker and processor on this machine, `nvr wall` in the guest.

use std::ops::Range;
use std::time::Instant;

use image::{Rgba, RgbaImage, imageops};
use nvr::base::{Pattern, Size};
use nvr::config::TestPattern;
use nvr::media::testcam::{CameraOptions, Feed, TestcamOptions};
use nvr::wall::Color;
use nvr::wall::paint::class_color;
use serde_json::Value;

use super::{ends_and_gives_the_console_back, shown};
use crate::support::broker::Kind;
use crate::support::stage::Stage;
use crate::support::vm::{Gpu, HOST, Job, PATIENCE, Vm};
use crate::support::wait::until;

/// As large as the pattern's pictures: what is shown has their very pixels.
const TILE: Size = Size::new(320, 240);
const SCREEN: Size = Size::new(640, 480);
const PATTERN: TestPattern = TestPattern {
    size: TILE,
    fps: 5.0,
    objects: 2,
};
/// Of the camera that a processor looks at.
const ANALYSED: u32 = 0;
/// Of the camera that falls silent.
const SILENT: u32 = 1;
/// Of the pattern that the wall paints by itself: no encoder has touched its colours.
const EXACT: u32 = 2;
/// Of the camera that is not there.
const MISSING: u32 = 3;
/// Ground of a warning, and the letters of one.
const WARNING: Color = Color::rgb(230, 159, 0);
/// Letters of a fault.
const FAULT: Color = Color::rgb(255, 140, 60);
/// What is left of the kernel's colours after blending layers.
const ROUNDING: u8 = 2;

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
        let mut url = site.cameras.url(id as usize);
        url.set_host(Some(&HOST.to_string())).expect("an address");
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
    until("the monitor is lit", PATIENCE, || {
        assert_eq!(wall.code(), None, "{}", wall.err());
        wall.err().contains("monitor lit").then_some(())
    });
    wall
}

/// Takes pictures of the monitor until one passes `check`, which says what is missing in the others.
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

/// Every tile in its state: boxes around what the processor finds, exact colours, and words where something is missing.
fn shows_everything(picture: &RgbaImage) -> Result<(), String> {
    if picture.dimensions() != (SCREEN.width, SCREEN.height) {
        return Err(format!("a screen of {:?}", picture.dimensions()));
    }
    has_boxes(&tile(picture, ANALYSED))?;
    has_exact_colours(&tile(picture, EXACT))?;
    if has_boxes(&tile(picture, EXACT)).is_ok() {
        return Err("lines round what no processor looks at".to_owned());
    }
    has_warning(&tile(picture, EXACT))?;
    says(&tile(picture, MISSING), FAULT, "NO CAMERA")
}

/// One of the four tiles.
fn tile(picture: &RgbaImage, index: u32) -> RgbaImage {
    let Size { width, height } = TILE;
    imageops::crop_imm(
        picture,
        index % 2 * width,
        index / 2 * height,
        width,
        height,
    )
    .to_image()
}

fn is_near(pixel: Rgba<u8>, color: Color, by: u8) -> bool {
    // Colours are blue first, as the card has them.
    let Color([blue, green, red, _]) = color;
    std::iter::zip(pixel.0, [red, green, blue]).all(|(is, wanted)| is.abs_diff(wanted) <= by)
}

/// An object of the pattern as it is in a picture.
struct Found {
    class_name: &'static str,
    /// Columns and rows of its pixels.
    columns: Range<u32>,
    rows: Range<u32>,
}

/// Rows in which object `index` stays, alone.
fn rows_of(pattern: &Pattern, index: u32) -> Range<u32> {
    let band = pattern.band_height();
    let cell = (TILE.height - band) / PATTERN.objects;
    band + index * cell..band + (index + 1) * cell
}

/// Finds object `index` by its colour, `by` at most from what BT.601 makes of it; its size may be smaller by `hidden`
/// pixels at each edge, and all within has to be of that colour.
fn object(tile: &RgbaImage, index: u32, by: u8, hidden: u32) -> Result<Found, String> {
    let pattern = Pattern::new(TILE, PATTERN.objects).map_err(|err| err.to_string())?;
    // Size and colour are the same in all frames.
    let object = pattern.objects(0)[index as usize];
    let [y, u, v] = object.yuv.map(f64::from);
    let (y, u, v) = (1.164_38 * (y - 16.0), u - 128.0, v - 128.0);
    let (red, green, blue) = (
        y + 1.596_03 * v,
        y - 0.391_76 * u - 0.812_97 * v,
        y + 2.017_23 * u,
    );
    let [red, green, blue] = [red, green, blue].map(|value| value.round() as u8);
    let color = Color::rgb(red, green, blue);
    let cell = rows_of(&pattern, index);
    let inside = tile
        .enumerate_pixels()
        .filter(|(_, y, pixel)| cell.contains(y) && is_near(**pixel, color, by));
    let mut count = 0;
    // Around nothing, until there is a pixel.
    let nothing = Range {
        start: u32::MAX,
        end: 0,
    };
    let (mut columns, mut rows) = (nothing.clone(), nothing);
    for (x, y, _) in inside {
        count += 1;
        columns = columns.start.min(x)..columns.end.max(x + 1);
        rows = rows.start.min(y)..rows.end.max(y + 1);
    }
    let wanted = (object.bbox.width as u32, object.bbox.height as u32);
    let fits = |is: &Range<u32>, wanted: u32| {
        (wanted - 2 * hidden..=wanted).contains(&is.end.saturating_sub(is.start))
    };
    if !(fits(&columns, wanted.0) && fits(&rows, wanted.1)) || count != columns.len() * rows.len() {
        return Err(format!(
            "{count} pixels of the {}'s colour in columns {columns:?} and rows {rows:?}, not all of {wanted:?}",
            object.class_name
        ));
    }
    Ok(Found {
        class_name: object.class_name,
        columns,
        rows,
    })
}

/// Whether lines of the classes' colours run round the objects where they are in this very picture.
fn has_boxes(tile: &RgbaImage) -> Result<(), String> {
    for index in 0..PATTERN.objects {
        // The encoder is exact to one step; the lines cover the outermost pixels, of which it smears the colours.
        let found = object(tile, index, 3, 3)?;
        let color = class_color(found.class_name);
        let lined = |along: &Range<u32>, beside: [u32; 2], pixel: fn(u32, u32) -> (u32, u32)| {
            let on_line = along.clone().filter(|along| {
                (beside[0]..beside[1]).any(|across| {
                    let (x, y) = pixel(*along, across);
                    tile.get_pixel_checked(x, y)
                        .is_some_and(|pixel| is_near(*pixel, color, ROUNDING))
                })
            });
            on_line.count() == along.len()
        };
        let before = |edge: u32| [edge.saturating_sub(4), edge];
        let behind = |edge: u32| [edge, edge + 4];
        let Found { columns, rows, .. } = &found;
        let sides = [
            lined(columns, before(rows.start), |x, y| (x, y)),
            lined(columns, behind(rows.end), |x, y| (x, y)),
            lined(rows, before(columns.start), |y, x| (x, y)),
            lined(rows, behind(columns.end), |y, x| (x, y)),
        ];
        if sides != [true; 4] {
            return Err(format!(
                "the {} in columns {columns:?} and rows {rows:?} has lines above, below, left and right of it: {sides:?}",
                found.class_name
            ));
        }
    }
    Ok(())
}

/// Whether the first object of the pattern stands on its ground in exact colours and size, and nothing else in its cell.
fn has_exact_colours(tile: &RgbaImage) -> Result<(), String> {
    const GROUND: Color = Color::rgb(37, 37, 37);
    let Found { columns, rows, .. } = object(tile, 0, 1, 0)?;
    let pattern = Pattern::new(TILE, PATTERN.objects).map_err(|err| err.to_string())?;
    let cell = rows_of(&pattern, 0);
    let other = tile
        .enumerate_pixels()
        .filter(|(x, y, _)| cell.contains(y) && !(columns.contains(x) && rows.contains(y)))
        .filter(|(_, _, pixel)| !is_near(**pixel, GROUND, 1))
        .count();
    if other > 0 {
        return Err(format!(
            "{other} pixels of the exact tile's ground are of another colour"
        ));
    }
    Ok(())
}

/// Whether a warning stands in the upper left corner: its ground, and dark letters on it.
fn has_warning(tile: &RgbaImage) -> Result<(), String> {
    let corner = imageops::crop_imm(tile, 0, 0, TILE.width / 2, 20).to_image();
    let ground = pixels(&corner, WARNING, ROUNDING);
    let letters = pixels(&corner, Color::BLACK, 40);
    if ground < 500 || letters < 150 {
        return Err(format!(
            "NO PROCESSOR has {ground} pixels of ground and {letters} of letters"
        ));
    }
    Ok(())
}

/// Whether letters of this ink stand in the middle of a tile.
fn says(tile: &RgbaImage, ink: Color, words: &str) -> Result<(), String> {
    let Size { width, height } = TILE;
    let middle = imageops::crop_imm(tile, width / 4, height / 4, width / 2, height / 2).to_image();
    let inked = pixels(&middle, ink, ROUNDING);
    // Of letters 20 rows high, that much is inside their lines; nothing else has their colour.
    if inked < 60 {
        return Err(format!("{words} has {inked} pixels of its ink"));
    }
    Ok(())
}

/// Whether the ground of the pattern is darker than it is in a live picture.
fn is_dimmed(tile: &RgbaImage) -> Result<(), String> {
    // 37 of a live picture, by 105 of 255.
    let ground = pixels(tile, Color::rgb(15, 15, 15), 3);
    if ground < 20_000 {
        return Err(format!(
            "{ground} pixels of the stale tile's ground are dimmed"
        ));
    }
    Ok(())
}

fn pixels(picture: &RgbaImage, color: Color, by: u8) -> usize {
    let all = picture.pixels();
    all.filter(|pixel| is_near(**pixel, color, by)).count()
}

/// What the wall says of itself at its control socket.
fn status(vm: &Vm) -> Value {
    let nvr = env!("CARGO_BIN_EXE_nvr");
    let told = vm.ok(&format!("{nvr} control status --role wall"));
    serde_json::from_str(&told).expect("JSON")
}

/// The planes that the wall says it uses, as what each carries and the kernel's account of the same plane. Those that the
/// kernel shows besides make it fail.
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

/// What the tiles say, by the wall's own account.
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
    // What it says of its display is a second old at most.
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
            let tile = tile(picture, SILENT);
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

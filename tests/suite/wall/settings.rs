//! Texts on a wall other than states: the screen without cameras, and names, rates and clock by setting.

use std::net::UdpSocket;

use image::RgbaImage;
use nvr::base::Size;
use nvr::render::paint::Typeface;
use nvr::render::{Color, Rect};

use crate::support::broker::{Broker, Kind, Setup};
use crate::support::tiles::{BEHIND, is_bright, part, pixels};
use crate::support::wait::{SOON, until};
use crate::support::wall::{SOONER, TILE, Wall, WallOptions};
use crate::support::words::{on_black, reads_one_of};

/// The address of this machine in its network, as shown on a wall. `None` without a network.
fn own_address() -> Option<String> {
    let socket = UdpSocket::bind(("0.0.0.0", 0)).ok()?;
    socket.connect(("192.0.2.1", 9)).ok()?;
    Some(socket.local_addr().ok()?.ip().to_string())
}

/// A screen with these lines, the first one larger.
fn welcome(size: Size, lines: &[String]) -> RgbaImage {
    on_black(size, |painter| {
        let screen = painter.clip();
        painter.cover(&screen, Color::rgb(16, 24, 32));
        let mut y = (size.height / 4) as i32;
        for (index, line) in lines.iter().enumerate() {
            let size_px = (size.height / if index == 0 { 16 } else { 32 }).max(11);
            let room = size.width - 2 * size_px;
            for words in painter.letters().wrapped(line, size_px, room, 4) {
                let width = painter.letters().width(&words, size_px);
                let x = ((size.width - width) / 2) as i32;
                painter.text(x, y, &words, size_px, Color::WHITE);
                y += Typeface::line_px(size_px) as i32;
            }
            y += (size_px / 2) as i32;
        }
    })
}

#[test]
fn a_wall_without_cameras_says_who_it_is_where_it_is_and_what_to_do() {
    let size = Size::new(800, 600);
    let mut broker = Broker::absent(Kind::Mosquitto, Setup::default());
    let settings = WallOptions {
        file: "camera = []\n",
        tile: size,
        ..WallOptions::of(broker.port())
    };
    let wall = Wall::start_with(&settings, &[]);
    let device = wall.state()["wall"]["instance_id"].clone();
    let device = device.as_str().expect("an id");
    assert!(device.starts_with("wall-127"), "{device}");
    let lines = |broker_is: &str| {
        let address = own_address();
        [
            "This wall shows no camera yet".to_owned(),
            format!("device {device}"),
            format!("address {}", address.as_deref().unwrap_or("none: no network")),
            format!("broker 127.0.0.1:{}, {broker_is}", settings.broker),
            "next: add [[camera]] to its configuration file, or start it with --n and --stream-server"
                .to_owned(),
        ]
    };
    let shows = |broker_is: &str| {
        let wanted = welcome(size, &lines(broker_is));
        wall.until_shown(0, |screen| {
            let other = std::iter::zip(screen.pixels(), wanted.pixels());
            match other.filter(|(is, wanted)| is != wanted).count() {
                0 => Ok(()),
                other => Err(format!("{other} pixels are not of the words {broker_is}")),
            }
        });
    };
    shows("not reached");
    broker.up();
    shows("connected");
    assert_eq!(wall.state()["tiles"], serde_json::json!([]));

    // An operator adds its first camera to the file and removes it again.
    let camera = "[[camera]]\nid = 0\nuri = \"test-pattern:?width=320&height=240&fps=5\"\n";
    for (file, is_there) in [(camera, true), ("camera = []\n", false)] {
        std::fs::write(wall.file(), file).expect("written");
        wall.process.signal("HUP");
        if is_there {
            wall.until_says(0, "NO PROCESSOR");
            wall.until_shown(0, is_bright);
        } else {
            shows("connected");
        }
    }
}

/// Size of a camera whose picture has bars above and below, so that texts there are on one colour.
const WIDE: &str =
    "[[camera]]\nid = 7\nuri = \"test-pattern:?width=320&height=160&fps=5&objects=1\"\n";
/// Rows of a bar that texts may take.
const LINE: u32 = 14;

/// The halves of the upper and of the lower bar: top left, top right, bottom left, bottom right.
fn corners(tile: &RgbaImage) -> [RgbaImage; 4] {
    let (half, below) = (TILE.width / 2, TILE.height - LINE);
    [(0, 0), (half, 0), (0, below), (half, below)]
        .map(|(x, y)| part(tile, &Rect::new(x as i32, y as i32, half, LINE)))
}

fn is_empty(corner: &RgbaImage) -> Result<(), String> {
    let other = corner.pixels().len() - pixels(corner, BEHIND, 0);
    if other > 0 {
        return Err(format!("{other} pixels of a corner that should be empty"));
    }
    Ok(())
}

fn now() -> jiff::Zoned {
    jiff::Zoned::now()
}

#[test]
fn names_figures_and_clock_are_shown_as_the_settings_say() {
    let broker = Broker::start(Kind::Mosquitto);
    let fps: Vec<String> = (30..80)
        .map(|tenths| format!("{}.{} fps", tenths / 10, tenths % 10))
        .collect();
    let with = |fps: &[String], more: &str| -> Vec<String> {
        fps.iter().map(|fps| format!("{fps}{more}")).collect()
    };
    let clock = |name: &str| -> Vec<String> {
        let around = (-2..=2).map(|second| now() + jiff::SignedDuration::from_secs(second));
        around
            .map(|time| format!("{name}{}", time.strftime("%H:%M:%S")))
            .collect()
    };
    let file = |wall: &str, name: &str| format!("{SOONER}sync = \"latest\"\n{wall}\n{WIDE}{name}");
    let first = file("name = \"Gate\"\nclock = true", "name = \"Ramp\"");
    let settings = WallOptions {
        file: &first,
        ..WallOptions::of(broker.port())
    };
    let wall = Wall::start_with(&settings, &[]);
    // An event without boxes, so that its tile is analysed and has a latency; who publishes no status is known by it.
    let event = || {
        let text = format!(
            r#"{{"source_id":7,"frame_id":1,"timestamp":"{}","model_id":"m","inference_time_ms":1,"detections":[],"latency_ms":123}}"#,
            jiff::Timestamp::now()
        );
        broker.publish("nvr/detections/7", text.as_bytes(), false);
    };
    type Wanted<'a> = [&'a dyn Fn() -> Vec<String>; 3];
    let shows = |what: &str, wanted: Wanted<'_>| {
        let [top_right, bottom_left, bottom_right] = wanted;
        until(what, SOON * 2, || {
            event();
            let [_, corner, name, figures] = corners(&wall.tile(0));
            let one = |picture: &RgbaImage, words: Vec<String>| {
                if words.is_empty() {
                    is_empty(picture)
                } else {
                    reads_one_of(picture, Color::WHITE, &words).map(drop)
                }
            };
            let seen = [
                one(&corner, top_right()),
                one(&name, bottom_left()),
                one(&figures, bottom_right()),
            ];
            seen.iter().all(Result::is_ok).then_some(())
        });
    };
    let nothing: &dyn Fn() -> Vec<String> = &Vec::new;
    let both = || with(&fps, "  120 ms");
    shows(
        "everything",
        [&|| clock("Gate  "), &|| vec!["7 Ramp".to_owned()], &both],
    );
    let again = |wall_part: &str, camera: &str| {
        std::fs::write(wall.file(), file(wall_part, camera)).expect("written");
        wall.process.signal("HUP");
    };
    again("clock = true\ndisplay_latency = false", "");
    shows(
        "a clock, no latency",
        [&|| clock(""), &|| vec!["camera 7".to_owned()], &|| {
            fps.clone()
        }],
    );
    again(
        "name = \"Gate\"\ndisplay_fps = false\ndisplay_name = false",
        "",
    );
    shows(
        "a wall's name and a latency",
        [&|| vec!["Gate".to_owned()], nothing, &|| {
            vec!["120 ms".to_owned()]
        }],
    );
    again(
        "display_fps = false\ndisplay_name = false\ndisplay_latency = false",
        "",
    );
    shows("nothing", [nothing, nothing, nothing]);
}

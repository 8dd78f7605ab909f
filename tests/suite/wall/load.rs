//! The wall under load: a flood of events, the maximum number of cameras, pictures that change their size.

use std::time::Instant;

use nvr::base::Size;
use nvr::config::TestPattern;
use nvr::media::testcam::{CameraOptions, Feed, Testcam, TestcamOptions};
use nvr::render::{Color, Rect};
use serde_json::{Value, json};

use super::{cameras_at, sources, start};
use crate::soak::Held;
use crate::support::broker::{Broker, Kind, free_port};
use crate::support::stage::{PATTERN, arguments, processor};
use crate::support::tiles::{BEHIND, FAULT, has_box, has_boxes, is_bright, part, pixels, tile};
use crate::support::wait::{SOON, until};
use crate::support::wall::{TILE, Wall, WallOptions, painted};
use crate::support::words::reads;

/// Limit for the growth of the heap in a flood. The events of a source take half a megabyte.
const FLOOD_MB: f64 = 16.0;

#[test]
fn a_thousand_events_a_second_of_one_camera_cost_the_other_nothing() {
    const A_SECOND: u64 = 1000;
    const EVENTS: u64 = 6 * A_SECOND;
    /// How many events may be unread at most: those that may be lost, and half a second's.
    const BEHIND: u64 = EVENTS * 5 / 100 + A_SECOND / 2;
    let broker = Broker::start(Kind::Mosquitto);
    let cameras = cameras_at(0, 2);
    let shown = [0, 1].map(|id| format!("{id}={}", cameras.url(id)));
    // The last box is looked for to the pixel.
    let options = [&sources(&shown)[..], &["--box-thickness", "1"]].concat();
    let wall = Wall::start(broker.port(), &options);
    let fps = |tile: &Value| tile["fps"].as_f64().unwrap_or_default();
    for id in [0, 1] {
        wall.until_camera(id, "its rate", |tile| fps(tile) > 0.0);
        wall.until_shown(id, is_bright);
    }
    let event = |number: u64| {
        let objects: Vec<Value> = (0..8)
            .map(|track| {
                let x = (number * (track + 1)) % 300;
                json!({
                    "class_name": "dog", "confidence": 0.5, "tracker_id": track,
                    "bbox": { "x": x, "y": 40 + 20 * track, "width": 20, "height": 16 },
                })
            })
            .collect();
        let event = json!({
            "source_id": 0, "frame_id": number, "timestamp": jiff::Timestamp::now().to_string(),
            "model_id": "m", "inference_time_ms": 1, "latency_ms": 2, "frame_width": 320,
            "frame_height": 240, "detections": objects,
        });
        format!("{event}\n")
    };
    let mut publisher = broker.stream("nvr/detections/0");
    let before = Held::by(&wall.process);
    let frames = |id| wall.camera(id)["frames"].as_u64().unwrap_or_default();
    let read = || {
        wall.state()["broker"]["events"]
            .as_u64()
            .unwrap_or_default()
    };
    let (first, start) = (frames(1), Instant::now());
    let mut sent = 0;
    while sent < EVENTS {
        let due = until("the next events are due", SOON, || {
            let due = start.elapsed().as_millis() as u64 * A_SECOND / 1000;
            (due > sent).then_some(due.min(EVENTS).min(sent + A_SECOND / 4))
        });
        let lines: String = (sent..due).map(event).collect();
        publisher.type_in(lines.as_bytes());
        if sent / (A_SECOND / 4) != due / (A_SECOND / 4) {
            let told = wall.camera(1);
            assert_eq!(told["reconnects"], 0, "{told:#}");
            // On a machine that is too busy for this rate, a broker drops what is not read in time.
            until("the wall keeps up", SOON, || {
                (read() + BEHIND >= sent).then_some(())
            });
        }
        sent = due;
    }
    // The other camera continues. Its rate depends on the load of the machine and is measured in the benchmark.
    let wanted = first + EVENTS / A_SECOND * PATTERN.fps as u64 / 2;
    until("the other camera's frames", SOON, || {
        (frames(1) > wanted).then_some(())
    });
    // Messages are delivered at most once. On one machine few are lost.
    until("the events were read", SOON, || {
        (read() >= EVENTS * 95 / 100).then_some(())
    });
    assert_eq!(wall.figure("nvr_wall_events_refused_total"), 0.0);
    let after = Held::by(&wall.process);
    assert!(
        after.resident_mb - before.resident_mb < FLOOD_MB,
        "{before:?}, then {after:?}"
    );
    // After the flood, the next event is drawn as usual.
    let at = Rect::new(100, 80, 60, 80);
    until("a box", SOON, || {
        let event = json!({
            "source_id": 0, "frame_id": 9, "timestamp": jiff::Timestamp::now().to_string(),
            "model_id": "m", "inference_time_ms": 1, "frame_width": 320, "frame_height": 240,
            "detections": [{
                "class_name": "dog", "confidence": 0.5,
                "bbox": { "x": 130, "y": 120, "width": 60, "height": 80 },
            }],
        });
        publisher.type_in(format!("{event}\n").as_bytes());
        has_box(&wall.tile(0), &at, "dog").ok()
    });
}

#[test]
fn statuses_and_events_of_cameras_that_are_not_shown_cost_nothing() {
    const OTHERS: u32 = 3000;
    let broker = Broker::start(Kind::Mosquitto);
    let shown = [0, 1].map(|id| painted(id, &SMALL));
    let wall = Wall::start(broker.port(), &sources(&shown));
    for id in [0, 1] {
        wall.until_says(id, "NO PROCESSOR");
    }
    let before = Held::by(&wall.process);
    let runtime = crate::bus::runtime();
    let stranger = crate::bus::start(
        &runtime,
        crate::bus::retrying_quickly(crate::bus::settings(broker.port())),
    );
    let message = "m".repeat(20_000);
    for id in 100..100 + OTHERS {
        let status = json!({
            "source_id": id, "instance_id": format!("box{id}"), "session": "s", "state": "failed",
            "since": "2025-10-25T10:30:00.500Z", "uri": "rtsp://x/",
            "reason": { "code": "unreachable", "message": message },
        });
        stranger.retain(&format!("nvr/sources/{id}"), status.to_string().into());
        let presence =
            json!({ "state": "online", "session": "s", "since": "2025-10-25T10:30:00Z" });
        stranger.retain(
            &format!("nvr/processors/box{id}"),
            presence.to_string().into(),
        );
    }
    stranger.retain("nvr/sources/1", b"the last one".to_vec());
    until("the last one was read", SOON * 4, || {
        (wall.figure("nvr_wall_events_refused_total") == 1.0).then_some(())
    });
    let after = Held::by(&wall.process);
    assert!(
        after.resident_mb - before.resident_mb < FLOOD_MB,
        "{before:?}, then {after:?}"
    );
    assert_eq!(wall.figure("nvr_wall_messages_dropped_total"), 0.0);
}

/// The maximum number of cameras that a wall is designed for.
const MANY: u32 = 64;

/// A pattern that takes little CPU time.
pub(super) const SMALL: TestPattern = TestPattern {
    size: Size::new(160, 120),
    fps: 2.0,
    objects: 1,
};

#[test]
fn sixty_four_cameras_of_which_four_are_there_take_turns() {
    let gone = free_port();
    let is_there = |id: u32| id % 16 == 5;
    let shown: Vec<String> = (0..MANY)
        .map(|id| match is_there(id) {
            true => painted(id, &SMALL),
            false => format!("{id}=rtsp://127.0.0.1:{gone}/live{id}.stream"),
        })
        .collect();
    let mut options = sources(&shown);
    // Too low for sixteen rows of four: two pages of eight.
    const PAGE: u32 = 32;
    const FLAT: Size = Size::new(160, 80);
    options.extend([
        "--mode",
        "640x640",
        "--grid-columns",
        "4",
        "--page-time",
        "1s",
    ]);
    let settings = WallOptions {
        file: "[wall]\nretry_longest = \"30s\"\n",
        ..WallOptions::of(free_port())
    };
    let wall = Wall::start_with(&settings, &options);
    until("each camera's state", SOON * 3, || {
        let words = wall.words();
        assert_eq!(words.len(), MANY as usize);
        let is_so = |id: u32| match is_there(id) {
            true => words[id as usize] == "NO BROKER",
            false => words[id as usize] == "NO CAMERA · NO BROKER",
        };
        (0..MANY).all(is_so).then_some(())
    });
    let state = wall.state();
    let ids = state["tiles"].as_array().into_iter().flatten();
    let ids: Vec<u64> = ids.filter_map(|tile| tile["source_id"].as_u64()).collect();
    assert_eq!(ids, (0..u64::from(MANY)).collect::<Vec<_>>());
    assert_eq!(state["heads"][0]["pages"], 2, "{state:#}");
    // Each page shows two cameras that are present, each at its position, and NO CAMERA for the others. The names identify the
    // page.
    for first in [0, PAGE] {
        wall.until_picture(|picture| {
            (0..PAGE).try_for_each(|index| {
                let (id, tile) = (first + index, tile(picture, FLAT, index));
                let line = Rect::new(0, 68, 80, 12);
                reads(&part(&tile, &line), Color::WHITE, &format!("camera {id}"))?;
                match is_there(id) {
                    true => is_bright(&tile),
                    false => reads(&tile, FAULT, "NO CAMERA"),
                }
            })
        });
    }
}

#[test]
fn sixty_four_live_cameras_are_all_on_one_screen() {
    let shown: Vec<String> = (0..MANY).map(|id| painted(id, &SMALL)).collect();
    let mut options = sources(&shown);
    options.extend(["--grid-columns", "8"]);
    let settings = WallOptions {
        tile: SMALL.size,
        ..WallOptions::of(free_port())
    };
    let wall = Wall::start_with(&settings, &options);
    until("all are live", SOON * 2, || {
        let words = wall.words();
        assert_eq!(words.len(), MANY as usize);
        words.iter().all(|words| words == "NO BROKER").then_some(())
    });
    assert_eq!(wall.state()["heads"][0]["pages"], 1);
    wall.until_picture(|picture| {
        assert_eq!(picture.dimensions(), (8 * 160, 8 * 120));
        (0..MANY).try_for_each(|index| is_bright(&tile(picture, SMALL.size, index)))
    });
}

/// A camera with the given pattern.
fn camera(port: u16, size: Size) -> Testcam {
    start(&TestcamOptions {
        port,
        cameras: vec![CameraOptions::new(Feed::Pattern(TestPattern {
            size,
            ..PATTERN
        }))],
        ..TestcamOptions::default()
    })
}

#[test]
fn a_camera_that_changes_its_resolution_is_shown_and_its_boxes_follow() {
    let broker = Broker::start(Kind::Mosquitto);
    let mut cameras = camera(0, TILE);
    let port = cameras.port();
    let shown = [format!("0={}", cameras.url(0))];
    // The last box is looked for to the pixel.
    let options = [&sources(&shown)[..], &["--box-thickness", "1"]].concat();
    let wall = Wall::start(broker.port(), &options);
    let _processor = processor(arguments(&broker, &cameras));
    wall.until_shown(0, |tile| has_boxes(tile, &PATTERN));

    // Half as high, pixel for pixel in the tile's middle, with bars above and below.
    let flat = TestPattern {
        size: Size::new(320, 160),
        ..PATTERN
    };
    cameras.stop();
    cameras = camera(port, flat.size);
    wall.until_shown(0, |tile| {
        let [above, picture, below] = [(0, 40), (40, 160), (200, 40)]
            .map(|(y, height)| part(tile, &Rect::new(0, y, 320, height)));
        for bar in [above, below] {
            let words = pixels(&bar, Color::BLACK, 60) + pixels(&bar, Color::WHITE, 120);
            let bar_px = pixels(&bar, BEHIND, 0);
            if bar_px + words < bar.pixels().len() * 9 / 10 {
                return Err(format!("{bar_px} pixels of a bar"));
            }
        }
        has_boxes(&picture, &flat)
    });

    // Four times the pixels of the first one: scaled to the tile, where boxes are by their fractions.
    cameras.stop();
    cameras = camera(port, Size::new(640, 480));
    wall.until_shown(0, |tile| {
        let width = tile.width();
        let rows = [0, tile.height() - 1].map(|y| Rect::new(0, y as i32, width, 1));
        if rows
            .iter()
            .any(|row| pixels(&part(tile, row), BEHIND, 0) == width as usize)
        {
            return Err("a bar above or below".to_owned());
        }
        is_bright(tile)
    });
    let told = wall.camera(0);
    assert_eq!(told["text"], "", "{told:#}");
    drop(_processor);
    // The processor's boxes are gone, and those of one of ours are exact.
    let at = Rect::new(100, 60, 120, 140);
    until("a box", SOON * 2, || {
        let event = json!({
            "source_id": 0, "frame_id": 9, "timestamp": jiff::Timestamp::now().to_string(),
            "model_id": "m", "inference_time_ms": 1, "frame_width": 640, "frame_height": 480,
            "detections": [{
                "class_name": "dog", "confidence": 0.5,
                "bbox": { "x": 320, "y": 260, "width": 240, "height": 280 },
            }],
        });
        broker.publish("nvr/detections/0", event.to_string().as_bytes(), false);
        has_box(&wall.tile(0), &at, "dog").ok()
    });
    cameras.stop();
}

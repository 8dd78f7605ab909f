//! Unusual but valid events: boxes of another frame size, of a clock that is centuries off, ten thousand of them. Each is drawn
//! as its fields say, and the next ordinary event is drawn as usual.

use nvr::event::{DetectionEvent, PAYLOAD_LIMIT_BYTES};
use nvr::render::Rect;
use serde_json::{Value, json};

use super::events::{LEFT, RIGHT, Site, but, event};
use super::sources;
use crate::support::stage::{PATTERN, Stage};
use crate::support::tiles::has_boxes;
use crate::support::wait::{SOON, until};
use crate::support::wall::Wall;

/// Expected position of a box, in pixels of the tile.
const MIDDLE: Rect = Rect::new(120, 70, 70, 90);

fn draws_boxes_of_other_frame_sizes(site: &mut Site) {
    // A box is a fraction of the event's frame, whatever frame size the camera sends here.
    let quarter = Rect::new(80, 60, 160, 120);
    for (class_name, width, height) in [
        // The main stream is analysed, while the wall shows the sub stream.
        ("dog", 2560.0, 1440.0),
        ("car", 100.0, 1000.0),
        ("person", 4.0, 2.0),
        ("truck", f64::from(u32::MAX), f64::from(u32::MAX)),
    ] {
        let mut odd = event(0, class_name, &LEFT);
        odd["frame_width"] = json!(width as u32);
        odd["frame_height"] = json!(height as u32);
        odd["detections"][0]["bbox"] = json!({
            "x": width / 2.0, "y": height / 2.0, "width": width / 2.0, "height": height / 2.0,
        });
        site.reads(&odd);
        site.draws(0, class_name, &quarter);
    }
    // Without a complete frame size, that of the camera is used.
    for (class_name, width, height) in [
        ("dog", Value::Null, Value::Null),
        ("car", json!(7), Value::Null),
    ] {
        let mut odd = event(0, class_name, &LEFT);
        odd["frame_width"] = width;
        odd["frame_height"] = height;
        site.reads(&odd);
        site.draws(0, class_name, &LEFT);
    }
    // A frame size of zero is refused: the earlier boxes stay.
    for (width, height) in [(0, 240), (320, 0), (0, 0)] {
        let mut odd = event(0, "person", &RIGHT);
        odd["frame_width"] = json!(width);
        odd["frame_height"] = json!(height);
        site.reads(&odd);
        site.draws(0, "car", &LEFT);
    }
}

/// Clocks of either kind that are centuries off, each followed by an ordinary event.
fn draws_events_of_other_centuries(site: &mut Site) {
    let now = |class_name| event(0, class_name, &LEFT);
    for (place, value) in [
        ("/timestamp", json!("9999-12-30T21:59:59Z")),
        ("/timestamp", json!("-009999-01-02T01:59:59Z")),
        ("/timestamp", json!("1970-01-01T00:00:00Z")),
        ("/ntp_ns", json!(u64::MAX)),
        ("/ntp_ns", json!("0")),
    ] {
        site.reads(&but(event(0, "dog", &RIGHT), place, value));
        site.draws(0, "dog", &RIGHT);
        site.reads(&now("truck"));
        site.draws(0, "truck", &LEFT);
        site.draws_none_of(0, "dog");
    }
}

/// Boxes that are outside, partly outside, or without an extent.
fn draws_the_inner_part_of_boxes(site: &mut Site) {
    let at = |class_name, x, y, width, height| {
        let bbox = json!({ "x": x, "y": y, "width": width, "height": height });
        but(event(0, class_name, &LEFT), "/detections/0/bbox", bbox)
    };
    site.reads(&at("dog", -500.0, 120.0, 100.0, 100.0));
    site.draws_none_of(0, "truck");
    site.draws_none_of(0, "dog");
    site.reads(&at("dog", 300.0, 140.0, 120.0, 80.0));
    site.draws(0, "dog", &Rect::new(240, 100, 80, 80));
    for (width, height) in [(0.0, 80.0), (80.0, 0.0)] {
        site.reads(&at("car", 160.0, 120.0, width, height));
        site.draws_none_of(0, "car");
    }
    site.reads(&at("car", 3e38, 3e38, 3e38, 3e38));
    site.draws_none_of(0, "car");
}

/// More objects than the limit: the most confident ones are drawn.
fn draws_the_most_confident_of_a_crowd(site: &mut Site) {
    let mut crowd = event(0, "person", &MIDDLE);
    let small = json!({
        "class_name": "dog", "confidence": 0.1, "bbox": { "x": 20, "y": 200, "width": 9, "height": 9 },
    });
    let mut all = vec![small; 10_000];
    all.push(crowd["detections"][0].clone());
    crowd["detections"] = all.into();
    assert!(crowd.to_string().len() < PAYLOAD_LIMIT_BYTES);
    site.reads(&crowd);
    site.draws(0, "person", &MIDDLE);
}

/// Names that no model has.
fn draws_objects_of_any_name(site: &mut Site) {
    let names = [
        "x".repeat(900_000),
        "\u{0}\u{7}\n\u{202e}".to_owned(),
        String::new(),
    ];
    for name in names {
        let odd = event(0, &name, &MIDDLE);
        site.reads(&odd);
        // A name is kept up to a length.
        let kept = DetectionEvent::from_json(odd.to_string().as_bytes()).expect("an event");
        let kept = &kept.detections[0].class_name;
        assert!(kept.len() <= 256 + "…".len(), "{} bytes", kept.len());
        site.draws(0, kept, &MIDDLE);
    }
}

#[test]
fn unusual_events_are_drawn_by_their_own_fields() {
    let mut site = Site::start();
    draws_boxes_of_other_frame_sizes(&mut site);
    draws_events_of_other_centuries(&mut site);
    draws_the_inner_part_of_boxes(&mut site);
    draws_the_most_confident_of_a_crowd(&mut site);
    draws_objects_of_any_name(&mut site);
    // Unknown fields of a later version.
    let mut later = event(0, "truck", &LEFT);
    later["zone"] = json!({ "a": [{ "b": null }] });
    later["clock"] = json!("sundial");
    site.reads(&later);
    site.draws(0, "truck", &LEFT);

    // An event of a camera that this wall does not show is ignored, and not counted as refused.
    site.publish(
        "nvr/detections/9",
        event(9, "dog", &LEFT).to_string().as_bytes(),
    );
    // The camera of an event is that of its field, not of its topic.
    site.reads(&event(1, "car", &RIGHT));
    site.draws(1, "car", &RIGHT);
    site.draws(0, "truck", &LEFT);
    assert_eq!(site.wall.figure("nvr_wall_events_refused_total"), 0.0);
}

#[test]
fn events_of_another_time_do_not_move_the_boxes_of_the_present() {
    let stage = Stage::start(1, &[]);
    let shown = [format!("0={}", stage.cameras.url(0))];
    let wall = Wall::start(stage.broker.port(), &sources(&shown));
    // By NTP time, which is known after the camera's first sender report.
    let share = |tile: &Value| tile["sync"]["matched_share"].as_f64();
    wall.until_camera(0, "matches", |tile| share(tile) > Some(0.5));
    wall.until_shown(0, |tile| has_boxes(tile, &PATTERN));
    let hour_ns: i128 = 3_600_000_000_000;
    for by_ns in [
        hour_ns,
        -hour_ns,
        10_000 * hour_ns,
        1_000_000_000,
        -9_000_000_000,
    ] {
        let mut other = stage.wait_for("nvr/detections/0", "an event by NTP time", |event| {
            event["ntp_ns"].is_string()
        });
        let newest = stage.published("nvr/detections/0").pop();
        let newest = newest.unwrap_or(Value::Null)["ntp_ns"].clone();
        let newest: Option<i128> = newest.as_str().and_then(|text| text.parse().ok());
        let ntp_ns = newest.expect("every event has one by now") + by_ns;
        other["ntp_ns"] = json!(ntp_ns.to_string());
        other["detections"][0]["class_name"] = json!("truck");
        let seen = wall.state()["broker"]["events"].as_u64();
        stage
            .broker
            .publish("nvr/detections/0", other.to_string().as_bytes(), false);
        until("it was read", SOON, || {
            (wall.state()["broker"]["events"].as_u64() > seen).then_some(())
        });
        for _ in 0..5 {
            wall.until_shown(0, |tile| has_boxes(tile, &PATTERN));
        }
        let told = wall.camera(0);
        assert_eq!(told["sync"]["mode"], "aligned", "{by_ns}: {told:#}");
    }
    let told = wall.until_camera(0, "matches", |tile| share(tile) > Some(0.5));
    assert_eq!(
        wall.figure("nvr_wall_events_refused_total"),
        0.0,
        "{told:#}"
    );
}

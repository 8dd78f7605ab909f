//! Invalid payloads: each is counted, none changes the picture, and a valid event afterwards is drawn correctly.

use nvr::base::BBox;
use nvr::config::TestPattern;
use nvr::event::{DetectionEvent, PAYLOAD_LIMIT_BYTES};
use nvr::render::Rect;
use nvr::render::paint::class_color;
use serde_json::{Value, json};

use super::sources;
use crate::support::broker::{Broker, Kind};
use crate::support::tiles::{ROUNDING, has_box, pixels};
use crate::support::wait::{SOON, until};
use crate::support::wall::{TILE, Wall, painted};

/// A picture without the colour of any class.
const PLAIN: TestPattern = TestPattern {
    size: TILE,
    fps: 5.0,
    objects: 0,
};
/// Expected positions of boxes, in pixels of the tile.
pub(super) const LEFT: Rect = Rect::new(40, 80, 60, 80);
pub(super) const RIGHT: Rect = Rect::new(200, 90, 80, 100);

/// An event of camera `id` with one object at `at`. It has no latency, so that it is drawn at once, until the next one.
pub(super) fn event(id: u32, class_name: &str, at: &Rect) -> Value {
    json!({
        "source_id": id, "frame_id": 1, "timestamp": jiff::Timestamp::now().to_string(),
        "model_id": "m", "inference_time_ms": 1.0, "frame_width": TILE.width, "frame_height": TILE.height,
        "detections": [{ "class_name": class_name, "confidence": 0.9, "bbox": centred(at) }],
    })
}

/// A box in the form of events: its centre and its size.
fn centred(at: &Rect) -> Value {
    json!({
        "x": f64::from(at.x) + f64::from(at.width) / 2.0,
        "y": f64::from(at.y) + f64::from(at.height) / 2.0,
        "width": at.width, "height": at.height,
    })
}

/// The event with one value replaced, by a JSON pointer.
pub(super) fn but(mut event: Value, place: &str, value: Value) -> Value {
    let (within, name) = place.rsplit_once('/').expect("a JSON pointer");
    let object = event.pointer_mut(within).expect("it is there");
    object[name] = value;
    event
}

/// A wall on two plain cameras, whose boxes stay until others come.
pub(super) struct Site {
    pub(super) broker: Broker,
    pub(super) wall: Wall,
    read: u64,
    refused: u64,
}

impl Site {
    pub(super) fn start() -> Self {
        let broker = Broker::start(Kind::Mosquitto);
        let shown = [0, 1].map(|id| painted(id, &PLAIN));
        let mut options = sources(&shown);
        options.extend(["--detection-ttl", "1m", "--box-thickness", "1"]);
        let wall = Wall::start(broker.port(), &options);
        for id in [0, 1] {
            wall.until_says(id, "NO PROCESSOR");
        }
        Self {
            broker,
            wall,
            read: 0,
            refused: 0,
        }
    }

    /// Publishes an invalid payload and waits until it is counted as refused.
    fn refuses(&mut self, topic: &str, payload: &[u8]) {
        self.refused += 1;
        self.publish(topic, payload);
    }

    /// Publishes an event and waits until it is counted as read.
    pub(super) fn reads(&mut self, event: &Value) {
        self.takes("nvr/detections/0", event.to_string().as_bytes());
    }

    /// The same on the given topic.
    pub(super) fn takes(&mut self, topic: &str, payload: &[u8]) {
        self.read += 1;
        self.publish(topic, payload);
    }

    /// Publishes something that is neither read nor refused, or has been counted before.
    pub(super) fn publish(&self, topic: &str, payload: &[u8]) {
        self.broker.publish(topic, payload, false);
        let start = String::from_utf8_lossy(&payload[..payload.len().min(200)]).into_owned();
        let wanted = (self.read.into(), self.refused.into());
        until(&format!("{wanted:?} after {topic} {start}"), SOON, || {
            let broker = &self.wall.state()["broker"];
            assert_eq!(broker["connected"], true, "{start}");
            (wanted == (broker["events"].clone(), broker["events_refused"].clone())).then_some(())
        });
    }

    pub(super) fn draws(&self, id: u32, class_name: &str, at: &Rect) {
        self.wall
            .until_shown(id, |tile| has_box(tile, at, class_name));
    }

    pub(super) fn draws_none_of(&self, id: u32, class_name: &str) {
        let color = class_color(class_name);
        self.wall.until_shown(id, |tile| {
            let drawn = pixels(tile, color, ROUNDING);
            let told = format!("{drawn} pixels of a {class_name}");
            (drawn == 0).then_some(()).ok_or(told)
        });
    }
}

/// The topics of the two encodings.
const JSON: &str = "nvr/detections/0";
const POSTCARD: &str = "nvr/detections-postcard/0";

/// A good event, which the payloads below change.
fn car() -> Value {
    event(0, "car", &RIGHT)
}

fn padded(text: &str, length: usize) -> String {
    format!("{text}{}", " ".repeat(length - text.len()))
}

fn refuses_other_texts(site: &mut Site, text: &str) {
    let cut = &text.as_bytes()[..text.len() - 20];
    let garbage: [&[u8]; 8] = [
        b"",
        b"{",
        b"no JSON at all",
        b"null",
        b"[]",
        b"\xff\xfe\x00\x01",
        b"{\"source_id\":0}",
        cut,
    ];
    for payload in garbage {
        site.refuses(JSON, payload);
    }
    site.refuses(JSON, format!("{text}{text}").as_bytes());
}

fn refuses_other_values(site: &mut Site) {
    for (place, value) in [
        ("/source_id", json!(-1)),
        ("/source_id", json!(4_294_967_296_u64)),
        ("/source_id", json!("0")),
        ("/frame_id", json!(-1)),
        ("/frame_id", json!(0.5)),
        ("/timestamp", json!("yesterday")),
        ("/timestamp", json!(1_761_388_200)),
        ("/timestamp", json!("99999-01-01T00:00:00Z")),
        ("/inference_time_ms", json!(-1)),
        ("/latency_ms", json!(-0.5)),
        ("/fps", json!(-1)),
        ("/frame_width", json!(-1)),
        ("/frame_height", json!(4_294_967_296_u64)),
        ("/ntp_ns", json!("soon")),
        ("/ntp_ns", json!(-1)),
        ("/detections", json!({})),
        ("/detections/0/class_name", json!(null)),
        ("/detections/0/confidence", json!(1.01)),
        ("/detections/0/confidence", json!(-0.01)),
        ("/detections/0/confidence", json!("NaN")),
        ("/detections/0/bbox/width", json!(-1)),
        ("/detections/0/bbox/height", json!(-0.1)),
        ("/detections/0/bbox/x", json!(1e39)),
        ("/detections/0/bbox/y", json!(-1e39)),
        ("/detections/0/bbox", json!([1, 2, 3])),
        ("/detections/0/tracker_id", json!(-1)),
    ] {
        site.refuses(JSON, but(car(), place, value).to_string().as_bytes());
    }
    // Numbers that JSON does not have.
    for number in ["NaN", "Infinity", "-Infinity", "1e999", "-1e999", "0x10"] {
        let text = but(car(), "/detections/0/bbox/x", json!("number")).to_string();
        site.refuses(JSON, text.replace("\"number\"", number).as_bytes());
    }
}

fn refuses_large_payloads(site: &mut Site, text: &str) {
    // One byte too many; more than a megabyte in one object; as many bytes of garbage.
    site.refuses(JSON, padded(text, PAYLOAD_LIMIT_BYTES + 1).as_bytes());
    let name = "x".repeat(PAYLOAD_LIMIT_BYTES);
    let long = but(car(), "/detections/0/class_name", json!(name));
    site.refuses(JSON, long.to_string().as_bytes());
    site.refuses(JSON, &vec![0; 3 * PAYLOAD_LIMIT_BYTES]);
}

/// Postcard with faults, and each encoding on the topic of the other.
fn refuses_other_encodings(site: &mut Site, text: &str, read: &DetectionEvent) {
    let bytes = read.to_postcard();
    site.refuses(JSON, &bytes);
    site.refuses(POSTCARD, text.as_bytes());
    site.refuses(POSTCARD, b"");
    for version in [0, 2, 255] {
        let mut other = bytes.clone();
        other[0] = version;
        site.refuses(POSTCARD, &other);
    }
    site.refuses(POSTCARD, &bytes[..bytes.len() - 1]);
    site.refuses(POSTCARD, &[&bytes[..], b"\0"].concat());
    // A list length that exceeds any memory.
    site.refuses(POSTCARD, &[&bytes[..1], &[0xff; 9], b"\x01"].concat());
    for (of, value) in [
        (0, f32::NAN),
        (1, f32::INFINITY),
        (2, -1.0),
        (3, f32::NEG_INFINITY),
    ] {
        let mut event = read.clone();
        let BBox {
            x,
            y,
            width,
            height,
        } = &mut event.detections[0].bbox;
        *[x, y, width, height][of] = value;
        site.refuses(POSTCARD, &event.to_postcard());
    }
    let mut event = read.clone();
    event.detections[0].confidence = f32::NAN;
    site.refuses(POSTCARD, &event.to_postcard());
}

fn refuses_documents_of_processors(site: &mut Site) {
    site.refuses("nvr/sources/0", b"{\"state\":\"live\"}");
    // The wall subscribes to a presence after a status has named its processor.
    site.broker.publish("nvr/processors/box", b"online", true);
    let status = br#"{"source_id":0,"instance_id":"box","session":"s1","state":"live",
        "since":"2025-10-25T10:30:00Z","uri":"rtsp://a"}"#;
    site.refuses("nvr/sources/0", status);
}

#[test]
fn what_is_no_event_is_counted_and_changes_nothing() {
    let mut site = Site::start();
    site.reads(&event(0, "dog", &LEFT));
    site.draws(0, "dog", &LEFT);

    let text = car().to_string();
    let read = DetectionEvent::from_json(text.as_bytes()).expect("it is good");
    refuses_other_texts(&mut site, &text);
    refuses_other_values(&mut site);
    refuses_large_payloads(&mut site, &text);
    refuses_other_encodings(&mut site, &text, &read);
    refuses_documents_of_processors(&mut site);

    // None of them was drawn, and none removed the present boxes.
    site.draws(0, "dog", &LEFT);
    site.draws_none_of(0, "car");
    site.wall.until_says(0, "NO PROCESSOR");
    let refused = site.wall.figure("nvr_wall_events_refused_total");
    assert_eq!(refused, site.refused as f64);
    // Of these, the link read past the three that are longer than a megabyte.
    assert_eq!(site.wall.figure("nvr_messages_refused_total"), 3.0);
    assert_eq!(site.wall.state()["broker"]["messages_refused"], 3);
    assert_eq!(site.wall.figure("nvr_wall_events_total"), 1.0);
    // Exactly one megabyte is read, in either encoding.
    site.reads(&car());
    site.draws(0, "car", &RIGHT);
    site.draws_none_of(0, "dog");
    site.takes(JSON, padded(&text, PAYLOAD_LIMIT_BYTES).as_bytes());
    let mut binary = read;
    binary.detections[0].class_name = "person".into();
    binary.timestamp = jiff::Timestamp::now();
    site.takes(POSTCARD, &binary.to_postcard());
    site.draws(0, "person", &RIGHT);
}

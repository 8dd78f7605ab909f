//! Analysis states on a tile: each state, its combination with video states, and its end.

use std::time::Duration;

use nvr::base::{SessionId, SourceId};
use nvr::config::TestPattern;
use nvr::event::{
    Presence, PresenceState, RecordingState, RecordingStatus, SourceMetrics, SourceState,
    SourceStatus,
};
use nvr::render::paint::class_color;

use super::{cameras_at, sources};
use crate::support::broker::{Broker, Kind};
use crate::support::stage::{PATTERN, Stage, arguments, processor};
use crate::support::tiles::{
    PAUSE, ROUNDING, WARNING, has_boxes, has_no_boxes, is_bright, is_dimmed, middle, pixels,
};
use crate::support::wait::{SOON, until};
use crate::support::wall::{TILE, Wall, painted};
use crate::support::words::{has_label, reads_nothing, reads_one_of};

/// Time limit in which the end of a processor is known by its will.
const KNOWN_DEAD: Duration = Duration::from_secs(10);

fn wall_of(stage: &Stage) -> Wall {
    let shown = [format!("0={}", stage.cameras.url(0))];
    let wall = Wall::start(stage.broker.port(), &sources(&shown));
    wall.until_says(0, "");
    wall.until_shown(0, |tile| has_boxes(tile, &PATTERN));
    wall
}

/// Whether the picture is live, without boxes, with this text in a label.
fn shows_only_video(wall: &Wall, words: &str) {
    wall.until_shown(0, |tile| {
        has_label(tile, WARNING, words)?;
        is_bright(tile)?;
        has_no_boxes(tile, &PATTERN)
    });
    let told = wall.camera(0);
    assert_eq!(
        (&told["text"], &told["video"]["state"]),
        (&words.into(), &"live".into()),
        "{told:#}"
    );
}

/// An event of a frame that was captured `latency_ms` ago and is published now.
fn event_after(latency_ms: u64) -> String {
    let taken = jiff::Timestamp::now() - Duration::from_millis(latency_ms);
    serde_json::json!({
        "source_id": 0, "frame_id": 1, "timestamp": taken.to_string(), "model_id": "m", "inference_time_ms": 1.0,
        "latency_ms": latency_ms, "frame_width": TILE.width, "frame_height": TILE.height, "detections": [{
            "class_name": "dog", "confidence": 0.9,
            "bbox": { "x": 160.0, "y": 120.0, "width": 60.0, "height": 60.0 },
        }],
    })
    .to_string()
}

#[test]
fn events_that_come_later_than_video_can_wait_are_told_as_late() {
    let broker = Broker::start(Kind::Mosquitto);
    let plain = TestPattern {
        size: TILE,
        fps: 10.0,
        objects: 0,
    };
    let shown = [painted(0, &plain)];
    let mut options = sources(&shown);
    options.extend([
        "--sync",
        "aligned",
        "--delay-budget",
        "200ms",
        "--detection-ttl",
        "300ms",
    ]);
    let wall = Wall::start(broker.port(), &options);
    wall.until_says(0, "NO PROCESSOR");
    let publish_until = |latency_ms: u64, words: &str| {
        until(&format!("it says {words:?}"), SOON * 3, || {
            broker.publish(
                "nvr/detections/0",
                event_after(latency_ms).as_bytes(),
                false,
            );
            (wall.camera(0)["text"] == words).then_some(())
        });
    };
    // In time: the tile has no text and shows the box.
    publish_until(100, "");
    publish_until(2_000, "LATE");
    let told = wall.camera(0);
    assert_eq!(
        (&told["analysis"]["state"], &told["video"]["state"]),
        (&"late".into(), &"live".into()),
        "{told:#}"
    );
    wall.until_shown(0, |tile| {
        broker.publish("nvr/detections/0", event_after(2_000).as_bytes(), false);
        has_label(tile, WARNING, "LATE")?;
        match pixels(tile, class_color("dog"), ROUNDING) {
            0 => Ok(()),
            drawn => Err(format!("{drawn} pixels of a box that is late")),
        }
    });
    publish_until(100, "");
}

#[test]
fn a_processor_that_dies_is_missed_within_ten_seconds_and_welcome_again() {
    let mut stage = Stage::start(1, &[]);
    let wall = wall_of(&stage);
    let instance = format!("box-{}", stage.broker.port());
    assert_eq!(wall.camera(0)["analysis"]["instance_id"], *instance);

    stage.processor.kill();
    until("its death is known", KNOWN_DEAD, || {
        (wall.camera(0)["text"] == "NO PROCESSOR").then_some(())
    });
    shows_only_video(&wall, "NO PROCESSOR");

    stage.processor = processor(arguments(&stage.broker, &stage.cameras));
    wall.until_says(0, "");
    wall.until_shown(0, |tile| has_boxes(tile, &PATTERN));

    // Its connection stays up and nobody is behind it: the broker waits for one and a half times its keep-alive.
    stage.processor.signal("STOP");
    wall.until_says(0, "NO PROCESSOR");
    shows_only_video(&wall, "NO PROCESSOR");
    stage.processor.signal("CONT");
    wall.until_says(0, "");
    wall.until_shown(0, |tile| has_boxes(tile, &PATTERN));

    // A processor that ends in order publishes its presence.
    stage.processor.signal("TERM");
    wall.until_says(0, "NO PROCESSOR");
}

#[test]
fn a_broker_that_dies_takes_the_boxes_and_brings_them_back() {
    let mut stage = Stage::start(1, &[]);
    let wall = wall_of(&stage);
    for _ in 0..2 {
        stage.broker.kill();
        wall.until_says(0, "NO BROKER");
        shows_only_video(&wall, "NO BROKER");
        let broker = &wall.state()["broker"];
        assert_eq!(broker["connected"], false, "{broker:#}");
        let reason = broker["reason"].as_str().unwrap_or_default();
        let port = stage.broker.port().to_string();
        assert!(reason.contains(&port), "{broker:#}");

        stage.broker.up();
        wall.until_says(0, "");
        wall.until_shown(0, |tile| {
            reads_nothing(tile, WARNING)?;
            has_boxes(tile, &PATTERN)
        });
    }
    assert_eq!(wall.state()["broker"]["reconnects"], 2);
}

/// A processor that consists only of its documents.
struct Said<'a> {
    broker: &'a Broker,
    session: &'a str,
}

impl Said<'_> {
    fn presence(&self, state: PresenceState) {
        let presence = Presence::now(state, &SessionId(self.session.to_owned()));
        self.broker
            .publish("nvr/processors/stand-in", &presence.to_json(), true);
    }

    fn status(&self, state: SourceState) {
        self.recorded(state, None);
    }

    fn recorded(&self, state: SourceState, recording: Option<RecordingStatus>) {
        let status = SourceStatus {
            source_id: SourceId(0),
            instance_id: "stand-in".into(),
            session: SessionId(self.session.to_owned()),
            state,
            since: jiff::Timestamp::now(),
            reason: None,
            uri: "rtsp://127.0.0.1/live0.stream".to_owned(),
            recording,
            metrics: SourceMetrics::default(),
        };
        self.broker
            .publish("nvr/sources/0", &status.to_json(), true);
    }
}

#[test]
fn a_camera_that_its_processor_can_not_record_says_so() {
    let broker = Broker::start(Kind::Mosquitto);
    let cameras = cameras_at(0, 1);
    let shown = [format!("0={}", cameras.url(0))];
    let said = Said {
        broker: &broker,
        session: "first",
    };
    let is = |state, reason: Option<&str>| {
        Some(RecordingStatus {
            state: Some(state),
            reason: reason.map(str::to_owned),
        })
    };
    said.presence(PresenceState::Online);
    let wall = Wall::start(broker.port(), &sources(&shown));
    let disk = Some("the disk is full");
    for state in [RecordingState::Failing, RecordingState::Refused] {
        said.recorded(SourceState::Live, is(state, disk));
        wall.until_says(0, "NOT RECORDING");
        wall.until_shown(0, |tile| {
            has_label(tile, WARNING, "NOT RECORDING")?;
            is_bright(tile)
        });
        said.recorded(SourceState::Live, is(RecordingState::Recording, None));
        wall.until_says(0, "");
    }
    // While there is no event, nothing is missing.
    said.recorded(SourceState::Live, is(RecordingState::Failing, disk));
    wall.until_says(0, "NOT RECORDING");
    said.recorded(SourceState::Live, is(RecordingState::Armed, None));
    wall.until_says(0, "");
    // Both states are shown, one below the other.
    said.recorded(SourceState::Paused, is(RecordingState::Failing, disk));
    wall.until_says(0, "PAUSED · NOT RECORDING");
    // A status counts only while its processor is online.
    said.presence(PresenceState::Offline);
    wall.until_says(0, "NO PROCESSOR");
}

#[test]
fn a_status_counts_while_its_processor_is_online_with_that_very_session() {
    let broker = Broker::start(Kind::Mosquitto);
    let cameras = cameras_at(0, 1);
    let shown = [format!("0={}", cameras.url(0))];
    let said = |session| Said {
        broker: &broker,
        session,
    };
    said("first").presence(PresenceState::Online);
    said("first").status(SourceState::Paused);
    // Both are retained, because the wall starts later.
    let wall = Wall::start(broker.port(), &sources(&shown));
    wall.until_says(0, "PAUSED");
    assert_eq!(wall.camera(0)["analysis"]["state"], "paused");
    assert_eq!(wall.camera(0)["analysis"]["instance_id"], "stand-in");
    wall.until_shown(0, |tile| {
        has_label(tile, PAUSE, "PAUSED")?;
        is_bright(tile)
    });
    // The state of the processor's session with the camera does not matter.
    for state in [
        SourceState::Live,
        SourceState::Failed,
        SourceState::Stalled,
        SourceState::Connecting,
    ] {
        said("first").status(SourceState::Paused);
        wall.until_says(0, "PAUSED");
        said("first").status(state);
        wall.until_says(0, "");
    }
    wall.until_shown(0, |tile| {
        is_bright(tile)?;
        reads_nothing(tile, PAUSE)?;
        reads_nothing(tile, WARNING)
    });

    // Both halves of the state change independently.
    said("first").status(SourceState::Paused);
    wall.until_says(0, "PAUSED");
    cameras.silence(0, true);
    // On a busy machine all that follows takes a minute.
    let ages: Vec<String> = (1..120).map(|age| format!("STALE {age} s")).collect();
    let is_stale = |tile: &image::RgbaImage| {
        is_dimmed(tile)?;
        reads_one_of(&middle(tile), WARNING, &ages).map(drop)
    };
    wall.until_shown(0, |tile| {
        is_stale(tile)?;
        has_label(tile, PAUSE, "PAUSED")
    });
    let text = wall.camera(0)["text"].clone();
    let text = text.as_str().unwrap_or_default();
    assert!(
        text.starts_with("STALE ") && text.ends_with(" s · PAUSED"),
        "{text}"
    );
    for gone in [PresenceState::Offline, PresenceState::Stopped] {
        said("first").presence(gone);
        wall.until_shown(0, |tile| {
            is_stale(tile)?;
            has_label(tile, WARNING, "NO PROCESSOR")
        });
        said("first").presence(PresenceState::Online);
        wall.until_shown(0, |tile| {
            is_stale(tile)?;
            has_label(tile, PAUSE, "PAUSED")
        });
    }
    // A new run of the processor: the status of the earlier run does not count.
    said("second").presence(PresenceState::Online);
    wall.until_shown(0, |tile| {
        is_stale(tile)?;
        has_label(tile, WARNING, "NO PROCESSOR")
    });
    said("second").status(SourceState::Live);
    cameras.silence(0, false);
    wall.until_says(0, "");
    wall.until_shown(0, is_bright);
}

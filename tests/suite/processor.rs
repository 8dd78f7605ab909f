//! The processor as a process between RTSP cameras and a real broker.

use std::time::Duration;

use nvr::base::Pattern;
use serde_json::Value;

use crate::support::broker::{Broker, Kind, free_port};
use crate::support::process::nvr;
use crate::support::stage::{
    PATTERN, Stage, arguments, documents, page, pattern_cameras, processor,
};
use crate::support::wait::{SOON, until};

#[test]
fn events_say_exactly_what_the_pattern_shows() {
    let stage = Stage::start(1, &["--confidence", "0.3"]);
    let events = stage.events(0, 20);
    let pattern = Pattern::new(PATTERN.size, PATTERN.objects).expect("a pattern");
    for event in &events {
        for field in [
            "source_id",
            "frame_id",
            "timestamp",
            "model_id",
            "inference_time_ms",
            "detections",
            "fps",
            "latency_ms",
        ] {
            assert!(!event[field].is_null(), "{field} is missing in {event}");
        }
        assert_eq!(
            (&event["frame_width"], &event["frame_height"]),
            (&320.into(), &240.into())
        );
        let found = event["detections"].as_array().expect("a list");
        assert_eq!(found.len(), 2, "{event}");
        // Which frame of the pattern it is, the picture says; the objects of some frame must be the ones found.
        assert!(
            (0..40_000).any(|number| {
                pattern.objects(number).iter().all(|object| {
                    found.iter().any(|one| {
                        let near = |key: &str, value: f32| {
                            (one["bbox"][key].as_f64().unwrap_or(-1.0) - f64::from(value)).abs()
                                <= 0.5
                        };
                        one["class_name"] == *object.class_name
                            && near("x", object.bbox.x)
                            && near("y", object.bbox.y)
                            && near("width", object.bbox.width)
                            && near("height", object.bbox.height)
                    })
                })
            }),
            "no frame of the pattern shows {event}"
        );
    }
    let ids: Vec<u64> = events
        .iter()
        .filter_map(|event| event["frame_id"].as_u64())
        .collect();
    assert!(ids.is_sorted_by(|one, next| one < next), "{ids:?}");
    let tracked = events.last().expect("events")["detections"]
        .as_array()
        .expect("a list")
        .iter()
        .all(|one| one["tracker_id"].is_u64());
    assert!(tracked, "objects that are seen for two seconds have tracks");
}

#[test]
fn the_key_of_a_frame_is_its_ntp_time_once_the_camera_has_said_it() {
    let stage = Stage::start(1, &[]);
    let event = stage.wait_for("nvr/detections/0", "an event with an NTP time", |event| {
        event["ntp_ns"].is_string()
    });
    assert_eq!(event["clock"], "ntp");
    let ntp_ns: u64 = event["ntp_ns"]
        .as_str()
        .and_then(|text| text.parse().ok())
        .expect("decimal digits");
    let now_ns = nvr::base::unix_now().as_nanos() as u64;
    assert!(
        now_ns.abs_diff(ntp_ns) < 60_000_000_000,
        "{ntp_ns} is within a minute of {now_ns}"
    );
    let status = stage.wait_for("nvr/sources/0", "figures with the clock", |status| {
        status["clock"] == "ntp"
    });
    assert_eq!(
        (&status["codec"], &status["state"]),
        (&"h264".into(), &"live".into())
    );
}

#[test]
fn both_encodings_stand_on_topics_of_their_own() {
    let stage = Stage::start(1, &["--encoding", "both"]);
    stage.events(0, 1);
    let topics = stage.reader.out().find("a postcard event", SOON, |line| {
        line.starts_with("nvr/detections-postcard/0 ")
    });
    assert!(serde_json::from_str::<Value>(topics.rsplit(' ').next().unwrap_or_default()).is_err());
    assert!(
        stage.reader.out().all().iter().all(
            |line| !line.starts_with("nvr/detections/0 ") || line.contains("{\"source_id\":0,")
        )
    );
}

#[test]
fn a_rate_limit_is_kept() {
    let stage = Stage::start(1, &["--max-fps", "2"]);
    let events = stage.events(0, 10);
    let number = |event: &Value| event["frame_id"].as_u64().expect("a number");
    let shown = number(&events[9]) - number(&events[0]);
    // By the camera's own count, ten frames a second, so that a slow machine changes little: every fifth, less what one came late.
    assert!((9 * 5 - 8..).contains(&shown), "ten of {shown} frames");
}

#[test]
fn termination_is_clean_and_told() {
    let mut stage = Stage::start(2, &[]);
    stage.events(1, 2);
    stage.processor.signal("TERM");
    let status = stage.processor.end(Duration::from_secs(6));
    assert_eq!(status.code(), Some(0), "{:#?}", stage.processor.err().all());
    let topic = format!("nvr/processors/box-{}", stage.broker.port());
    let presence = stage.wait_for(&topic, "the farewell", |presence| {
        presence["state"] == "stopped"
    });
    assert_eq!(presence["session"], stage.published(&topic)[0]["session"]);
}

#[test]
fn a_second_signal_aborts_a_drain_that_is_stuck() {
    let mut stage = Stage::start(1, &["--scripted-delay", "60s"]);
    stage.status(0, "live");
    stage.processor.signal("TERM");
    stage.logged("stopping");
    stage.processor.signal("TERM");
    assert_eq!(stage.processor.end(Duration::from_secs(3)).code(), Some(1));
}

#[test]
fn a_dead_processor_is_told_by_its_will() {
    let mut stage = Stage::start(1, &[]);
    stage.events(0, 1);
    stage.processor.kill();
    let topic = format!("nvr/processors/box-{}", stage.broker.port());
    stage.wait_for(&topic, "the will", |presence| {
        presence["state"] == "offline"
    });
}

#[test]
fn the_later_of_two_processors_refuses_a_source_and_takes_over_when_the_first_is_gone() {
    let mut stage = Stage::start(1, &[]);
    stage.events(0, 1);
    let mut twin = arguments(&stage.broker, &stage.cameras);
    let place = twin
        .iter()
        .position(|word| word == "--instance-id")
        .expect("it is there");
    twin[place + 1] = "twin".to_owned();
    let twin = processor(&twin);
    let line = twin.err().find("the refusal", SOON, |line| {
        line.contains("another processor publishes this source")
    });
    assert!(
        line.contains(&format!("box-{}", stage.broker.port())),
        "{line}"
    );
    let events = stage.events(0, 5);
    assert!(
        events.iter().all(|event| event["instance_id"] != "twin"),
        "the first one alone publishes"
    );
    stage.processor.kill();
    stage.wait_for("nvr/detections/0", "an event of the twin", |event| {
        event["instance_id"] == "twin"
    });
}

/// Publishes the documents of a processor that holds `count` sources.
fn holder_of(count: u32, broker: &Broker) -> (tokio::runtime::Runtime, nvr::bus::Link) {
    let runtime = crate::bus::runtime();
    let options = nvr::bus::LinkOptions {
        instance_id: "other".to_owned(),
        ..crate::bus::retrying_quickly(crate::bus::settings(broker.port()))
    };
    let session = options.session.clone();
    let link = crate::bus::start(&runtime, options);
    for id in 0..count {
        let status = nvr::event::SourceStatus {
            source_id: nvr::base::SourceId(id),
            instance_id: "other".into(),
            session: session.clone(),
            state: nvr::event::SourceState::Live,
            since: "2020-01-01T00:00:00Z".parse().expect("a time"),
            reason: None,
            uri: "rtsp://x/".to_owned(),
            recording: None,
            metrics: nvr::event::SourceMetrics::default(),
        };
        link.retain(&format!("nvr/sources/{id}"), status.to_json());
    }
    link.retain("nvr/end", b"end".to_vec());
    let reader = broker.observe("nvr/end");
    reader
        .out()
        .find("all of it", SOON * 2, |line| line.ends_with(" end"));
    (runtime, link)
}

#[test]
fn every_claim_is_respected_however_many_there_are() {
    let broker = Broker::start(Kind::Mosquitto);
    let (_runtime, _other) = holder_of(1500, &broker);
    let port = broker.port().to_string();
    let ids = [0, 99, 1019, 1020, 1499];
    let mut arguments = vec!["processor", "--mqtt-port", &port, "--backend", "scripted"];
    arguments.extend(["--instance-id", "late"]);
    let sources: Vec<String> = [&ids[..], &[1500]]
        .concat()
        .iter()
        .map(|id| format!("{id}=test-pattern:"))
        .collect();
    arguments.extend(sources.iter().flat_map(|source| ["--source", source]));
    let running = processor(&arguments);
    running.err().find("its own source", SOON * 2, |line| {
        line.contains("this processor publishes the source") && line.contains("1500")
    });
    let lines = running.err().all();
    for id in ids {
        let refused = lines.iter().filter(|line| {
            line.contains("another processor publishes this source")
                && line.contains(&format!("source_id={id} "))
        });
        assert_eq!(refused.count(), 1, "{id}: {lines:#?}");
    }
    let ours = lines
        .iter()
        .filter(|line| line.contains("this processor publishes the source"));
    assert_eq!(ours.count(), 1, "{lines:#?}");
}

#[test]
fn a_retained_message_of_17_mib_on_our_topics_stops_nobody_and_is_named() {
    let broker = Broker::start(Kind::Mosquitto);
    broker.publish("nvr/sources/0", &vec![b'x'; 17 << 20], true);
    let cameras = nvr::media::testcam::Testcam::start(&pattern_cameras(1)).expect("cameras start");
    let reader = broker.observe("nvr/detections/#");
    let running = processor(arguments(&broker, &cameras));
    let line = running.err().find("its name", SOON * 2, |line| {
        line.contains("a message on a subscribed topic is too large and was skipped")
    });
    for part in [
        "nvr/sources/0",
        "17825792",
        "1048576",
        "mosquitto_pub -r -n -t TOPIC",
    ] {
        assert!(line.contains(part), "{line}");
    }
    until("an event", SOON * 2, || {
        documents(&reader, "nvr/detections/0").pop()
    });
    let connections = running
        .err()
        .all()
        .iter()
        .filter(|line| line.contains("connected to the MQTT broker"))
        .count();
    assert_eq!(connections, 1);
}

#[test]
fn a_broker_that_asks_for_a_login_gets_it_from_the_environment() {
    let broker = Broker::start_with(
        Kind::Mosquitto,
        crate::support::broker::Setup {
            login: Some(("nvr", "secret")),
            ..Default::default()
        },
    );
    let cameras = nvr::media::testcam::Testcam::start(&pattern_cameras(1)).expect("cameras start");
    let reader = broker.observe("nvr/detections/#");
    let mut command = nvr();
    command
        .args(arguments(&broker, &cameras))
        .env("MQTT_USERNAME", "nvr")
        .env("MQTT_PASSWORD", "secret");
    let running = crate::support::process::Running::start(command);
    until("an event", SOON, || {
        documents(&reader, "nvr/detections/0").pop()
    });
    assert!(
        running
            .err()
            .all()
            .iter()
            .all(|line| !line.contains("secret"))
    );
}

#[test]
fn a_model_that_is_not_there_is_an_error_of_the_settings() {
    let mut command = nvr();
    command.args([
        "processor",
        "--model",
        "nowhere-640",
        "--source",
        "0=test-pattern:",
        "--mqtt-port",
        "1",
    ]);
    let mut running = crate::support::process::Running::start(command);
    assert_eq!(running.end(SOON).code(), Some(2));
    let text = running.err().all().join("\n");
    assert!(
        text.contains("model nowhere-640 is not installed") && text.contains("nvr model import"),
        "{text}"
    );
}

#[test]
fn the_page_tells_figures_and_health() {
    let address = format!("127.0.0.1:{}", free_port());
    let stage = Stage::start(2, &["--http", &address]);
    stage.events(0, 10);
    stage.status(1, "live");
    assert!(page(&address, "/healthz").ends_with("\r\n\r\nok\n"));
    let metrics = page(&address, "/metrics");
    let value = |name: &str| -> f64 {
        let line = metrics.lines().find_map(|line| line.strip_prefix(name));
        let line = line.unwrap_or_else(|| panic!("{name} is missing in {metrics}"));
        let value = line.trim().parse();
        value.unwrap_or_else(|_| panic!("{name} is {line} in {metrics}"))
    };
    assert!(value("nvr_frames_inferred_total{source_id=\"0\"}") >= 10.0);
    assert!(value("nvr_source_live{source_id=\"1\"}") == 1.0);
    assert!(value("nvr_broker_connected{}") == 1.0);
    assert!(value("nvr_stages_stuck{}") == 0.0);
    assert!(page(&address, "/other").starts_with("HTTP/1.1 404 "));
}

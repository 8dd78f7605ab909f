//! The link with real brokers, mosquitto and `nvr broker`: errors, dropped events and reconnection.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::process::Command;
use std::time::Duration;

use nvr::base::{SessionId, SourceId};
use nvr::bus::{
    Claims, ClientRole, Delivery, Link, LinkOptions, LinkState, Message, Subscription, Topics,
};
use nvr::config::{Encoding, MqttSettings, Secret};
use nvr::event::{DetectedObject, DetectionEvent};
use tokio::runtime::Runtime;

mod answers;
mod outages;
mod retained;
mod twins;

use crate::support::broker::{Broker, Kind, Setup};
use crate::support::process::Running;
use crate::support::wait::{SOON, until, until_true};

/// Runs each scenario against both brokers.
macro_rules! against_both {
    ($($scenario:ident)*) => {
        mod mosquitto {
            $(#[test] fn $scenario() { super::$scenario(super::Kind::Mosquitto); })*
        }
        mod ours {
            $(#[test] fn $scenario() { super::$scenario(super::Kind::Ours); })*
        }
    };
}
pub(crate) use against_both;

against_both! {
    a_wrong_password_is_told_as_such
    a_source_held_by_another_processor_is_seen
    mosquitto_sub_and_jq_read_events
}

pub(crate) fn settings(port: u16) -> MqttSettings {
    MqttSettings {
        host: "localhost".to_owned(),
        port,
        username: None,
        password: None,
        tls: None,
        topic_root: "nvr".to_owned(),
        detections_prefix: "nvr/detections".to_owned(),
        qos: 0,
        encoding: Encoding::Json,
    }
}

/// Options of a link with short retries.
pub(crate) fn retrying_quickly(settings: MqttSettings) -> LinkOptions {
    LinkOptions {
        retry_first: Duration::from_millis(50),
        retry_longest: Duration::from_millis(200),
        ..LinkOptions::new(
            settings,
            ClientRole::Processor,
            "box",
            &SessionId("5e551011".to_owned()),
        )
    }
}

pub(crate) fn start(runtime: &Runtime, options: LinkOptions) -> Link {
    Link::start(options, runtime.handle(), None).expect("usable settings")
}

pub(crate) fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("a runtime")
}

pub(crate) fn connected(link: &Link) {
    until_true("the link is connected", SOON, || link.counters().connected);
}

fn disconnected(link: &Link) {
    until_true("the link is disconnected", SOON, || {
        !link.counters().connected
    });
}

/// Waits for the reason of a missing connection.
pub(crate) fn reason(link: &Link) -> String {
    let state = link.state_changes();
    until("a reason", SOON, || match &*state.borrow() {
        LinkState::Disconnected {
            reason: Some(reason),
            ..
        } => Some(reason.to_string()),
        _ => None,
    })
}

fn event(frame_id: u64) -> Vec<u8> {
    DetectionEvent {
        source_id: SourceId(0),
        frame_id,
        timestamp: "2025-10-25T10:30:00.123Z".parse().expect("a time"),
        model_id: "scripted".into(),
        inference_time_ms: 1.5,
        detections: vec![DetectedObject {
            class_name: "person".into(),
            confidence: 0.9,
            bbox: nvr::base::BBox::from_corners(0.0, 0.0, 10.0, 10.0),
            tracker_id: None,
        }],
        fps: Some(25.0),
        latency_ms: Some(3.0),
        instance_id: Some("box".into()),
        frame_width: Some(640),
        frame_height: Some(360),
        ntp_ns: None,
        clock: None,
    }
    .to_json()
}

fn received(runtime: &Runtime, subscription: &mut Subscription) -> Message {
    runtime
        .block_on(async { tokio::time::timeout(SOON, subscription.recv()).await })
        .expect("it arrives in time")
        .expect("the link lives")
}

/// Starts an observer, and publishes until it has received a message: then its subscription is active.
fn observed(broker: &Broker, filter: &str) -> Running {
    let observer = broker.observe(filter);
    let root = filter.trim_end_matches("/#");
    until_true("the observer is subscribed", SOON, || {
        broker.publish(&format!("{root}/probe"), b"?", false);
        observer
            .out()
            .all()
            .iter()
            .any(|line| line.contains("/probe "))
    });
    observer
}

fn presence_line(observer: &Running, state: &str) -> String {
    let wanted = format!("\"state\":\"{state}\"");
    observer.out().find(state, SOON, |line| {
        line.starts_with("nvr/processors/box ") && line.contains(&wanted)
    })
}

/// Frame ids of the events that an observer received.
fn frame_ids(observer: &Running) -> Vec<u64> {
    observer
        .out()
        .all()
        .iter()
        .filter_map(|line| line.strip_prefix("nvr/detections/0 0 "))
        .map(|payload| {
            DetectionEvent::from_json(payload.as_bytes())
                .expect("an event")
                .frame_id
        })
        .collect()
}

fn a_wrong_password_is_told_as_such(kind: Kind) {
    let setup = Setup {
        login: Some(("nvr", "right horse")),
        ..Setup::default()
    };
    let broker = Broker::start_with(kind, setup);
    let runtime = runtime();
    let login = |password: &str| MqttSettings {
        username: Some(Secret::new("nvr")),
        password: Some(Secret::new(password)),
        ..settings(broker.port())
    };
    for wrong in [login("wrong horse"), settings(broker.port())] {
        let link = start(&runtime, retrying_quickly(wrong));
        let reason = reason(&link);
        assert!(
            reason.contains("check MQTT_USERNAME and MQTT_PASSWORD"),
            "{reason}"
        );
        assert!(!reason.contains("horse"), "{reason}");
        if kind == Kind::Mosquitto {
            assert!(
                reason.contains("refuses the login (not authorised)"),
                "{reason}"
            );
        }
    }
    connected(&start(&runtime, retrying_quickly(login("right horse"))));
}

fn a_source_held_by_another_processor_is_seen(kind: Kind) {
    let broker = Broker::start(kind);
    let runtime = runtime();
    let topics = Topics::of(&settings(broker.port()));
    let holding = self::runtime();
    let other = start(&holding, retrying_quickly(settings(broker.port())));
    let status = r#"{"source_id":3,"instance_id":"box","session":"5e551011","state":"live",
        "since":"2025-10-25T10:30:00Z","uri":"rtsp://a"}"#;
    other.retain(&topics.source(SourceId(3)), status.into());
    let options = LinkOptions {
        instance_id: "spare".to_owned(),
        session: SessionId("5e552022".to_owned()),
        ..retrying_quickly(settings(broker.port()))
    };
    let link = start(&runtime, options);
    let mut inbox = link.subscribe(
        [topics.all_processors(), topics.all_sources()],
        Delivery::AtLeastOnce,
    );
    let mut claims = Claims::default();
    let mut holder = |wanted: Option<&str>| {
        until_true("the claim is as expected", SOON, || {
            while let Some(message) = inbox.try_recv() {
                claims.take(&topics, &message).expect("a good message");
            }
            let holder = claims.held_by_another(SourceId(3), "spare");
            holder.map(|holder| holder.instance_id).as_deref() == wanted
        });
    };
    holder(Some("box"));
    // Its death frees what it held.
    holding.shutdown_background();
    holder(None);
}

fn mosquitto_sub_and_jq_read_events(kind: Kind) {
    let broker = Broker::start(kind);
    let runtime = runtime();
    let link = start(&runtime, retrying_quickly(settings(broker.port())));
    connected(&link);
    let mut command = Command::new("sh");
    command.args(["-c", &format!(
        "mosquitto_sub -h localhost -p {} -C 3 -t 'nvr/detections/#' | jq -c '[.source_id, .detections[0].class_name, .timestamp]'",
        broker.port()
    )]);
    let mut reader = Running::start(command);
    let mut frame_id = 0;
    until_true("jq has read three", SOON, || {
        frame_id += 1;
        link.publish_event("nvr/detections/0", event(frame_id));
        reader.out().all().len() == 3
    });
    assert!(reader.end(SOON).success());
    assert_eq!(
        reader.out().all(),
        vec![r#"[0,"person","2025-10-25T10:30:00.123Z"]"#; 3]
    );
}

#[test]
fn an_access_list_that_lets_us_write_is_enough_to_publish() {
    let setup = Setup {
        login: Some(("nvr", "secret")),
        acl: Some("user nvr\ntopic write nvr/#\ntopic read nvr/detections/#\n"),
        ..Setup::default()
    };
    let broker = Broker::start_with(Kind::Mosquitto, setup);
    let runtime = runtime();
    let link = start(
        &runtime,
        retrying_quickly(MqttSettings {
            username: Some(Secret::new("nvr")),
            password: Some(Secret::new("secret")),
            ..settings(broker.port())
        }),
    );
    let _forbidden = link.subscribe(["nvr/sources/+"], Delivery::AtLeastOnce);
    connected(&link);
    let observer = observed(&broker, "nvr/detections/#");
    assert!(link.publish_event("nvr/detections/0", event(1)));
    until_true("the event arrives", SOON, || frame_ids(&observer) == [1]);
}

#[test]
fn a_refused_subscription_is_counted_and_the_connection_stays() {
    // mosquitto's access lists accept every subscription and withhold the messages; some brokers say no.
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let port = listener.local_addr().expect("it has one").port();
    let runtime = runtime();
    let link = start(&runtime, retrying_quickly(settings(port)));
    let _refused = link.subscribe(["other/#"], Delivery::AtLeastOnce);
    let (mut socket, _) = listener.accept().expect("the link comes");
    // Packet type and length: packet id, filter with its length, quality of service.
    const SUBSCRIBE: [u8; 2] = [0x82, 2 + 2 + 7 + 1];
    let (mut packet, mut accepted) = ([0; 1024], false);
    until_true("it is counted", SOON, || {
        let length = socket.read(&mut packet).expect("the link speaks");
        assert_ne!(length, 0, "the link stays");
        if !accepted {
            accepted = true;
            socket.write_all(&[0x20, 2, 0, 0]).expect("CONNACK");
        } else if let Some(at) = packet[..length].windows(2).position(|two| two == SUBSCRIBE) {
            let [high, low] = [packet[at + 2], packet[at + 3]];
            socket
                .write_all(&[0x90, 3, high, low, 0x80])
                .expect("SUBACK");
        }
        link.counters().subscriptions_refused == 1
    });
    assert!(link.counters().connected);
}

#[test]
fn two_processes_with_one_client_id_say_what_happens_to_them() {
    let broker = Broker::start(Kind::Mosquitto);
    let runtime = runtime();
    let first = start(&runtime, retrying_quickly(settings(broker.port())));
    connected(&first);
    let _second = start(&runtime, retrying_quickly(settings(broker.port())));
    // In between, it may say which packet was not acknowledged yet.
    let reason = reason(&first);
    let begin = format!(
        "the MQTT broker at localhost:{} closed the connection",
        broker.port()
    );
    let end = "; if this repeats, another process may use the client id nvr-processor-box, or the broker does not permit one of \
               the requests; see its log";
    assert!(
        reason.starts_with(&begin) && reason.ends_with(end),
        "{reason}"
    );
}

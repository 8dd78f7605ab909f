//! The link with real brokers, mosquitto and `nvr broker`: errors, dropped events and reconnection.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::process::Command;
use std::time::Duration;

use nvr::base::{Clock, Heartbeats, SessionId, SourceId};
use nvr::bus::{
    Claims, ClientRole, Delivery, Link, LinkOptions, LinkState, Message, Subscription, Topics,
};
use nvr::config::{Encoding, MqttSettings, Secret};
use nvr::event::{DetectedObject, DetectionEvent, Presence, PresenceState};
use tokio::runtime::Runtime;

mod answers;
mod twins;

use self::twins::two_clients_with_one_id_name_each_other_and_the_first_stays;

use crate::support::broker::{Broker, Kind, Setup};
use crate::support::process::Running;
use crate::support::proxy::Cable;
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
    a_broker_that_comes_late_gets_what_is_retained_and_no_stale_event
    a_killed_broker_gets_everything_again_and_no_event_of_the_outage
    a_killed_client_is_offline_by_its_last_will
    a_client_behind_a_cut_cable_is_offline_by_its_keep_alive
    a_silent_broker_is_noticed_and_met_again
    a_clean_stop_says_stopped_and_leaves_no_will
    a_stop_keeps_its_deadline_behind_a_cut_cable
    a_wrong_password_is_told_as_such
    retained_messages_of_100_kib_and_1_mib_travel
    a_cleared_topic_is_gone
    a_source_held_by_another_processor_is_seen
    mosquitto_sub_and_jq_read_events
    every_retained_message_of_many_topics_by_name_arrives
    two_clients_with_one_id_name_each_other_and_the_first_stays
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

fn a_broker_that_comes_late_gets_what_is_retained_and_no_stale_event(kind: Kind) {
    let mut broker = Broker::absent(kind, Setup::default());
    let runtime = runtime();
    let heartbeats = Heartbeats::new(Clock::system());
    let beat = heartbeats.stage("mqtt", Duration::from_secs(8));
    let link = Link::start(
        retrying_quickly(settings(broker.port())),
        runtime.handle(),
        Some(beat),
    )
    .expect("usable settings");
    link.retain("nvr/sources/0", b"first".to_vec());
    link.retain("nvr/sources/0", b"second".to_vec());
    for frame_id in 0..5 {
        assert!(!link.publish_event("nvr/detections/0", event(frame_id)));
    }
    assert!(
        reason(&link).starts_with(&format!(
            "can't reach the MQTT broker at localhost:{}: Connection refused",
            broker.port()
        )),
        "{}",
        reason(&link)
    );
    broker.up();
    connected(&link);
    let observer = observed(&broker, "nvr/#");
    let presence = presence_line(&observer, "online");
    assert!(presence.starts_with("nvr/processors/box 1 "), "{presence}");
    assert!(presence.contains("\"session\":\"5e551011\""), "{presence}");
    observer.out().find("the newest status", SOON, |line| {
        line == "nvr/sources/0 1 second"
    });
    assert!(link.publish_event("nvr/detections/0", event(5)));
    until_true("the event arrives", SOON, || {
        !frame_ids(&observer).is_empty()
    });
    assert_eq!(frame_ids(&observer), [5]);
    let figures = link.counters();
    assert_eq!(
        (figures.published, figures.dropped, figures.lost),
        (1, 5, 0)
    );
    assert_eq!(heartbeats.stuck(), []);
}

fn a_killed_broker_gets_everything_again_and_no_event_of_the_outage(kind: Kind) {
    for qos in [0, 1, 2] {
        let mut broker = Broker::start(kind);
        let runtime = runtime();
        let link = start(
            &runtime,
            retrying_quickly(MqttSettings {
                qos,
                ..settings(broker.port())
            }),
        );
        link.retain("nvr/sources/0", b"status".to_vec());
        let mut subscription = link.subscribe(["nvr/test/+"], Delivery::AtLeastOnce);
        connected(&link);
        broker.kill();
        disconnected(&link);
        for frame_id in 0..7 {
            assert!(!link.publish_event("nvr/detections/0", event(frame_id)));
        }
        link.retain("nvr/sources/1", b"of the outage".to_vec());
        broker.up();
        connected(&link);
        let observer = observed(&broker, "nvr/#");
        presence_line(&observer, "online");
        for wanted in ["nvr/sources/0 1 status", "nvr/sources/1 1 of the outage"] {
            observer.out().find(wanted, SOON, |line| line == wanted);
        }
        assert!(link.publish_event("nvr/detections/0", event(7)));
        until_true("the event arrives", SOON, || {
            !frame_ids(&observer).is_empty()
        });
        assert_eq!(frame_ids(&observer), [7], "quality of service {qos}");
        broker.publish("nvr/test/1", b"hello", false);
        let message = received(&runtime, &mut subscription);
        assert_eq!(message.payload, b"hello");
        let figures = link.counters();
        assert_eq!(figures.reconnects, 1);
        assert_eq!((figures.published, figures.dropped), (1, 7));
    }
}

fn a_killed_client_is_offline_by_its_last_will(kind: Kind) {
    let broker = Broker::start(kind);
    let dying = runtime();
    let link = start(&dying, retrying_quickly(settings(broker.port())));
    connected(&link);
    let observer = observed(&broker, "nvr/#");
    presence_line(&observer, "online");
    // The socket closes with its runtime, without a DISCONNECT.
    dying.shutdown_background();
    let line = presence_line(&observer, "offline");
    assert!(line.contains("\"session\":\"5e551011\""), "{line}");
    drop(observer);
    presence_line(&observed(&broker, "nvr/#"), "offline");
}

fn a_client_behind_a_cut_cable_is_offline_by_its_keep_alive(kind: Kind) {
    let broker = Broker::start(kind);
    let cable = Cable::to(broker.port());
    let runtime = runtime();
    let link = start(&runtime, retrying_quickly(settings(cable.port())));
    connected(&link);
    let observer = observed(&broker, "nvr/#");
    presence_line(&observer, "online");
    cable.cut();
    // One and a half times the keep-alive of 5 s; mosquitto 2.0.11 looks for the silent ones only every six seconds.
    let limit = match kind {
        Kind::Mosquitto => Duration::from_secs(15),
        Kind::Ours => Duration::from_secs(10),
    };
    observer.out().find("the will", limit, |line| {
        line.contains("\"state\":\"offline\"")
    });
}

fn a_silent_broker_is_noticed_and_met_again(kind: Kind) {
    let broker = Broker::start(kind);
    let cable = Cable::to(broker.port());
    let runtime = runtime();
    let heartbeats = Heartbeats::new(Clock::system());
    let beat = heartbeats.stage("mqtt", Duration::from_secs(8));
    let link = Link::start(
        retrying_quickly(settings(cable.port())),
        runtime.handle(),
        Some(beat),
    )
    .expect("usable settings");
    connected(&link);
    cable.cut();
    until_true("the silence is noticed", Duration::from_secs(11), || {
        assert_eq!(heartbeats.stuck(), []);
        !link.counters().connected
    });
    assert!(
        reason(&link).contains("stopped answering")
            || reason(&link).contains("no answer from the MQTT broker"),
        "{}",
        reason(&link)
    );
    cable.mend();
    connected(&link);
}

fn a_clean_stop_says_stopped_and_leaves_no_will(kind: Kind) {
    let broker = Broker::start(kind);
    let runtime = runtime();
    let link = start(&runtime, retrying_quickly(settings(broker.port())));
    connected(&link);
    let observer = observed(&broker, "nvr/#");
    presence_line(&observer, "online");
    assert!(link.publish_event("nvr/detections/0", event(1)));
    assert!(runtime.block_on(link.stop(SOON)), "in time");
    presence_line(&observer, "stopped");
    assert_eq!(frame_ids(&observer), [1], "what was queued went first");
    broker.publish("nvr/end", b"!", false);
    observer
        .out()
        .find("the end", SOON, |line| line.starts_with("nvr/end "));
    let offline = |line: &String| line.contains("\"state\":\"offline\"");
    assert!(!observer.out().all().iter().any(offline));
    assert!(!link.publish_event("nvr/detections/0", event(2)));
    presence_line(&observed(&broker, "nvr/#"), "stopped");
}

fn a_stop_keeps_its_deadline_behind_a_cut_cable(kind: Kind) {
    let broker = Broker::start(kind);
    let cable = Cable::to(broker.port());
    let runtime = runtime();
    let link = start(&runtime, retrying_quickly(settings(cable.port())));
    connected(&link);
    cable.cut();
    let started = std::time::Instant::now();
    let told = runtime.block_on(link.stop(Duration::from_millis(300)));
    assert!(!told, "nobody heard it");
    assert!(started.elapsed() < Duration::from_secs(2));
    assert!(!link.counters().connected);
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

fn retained_messages_of_100_kib_and_1_mib_travel(kind: Kind) {
    let broker = Broker::start(kind);
    let runtime = runtime();
    let publisher = start(&runtime, retrying_quickly(settings(broker.port())));
    for bytes in [100 * 1024, 1024 * 1024] {
        let topic = format!("nvr/large/{bytes}");
        let payload: Vec<u8> = (0..bytes).map(|at| b'a' + (at % 26) as u8).collect();
        publisher.retain(&topic, payload.clone());
        let reader = start(
            &runtime,
            LinkOptions {
                role: ClientRole::Watch,
                ..retrying_quickly(settings(broker.port()))
            },
        );
        let mut subscription = reader.subscribe([topic.clone()], Delivery::AtLeastOnce);
        let message = received(&runtime, &mut subscription);
        assert_eq!(message.topic, topic);
        assert!(message.payload == payload);
    }
}

fn a_cleared_topic_is_gone(kind: Kind) {
    let broker = Broker::start(kind);
    let runtime = runtime();
    let link = start(&runtime, retrying_quickly(settings(broker.port())));
    link.retain("nvr/sources/4", b"here".to_vec());
    connected(&link);
    let observer = observed(&broker, "nvr/#");
    observer
        .out()
        .find("the status", SOON, |line| line == "nvr/sources/4 1 here");
    link.clear("nvr/sources/4");
    observer
        .out()
        .find("its end", SOON, |line| line == "nvr/sources/4 0 ");
    let later = observed(&broker, "nvr/#");
    let about_it = |line: &String| line.starts_with("nvr/sources/4 ");
    assert!(!later.out().all().iter().any(about_it));
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
fn a_persistent_broker_keeps_what_is_retained_over_a_restart() {
    let setup = Setup {
        persistence: true,
        ..Setup::default()
    };
    let mut broker = Broker::start_with(Kind::Mosquitto, setup);
    let runtime = runtime();
    let link = start(&runtime, retrying_quickly(settings(broker.port())));
    link.retain("nvr/sources/0", b"status".to_vec());
    connected(&link);
    presence_line(&observed(&broker, "nvr/#"), "online");
    broker.stop();
    disconnected(&link);
    link.retain("nvr/sources/0", b"newer".to_vec());
    broker.up();
    connected(&link);
    let observer = observed(&broker, "nvr/#");
    presence_line(&observer, "online");
    observer
        .out()
        .find("the newer status", SOON, |line| line.ends_with(" newer"));
}

#[test]
fn invalid_retained_messages_are_refused_and_delay_nothing() {
    let broker = Broker::start(Kind::Mosquitto);
    let runtime = runtime();
    let link = start(&runtime, retrying_quickly(settings(broker.port())));
    link.retain("nvr/a", vec![b'x'; 1024 * 1024 + 1]);
    link.retain("nvr/#", b"x".to_vec());
    let _invalid = link.subscribe(["nvr/#/x"], Delivery::AtLeastOnce);
    assert!(!link.publish_event("nvr/detections/0", vec![b'x'; 1024 * 1024 + 1]));
    link.retain("nvr/z", b"good".to_vec());
    connected(&link);
    let observer = observed(&broker, "nvr/#");
    observer
        .out()
        .find("the good one", SOON, |line| line == "nvr/z 1 good");
    assert_eq!(link.counters().reconnects, 0);
}

#[test]
fn a_retained_message_of_any_length_is_skipped_and_ends_no_connection() {
    let broker = Broker::start(Kind::Mosquitto);
    let runtime = runtime();
    let mut refused = 0;
    let link = start(&runtime, retrying_quickly(settings(broker.port())));
    for (at, bytes) in [1024 * 1024 + 1, 17 << 20, 60 << 20]
        .into_iter()
        .enumerate()
    {
        broker.publish(&format!("nvr/sources/{at}"), &vec![b'x'; bytes], true);
        // Retained ones come to each subscription anew, quality of service 1 with an acknowledgement.
        for delivery in [Delivery::AtLeastOnce, Delivery::AtMostOnce] {
            let mut subscription = link.subscribe([format!("nvr/sources/{at}")], delivery);
            refused += 1;
            until_true("it is refused", SOON * 2, || {
                link.counters().refused == refused
            });
            broker.publish(&format!("nvr/sources/{at}"), b"small", false);
            let message = received(&runtime, &mut subscription);
            assert_eq!(message.payload, b"small");
        }
    }
    assert_eq!(link.counters().reconnects, 0);
    assert!(link.counters().connected);
}

fn every_retained_message_of_many_topics_by_name_arrives(kind: Kind) {
    const MANY: usize = 1500;
    let broker = Broker::start(kind);
    let runtime = runtime();
    let publisher = start(&runtime, retrying_quickly(settings(broker.port())));
    let topics: Vec<String> = (0..MANY).map(|id| format!("nvr/sources/{id}")).collect();
    for topic in &topics {
        publisher.retain(topic, topic.clone().into_bytes());
    }
    publisher.retain("nvr/end", b"end".to_vec());
    let reader = start(
        &runtime,
        LinkOptions {
            role: ClientRole::Watch,
            ..retrying_quickly(settings(broker.port()))
        },
    );
    let mut end = reader.subscribe(["nvr/end"], Delivery::AtLeastOnce);
    assert_eq!(received(&runtime, &mut end).payload, b"end");
    let mut subscription = reader.subscribe(topics.clone(), Delivery::AtLeastOnce);
    let mut heard = std::collections::BTreeSet::new();
    while heard.len() < MANY {
        let message = received(&runtime, &mut subscription);
        assert_eq!(message.topic.as_bytes(), message.payload);
        heard.insert(message.topic);
    }
    until_true("the broker has answered for each", SOON, || {
        subscription.is_answered()
    });
    assert_eq!(subscription.overrun(), 0);
    // Other filters: those that stay are not asked for again.
    reader.resubscribe(&subscription, ["nvr/sources/7", "nvr/other"]);
    until_true("the broker has answered", SOON, || {
        subscription.is_answered()
    });
    broker.publish("nvr/sources/8", b"unheard", false);
    broker.publish("nvr/other", b"other", false);
    assert_eq!(received(&runtime, &mut subscription).payload, b"other");
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

#[test]
fn dropping_the_last_clone_disconnects_in_order() {
    let broker = Broker::start(Kind::Mosquitto);
    let runtime = runtime();
    let link = start(&runtime, retrying_quickly(settings(broker.port())));
    let clone = link.clone();
    connected(&link);
    let observer = observed(&broker, "nvr/#");
    presence_line(&observer, "online");
    drop(link);
    assert!(clone.publish_event("nvr/detections/0", event(1)));
    drop(clone);
    presence_line(&observer, "stopped");
}

#[test]
fn a_will_is_the_presence_of_its_session() {
    let broker = Broker::start(Kind::Mosquitto);
    let dying = runtime();
    let link = start(&dying, retrying_quickly(settings(broker.port())));
    connected(&link);
    let observer = observed(&broker, "nvr/processors/#");
    presence_line(&observer, "online");
    dying.shutdown_background();
    let line = presence_line(&observer, "offline");
    let payload = line.splitn(3, ' ').nth(2).expect("topic, flag, payload");
    let will = Presence::from_json(payload.as_bytes()).expect("a presence");
    assert_eq!(
        will,
        Presence {
            state: PresenceState::Offline,
            session: SessionId("5e551011".to_owned()),
            since: link.began(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            classes: None,
        }
    );
}

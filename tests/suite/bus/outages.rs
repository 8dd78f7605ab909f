//! Brokers, clients and cables that fail, and clean stops: presence, dropped events and reconnection.

use std::time::Duration;

use nvr::base::{Clock, Heartbeats, SessionId};
use nvr::bus::{Delivery, Link};
use nvr::config::MqttSettings;
use nvr::event::{Presence, PresenceState};
use tokio::runtime::Runtime;

use super::{
    Kind, against_both, connected, disconnected, event, frame_ids, observed, presence_line, reason,
    received, retrying_quickly, runtime, settings, start,
};
use crate::support::broker::{Broker, Setup};
use crate::support::proxy::Cable;
use crate::support::wait::{SOON, until_true};

against_both! {
    a_broker_that_comes_late_gets_what_is_retained_and_no_stale_event
    a_killed_broker_gets_everything_again_and_no_event_of_the_outage
    a_killed_client_is_offline_by_its_last_will
    a_client_behind_a_cut_cable_is_offline_by_its_keep_alive
    a_silent_broker_is_noticed_and_met_again
    a_clean_stop_says_stopped_and_leaves_no_will
    a_stop_keeps_its_deadline_behind_a_cut_cable
}

/// A link to the port, and the heartbeats by which it is seen to hang.
fn start_watched(runtime: &Runtime, port: u16) -> (Heartbeats, Link) {
    let heartbeats = Heartbeats::new(Clock::system());
    let beat = heartbeats.stage("mqtt", Duration::from_secs(8));
    let options = retrying_quickly(settings(port));
    let link = Link::start(options, runtime.handle(), Some(beat)).expect("usable settings");
    (heartbeats, link)
}

fn a_broker_that_comes_late_gets_what_is_retained_and_no_stale_event(kind: Kind) {
    let mut broker = Broker::absent(kind, Setup::default());
    let runtime = runtime();
    let (heartbeats, link) = start_watched(&runtime, broker.port());
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
    let (heartbeats, link) = start_watched(&runtime, cable.port());
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
    assert!(!told, "the broker could not be told");
    assert!(started.elapsed() < Duration::from_secs(2));
    assert!(!link.counters().connected);
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

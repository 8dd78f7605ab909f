//! A broker with far more retained messages than it hands out to a wildcard: the wall has those of its own sources.

use nvr::base::{SessionId, SourceId};
use nvr::event::{Presence, PresenceState, SourceMetrics, SourceState, SourceStatus};

use super::load::SMALL;
use super::sources;
use crate::support::broker::{Broker, Kind};
use crate::support::process::Running;
use crate::support::wait::{SOON, until};
use crate::support::wall::{Wall, painted};

/// Sources, each with a processor of its own: together five thousand retained topics. mosquitto hands a wildcard about 1,020.
const SOURCES: u32 = 2500;

/// What one shown source says of itself, and what its tile must show.
struct Shown {
    id: u32,
    state: SourceState,
    presence: PresenceState,
    tile: &'static str,
}

/// At the beginning, around the limit of a default mosquitto, and at the end.
const SHOWN: [Shown; 4] = [
    Shown {
        id: 3,
        state: SourceState::Live,
        presence: PresenceState::Online,
        tile: "",
    },
    Shown {
        id: 1019,
        state: SourceState::Paused,
        presence: PresenceState::Online,
        tile: "PAUSED",
    },
    Shown {
        id: 1021,
        state: SourceState::Paused,
        presence: PresenceState::Offline,
        tile: "NO PROCESSOR",
    },
    Shown {
        id: 2499,
        state: SourceState::Paused,
        presence: PresenceState::Online,
        tile: "PAUSED",
    },
];

/// Publishes a status and a presence for each source, and waits until the broker has all of them.
fn publish_all(broker: &Broker) -> (tokio::runtime::Runtime, nvr::bus::Link) {
    let runtime = crate::bus::runtime();
    let link = crate::bus::start(
        &runtime,
        crate::bus::retrying_quickly(crate::bus::settings(broker.port())),
    );
    for id in 0..SOURCES {
        let shown = SHOWN.iter().find(|shown| shown.id == id);
        let (state, presence) = match shown {
            Some(shown) => (shown.state, shown.presence),
            None => (SourceState::Failed, PresenceState::Online),
        };
        let session = SessionId("s".to_owned());
        let name = format!("box{id}");
        let status = SourceStatus {
            source_id: SourceId(id),
            instance_id: name.as_str().into(),
            session: session.clone(),
            state,
            since: jiff::Timestamp::now(),
            reason: None,
            uri: "rtsp://x/".to_owned(),
            recording: None,
            metrics: SourceMetrics::default(),
        };
        link.retain(&format!("nvr/sources/{id}"), status.to_json());
        let presence = Presence::now(presence, &session);
        link.retain(&format!("nvr/processors/{name}"), presence.to_json());
    }
    // The topics are sent in their order, so this one is the last.
    link.retain("nvr/the-end", b"end".to_vec());
    broker
        .observe("nvr/the-end")
        .out()
        .find("all of it", SOON * 2, |line| line.ends_with(" end"));
    (runtime, link)
}

#[test]
fn five_thousand_retained_topics_on_a_default_mosquitto_leave_each_tile_its_true_state() {
    let broker = Broker::start(Kind::Mosquitto);
    let (_runtime, _link) = publish_all(&broker);
    let patterns = SHOWN.each_ref().map(|shown| painted(shown.id, &SMALL));
    let wall = Wall::start(broker.port(), &sources(&patterns));
    for shown in &SHOWN {
        wall.until_says(shown.id, shown.tile);
        let analysis = &wall.camera(shown.id)["analysis"];
        if shown.presence == PresenceState::Online {
            assert_eq!(analysis["instance_id"], format!("box{}", shown.id));
        }
    }
    assert_eq!(wall.figure("nvr_wall_messages_dropped_total"), 0.0);
    assert!(
        of_a_wildcard(&broker) < SOURCES as usize,
        "this broker hands out everything, so the test shows nothing"
    );
}

/// How many of the statuses a subscriber of all of them gets at quality of service 1.
fn of_a_wildcard(broker: &Broker) -> usize {
    let port = broker.port().to_string();
    let mut command = std::process::Command::new("mosquitto_sub");
    command.args(["-h", "127.0.0.1", "-p", &port, "-q", "1", "-F", "%t"]);
    command.args(["-t", "nvr/sources/+"]);
    let reader = Running::start(command);
    // A live message comes after all retained ones.
    until("the last message", SOON, || {
        broker.publish("nvr/sources/last", b"x", false);
        let lines = reader.out().all();
        lines.iter().position(|line| line == "nvr/sources/last")
    })
}

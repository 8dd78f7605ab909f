//! Retained messages: large, invalid and many ones, those that are cleared, and those that outlive a restart.

use nvr::bus::{ClientRole, Delivery, LinkOptions};

use super::{
    Kind, against_both, connected, disconnected, observed, presence_line, received,
    retrying_quickly, runtime, settings, start,
};
use crate::support::broker::{Broker, Setup};
use crate::support::wait::{SOON, until_true};

against_both! {
    retained_messages_of_100_kib_and_1_mib_travel
    a_cleared_topic_is_gone
    every_retained_message_of_many_topics_by_name_arrives
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
        // Retained ones come to each new subscription, quality of service 1 with an acknowledgement.
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

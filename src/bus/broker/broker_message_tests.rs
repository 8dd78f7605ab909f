//! Messages over sockets: retained ones, each quality, limits, and readers that are too slow.

use rumqttc::mqttbytes::v4::{PubAck, PubComp, PubRec, PubRel, SubscribeFilter, Unsubscribe};

use super::*;

#[test]
fn every_retained_message_comes_to_every_new_subscription_of_each_quality() {
    let broker = broker(BrokerLimits::default());
    let mut publisher = Client::named(&broker, "publisher");
    for number in 0..12_000 {
        publisher.publish(&format!("nvr/sources/{number}"), "y", QoS::AtMostOnce, true);
    }
    publisher.send(Packet::PingReq);
    assert_eq!(publisher.next(), Some(Packet::PingResp));
    let mut reader = Client::named(&broker, "reader");
    for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
        reader.subscribe("nvr/sources/+", qos);
        let mut topics = std::collections::BTreeSet::new();
        for _ in 0..12_000 {
            let Some(Packet::Publish(one)) = reader.next() else {
                panic!("it is cut off after {}", topics.len());
            };
            assert!(one.retain);
            assert_eq!(
                one.qos,
                QoS::AtMostOnce,
                "the quality that it was published with"
            );
            topics.insert(one.topic);
        }
        assert_eq!(topics.len(), 12_000);
    }
    publisher.publish("a", "1", QoS::AtLeastOnce, true);
    assert_eq!(publisher.next(), Some(Packet::PubAck(PubAck::new(1))));
    reader.subscribe("a", QoS::AtLeastOnce);
    assert_eq!(reader.message(), message("a", "1", 1, true));
}

#[test]
fn a_retained_message_comes_before_the_one_with_which_the_subscriber_replaces_it() {
    let broker = broker(BrokerLimits::default());
    let mut other = Client::named(&broker, "other");
    other.publish("presence", "other's", QoS::AtLeastOnce, true);
    assert!(matches!(other.next(), Some(Packet::PubAck(_))));
    let mut client = Client::named(&broker, "client");
    // In one write, so that the broker reads both before it answers.
    let mut subscribe = Subscribe::new("presence", QoS::AtLeastOnce);
    subscribe.pkid = 9;
    let mut publish = Publish::new("presence", QoS::AtMostOnce, "client's");
    publish.retain = true;
    let mut bytes = BytesMut::new();
    for packet in [Packet::Subscribe(subscribe), Packet::Publish(publish)] {
        packet.write(&mut bytes, usize::MAX).expect("it is written");
    }
    client.stream.write_all(&bytes).expect("it reads");
    assert!(matches!(client.next(), Some(Packet::SubAck(_))));
    assert_eq!(client.message(), message("presence", "other's", 1, true));
    assert_eq!(client.message(), message("presence", "client's", 0, false));
}

#[test]
fn a_full_store_keeps_the_former_message_and_passes_the_new_one_on() {
    let broker = broker(BrokerLimits {
        retained_bytes: 1000,
        ..BrokerLimits::default()
    });
    let mut client = Client::named(&broker, "a");
    client.subscribe("t", QoS::AtMostOnce);
    client.publish("t", "old", QoS::AtMostOnce, true);
    client.publish("t", vec![b'n'; 2000], QoS::AtLeastOnce, true);
    // The acknowledgement of the refused one may overtake both messages.
    let (mut acknowledged, mut heard) = (false, Vec::new());
    while !acknowledged || heard.len() < 2 {
        match client.next().expect("it lives") {
            Packet::PubAck(_) => acknowledged = true,
            Packet::Publish(one) => heard.push(one.payload.len()),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(heard, [3, 2000]);
    client.subscribe("t", QoS::AtMostOnce);
    assert_eq!(client.message(), message("t", "old", 0, true));
}

#[test]
fn a_client_that_does_not_read_is_cut_off_and_its_will_is_published() {
    let broker = broker(BrokerLimits {
        queue_bytes: 1 << 20,
        ..BrokerLimits::default()
    });
    let mut watcher = Client::named(&broker, "watcher");
    watcher.subscribe("will", QoS::AtMostOnce);
    let (mut slow, ..) = Client::connect(&broker, with_will("slow"));
    slow.subscribe("flood", QoS::AtMostOnce);
    let mut publisher = Client::named(&broker, "publisher");
    for _ in 0..300 {
        publisher.publish("flood", vec![b'z'; 100_000], QoS::AtMostOnce, false);
    }
    assert_eq!(watcher.message(), message("will", "slow", 0, false));
    publisher.send(Packet::PingReq);
    assert_eq!(publisher.next(), Some(Packet::PingResp));
}

#[test]
fn a_burst_larger_than_a_queue_reaches_a_client_that_reads() {
    let broker = broker(BrokerLimits {
        queue_bytes: 256 << 10,
        ..BrokerLimits::default()
    });
    let mut reader = Client::named(&broker, "reader");
    reader.subscribe("burst", QoS::AtLeastOnce);
    let address = broker.address();
    let publishing = std::thread::spawn(move || {
        let mut publisher = Client {
            stream: TcpStream::connect(address).expect("it listens"),
            read: BytesMut::new(),
        };
        publisher.send(Packet::Connect(Connect::new("publisher")));
        for _ in 0..2000 {
            publisher.publish("burst", vec![b'z'; 10_000], QoS::AtMostOnce, false);
        }
        publisher.send(Packet::PingReq);
        while publisher.next() != Some(Packet::PingResp) {}
    });
    for _ in 0..2000 {
        assert!(matches!(reader.next(), Some(Packet::Publish(_))));
    }
    publishing.join().expect("it publishes all");
}

#[test]
fn a_message_of_quality_2_is_published_once_however_often_it_is_sent() {
    let broker = broker(BrokerLimits::default());
    let mut reader = Client::named(&broker, "reader");
    reader.subscribe("t", QoS::ExactlyOnce);
    let mut publisher = Client::named(&broker, "publisher");
    for _ in 0..3 {
        publisher.publish("t", "once", QoS::ExactlyOnce, false);
        assert!(matches!(publisher.next(), Some(Packet::PubRec(rec)) if rec.pkid == 1));
    }
    publisher.send(Packet::PubRel(PubRel::new(1)));
    assert!(matches!(publisher.next(), Some(Packet::PubComp(comp)) if comp.pkid == 1));
    publisher.publish("t", "again", QoS::ExactlyOnce, false);
    let (mut payloads, mut released) = (Vec::new(), 0);
    while payloads.len() < 2 || released < 2 {
        match reader.next().expect("it lives") {
            Packet::Publish(one) => {
                assert_eq!(one.qos, QoS::ExactlyOnce);
                payloads.push(one.payload);
                reader.send(Packet::PubRec(PubRec::new(one.pkid)));
            }
            Packet::PubRel(release) => {
                released += 1;
                reader.send(Packet::PubComp(PubComp::new(release.pkid)));
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(payloads, ["once", "again"]);
}

#[test]
fn a_message_over_the_limit_is_acknowledged_and_discarded_and_the_connection_stays() {
    let broker = broker(BrokerLimits::default());
    let mut client = Client::named(&broker, "a");
    client.subscribe("#", QoS::AtMostOnce);
    for bytes in [limits::MESSAGE_LIMIT_BYTES + 1, 17 << 20] {
        client.publish("large", vec![b'x'; bytes], QoS::AtLeastOnce, true);
        assert_eq!(client.next(), Some(Packet::PubAck(PubAck::new(1))));
    }
    client.publish(
        "large",
        vec![b'x'; limits::MESSAGE_LIMIT_BYTES],
        QoS::AtMostOnce,
        false,
    );
    assert_eq!(client.message().1.len(), limits::MESSAGE_LIMIT_BYTES);
}

#[test]
fn a_subscription_that_is_none_is_refused_alone_and_one_that_ends_is_silent() {
    let broker = broker(BrokerLimits::default());
    let mut client = Client::named(&broker, "a");
    let mut subscribe = Subscribe::new_many(
        ["a/#", "a/#/b", "+"]
            .map(|filter| SubscribeFilter::new(filter.to_owned(), QoS::ExactlyOnce)),
    );
    subscribe.pkid = 3;
    client.send(Packet::Subscribe(subscribe));
    client.stream.write_all(&[0xc0, 0]).expect("it reads");
    let mut answer = [0; 9];
    client.stream.read_exact(&mut answer).expect("it answers");
    assert_eq!(answer, [0x90, 5, 0, 3, 2, 0x80, 2, 0xd0, 0]);
    let mut unsubscribe = Unsubscribe::new("+");
    unsubscribe.pkid = 4;
    client.send(Packet::Unsubscribe(unsubscribe));
    assert!(matches!(client.next(), Some(Packet::UnsubAck(ack)) if ack.pkid == 4));
    client.publish("b", "x", QoS::AtMostOnce, false);
    client.publish("a/b", "y", QoS::AtMostOnce, false);
    assert_eq!(client.message(), message("a/b", "y", 0, false));
}

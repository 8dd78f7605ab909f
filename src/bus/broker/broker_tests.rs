//! The broker over sockets, with raw bytes or with rumqttc's codec.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use proptest::prelude::*;
use rumqttc::QoS;
use rumqttc::mqttbytes::v4::{
    Connect, ConnectReturnCode, LastWill, Packet, PubAck, PubComp, PubRec, PubRel, Publish,
    Subscribe, SubscribeFilter, Unsubscribe,
};

use super::*;

const SOON: Duration = Duration::from_secs(10);

fn broker(limits: BrokerLimits) -> Broker {
    Broker::start(&BrokerOptions {
        listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
        limits,
        ..BrokerOptions::default()
    })
    .expect("a free port")
}

/// A scripted client.
struct Client {
    stream: TcpStream,
    read: BytesMut,
}

impl Client {
    fn dial(broker: &Broker) -> Self {
        let stream = TcpStream::connect(broker.address()).expect("it listens");
        stream.set_read_timeout(Some(SOON)).expect("a time-out");
        Self {
            stream,
            read: BytesMut::new(),
        }
    }

    fn connect(broker: &Broker, connect: Connect) -> (Self, ConnectReturnCode, bool) {
        let mut client = Self::dial(broker);
        client.send(Packet::Connect(connect));
        match client.next() {
            Some(Packet::ConnAck(ack)) => (client, ack.code, ack.session_present),
            other => panic!("{other:?}"),
        }
    }

    fn named(broker: &Broker, id: &str) -> Self {
        let (client, code, _) = Self::connect(broker, Connect::new(id));
        assert_eq!(code, ConnectReturnCode::Success);
        client
    }

    fn send(&mut self, packet: Packet) {
        let mut bytes = BytesMut::new();
        packet.write(&mut bytes, usize::MAX).expect("it is written");
        self.stream.write_all(&bytes).expect("it reads");
    }

    fn publish(&mut self, topic: &str, payload: impl Into<Vec<u8>>, qos: QoS, retain: bool) {
        let mut publish = Publish::new(topic, qos, payload);
        publish.retain = retain;
        publish.pkid = if qos == QoS::AtMostOnce { 0 } else { 1 };
        self.send(Packet::Publish(publish));
    }

    fn subscribe(&mut self, filter: &str, qos: QoS) -> Packet {
        let mut subscribe = Subscribe::new(filter, qos);
        subscribe.pkid = 9;
        self.send(Packet::Subscribe(subscribe));
        self.next().expect("an answer")
    }

    /// `None` if the connection ended.
    fn next(&mut self) -> Option<Packet> {
        loop {
            match Packet::read(&mut self.read, usize::MAX) {
                Ok(packet) => return Some(packet),
                Err(rumqttc::mqttbytes::Error::InsufficientBytes(_)) => {}
                Err(error) => panic!("{error}"),
            }
            let mut some = [0; 4096];
            match self.stream.read(&mut some) {
                Ok(0) => return None,
                Ok(count) => self.read.extend_from_slice(&some[..count]),
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => return None,
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// The next message: topic, payload, quality, retain.
    fn message(&mut self) -> (String, String, u8, bool) {
        match self.next() {
            Some(Packet::Publish(one)) => (
                one.topic,
                String::from_utf8_lossy(&one.payload).into_owned(),
                one.qos as u8,
                one.retain,
            ),
            other => panic!("{other:?}"),
        }
    }
}

fn with_will(id: &str) -> Connect {
    let mut connect = Connect::new(id);
    connect.last_will = Some(LastWill::new("will", id, QoS::AtLeastOnce, true));
    connect
}

fn message(topic: &str, payload: &str, qos: u8, retain: bool) -> (String, String, u8, bool) {
    (topic.to_owned(), payload.to_owned(), qos, retain)
}

#[test]
fn a_free_port_is_found_and_given_back_at_the_end() {
    let broker = broker(BrokerLimits::default());
    let address = broker.address();
    assert_ne!(broker.port(), 0);
    let mut client = Client::named(&broker, "a");
    drop(broker);
    assert_eq!(client.next(), None);
    assert!(TcpStream::connect(address).is_err());
}

#[test]
fn a_taken_port_is_an_error_that_says_so() {
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let listen = taken.local_addr().expect("it has one");
    let error = Broker::start(&BrokerOptions {
        listen,
        ..BrokerOptions::default()
    })
    .expect_err("two can't listen");
    assert_eq!(
        error.to_string(),
        format!(
            "can't listen on {listen}: another program, perhaps a broker, uses this port; use that broker, stop the program, or choose another port"
        )
    );
}

#[test]
fn keep_alive_0_is_no_limit_and_another_is_one_and_a_half_times_itself() {
    let broker = broker(BrokerLimits::default());
    let mut watcher = Client::named(&broker, "watcher");
    watcher.subscribe("will", QoS::AtMostOnce);
    let mut patient = with_will("patient");
    patient.keep_alive = 0;
    let (mut patient, code, _) = Client::connect(&broker, patient);
    assert_eq!(code, ConnectReturnCode::Success);
    let mut silent = with_will("silent");
    silent.keep_alive = 1;
    let start = Instant::now();
    let (_silent, ..) = Client::connect(&broker, silent);
    assert_eq!(watcher.message(), message("will", "silent", 0, false));
    assert!(start.elapsed() >= Duration::from_millis(1500));
    patient.send(Packet::PingReq);
    assert_eq!(patient.next(), Some(Packet::PingResp));
}

#[test]
fn a_client_beyond_the_limit_is_told_that_the_server_is_unavailable_until_another_goes() {
    let broker = broker(BrokerLimits {
        clients: 2,
        ..BrokerLimits::default()
    });
    let _first = Client::named(&broker, "first");
    let mut second = Client::named(&broker, "second");
    let (mut third, code, _) = Client::connect(&broker, Connect::new("third"));
    assert_eq!(code, ConnectReturnCode::ServiceUnavailable);
    assert_eq!(third.next(), None, "and the connection is closed");
    second.send(Packet::Disconnect);
    assert_eq!(second.next(), None);
    Client::named(&broker, "third");
}

#[test]
fn another_version_is_refused_in_its_own_words() {
    let broker = broker(BrokerLimits::default());
    for (bytes, answer) in [
        (
            &b"\x10\x0e\0\x04MQTT\x05\x02\0\x3c\0\0\x01x"[..],
            &[0x20, 3, 0, 0x84, 0][..],
        ),
        (
            b"\x10\x0f\0\x06MQIsdp\x03\x02\0\x3c\0\x01x",
            &[0x20, 2, 0, 1],
        ),
    ] {
        let mut client = Client::dial(&broker);
        client.stream.write_all(bytes).expect("it reads");
        let mut all = Vec::new();
        client
            .stream
            .read_to_end(&mut all)
            .expect("it answers and closes");
        assert_eq!(all, answer);
    }
}

#[test]
fn a_login_is_asked_for_and_both_ways_to_miss_it_are_told() {
    let broker = Broker::start(&BrokerOptions {
        listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
        login: Some(("nvr".to_owned(), Secret::new("right horse"))),
        ..BrokerOptions::default()
    })
    .expect("a free port");
    let mut login = Connect::new("a");
    for (user, password, code) in [
        ("nvr", "right horse", ConnectReturnCode::Success),
        ("nvr", "wrong horse", ConnectReturnCode::BadUserNamePassword),
        ("nv", "right horse", ConnectReturnCode::BadUserNamePassword),
        ("", "", ConnectReturnCode::NotAuthorized),
    ] {
        login.set_login(user, password);
        if user.is_empty() {
            login.login = None;
        }
        assert_eq!(Client::connect(&broker, login.clone()).1, code, "{user}");
    }
}

#[test]
fn the_same_client_id_again_ends_the_former_connection_and_publishes_its_will_first() {
    let broker = broker(BrokerLimits::default());
    let mut watcher = Client::named(&broker, "watcher");
    watcher.subscribe("#", QoS::AtLeastOnce);
    let (mut first, ..) = Client::connect(&broker, with_will("box"));
    let (mut second, code, _) = Client::connect(&broker, with_will("box"));
    assert_eq!(code, ConnectReturnCode::Success);
    assert_eq!(first.next(), None);
    second.publish("online", "yes", QoS::AtMostOnce, true);
    assert_eq!(watcher.message(), message("will", "box", 1, false));
    assert_eq!(watcher.message(), message("online", "yes", 0, false));
    second.send(Packet::Disconnect);
    assert_eq!(second.next(), None);
    watcher.publish("end", "", QoS::AtMostOnce, false);
    assert_eq!(
        watcher.message(),
        message("end", "", 0, false),
        "no will after a goodbye"
    );
}

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
fn an_absent_client_that_asked_for_it_finds_its_subscriptions_and_messages_again() {
    let broker = broker(BrokerLimits::default());
    let mut lasting = Connect::new("lasting");
    lasting.clean_session = false;
    let (mut client, _, present) = Client::connect(&broker, lasting.clone());
    assert!(!present);
    client.subscribe("news", QoS::AtLeastOnce);
    drop(client);
    let mut publisher = Client::named(&broker, "publisher");
    publisher.publish("news", "0", QoS::AtMostOnce, false);
    publisher.publish("news", "1", QoS::AtLeastOnce, false);
    assert_eq!(publisher.next(), Some(Packet::PubAck(PubAck::new(1))));
    let (mut client, _, present) = Client::connect(&broker, lasting.clone());
    assert!(present);
    let Some(Packet::Publish(first)) = client.next() else {
        panic!("a message");
    };
    // The broker may notice the end of the connection only after the first message; the second one arrives in any case.
    if first.qos == QoS::AtMostOnce {
        assert_eq!(client.message(), message("news", "1", 1, false));
    } else {
        assert_eq!(&*first.payload, b"1");
    }
    let mut clean = lasting;
    clean.clean_session = true;
    let (mut client, _, present) = Client::connect(&broker, clean);
    assert!(!present);
    publisher.publish("news", "2", QoS::AtLeastOnce, false);
    assert_eq!(publisher.next(), Some(Packet::PubAck(PubAck::new(1))));
    client.send(Packet::PingReq);
    assert_eq!(
        client.next(),
        Some(Packet::PingResp),
        "it is subscribed to nothing"
    );
}

#[test]
fn the_sessions_of_absent_clients_give_way_and_have_limits() {
    let broker = broker(BrokerLimits {
        clients: 2,
        queue_bytes: 10_000,
        ..BrokerLimits::default()
    });
    let mut lasting = Connect::new("lasting");
    lasting.clean_session = false;
    let absent = |lasting: &Connect| {
        let (mut client, _, present) = Client::connect(&broker, lasting.clone());
        client.subscribe("news", QoS::AtLeastOnce);
        client.send(Packet::Disconnect);
        assert_eq!(client.next(), None);
        present
    };
    assert!(!absent(&lasting));
    assert!(absent(&lasting));
    let mut publisher = Client::named(&broker, "publisher");
    for _ in 0..20 {
        publisher.publish("news", vec![b'x'; 1000], QoS::AtLeastOnce, false);
        assert_eq!(publisher.next(), Some(Packet::PubAck(PubAck::new(1))));
    }
    assert!(!absent(&lasting), "too much waited for it");
    let _other = Client::named(&broker, "other");
    drop(publisher);
    let start = Instant::now();
    let present = loop {
        let (_client, code, present) = Client::connect(&broker, lasting.clone());
        if code == ConnectReturnCode::Success || start.elapsed() > SOON {
            break present;
        }
    };
    assert!(!present, "another client needed its place");
}

#[test]
fn the_session_of_a_client_that_was_absent_for_too_long_is_forgotten() {
    let broker = broker(BrokerLimits {
        absent: Duration::ZERO,
        ..BrokerLimits::default()
    });
    let mut lasting = Connect::new("lasting");
    lasting.clean_session = false;
    let (mut client, ..) = Client::connect(&broker, lasting.clone());
    client.send(Packet::Disconnect);
    assert_eq!(client.next(), None);
    let (_client, code, present) = Client::connect(&broker, lasting);
    assert_eq!((code, present), (ConnectReturnCode::Success, false));
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

#[test]
fn connections_that_say_nothing_are_closed_and_keep_nobody_out() {
    let broker = broker(BrokerLimits {
        connect: Duration::from_millis(300),
        ..BrokerLimits::default()
    });
    let mut silent: Vec<Client> = (0..limits::PENDING_LIMIT + 50)
        .map(|_| Client::dial(&broker))
        .collect();
    silent[limits::PENDING_LIMIT]
        .stream
        .write_all(&[0x10])
        .expect("it reads");
    Client::named(&broker, "a");
    for client in &mut silent {
        assert_eq!(client.next(), None);
    }
}

#[test]
fn an_empty_client_id_is_given_one_where_the_session_is_clean() {
    let broker = broker(BrokerLimits::default());
    let (_one, first, _) = Client::connect(&broker, Connect::new(""));
    let (mut two, second, _) = Client::connect(&broker, Connect::new(""));
    assert_eq!([first, second], [ConnectReturnCode::Success; 2]);
    two.send(Packet::PingReq);
    assert_eq!(two.next(), Some(Packet::PingResp));
    let mut lasting = Connect::new("");
    lasting.clean_session = false;
    assert_eq!(
        Client::connect(&broker, lasting).1,
        ConnectReturnCode::BadClientId
    );
}

#[test]
fn a_client_that_never_reads_its_answers_is_not_read_from() {
    let broker = broker(BrokerLimits {
        stalled: Duration::from_millis(500),
        ..BrokerLimits::default()
    });
    let mut client = Client::named(&broker, "a");
    client
        .stream
        .set_write_timeout(Some(SOON))
        .expect("a time-out");
    let pings: Vec<u8> = [0xc0, 0].repeat(1 << 20);
    // It ends with the connection: the broker neither keeps the answers nor waits for ever.
    while client.stream.write_all(&pings).is_ok() {}
    Client::named(&broker, "b");
}

/// Arbitrary packets, and arbitrary bytes.
fn anything() -> impl Strategy<Value = Vec<u8>> {
    let packet =
        (any::<u8>(), prop::collection::vec(any::<u8>(), 0..40)).prop_map(|(first, body)| {
            let mut packet = vec![first, body.len() as u8];
            packet.extend(body);
            packet
        });
    let publish = (
        0_u8..16,
        "[a/#+$]{0,4}",
        prop::collection::vec(any::<u8>(), 0..8),
    )
        .prop_map(|(flags, topic, rest)| {
            let mut packet = vec![0x30 | flags, (2 + topic.len() + rest.len()) as u8];
            packet.extend([0, topic.len() as u8]);
            packet.extend(topic.bytes());
            packet.extend(rest);
            packet
        });
    let subscribe = ("[a/#+$]{0,4}", 0_u8..4).prop_map(|(filter, qos)| {
        let mut packet = vec![0x82, (5 + filter.len()) as u8, 0, 1, 0, filter.len() as u8];
        packet.extend(filter.bytes());
        packet.push(qos);
        packet
    });
    let ack = (4_u8..8, 0_u8..4)
        .prop_map(|(kind, id)| vec![kind << 4 | if kind == 6 { 2 } else { 0 }, 2, 0, id]);
    prop::collection::vec(prop_oneof![packet, publish, subscribe, ack], 0..12)
        .prop_map(|packets| packets.concat())
}

proptest! {
    #[test]
    fn whatever_a_client_sends_the_next_one_is_served(
        greeted in any::<bool>(),
        clean in any::<bool>(),
        streams in prop::collection::vec(anything(), 1..4),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        runtime.block_on(async {
            let core = BrokerCore::new(BrokerLimits { queue_bytes: 2000, ..BrokerLimits::default() });
            for stream in streams {
                let mut bytes = BytesMut::new();
                if greeted {
                    let mut connect = Connect::new("any");
                    connect.clean_session = clean;
                    Packet::Connect(connect).write(&mut bytes, usize::MAX).expect("it is written");
                }
                bytes.extend_from_slice(&stream);
                exchange(&core, bytes.freeze()).await;
            }
            let mut bytes = BytesMut::new();
            for packet in [Packet::Connect(Connect::new("next")), Packet::PingReq, Packet::Disconnect] {
                packet.write(&mut bytes, usize::MAX).expect("it is written");
            }
            let answer = exchange(&core, bytes.freeze()).await;
            prop_assert_eq!(&answer[..4], &[0x20, 2, 0, 0]);
            Ok(())
        })?;
    }
}

/// Sends `bytes`, and returns the answer until the broker closes the connection.
async fn exchange(core: &BrokerCore, bytes: Bytes) -> Vec<u8> {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let (client, server) = tokio::io::duplex(1 << 16);
    let (mut read, mut write) = tokio::io::split(client);
    let mut answer = Vec::new();
    tokio::join!(core.serve(server), async {
        let _ = write.write_all(&bytes).await;
        let _ = write.shutdown().await;
        let _ = read.read_to_end(&mut answer).await;
    });
    answer
}

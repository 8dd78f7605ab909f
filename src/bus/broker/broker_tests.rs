//! The broker over sockets, with raw bytes or with rumqttc's codec.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use rumqttc::QoS;
use rumqttc::mqttbytes::v4::{Connect, ConnectReturnCode, LastWill, Packet, Publish, Subscribe};

#[path = "broker_bytes_tests.rs"]
mod arbitrary_bytes;
#[path = "broker_message_tests.rs"]
mod messages;
#[path = "broker_session_tests.rs"]
mod sessions;

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

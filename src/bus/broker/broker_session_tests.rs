//! Sessions over sockets: those of clients that are absent for a time.

use rumqttc::mqttbytes::v4::PubAck;

use super::*;

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

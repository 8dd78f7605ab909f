//! Order, windows and repeated messages.

use bytes::Bytes;

use super::*;

fn message(topic: &str, number: u64) -> Arc<Message> {
    Arc::new(Message {
        topic: topic.into(),
        payload: Bytes::from_static(b"x"),
        qos: QoS::ExactlyOnce,
        number,
    })
}

/// The packets to be sent: topic, quality, retain, id, repetition.
fn sent(out: &mut Outgoing, store: &Retained) -> Vec<(String, u8, bool, u16, bool)> {
    let (mut batch, mut sent) = (BytesMut::new(), Vec::new());
    out.fill(&mut batch, store, usize::MAX);
    while !batch.is_empty() {
        match Packet::read(&mut batch, usize::MAX).expect("our own bytes") {
            Packet::Publish(one) => {
                sent.push((one.topic, one.qos as u8, one.retain, one.pkid, one.dup));
            }
            Packet::PubRel(release) => {
                sent.push(("release".to_owned(), 0, false, release.pkid, false))
            }
            other => panic!("{other:?}"),
        }
    }
    sent
}

#[test]
fn no_more_than_a_window_waits_for_acknowledgement_and_the_rest_follows_in_order() {
    let mut out = Outgoing::default();
    let store = Retained::new(0);
    for number in 0..WINDOW as u64 + 3 {
        out.push(message(&format!("t{number}"), number), QoS::AtLeastOnce);
    }
    out.push(message("last", 999), QoS::AtMostOnce);
    let first = sent(&mut out, &store);
    assert_eq!(first.len(), WINDOW);
    assert_eq!(sent(&mut out, &store), []);
    let freed = out.acknowledged(7);
    assert_eq!(freed, message("t6", 0).bytes());
    assert_eq!(out.acknowledged(7), 0, "once");
    let next: Vec<String> = sent(&mut out, &store)
        .into_iter()
        .map(|one| one.0)
        .collect();
    assert_eq!(next, ["t256"]);
    for (_, _, _, id, _) in first {
        out.acknowledged(id);
    }
    let rest: Vec<String> = sent(&mut out, &store)
        .into_iter()
        .map(|one| one.0)
        .collect();
    assert_eq!(rest, ["t257", "t258", "last"]);
}

#[test]
fn a_client_that_comes_back_gets_what_it_did_not_acknowledge_again_and_then_the_rest() {
    let mut out = Outgoing::default();
    let store = Retained::new(0);
    out.push(message("a", 0), QoS::ExactlyOnce);
    out.push(message("b", 1), QoS::AtLeastOnce);
    out.push(message("c", 2), QoS::ExactlyOnce);
    assert_eq!(sent(&mut out, &store).len(), 3);
    out.received(1);
    out.acknowledged(2);
    out.detach();
    out.push(message("d", 3), QoS::AtLeastOnce);
    out.reconnect();
    assert_eq!(
        sent(&mut out, &store),
        [
            ("release".to_owned(), 0, false, 1, false),
            ("c".to_owned(), 2, false, 3, true),
            ("d".to_owned(), 1, false, 4, false),
        ]
    );
    for id in [1, 3, 4] {
        out.acknowledged(id);
    }
    assert_eq!(out.bytes(), 0);
}

#[test]
fn retained_messages_use_no_queue_and_go_first_unless_live_messages_pile_up() {
    let mut store = Retained::new(1 << 20);
    for number in 0..3 {
        store
            .set(&message(&format!("r{number}"), number))
            .expect("room");
    }
    let mut out = Outgoing::default();
    out.add_cursor(Cursor::new("#".into(), QoS::AtMostOnce, 9));
    out.add_cursor(Cursor::new("#".into(), QoS::AtLeastOnce, 9));
    assert_eq!(out.bytes(), 0);
    out.push(message("live", 10), QoS::AtMostOnce);
    let topics: Vec<(String, bool)> = sent(&mut out, &store)
        .into_iter()
        .map(|one| (one.0, one.2))
        .collect();
    let wanted = [("r0", true), ("r1", true), ("r2", true), ("live", false)];
    assert_eq!(
        topics,
        wanted.map(|(topic, retain)| (topic.to_owned(), retain))
    );
    out.add_cursor(Cursor::new("#".into(), QoS::AtMostOnce, 9));
    out.push(message("live", 11), QoS::AtMostOnce);
    let (mut batch, crowded) = (BytesMut::new(), 0);
    out.fill(&mut batch, &store, crowded);
    assert_eq!(&batch[4..8], b"live");
}

#[test]
fn an_id_that_is_in_use_is_not_given_again() {
    let mut out = Outgoing {
        last_id: u16::MAX - 1,
        ..Outgoing::default()
    };
    let store = Retained::new(0);
    for number in 0..2 {
        out.push(message("a", number), QoS::AtLeastOnce);
    }
    let ids: Vec<u16> = sent(&mut out, &store)
        .into_iter()
        .map(|one| one.3)
        .collect();
    assert_eq!(ids, [u16::MAX, 1]);
    out.last_id = u16::MAX - 1;
    out.push(message("a", 2), QoS::AtLeastOnce);
    assert_eq!(sent(&mut out, &store)[0].3, 2);
}

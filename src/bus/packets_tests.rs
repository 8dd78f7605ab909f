//! Tests of `packets.rs`.

use proptest::prelude::*;

use super::super::encode::publish;
use super::*;

/// Decodes `bytes` in parts of `step` bytes. Returns the packets and the memory that was used.
fn read(bytes: &[u8], step: usize) -> (Vec<Incoming>, usize) {
    let (mut packets, mut all, mut most) = (Packets::default(), Vec::new(), 0);
    for part in bytes.chunks(step.max(1)) {
        packets.buffer().extend_from_slice(part);
        most = most.max(packets.buffer.len());
        while let Some(packet) = packets.next().expect("good packets") {
            all.push(packet);
        }
    }
    (all, most)
}

fn message(topic: &str, bytes: usize, qos: Qos, id: u16) -> Vec<u8> {
    let mut out = BytesMut::new();
    publish(&mut out, topic, &vec![b'x'; bytes], qos, true, id);
    out.to_vec()
}

#[test]
fn answers_are_read_whole_and_byte_by_byte() {
    let bytes = b"\x20\x02\x00\x05\x40\x02\x00\x07\x90\x04\x00\x08\x01\x80\xb0\x02\x00\x09\xd0\x00\x62\x02\x00\x03";
    for step in [1, 3, bytes.len()] {
        assert_eq!(
            read(bytes, step).0,
            [
                Incoming::ConnAck(5),
                Incoming::PubAck(7),
                Incoming::SubAck(8, vec![1, 0x80]),
                Incoming::UnsubAck(9),
                Incoming::Pong,
                Incoming::PubRel(3),
            ]
        );
    }
}

#[test]
fn a_message_of_any_length_is_skipped_without_being_stored() {
    for bytes in [PAYLOAD_LIMIT_BYTES + 1, 17 << 20, 100 << 20] {
        let stream = [
            message("nvr/sources/0", bytes, Qos::AtLeastOnce, 9),
            b"\xd0\x00".to_vec(),
        ]
        .concat();
        let (read, most) = read(&stream, 4000);
        assert_eq!(
            read,
            [
                Incoming::Refused {
                    message: Refused {
                        topic: "nvr/sources/0".to_owned(),
                        bytes,
                        retained: true,
                        malformed: None,
                    },
                    expects: RequiredAck::PubAck(9),
                },
                Incoming::Pong,
            ]
        );
        assert!(most < 70_000, "{most} bytes were held");
    }
    let largest = message("a", PAYLOAD_LIMIT_BYTES, Qos::AtMostOnce, 0);
    assert!(matches!(
        &read(&largest, 65_536).0[..],
        [Incoming::Message { payload, .. }] if payload.len() == PAYLOAD_LIMIT_BYTES
    ));
}

#[test]
fn a_malformed_message_is_skipped_and_named() {
    for (bytes, topic, why) in [
        (
            &b"\x31\x05\x00\x02\xff\xfe!"[..],
            "\u{fffd}\u{fffd}",
            "its topic is not UTF-8",
        ),
        (
            b"\x30\x04\x00\x01+!",
            "+",
            "its topic is empty or has wildcards",
        ),
        (
            b"\x30\x03\x00\x00!",
            "",
            "its topic is empty or has wildcards",
        ),
        (b"\x32\x05\x00\x01a\x00\x00", "a", "its packet id is 0"),
        (
            b"\x36\x05\x00\x01a\x00\x07",
            "a",
            "its quality of service is 3",
        ),
        (
            b"\x30\x03\x00\x09a",
            "",
            "its topic is longer than the packet",
        ),
        (b"\x30\x01\x00", "", "its topic is longer than the packet"),
    ] {
        let stream = [bytes, b"\xd0\x00"].concat();
        for step in [1, stream.len()] {
            let (read, _) = read(&stream, step);
            let [Incoming::Refused { message, expects }, Incoming::Pong] = &read[..] else {
                panic!("{bytes:?} was read as {read:?}");
            };
            assert_eq!(message.malformed, Some(why), "{bytes:?}");
            assert_eq!(message.topic, topic, "{message:?}");
            assert_eq!(*expects, RequiredAck::Nothing);
        }
    }
    let (read, _) = read(b"\x32\x06\x00\x01\xff\x00\x07!", 3);
    let [Incoming::Refused { expects, .. }] = &read[..] else {
        panic!("{read:?}");
    };
    assert_eq!(
        *expects,
        RequiredAck::PubAck(7),
        "a broker that waits for it gets it"
    );
}

#[test]
fn invalid_mqtt_is_an_error_with_the_packet() {
    for (bytes, words) in [
        (
            &b"\x90\xff\xff\xff\xff\x01"[..],
            "a packet's length has more than four bytes",
        ),
        (b"\x40\x01\x00", "a PUBACK packet of 1 bytes"),
        (
            b"\x90\x81\x20",
            "a SUBACK packet of 4097 bytes (limit 4096)",
        ),
        (b"\x82\x00", "a SUBSCRIBE packet, which only clients send"),
    ] {
        let mut packets = Packets::default();
        packets.buffer().extend_from_slice(bytes);
        assert_eq!(packets.next(), Err(words.to_owned()), "{bytes:?}");
    }
}

proptest! {
    #[test]
    fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..512), step in 1_usize..64) {
        let mut packets = Packets::default();
        'read: for part in bytes.chunks(step) {
            packets.buffer().extend_from_slice(part);
            loop {
                match packets.next() {
                    Ok(Some(_)) => {}
                    Ok(None) => break,
                    Err(_) => break 'read,
                }
            }
        }
    }

    #[test]
    fn a_message_is_read_back(topic in "[a-z/]{1,40}", bytes in 0_usize..3000, id in 1_u16.., step in 1_usize..700) {
        let stream = message(&topic, bytes, Qos::ExactlyOnce, id);
        prop_assert_eq!(read(&stream, step).0, [Incoming::Message {
            topic,
            payload: vec![b'x'; bytes].into(),
            retained: true,
            expects: RequiredAck::PubRec(id),
        }]);
    }
}

//! Valid and invalid frames.

use super::*;

async fn next(bytes: &[u8]) -> Result<Incoming, WireError> {
    Reader::new(bytes).next().await
}

async fn first_packet(bytes: &[u8]) -> Result<FirstPacket, WireError> {
    Reader::new(bytes).first_packet().await
}

fn connect(protocol: &[u8], version: u8, flags: u8) -> Vec<u8> {
    let mut body = vec![0, protocol.len() as u8];
    body.extend(protocol);
    body.extend([version, flags, 0, 60, 0, 1, b'x']);
    let mut packet = vec![0x10, body.len() as u8];
    packet.extend(body);
    packet
}

#[tokio::test]
async fn connect_of_another_version_is_told_from_what_is_none() {
    assert!(matches!(
        first_packet(&connect(b"MQTT", 4, 2)).await,
        Ok(FirstPacket::Connect(connect)) if connect.client_id == "x" && connect.keep_alive == 60
    ));
    for (protocol, version) in [(&b"MQTT"[..], 5), (b"MQIsdp", 3), (b"MQTT", 0x84)] {
        let found = first_packet(&connect(protocol, version, 2)).await;
        assert!(
            matches!(found, Ok(FirstPacket::Version(other)) if other == version),
            "{version}: {found:?}"
        );
    }
    for bad in [
        connect(b"MQTT", 4, 3),
        connect(b"MQTT", 4, 0x42),
        connect(b"HTTP", 4, 2),
        b"GET / HTTP/1.1\r\n\r\n".to_vec(),
        vec![0x10, 0],
        vec![0x10, 5, 0, 4, b'M', b'Q', b'T'],
        vec![0x10, 0xff, 0xff, 0xff, 0xff],
        vec![0x10, 0xff, 0xff, 0xff, 0x7f, 0, 4],
        vec![0xc0, 0],
    ] {
        let found = first_packet(&bad).await;
        assert!(
            matches!(found, Err(WireError::Malformed(_))),
            "{bad:?}: {found:?}"
        );
    }
}

#[tokio::test]
async fn flags_and_lengths_that_the_standard_forbids_end_the_connection() {
    for bad in [
        &[0x38, 5, 0, 1, b'a', 0, 1][..],
        &[0x36, 5, 0, 1, b'a', 0, 1],
        &[0x32, 5, 0, 1, b'a', 0, 0],
        &[0x80, 6, 0, 1, 0, 1, b'a', 0],
        &[0x82, 2, 0, 1],
        &[0x60, 2, 0, 1],
        &[0xc0, 1, 0],
        &[0xe0, 1, 0],
        &[0x20, 2, 0, 0],
        &[0x00, 0],
        &[0xf0, 0],
        &[0x10, 0],
    ] {
        let found = next(bad).await;
        assert!(
            matches!(found, Err(WireError::Malformed(_))),
            "{bad:?}: {found:?}"
        );
    }
}

#[tokio::test]
async fn a_message_over_the_limit_is_skipped() {
    let length = PACKET_LIMIT_BYTES + 1;
    let mut bytes = vec![0x33];
    let mut rest = length;
    while rest > 0 {
        bytes.push((rest % 128) as u8 | if rest > 127 { 0x80 } else { 0 });
        rest /= 128;
    }
    bytes.extend([0, 3, b'a', b'/', b'b', 0, 9]);
    bytes.extend(std::iter::repeat_n(b'x', length - 7));
    bytes.extend([0xc0, 0]);
    let mut reader = Reader::new(&bytes[..]);
    match reader.next().await {
        Ok(Incoming::TooLarge {
            topic,
            qos,
            id,
            bytes,
        }) => {
            assert_eq!(
                (topic.as_str(), qos, id, bytes),
                ("a/b", QoS::AtLeastOnce, 9, length - 7)
            );
        }
        other => panic!("{other:?}"),
    }
    assert!(matches!(
        reader.next().await,
        Ok(Incoming::Packet(Packet::PingReq))
    ));
    assert!(matches!(reader.next().await, Err(WireError::Closed)));
}

#[tokio::test]
async fn a_length_that_is_only_claimed_takes_no_memory() {
    let mut reader = Reader::new(&[0x30, 0xff, 0xff, 0x3f, 0, 1, b'a'][..]);
    assert!(matches!(reader.next().await, Err(WireError::Closed)));
    let header = Header {
        bytes: BytesMut::from(&[0x30][..]),
        length: PACKET_LIMIT_BYTES,
    };
    let frame = Reader::new(&b""[..]).frame(header).await;
    assert!(frame.is_err());
}

#[tokio::test]
async fn silence_beyond_the_patience_is_told() {
    let (_client, broker) = tokio::io::duplex(64);
    let mut reader = Reader::new(broker);
    reader.silence_limit = Some(Duration::from_millis(20));
    assert!(matches!(reader.next().await, Err(WireError::Silent)));
}

//! Arbitrary packets and bytes from one client, and a next client that is served.

use bytes::Bytes;
use proptest::prelude::*;

use super::*;

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

//! Whatever two clients send to the broker inside, the next one is let in.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nvr::bus::{BrokerCore, BrokerLimits};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// CONNECT of a client whose session is kept.
const LASTING: &[u8] = b"\x10\x0d\0\x04MQTT\x04\0\0\x3c\0\x01x";
/// CONNECT of another, and its goodbye.
const NEXT: &[u8] = b"\x10\x0d\0\x04MQTT\x04\x02\0\x3c\0\x01y\xe0\0";

fuzz_target!(|streams: (bool, &[u8], &[u8])| {
    let (greeted, first, second) = streams;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let core = BrokerCore::new(BrokerLimits {
            queue_bytes: 4096,
            retained_bytes: 4096,
            ..BrokerLimits::default()
        });
        for stream in [first, second] {
            let hello = if greeted { LASTING } else { b"" };
            exchange(&core, &[hello, stream].concat()).await;
        }
        let answer = exchange(&core, NEXT).await;
        assert_eq!(answer.get(..4), Some(&[0x20, 2, 0, 0][..]));
    });
});

async fn exchange(core: &BrokerCore, bytes: &[u8]) -> Vec<u8> {
    let (client, server) = tokio::io::duplex(1 << 16);
    let (mut read, mut write) = tokio::io::split(client);
    let mut answer = Vec::new();
    tokio::join!(core.serve(server), async {
        let sent = async {
            let _ = write.write_all(bytes).await;
            let _ = write.shutdown().await;
        };
        tokio::join!(sent, async {
            let _ = read.read_to_end(&mut answer).await;
        });
    });
    answer
}

//! Reads packets from a stream. The framing is done here: a message over the limit is skipped instead of ending the connection,
//! and memory is allocated only for received bytes, not for a stated length. rumqttc's codec decodes the packets.

use std::io;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use rumqttc::QoS;
use rumqttc::mqttbytes::v4::{Connect, Packet};
use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};
use tokio::time::timeout;

use super::limits::{CONNECT_LIMIT_BYTES, PACKET_LIMIT_BYTES};

/// Size of one read from a socket.
const BUFFER_BYTES: usize = 16 * 1024;

/// The end of a connection.
#[derive(Debug, thiserror::Error)]
pub(super) enum WireError {
    /// The client closed it.
    #[error("the client closed the connection")]
    Closed,
    /// The client was silent for one and a half times its keep-alive.
    #[error("the client was silent for one and a half times its keep-alive")]
    Silent,
    /// An I/O error.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The client sent invalid MQTT 3.1.1.
    #[error("invalid MQTT 3.1.1 from the client: {0}")]
    Malformed(String),
}

/// The first packet of a connection.
#[derive(Debug)]
pub(super) enum FirstPacket {
    Connect(Connect),
    /// CONNECT of another version of the protocol.
    Version(u8),
}

/// A later packet.
#[derive(Debug)]
pub(super) enum Incoming {
    Packet(Packet),
    /// A message over the limit, which was skipped.
    TooLarge {
        topic: String,
        qos: QoS,
        id: u16,
        bytes: usize,
    },
}

/// Reads packets.
#[derive(Debug)]
pub(super) struct Reader<R> {
    from: BufReader<R>,
    /// Longest silence of the client.
    pub(super) silence_limit: Option<Duration>,
}

#[derive(Debug)]
struct Header {
    /// The received bytes.
    bytes: BytesMut,
    length: usize,
}

mod kind {
    pub(super) const CONNECT: u8 = 1;
    pub(super) const PUBLISH: u8 = 3;
    pub(super) const PUBACK: u8 = 4;
    pub(super) const PUBREC: u8 = 5;
    pub(super) const PUBREL: u8 = 6;
    pub(super) const PUBCOMP: u8 = 7;
    pub(super) const SUBSCRIBE: u8 = 8;
    pub(super) const UNSUBSCRIBE: u8 = 10;
    pub(super) const PINGREQ: u8 = 12;
    pub(super) const DISCONNECT: u8 = 14;
}

impl Header {
    fn kind(&self) -> u8 {
        self.bytes[0] >> 4
    }

    fn flags(&self) -> u8 {
        self.bytes[0] & 0x0f
    }

    /// Checks flags and lengths, which the codec does not check.
    fn check(&self) -> Result<(), WireError> {
        let (flags, length) = (self.flags(), self.length);
        let right = match self.kind() {
            kind::CONNECT => flags == 0,
            // DUP must not be set with QoS 0.
            kind::PUBLISH => flags & 0b1110 != 0b1000,
            kind::PUBACK | kind::PUBREC | kind::PUBCOMP => flags == 0 && length == 2,
            kind::PUBREL => flags == 0b0010 && length == 2,
            kind::SUBSCRIBE | kind::UNSUBSCRIBE => flags == 0b0010 && length >= 5,
            kind::PINGREQ | kind::DISCONNECT => flags == 0 && length == 0,
            _ => false,
        };
        match right {
            true => Ok(()),
            false => Err(malformed(format!(
                "a packet that begins with 0x{:02x} and has {length} bytes",
                self.bytes[0]
            ))),
        }
    }
}

impl<R: AsyncRead + Unpin> Reader<R> {
    pub(super) fn new(from: R) -> Self {
        Self {
            from: BufReader::with_capacity(BUFFER_BYTES, from),
            silence_limit: None,
        }
    }

    /// Reads the first packet, which must be CONNECT.
    pub(super) async fn first_packet(&mut self) -> Result<FirstPacket, WireError> {
        let header = self.header().await?;
        header.check()?;
        if header.kind() != kind::CONNECT || header.length > CONNECT_LIMIT_BYTES {
            return Err(malformed(format!(
                "the first packet must be CONNECT with at most {CONNECT_LIMIT_BYTES} bytes, not one that begins with 0x{:02x} \
                 and has {}",
                header.bytes[0], header.length
            )));
        }
        let start = header.bytes.len();
        let mut frame = self.frame(header).await?;
        let body = &frame[start..];
        let (version, flags) = match body {
            [0, 4, b'M', b'Q', b'T', b'T', version, flags, ..] => (*version, *flags),
            // MQTT 3.1, which is older than the standard.
            [0, 6, b'M', b'Q', b'I', b's', b'd', b'p', version, flags, ..] => (*version, *flags),
            _ => return Err(malformed("CONNECT names no protocol".to_owned())),
        };
        if body[1] != 4 || version != 4 {
            return Ok(FirstPacket::Version(version));
        }
        if flags & 1 != 0 || flags & 0b1100_0000 == 0b0100_0000 {
            return Err(malformed(format!("CONNECT with the flags 0x{flags:02x}")));
        }
        match read(&mut frame)? {
            Packet::Connect(connect) => Ok(FirstPacket::Connect(connect)),
            other => Err(malformed(format!("{other:?} instead of CONNECT"))),
        }
    }

    /// Reads the next packet.
    pub(super) async fn next(&mut self) -> Result<Incoming, WireError> {
        let header = self.header().await?;
        header.check()?;
        if header.kind() == kind::CONNECT {
            return Err(malformed("a second CONNECT".to_owned()));
        }
        if header.length <= PACKET_LIMIT_BYTES {
            let mut frame = self.frame(header).await?;
            return read(&mut frame).map(Incoming::Packet);
        }
        if header.kind() == kind::PUBLISH {
            return self.skip_message(header).await;
        }
        Err(malformed(format!(
            "a packet of {} bytes (limit {PACKET_LIMIT_BYTES})",
            header.length
        )))
    }

    async fn header(&mut self) -> Result<Header, WireError> {
        let mut bytes = BytesMut::with_capacity(8);
        self.take(1, &mut bytes).await?;
        let mut length = 0;
        for shift in [0, 7, 14, 21] {
            self.take(1, &mut bytes).await?;
            let byte = bytes[bytes.len() - 1];
            length |= usize::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(Header { bytes, length });
            }
        }
        Err(malformed("a length of more than four bytes".to_owned()))
    }

    /// Reads the rest of a packet. Returns it with its header.
    async fn frame(&mut self, header: Header) -> Result<BytesMut, WireError> {
        let mut frame = header.bytes;
        // The buffer grows as bytes arrive.
        frame.reserve(header.length.min(BUFFER_BYTES));
        self.take(header.length, &mut frame).await?;
        Ok(frame)
    }

    async fn skip_message(&mut self, header: Header) -> Result<Incoming, WireError> {
        let qos = match (header.flags() >> 1) & 0b11 {
            0 => QoS::AtMostOnce,
            1 => QoS::AtLeastOnce,
            2 => QoS::ExactlyOnce,
            _ => return Err(malformed("a message with QoS 3".to_owned())),
        };
        // No underflow: the packet is longer than the longest topic and an id.
        let mut topic = BytesMut::new();
        let mut left = header.length - 2 - usize::from(self.read_string(&mut topic).await?);
        let id = match qos {
            QoS::AtMostOnce => 0,
            _ => {
                left -= 2;
                let mut none = BytesMut::new();
                self.take(2, &mut none).await?;
                u16::from_be_bytes([none[0], none[1]])
            }
        };
        if qos != QoS::AtMostOnce && id == 0 {
            return Err(malformed("a message with the id 0".to_owned()));
        }
        let bytes = left;
        while left > 0 {
            let some = self.more().await?.len().min(left);
            self.from.consume(some);
            left -= some;
        }
        Ok(Incoming::TooLarge {
            topic: String::from_utf8_lossy(&topic).into_owned(),
            qos,
            id,
            bytes,
        })
    }

    /// Reads a string with its length. Returns the length.
    async fn read_string(&mut self, text: &mut BytesMut) -> Result<u16, WireError> {
        let mut two = BytesMut::new();
        self.take(2, &mut two).await?;
        let length = u16::from_be_bytes([two[0], two[1]]);
        self.take(length.into(), text).await?;
        Ok(length)
    }

    async fn take(&mut self, mut count: usize, to: &mut BytesMut) -> Result<(), WireError> {
        while count > 0 {
            let some = self.more().await?;
            let length = some.len().min(count);
            to.extend_from_slice(&some[..length]);
            self.from.consume(length);
            count -= length;
        }
        Ok(())
    }

    /// Waits for at least one byte.
    async fn more(&mut self) -> Result<&[u8], WireError> {
        if self.from.buffer().is_empty() {
            let filled = match self.silence_limit {
                Some(silence_limit) => timeout(silence_limit, self.from.fill_buf())
                    .await
                    .map_err(|_| WireError::Silent)??,
                None => self.from.fill_buf().await?,
            };
            if filled.is_empty() {
                return Err(WireError::Closed);
            }
        }
        Ok(self.from.buffer())
    }

    /// The underlying stream. Buffered bytes are lost.
    pub(super) fn into_inner(self) -> R {
        self.from.into_inner()
    }

    /// Whether unread bytes are buffered.
    pub(super) fn has_more(&self) -> bool {
        !self.from.buffer().is_empty()
    }
}

fn read(frame: &mut BytesMut) -> Result<Packet, WireError> {
    Packet::read(frame, usize::MAX).map_err(|error| malformed(error.to_string()))
}

fn malformed(what: String) -> WireError {
    WireError::Malformed(what)
}

/// The refusal of an unsupported version, encoded in that version: `unsupported protocol version` for MQTT 5, `unacceptable
/// protocol version` for others.
pub(super) fn other_version(version: u8) -> Bytes {
    match version {
        5 => Bytes::from_static(&[0x20, 3, 0, 0x84, 0]),
        _ => Bytes::from_static(&[0x20, 2, 0, 1]),
    }
}

#[cfg(test)]
#[path = "wire_tests.rs"]
mod tests;

//! Decodes the packets of MQTT 3.1.1 that a broker sends.
//!
//! The memory is bounded: of a message over [`PAYLOAD_LIMIT_BYTES`] only the topic is kept, and its payload is discarded as it
//! arrives. A malformed message is skipped in the same way. If it ended the connection, a retained one would end each further
//! connection too.
//! Format: <https://docs.oasis-open.org/mqtt/mqtt/v3.1.1/os/mqtt-v3.1.1-os.html>.

use tokio_util::bytes::{Buf, Bytes, BytesMut};

use crate::event::PAYLOAD_LIMIT_BYTES;

/// The longest packet other than PUBLISH: a SUBACK has one byte per filter, and a subscription has few filters.
const ANSWER_LIMIT_BYTES: usize = 4096;

/// Bytes of the fixed header: one of the packet's type and up to four of its length.
pub(super) const LONGEST_HEADER: usize = 5;

/// Quality of service.
#[expect(clippy::enum_variant_names, reason = "the standard's names")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Qos {
    AtMostOnce = 0,
    AtLeastOnce = 1,
    ExactlyOnce = 2,
}

/// The acknowledgement that a message needs, with its packet id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RequiredAck {
    Nothing,
    PubAck(u16),
    PubRec(u16),
}

/// A packet from the broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Incoming {
    ConnAck(u8),
    Message {
        topic: String,
        payload: Bytes,
        retained: bool,
        expects: RequiredAck,
    },
    /// A message that was skipped.
    Refused {
        message: Refused,
        expects: RequiredAck,
    },
    PubAck(u16),
    PubRec(u16),
    PubRel(u16),
    PubComp(u16),
    /// One code per filter: 0 to 2 grant it, all others refuse it.
    SubAck(u16, Vec<u8>),
    UnsubAck(u16),
    Pong,
}

/// A message that was skipped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refused {
    /// As far as it could be decoded.
    pub(super) topic: String,
    /// Size of the payload; of the packet if it is malformed.
    pub(super) bytes: usize,
    pub(super) retained: bool,
    /// The reason, if it is not the size.
    pub(super) malformed: Option<&'static str>,
}

/// The packet decoder of one connection.
#[derive(Debug, Default)]
pub(super) struct Packets {
    buffer: BytesMut,
    skipping: Option<Skipping>,
}

#[derive(Debug)]
struct Skipping {
    left: usize,
    message: Refused,
    expects: RequiredAck,
}

impl Packets {
    /// The buffer for the next bytes.
    pub(super) fn buffer(&mut self) -> &mut BytesMut {
        self.buffer.reserve(16 * 1024);
        &mut self.buffer
    }

    /// The next packet, if it is complete.
    ///
    /// # Errors
    /// When the stream is not MQTT. Nothing after that can be decoded.
    pub(super) fn next(&mut self) -> Result<Option<Incoming>, String> {
        if let Some(skipping) = &mut self.skipping {
            let passed = skipping.left.min(self.buffer.len());
            self.buffer.advance(passed);
            skipping.left -= passed;
            if skipping.left > 0 {
                return Ok(None);
            }
        }
        if let Some(Skipping {
            message, expects, ..
        }) = self.skipping.take()
        {
            return Ok(Some(Incoming::Refused { message, expects }));
        }
        let Some(header) = Header::read(&self.buffer)? else {
            return Ok(None);
        };
        if header.kind() == 3 {
            return self.message(header);
        }
        if header.body > ANSWER_LIMIT_BYTES {
            return Err(format!(
                "a {} packet of {} bytes (limit {ANSWER_LIMIT_BYTES})",
                header.name(),
                header.body
            ));
        }
        let Some(body) = self.take(header) else {
            return Ok(None);
        };
        answer(header, body).map(Some)
    }

    fn message(&mut self, header: Header) -> Result<Option<Incoming>, String> {
        let (expected, retained) = (header.qos(), header.is_retained());
        let rest = &self.buffer[header.length..];
        // The topic with its length, then the packet id.
        let topic_bytes = match rest {
            [high, low, ..] => usize::from(u16::from_be_bytes([*high, *low])),
            _ if header.body >= 2 => return Ok(None),
            _ => 0,
        };
        let id_bytes = match expected {
            Some(Qos::AtMostOnce) => 0,
            _ => 2,
        };
        let head = 2 + topic_bytes + id_bytes;
        if head > header.body {
            let why = "its topic is longer than the packet";
            return Ok(self.skip(header, 0, why, RequiredAck::Nothing));
        }
        if rest.len() < head {
            return Ok(None);
        }
        let id = match &rest[2 + topic_bytes..head] {
            [high, low] => u16::from_be_bytes([*high, *low]),
            _ => 0,
        };
        let nothing = RequiredAck::Nothing;
        let expects = match expected {
            None => return Ok(self.skip(header, head, "its quality of service is 3", nothing)),
            Some(Qos::AtMostOnce) => nothing,
            Some(_) if id == 0 => {
                return Ok(self.skip(header, head, "its packet id is 0", nothing));
            }
            Some(Qos::AtLeastOnce) => RequiredAck::PubAck(id),
            Some(Qos::ExactlyOnce) => RequiredAck::PubRec(id),
        };
        // Acknowledged in any case: the broker's number of unacknowledged messages is limited.
        let topic = match std::str::from_utf8(&rest[2..2 + topic_bytes]) {
            Ok(topic) if super::topics::is_topic(topic) => topic.to_owned(),
            Ok(_) => {
                let why = "its topic is empty or has wildcards";
                return Ok(self.skip(header, head, why, expects));
            }
            Err(_) => return Ok(self.skip(header, head, "its topic is not UTF-8", expects)),
        };
        let bytes = header.body - head;
        if bytes > PAYLOAD_LIMIT_BYTES {
            let message = Refused {
                topic,
                bytes,
                retained,
                malformed: None,
            };
            return Ok(self.begin_skip(header, head, message, expects));
        }
        let Some(mut payload) = self.take(header) else {
            return Ok(None);
        };
        payload.advance(head);
        Ok(Some(Incoming::Message {
            topic,
            payload,
            retained,
            expects,
        }))
    }

    /// Skips a malformed message. `head` is the number of bytes of its body that are in the buffer, with the topic.
    fn skip(
        &mut self,
        header: Header,
        head: usize,
        why: &'static str,
        expects: RequiredAck,
    ) -> Option<Incoming> {
        let rest = &self.buffer[header.length..];
        let shown = match rest {
            [high, low, rest @ ..] if head > 0 => {
                let bytes = usize::from(u16::from_be_bytes([*high, *low]));
                &rest[..bytes.min(rest.len())]
            }
            _ => &[],
        };
        let message = Refused {
            topic: String::from_utf8_lossy(&shown[..shown.len().min(256)]).into_owned(),
            bytes: header.body,
            retained: header.is_retained(),
            malformed: Some(why),
        };
        self.begin_skip(header, head, message, expects)
    }

    fn begin_skip(
        &mut self,
        header: Header,
        head: usize,
        message: Refused,
        expects: RequiredAck,
    ) -> Option<Incoming> {
        self.buffer.advance(header.length + head);
        let left = header.body - head;
        let passed = left.min(self.buffer.len());
        self.buffer.advance(passed);
        if passed == left {
            return Some(Incoming::Refused { message, expects });
        }
        self.skipping = Some(Skipping {
            left: left - passed,
            message,
            expects,
        });
        None
    }

    /// The body of a packet, if it is complete.
    fn take(&mut self, header: Header) -> Option<Bytes> {
        if self.buffer.len() < header.length + header.body {
            return None;
        }
        self.buffer.advance(header.length);
        Some(self.buffer.split_to(header.body).freeze())
    }
}

#[derive(Debug, Clone, Copy)]
struct Header {
    first: u8,
    length: usize,
    body: usize,
}

impl Header {
    /// `None` if it is not complete.
    fn read(bytes: &[u8]) -> Result<Option<Self>, String> {
        let Some((first, lengths)) = bytes.split_first() else {
            return Ok(None);
        };
        let mut body = 0;
        for (index, byte) in lengths.iter().take(LONGEST_HEADER - 1).enumerate() {
            body |= usize::from(byte & 0x7f) << (7 * index);
            if byte & 0x80 == 0 {
                return Ok(Some(Self {
                    first: *first,
                    length: 2 + index,
                    body,
                }));
            }
        }
        if lengths.len() < LONGEST_HEADER - 1 {
            return Ok(None);
        }
        Err("a packet's length has more than four bytes".to_owned())
    }

    fn kind(self) -> u8 {
        self.first >> 4
    }

    /// The quality of service of a message; none for a value that the standard reserves.
    fn qos(self) -> Option<Qos> {
        match self.first >> 1 & 3 {
            0 => Some(Qos::AtMostOnce),
            1 => Some(Qos::AtLeastOnce),
            2 => Some(Qos::ExactlyOnce),
            _ => None,
        }
    }

    /// Whether a message was retained by the broker.
    fn is_retained(self) -> bool {
        self.first & 1 == 1
    }

    fn name(self) -> &'static str {
        const NAMES: [&str; 16] = [
            "reserved",
            "CONNECT",
            "CONNACK",
            "PUBLISH",
            "PUBACK",
            "PUBREC",
            "PUBREL",
            "PUBCOMP",
            "SUBSCRIBE",
            "SUBACK",
            "UNSUBSCRIBE",
            "UNSUBACK",
            "PINGREQ",
            "PINGRESP",
            "DISCONNECT",
            "reserved",
        ];
        NAMES[usize::from(self.kind())]
    }
}

fn answer(header: Header, mut body: Bytes) -> Result<Incoming, String> {
    let short = || format!("a {} packet of {} bytes", header.name(), header.body);
    // Some brokers append more than the standard defines; it is ignored.
    let id = |body: &mut Bytes| match body.len() {
        0 | 1 => Err(short()),
        _ => Ok(body.get_u16()),
    };
    Ok(match header.kind() {
        2 => match body.get(1) {
            Some(code) => Incoming::ConnAck(*code),
            None => return Err(short()),
        },
        4 => Incoming::PubAck(id(&mut body)?),
        5 => Incoming::PubRec(id(&mut body)?),
        6 => Incoming::PubRel(id(&mut body)?),
        7 => Incoming::PubComp(id(&mut body)?),
        9 => Incoming::SubAck(id(&mut body)?, body.to_vec()),
        11 => Incoming::UnsubAck(id(&mut body)?),
        13 => Incoming::Pong,
        _ => {
            return Err(format!(
                "a {} packet, which only clients send",
                header.name()
            ));
        }
    })
}

#[cfg(test)]
#[path = "packets_tests.rs"]
mod tests;

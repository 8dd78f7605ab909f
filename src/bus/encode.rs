//! Encodes the packets of MQTT 3.1.1 that a client sends.

use tokio_util::bytes::{BufMut, BytesMut};

use super::packets::{LONGEST_HEADER, Qos};

/// The longest string in MQTT, for example of a topic.
pub(super) const TEXT_LIMIT_BYTES: usize = 65_535;

/// A CONNECT packet.
#[derive(Debug, Clone)]
pub(super) struct Connect<'a> {
    pub(super) client_id: &'a str,
    pub(super) keep_alive_s: u16,
    pub(super) login: Option<(&'a str, &'a str)>,
    /// Topic and payload of the will; retained, QoS 1.
    pub(super) will: Option<(&'a str, &'a [u8])>,
}

impl Connect<'_> {
    pub(super) fn write(&self, out: &mut BytesMut) {
        // Clean session: the broker keeps no state of this client.
        let mut flags = 0b10;
        let mut length = 10 + 2 + self.client_id.len();
        if let Some((topic, payload)) = self.will {
            // Retained, quality of service 1.
            flags |= 0b0010_1100;
            length += 4 + topic.len() + payload.len();
        }
        if let Some((user, password)) = self.login {
            flags |= 0b1000_0000;
            length += 2 + user.len();
            // Without a user name there can be no password (3.1.2.9).
            flags |= 0b0100_0000;
            length += 2 + password.len();
        }
        header(out, 0x10, length);
        text(out, b"MQTT");
        out.put_u8(4);
        out.put_u8(flags);
        out.put_u16(self.keep_alive_s);
        text(out, self.client_id.as_bytes());
        if let Some((topic, payload)) = self.will {
            text(out, topic.as_bytes());
            text(out, payload);
        }
        if let Some((user, password)) = self.login {
            text(out, user.as_bytes());
            text(out, password.as_bytes());
        }
    }
}

/// PUBLISH. `id` is used only above QoS 0.
pub(super) fn publish(
    out: &mut BytesMut,
    topic: &str,
    payload: &[u8],
    qos: Qos,
    retain: bool,
    id: u16,
) {
    let id_bytes = if qos == Qos::AtMostOnce { 0 } else { 2 };
    let first = 0x30 | (qos as u8) << 1 | u8::from(retain);
    header(out, first, 2 + topic.len() + id_bytes + payload.len());
    text(out, topic.as_bytes());
    if id_bytes > 0 {
        out.put_u16(id);
    }
    out.put_slice(payload);
}

/// SUBSCRIBE.
pub(super) fn subscribe(out: &mut BytesMut, id: u16, filters: &[(String, Qos)]) {
    let length = filters
        .iter()
        .map(|(filter, _)| 3 + filter.len())
        .sum::<usize>();
    header(out, 0x82, 2 + length);
    out.put_u16(id);
    for (filter, qos) in filters {
        text(out, filter.as_bytes());
        out.put_u8(*qos as u8);
    }
}

/// UNSUBSCRIBE.
pub(super) fn unsubscribe(out: &mut BytesMut, id: u16, filters: &[String]) {
    let length = filters.iter().map(|filter| 2 + filter.len()).sum::<usize>();
    header(out, 0xa2, 2 + length);
    out.put_u16(id);
    for filter in filters {
        text(out, filter.as_bytes());
    }
}

/// PUBACK, PUBREC, PUBREL, PUBCOMP: the first byte and the message's packet id.
fn of_message(out: &mut BytesMut, first: u8, id: u16) {
    header(out, first, 2);
    out.put_u16(id);
}

pub(super) fn pub_ack(out: &mut BytesMut, id: u16) {
    of_message(out, 0x40, id);
}

pub(super) fn pub_rec(out: &mut BytesMut, id: u16) {
    of_message(out, 0x50, id);
}

pub(super) fn pub_rel(out: &mut BytesMut, id: u16) {
    of_message(out, 0x62, id);
}

pub(super) fn pub_comp(out: &mut BytesMut, id: u16) {
    of_message(out, 0x70, id);
}

pub(super) fn ping(out: &mut BytesMut) {
    header(out, 0xc0, 0);
}

pub(super) fn disconnect(out: &mut BytesMut) {
    header(out, 0xe0, 0);
}

fn header(out: &mut BytesMut, first: u8, mut length: usize) {
    out.reserve(LONGEST_HEADER + length);
    out.put_u8(first);
    loop {
        let low = (length & 0x7f) as u8;
        length >>= 7;
        out.put_u8(if length > 0 { low | 0x80 } else { low });
        if length == 0 {
            break;
        }
    }
}

/// Callers check the length: topics and settings have at most [`TEXT_LIMIT_BYTES`].
fn text(out: &mut BytesMut, bytes: &[u8]) {
    let bytes = &bytes[..bytes.len().min(TEXT_LIMIT_BYTES)];
    out.put_u16(bytes.len() as u16);
    out.put_slice(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(&mut BytesMut)) -> Vec<u8> {
        let mut out = BytesMut::new();
        write(&mut out);
        out.to_vec()
    }

    #[test]
    fn packets_of_a_client_are_those_of_the_standard() {
        let connect = Connect {
            client_id: "box",
            keep_alive_s: 5,
            login: Some(("u", "pw")),
            will: Some(("t", b"!")),
        };
        assert_eq!(
            written(|out| connect.write(out)),
            b"\x10\x1c\x00\x04MQTT\x04\xee\x00\x05\x00\x03box\x00\x01t\x00\x01!\x00\x01u\x00\x02pw"
        );
        assert_eq!(
            written(|out| subscribe(
                out,
                7,
                &[
                    ("a/+".to_owned(), Qos::AtLeastOnce),
                    ("b".to_owned(), Qos::AtMostOnce)
                ]
            )),
            b"\x82\x0c\x00\x07\x00\x03a/+\x01\x00\x01b\x00"
        );
        assert_eq!(
            written(|out| unsubscribe(out, 8, &["a".to_owned()])),
            b"\xa2\x05\x00\x08\x00\x01a"
        );
        assert_eq!(
            written(|out| publish(out, "a", b"1", Qos::AtMostOnce, false, 0)),
            b"\x30\x04\x00\x01a1"
        );
        assert_eq!(
            written(|out| publish(out, "a", b"1", Qos::ExactlyOnce, true, 258)),
            b"\x35\x06\x00\x01a\x01\x021"
        );
        assert_eq!(written(ping), b"\xc0\x00");
        assert_eq!(written(disconnect), b"\xe0\x00");
        assert_eq!(written(|out| pub_rel(out, 1)), b"\x62\x02\x00\x01");
    }
}

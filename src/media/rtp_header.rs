//! The fixed header of an RTP packet: reads the fields by which senders are told apart and put in order.
//!
//! Plain data without threads of its own. Contributing sources and extensions are not read.

/// The fields of an RTP packet that are needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) payload_type: u8,
    pub(super) sequence: u16,
    pub(super) time: u32,
    pub(super) ssrc: u32,
}

impl Header {
    /// Reads the fixed header of RFC 3550, 5.1; none if this is not an RTP packet.
    pub(super) fn read(bytes: &[u8; 12]) -> Option<Self> {
        let [flags, kind, q0, q1, t0, t1, t2, t3, s0, s1, s2, s3] = *bytes;
        (flags >> 6 == 2).then_some(Self {
            payload_type: kind & 0x7f,
            sequence: u16::from_be_bytes([q0, q1]),
            time: u32::from_be_bytes([t0, t1, t2, t3]),
            ssrc: u32::from_be_bytes([s0, s1, s2, s3]),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_of_rfc_3550_is_read() {
        let bytes = [0x80, 0xe0, 0x12, 0x34, 0, 0, 1, 0, 0xde, 0xad, 0xbe, 0xef];
        let header = Header {
            payload_type: 96,
            sequence: 0x1234,
            time: 256,
            ssrc: 0xdead_beef,
        };
        assert_eq!(Header::read(&bytes), Some(header));
        assert_eq!(Header::read(&[0; 12]), None);
    }
}

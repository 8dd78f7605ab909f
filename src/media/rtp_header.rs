//! The fixed header of an RTP packet: reads the fields by which senders are told apart and put in order.
//!
//! Plain data without threads of its own. Contributing sources and extensions are not read.

use gstreamer as gst;

/// Length of the fixed header (RFC 3550, 5.1).
pub(super) const HEADER_BYTES: usize = 12;

/// The fixed header of `packet`; none if the packet is shorter. Anyone can send a short datagram to a UDP port.
pub(super) fn header_bytes(packet: &gst::BufferRef) -> Option<[u8; HEADER_BYTES]> {
    let mut bytes = [0; HEADER_BYTES];
    // `copy_to_slice` panics instead of copying less.
    if packet.size() < HEADER_BYTES || packet.copy_to_slice(0, &mut bytes).is_err() {
        return None;
    }
    Some(bytes)
}

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
    pub(super) fn read(bytes: &[u8; HEADER_BYTES]) -> Option<Self> {
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

    #[test]
    fn a_packet_that_is_too_short_has_no_header() {
        super::super::init().expect("GStreamer starts");
        assert_eq!(header_bytes(&gst::Buffer::new()), None);
        for length in 1..HEADER_BYTES {
            let short = gst::Buffer::from_slice(vec![7u8; length]);
            assert_eq!(header_bytes(&short), None);
        }
        let whole = gst::Buffer::from_slice(vec![7u8; HEADER_BYTES]);
        assert_eq!(header_bytes(&whole), Some([7; HEADER_BYTES]));
    }
}

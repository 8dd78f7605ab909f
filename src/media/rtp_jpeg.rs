//! Reports JPEG over RTP (RFC 2435) whose pictures are too large for its header.
//!
//! Width and height have one byte each, in units of eight pixels: 2040 at most. Cameras with larger pictures write 0,
//! and some state the size in the SDP (`a=x-dimensions:2592,1944`). Without that the depayloader drops every packet and
//! only logs a warning; here the session ends with an error.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use gstreamer as gst;
use gstreamer::prelude::*;

use super::session_state::{Failure, SessionState};

/// Watches the packets that enter `depayloader`, and ends the session if nothing states the size of its pictures.
pub(super) fn watch(depayloader: &gst::Element, name: &str, session: &Arc<SessionState>) {
    let Some(pad) = depayloader.static_pad("sink") else {
        return;
    };
    let is_told = AtomicBool::new(false);
    let (session, name) = (Arc::downgrade(session), name.to_owned());
    let wanted = gst::PadProbeType::BUFFER | gst::PadProbeType::EVENT_DOWNSTREAM;
    pad.add_probe(wanted, move |_, info| {
        match &info.data {
            Some(gst::PadProbeData::Event(event)) => {
                if let gst::EventView::Caps(event) = event.view() {
                    let caps = event.caps().structure(0);
                    let has = |field| caps.is_some_and(|caps| caps.has_field(field));
                    is_told.store(has("x-dimensions") || has("a-framesize"), Ordering::Release);
                }
            }
            Some(gst::PadProbeData::Buffer(buffer)) if !is_told.load(Ordering::Acquire) => {
                let packet = buffer.map_readable().ok();
                let size = packet.as_ref().and_then(|packet| size_in(packet));
                if let (Some((0, _) | (_, 0)), Some(session)) = (size, session.upgrade()) {
                    session.fail(too_large(&name));
                }
            }
            _ => {}
        }
        gst::PadProbeReturn::Ok
    });
}

fn too_large(name: &str) -> Failure {
    Failure::new(
        "picture-size",
        format!(
            "{name} sends JPEG pictures without their size: RTP/JPEG tells at most 2040 pixels a side, and the camera's SDP has no \
             x-dimensions; set a smaller picture at the camera, or H.264"
        ),
    )
}

/// Width and height in the header of a packet, in units of eight pixels; none if there is no header.
fn size_in(packet: &[u8]) -> Option<(u8, u8)> {
    // RFC 3550, 5.1: contributing sources and an extension may come before the payload.
    let first = *packet.first()?;
    let mut payload = 12 + 4 * usize::from(first & 0x0f);
    if first & 0x10 != 0 {
        let extension = packet.get(payload..payload.checked_add(4)?)?;
        payload += 4 + 4 * usize::from(u16::from_be_bytes([extension[2], extension[3]]));
    }
    // RFC 2435, 3.1: a byte, the fragment's offset in three, type, Q, width, height.
    let header = packet.get(payload..payload.checked_add(8)?)?;
    Some((header[6], header[7]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{Clock, Frame};
    use crate::media::{FrameSink, StreamFacts};

    struct Nobody;

    impl FrameSink for Nobody {
        fn described(&self, _: &StreamFacts) {}
        fn access_unit(&self, _: usize) {}
        fn alive(&self) {}
        fn frame(&self, _: Frame) {}
    }

    /// The error of a session for JPEG pictures of this width from a real payloader, whose caps pass `filter`.
    fn reason(width: u32, filter: &str) -> Option<Failure> {
        super::super::init().expect("GStreamer starts");
        let pipeline = gst::parse::launch(&format!(
            "videotestsrc num-buffers=1 ! video/x-raw,format=I420,width={width},height=64 ! jpegenc ! rtpjpegpay {filter} \
             ! rtpjpegdepay name=depay ! fakesink"
        ))
        .expect("the pipeline can be built")
        .downcast::<gst::Pipeline>()
        .expect("a pipeline");
        let session = SessionState::new(Arc::new(Nobody), Clock::system());
        let depayloader = pipeline.by_name("depay").expect("it is there");
        watch(&depayloader, "camera 3", &session);
        pipeline.set_state(gst::State::Playing).expect("it plays");
        let bus = pipeline.bus().expect("a pipeline has a bus");
        let limit = gst::ClockTime::from_seconds(10);
        bus.timed_pop_filtered(
            Some(limit),
            &[gst::MessageType::Eos, gst::MessageType::Error],
        );
        pipeline.set_state(gst::State::Null).expect("it stops");
        session.failure()
    }

    #[test]
    fn pictures_beyond_the_header_s_limit_are_named_where_nothing_else_tells_their_size() {
        let untold = "! capssetter replace=true caps=\"application/x-rtp,media=video,payload=26,clock-rate=90000,encoding-name=JPEG\"";
        let failure = reason(2592, untold).expect("a reason");
        assert_eq!(failure.code, "picture-size");
        assert!(
            failure
                .message
                .starts_with("camera 3 sends JPEG pictures without their size"),
            "{failure:?}"
        );
        assert_eq!(reason(2592, ""), None);
        assert_eq!(reason(2040, untold), None);
    }

    #[test]
    fn the_size_is_found_behind_whatever_stands_before_it() {
        let jpeg = [0, 0, 0, 0, 1, 90, 80, 60];
        let plain = [&[0x80][..], &[0; 11], &jpeg].concat();
        assert_eq!(size_in(&plain), Some((80, 60)));
        let extended = [
            &[0x92][..],
            &[0; 11],
            &[7; 8],
            &[0xff, 0xd8, 0, 2],
            &[9; 8],
            &jpeg,
        ]
        .concat();
        assert_eq!(size_in(&extended), Some((80, 60)));
        for length in 0..plain.len() {
            assert_eq!(size_in(&plain[..length]), None);
        }
    }
}

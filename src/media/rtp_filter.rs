//! Filters the packets of a camera before rtpbin: only packets of the followed sender, with payload types of the
//! description (SDP), pass.
//!
//! It consists of probes on rtpbin's inputs, which run on the receiving threads. Packets of other senders or of unknown
//! payload types are dropped, and all RTCP except the followed sender's reports. Packets are counted by payload type
//! for the session's error message. Dropped packets are reported as handled: gstreamer-rs takes ownership of the
//! buffer, and GStreamer would free it a second time.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use gstreamer as gst;
use gstreamer::glib;
use gstreamer::prelude::*;

use super::codec::Codec;
use super::rtp_header::{Header, header_bytes};
use super::rtp_senders::{PacketAction, ReportAction, Senders};
use super::rtsp_dialogue::Dialogue;
use super::rtsp_sdp::{Media, Payload};
use super::session_state::{Failure, SessionState};
use crate::base::sync::lock;

/// This many packets of unknown payload types, and none of a known one, mean that the camera's description is wrong.
const MIN_UNKNOWN_PACKETS: u64 = 20;
/// They must have arrived over at least this time: packets of an earlier session may arrive first.
const MIN_UNKNOWN_TIME: Duration = Duration::from_secs(2);
/// If the payload type stays different for this long, it is another stream.
const PAYLOAD_CHANGE_TIME: Duration = Duration::from_secs(1);
/// Maximum time that the jitter buffer may hold packets from before a report.
const JITTER_BUFFER_TIME: Duration = Duration::from_secs(1);
/// Types of RTCP packets, their second byte (RFC 5761, 4).
const RTCP_TYPES: std::ops::RangeInclusive<u8> = 200..=207;
const SENDER_REPORT: u8 = 200;
const GOODBYE: u8 = 203;
/// Header, SSRC, NTP time and RTP time of a sender report.
const REPORT_BYTES: usize = 20;

/// Filters the packets of one session.
pub(super) struct RtpFilter {
    name: String,
    session: Arc<SessionState>,
    dialogue: Arc<Dialogue>,
    state: Mutex<FilterState>,
}

#[derive(Default)]
struct FilterState {
    senders: Senders<gst::Buffer>,
    media: Option<Media>,
    arrived: BTreeMap<u8, Arrived>,
    /// The payload type that is decoded, and its last arrival.
    decoded: Option<(u8, Duration)>,
    /// The arrival of the first packet.
    begun: Option<Duration>,
    reports: glib::WeakRef<gst::Pad>,
    /// The time at which the first report of a new RTP clock passed.
    clock_change: Option<Duration>,
}

/// Packets of one payload type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Arrived {
    pub(super) payload: Payload,
    /// Whether the description names the payload type.
    pub(super) named: bool,
    pub(super) packets: u64,
    pub(super) bytes: u64,
}

impl RtpFilter {
    /// Filters the packets that `source`, an rtspsrc, receives.
    pub(super) fn attach(
        source: &gst::Element,
        name: &str,
        session: &Arc<SessionState>,
        dialogue: &Arc<Dialogue>,
    ) -> Arc<Self> {
        let filter = Arc::new(Self {
            name: name.to_owned(),
            session: session.clone(),
            dialogue: dialogue.clone(),
            state: Mutex::default(),
        });
        let of_manager = filter.clone();
        source.connect("new-manager", false, move |arguments| {
            let rtpbin = arguments.get(1)?.get::<gst::Element>().ok()?;
            let filter = of_manager.clone();
            rtpbin.connect_pad_added(move |_, pad| filter.watch(pad));
            None
        });
        filter
    }

    fn watch(self: &Arc<Self>, pad: &gst::Pad) {
        let name = pad.name();
        let filter = self.clone();
        if let Some(number) = name.strip_prefix("recv_rtp_sink_") {
            let number = number.parse().unwrap_or(usize::MAX);
            self.lock().media = self.dialogue.media(number);
            let kinds = gst::PadProbeType::BUFFER | gst::PadProbeType::BUFFER_LIST;
            pad.add_probe(kinds, move |pad, info| match &mut info.data {
                Some(gst::PadProbeData::Buffer(packet)) => filter.packet(pad, packet),
                Some(gst::PadProbeData::BufferList(list)) => {
                    for packet in list.iter_owned() {
                        // Each packet passes this probe separately.
                        if let Err(err) = pad.chain(packet) {
                            tracing::trace!(%err, "a packet of a list was not accepted");
                        }
                    }
                    gst::PadProbeReturn::Handled
                }
                _ => gst::PadProbeReturn::Ok,
            });
        } else if name.starts_with("recv_rtcp_sink_") {
            self.lock().reports.set(Some(pad));
            pad.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
                match &mut info.data {
                    Some(gst::PadProbeData::Buffer(packet)) => filter.report(packet),
                    _ => gst::PadProbeReturn::Ok,
                }
            });
        }
    }

    fn packet(&self, pad: &gst::Pad, packet: &mut gst::Buffer) -> gst::PadProbeReturn {
        // rtpbin discards what is not RTP.
        let bytes = header_bytes(packet).filter(|bytes| !RTCP_TYPES.contains(&bytes[1]));
        let Some(header) = bytes.and_then(|bytes| Header::read(&bytes)) else {
            return gst::PadProbeReturn::Ok;
        };
        let now = self.session.now();
        let verdict = {
            let mut state = self.lock();
            if !self.count(&mut state, header.payload_type, packet.size(), now) {
                return gst::PadProbeReturn::Handled;
            }
            state.senders.packet(header, now, || packet.clone())
        };
        match verdict {
            PacketAction::Pass(shown) => {
                if shown != header {
                    rewrite(packet, &shown);
                }
                gst::PadProbeReturn::Ok
            }
            PacketAction::Keep => gst::PadProbeReturn::Handled,
            PacketAction::Follow { held, report } => {
                tracing::debug!(
                    ssrc = format_args!("{:08x}", header.ssrc),
                    changes = self.lock().senders.changes(),
                    "following this RTP sender"
                );
                let reports = self.lock().reports.upgrade();
                if let (Some(report), Some(reports)) = (report, reports) {
                    pass(&reports, report);
                }
                for packet in held {
                    pass(pad, packet);
                }
                // The packets of the new sender pass this probe again; this one is dropped.
                pass(pad, packet.clone());
                gst::PadProbeReturn::Handled
            }
        }
    }

    /// Counts a packet. Returns false if the description does not name its payload type.
    fn count(&self, state: &mut FilterState, number: u8, size: usize, now: Duration) -> bool {
        let begun = *state.begun.get_or_insert(now);
        let media = state.media.as_ref();
        let encoding = media.and_then(|media| media.encoding(number));
        let named = encoding.is_some() || media.is_none();
        let arrived = state.arrived.entry(number).or_insert_with(|| Arrived {
            payload: Payload {
                number,
                encoding: encoding.unwrap_or_default().to_owned(),
            },
            named,
            packets: 0,
            bytes: 0,
        });
        arrived.packets += 1;
        arrived.bytes += size as u64;
        if !named
            && arrived.packets >= MIN_UNKNOWN_PACKETS
            && now.saturating_sub(begun) >= MIN_UNKNOWN_TIME
            && state.arrived.values().all(|arrived| !arrived.named)
        {
            self.session.fail(self.unknown_payload_type(state));
        }
        if let Some((decoded, at)) = &mut state.decoded {
            if *decoded == number {
                *at = now;
            } else if encoding.and_then(Codec::of_rtp).is_some()
                && now.saturating_sub(*at) >= PAYLOAD_CHANGE_TIME
            {
                tracing::info!(
                    was = *decoded,
                    is = number,
                    "the camera changed to another payload type; its session restarts"
                );
                self.session.reopen();
            }
        }
        named
    }

    fn unknown_payload_type(&self, state: &FilterState) -> Failure {
        let (named, arrived) = (state.media.as_ref(), state.arrived.values());
        let named = named.map(|media| media.payloads.as_slice());
        let came: Vec<_> = arrived
            .map(|arrived| arrived.payload.number.to_string())
            .collect();
        Failure::new(
            "payload-type",
            format!(
                "{} sends RTP payload type {}, which its description (SDP) does not name; it names {}",
                self.name,
                came.join(" and "),
                list(named.unwrap_or_default())
            ),
        )
    }

    fn report(&self, packet: &mut gst::Buffer) -> gst::PadProbeReturn {
        let bytes = match packet.map_readable() {
            Ok(map) => map.to_vec(),
            Err(_) => return gst::PadProbeReturn::Handled,
        };
        let mut report = None;
        for part in parts(&bytes) {
            let ssrcs = part.get(4..).unwrap_or_default().chunks_exact(4);
            let mut ssrcs =
                ssrcs.map(|ssrc| u32::from_be_bytes([ssrc[0], ssrc[1], ssrc[2], ssrc[3]]));
            match part[1] {
                SENDER_REPORT if part.len() >= REPORT_BYTES && report.is_none() => {
                    report = ssrcs.next().map(|ssrc| (ssrc, part));
                }
                GOODBYE => {
                    let count = usize::from(part[0] & 0x1f);
                    let mut state = self.lock();
                    ssrcs
                        .take(count)
                        .for_each(|ssrc| state.senders.goodbye(ssrc));
                }
                _ => {}
            }
        }
        let Some((ssrc, part)) = report else {
            return gst::PadProbeReturn::Handled;
        };
        let verdict = {
            let mut state = self.lock();
            let known = state.senders.are_times_known();
            let verdict = state.senders.report(ssrc, || packet.clone());
            if !known && state.senders.are_times_known() {
                state.clock_change = Some(self.session.now());
            }
            verdict
        };
        let ReportAction::Pass { ssrc, shift } = verdict else {
            return gst::PadProbeReturn::Handled;
        };
        let mut shown = part.to_vec();
        shown[4..8].copy_from_slice(&ssrc.to_be_bytes());
        let time = [shown[16], shown[17], shown[18], shown[19]];
        let time = u32::from_be_bytes(time).wrapping_add(shift);
        shown[16..20].copy_from_slice(&time.to_be_bytes());
        let mut alone = gst::Buffer::from_mut_slice(shown);
        if let Some(alone) = alone.get_mut() {
            alone.set_pts(packet.pts());
            alone.set_dts(packet.dts());
            alone.set_flags(packet.flags());
        }
        *packet = alone;
        gst::PadProbeReturn::Ok
    }

    /// Sets the payload type that is decoded from now on.
    pub(super) fn decodes(&self, number: u8) {
        let now = self.session.now();
        self.lock().decoded = Some((number, now));
    }

    /// Whether sender reports give the time of the arriving packets.
    pub(super) fn are_times_known(&self) -> bool {
        let state = self.lock();
        // The packets in the jitter buffer carry the time of the previous report.
        let settles = |at: Duration| self.session.now().saturating_sub(at) < JITTER_BUFFER_TIME;
        state.senders.are_times_known() && !state.clock_change.is_some_and(settles)
    }

    /// The number of changes of the RTP clock.
    pub(super) fn clocks(&self) -> u64 {
        self.lock().senders.clocks()
    }

    /// The packets that arrived, by payload type.
    pub(super) fn arrived(&self) -> Vec<Arrived> {
        self.lock().arrived.values().cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, FilterState> {
        lock(&self.state)
    }
}

/// `98 (H265) and 96 (H264)`.
pub(super) fn list(payloads: &[Payload]) -> String {
    let payloads: Vec<_> = payloads.iter().map(Payload::to_string).collect();
    match payloads.as_slice() {
        [] => "none".to_owned(),
        payloads => payloads.join(" and "),
    }
}

fn pass(pad: &gst::Pad, packet: gst::Buffer) {
    if let Err(err) = pad.chain(packet) {
        tracing::trace!(%err, "a packet that was held was not accepted");
    }
}

fn rewrite(packet: &mut gst::Buffer, shown: &Header) {
    if let Ok(mut bytes) = packet.make_mut().map_writable()
        && let Some(header) = bytes.get_mut(..12)
    {
        header[2..4].copy_from_slice(&shown.sequence.to_be_bytes());
        header[4..8].copy_from_slice(&shown.time.to_be_bytes());
        header[8..12].copy_from_slice(&shown.ssrc.to_be_bytes());
    }
}

/// The packets in a compound packet (RFC 3550, 6.1), of at least four bytes each.
fn parts(mut bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let header = bytes.get(..4)?;
        let words = usize::from(u16::from_be_bytes([header[2], header[3]]));
        let length = (words + 1) * 4;
        if header[0] >> 6 != 2 || length > bytes.len() {
            return None;
        }
        let (part, rest) = bytes.split_at(length);
        bytes = rest;
        Some(part)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compound_reports_are_taken_apart_and_damage_ends_them() {
        let report = [&[0x80, 200, 0, 6][..], &[0; 24]].concat();
        let description = [0x81, 202, 0, 1, 0, 0, 0, 1];
        let goodbye = [0x81, 203, 0, 1, 0, 0, 0, 9];
        let whole = [&report[..], &description, &goodbye].concat();
        let found: Vec<_> = parts(&whole).map(|part| (part[1], part.len())).collect();
        assert_eq!(found, [(200, 28), (202, 8), (203, 8)]);
        assert_eq!(parts(&whole[..40]).count(), 2);
        assert_eq!(parts(&[0x80, 200, 0xff, 0xff]).count(), 0);
        assert_eq!(parts(&[]).count(), 0);
    }
}

//! The camera's clock: the NTP time of an access unit, by RTCP sender reports.
//!
//! GStreamer 1.22 computes it and attaches it to each buffer. For older versions (JetPack 6 has 1.20) it is computed
//! here, from the last sender report in the statistics of the RTP session and the RTP times of the packets before the
//! depayloader.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::time::{Duration, Instant};

use gstreamer as gst;
use gstreamer::glib;
use gstreamer::prelude::*;

use super::capture_time::{PtsMap, SenderReport, ntp_to_unix_ns};
use super::decode::ReferenceOf;
use super::rtp_header::header_bytes;
use crate::base::sync::lock;

const META_PROPERTY: &str = "add-reference-timestamp-meta";
/// Reports arrive every few seconds; reading them once per second follows the camera's clock closely enough.
const REPORT_INTERVAL: Duration = Duration::from_secs(1);

/// How an access unit's NTP time is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ReferenceTime {
    /// By the metadata of buffers if GStreamer attaches it, otherwise by the statistics of the RTP session.
    #[default]
    Auto,
    /// Only by the metadata of buffers.
    Meta,
    /// Only by the statistics of the RTP session.
    Rtcp,
}

/// One session's view of the camera's clock.
pub(super) struct Reference {
    by_report: bool,
    rtp_session: Arc<OnceLock<RtpSession>>,
    state: Mutex<ReferenceState>,
}

/// rtpbin and the number of its session for the camera.
struct RtpSession {
    rtpbin: glib::WeakRef<gst::Element>,
    id: u32,
}

#[derive(Default)]
struct ReferenceState {
    packets: PtsMap<u32>,
    ssrc: Option<u32>,
    report: Option<SenderReport>,
    /// A report of an RTP clock that is no longer in use.
    outdated: Option<SenderReport>,
    looked: Option<Instant>,
}

impl Reference {
    /// Configures rtspsrc for `choice`.
    pub(super) fn attach(source: &gst::Element, choice: ReferenceTime) -> Arc<Self> {
        let has_meta = source.find_property(META_PROPERTY).is_some();
        let by_report = match choice {
            ReferenceTime::Auto => !has_meta,
            ReferenceTime::Meta => false,
            ReferenceTime::Rtcp => true,
        };
        let rtp_session = Arc::new(OnceLock::new());
        if by_report {
            let found = rtp_session.clone();
            source.connect("new-manager", false, move |arguments| {
                watch_sessions(
                    &arguments.get(1)?.get::<gst::Element>().ok()?,
                    found.clone(),
                );
                None
            });
        } else if has_meta {
            source.set_property(META_PROPERTY, true);
        }
        Arc::new(Self {
            by_report,
            rtp_session,
            state: Mutex::default(),
        })
    }

    /// Stores the RTP times of the packets that enter `depayloader`.
    pub(super) fn watch_packets(self: &Arc<Self>, depayloader: &gst::Element) {
        let Some(pad) = depayloader.static_pad("sink").filter(|_| self.by_report) else {
            return;
        };
        let of_buffer = self.clone();
        let of_list = self.clone();
        pad.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
            info.buffer()
                .into_iter()
                .for_each(|packet| of_buffer.packet(packet));
            gst::PadProbeReturn::Ok
        });
        pad.add_probe(gst::PadProbeType::BUFFER_LIST, move |_, info| {
            let packets = info.buffer_list().into_iter().flat_map(|list| list.iter());
            packets.for_each(|packet| of_list.packet(packet));
            gst::PadProbeReturn::Ok
        });
    }

    /// The RTP clock has changed, so the last report is no longer valid.
    pub(super) fn forget_report(&self) {
        let mut state = self.lock();
        state.outdated = state.report.take().or(state.outdated);
    }

    /// The function that gives the time of an access unit, for the probe behind the parser.
    pub(super) fn of_units(self: &Arc<Self>) -> ReferenceOf {
        let reference = self.clone();
        if self.by_report {
            Box::new(move |unit| reference.by_report(unit))
        } else {
            Box::new(by_meta)
        }
    }

    fn packet(&self, packet: &gst::BufferRef) {
        let Some([.., t0, t1, t2, t3, s0, s1, s2, s3]) = header_bytes(packet) else {
            return;
        };
        let mut state = self.lock();
        state.ssrc = Some(u32::from_be_bytes([s0, s1, s2, s3]));
        if let Some(pts) = packet.pts() {
            let rtp = u32::from_be_bytes([t0, t1, t2, t3]);
            // All packets of a picture have the same time; it is stored once.
            if state.packets.find(pts.nseconds()) != Some(rtp) {
                state.packets.note(pts.nseconds(), rtp);
            }
        }
    }

    fn by_report(&self, unit: &gst::BufferRef) -> Option<u64> {
        let pts = unit.pts()?.nseconds();
        let mut state = self.lock();
        if state
            .looked
            .is_none_or(|looked| looked.elapsed() >= REPORT_INTERVAL)
            || state.report.is_none()
        {
            state.looked = Some(Instant::now());
            let report = self
                .rtp_session
                .get()
                .and_then(|session| last_report(session, state.ssrc?));
            let report = report.filter(|report| Some(*report) != state.outdated);
            state.report = report.or(state.report);
        }
        let rtp = state.packets.find(pts)?;
        state.report?.unix_ns(rtp)
    }

    fn lock(&self) -> MutexGuard<'_, ReferenceState> {
        lock(&self.state)
    }
}

fn by_meta(unit: &gst::BufferRef) -> Option<u64> {
    unit.iter_meta::<gst::ReferenceTimestampMeta>()
        .find(|meta| {
            let reference = meta.reference().structure(0);
            reference.is_some_and(|reference| reference.name() == "timestamp/x-ntp")
        })
        .map(|meta| meta.timestamp().nseconds())
        .filter(|ntp_ns| *ntp_ns != 0)
        .map(ntp_to_unix_ns)
}

/// Stores rtpbin's session once its first sender is known. There is one session, because one stream is set up.
fn watch_sessions(rtpbin: &gst::Element, found: Arc<OnceLock<RtpSession>>) {
    rtpbin.connect("on-new-ssrc", false, move |arguments| {
        let rtpbin = arguments.first()?.get::<gst::Element>().ok()?;
        let id = arguments.get(1)?.get::<u32>().ok()?;
        let rtpbin = rtpbin.downgrade();
        found.get_or_init(|| RtpSession { rtpbin, id });
        None
    });
}

/// The last sender report of `ssrc` in an RTPSession's statistics.
fn last_report(session: &RtpSession, ssrc: u32) -> Option<SenderReport> {
    let rtpbin = session.rtpbin.upgrade()?;
    let session =
        rtpbin.emit_by_name::<Option<glib::Object>>("get-internal-session", &[&session.id])?;
    let stats = session.property::<gst::Structure>("stats");
    let sources = stats.get::<glib::ValueArray>("source-stats").ok()?;
    sources
        .iter()
        .filter_map(|value| value.get::<gst::Structure>().ok())
        .find(|source| source.get::<u32>("ssrc") == Ok(ssrc))
        .filter(|source| source.get::<bool>("have-sr") == Ok(true))
        .and_then(|source| {
            Some(SenderReport {
                ntp: source.get::<u64>("sr-ntptime").ok()?,
                rtp: source.get::<u32>("sr-rtptime").ok()?,
                clock_rate: u32::try_from(source.get::<i32>("clock-rate").ok()?).ok()?,
            })
        })
}

//! Passes the access units of a camera on as it sent them, for a recording: camera → tee → parser → sink, beside the way to
//! the decoder and independent of it.
//!
//! The parser brings units into the form that MP4 has. It adds and removes nothing: the parameter sets that the decoder's
//! parser repeats are not in the recording. It waits for parameter sets, if the camera sends them late.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;

use super::capture_time::captured;
use super::codec::Codec;
use super::coded_unit::{CodedFormat, CodedUnit, UnitSink};
use super::declared_shape::size_in;
use super::decode::age_of;
use super::element::{PipelineError, element};
use super::session_state::SessionState;
use crate::base::sync::lock;
use crate::base::{CaptureClock, unix_now};

/// Most bytes without a picture that are kept for the next one.
const MOST_HELD_BYTES: usize = 1 << 20;

/// Tells the NTP time of an access unit, as Unix nanoseconds.
pub(super) type SharedReference = Arc<dyn Fn(&gst::BufferRef) -> Option<u64> + Send + Sync>;

/// The tap of one session.
struct UnitTap {
    codec: Codec,
    session: Arc<SessionState>,
    pipeline: gst::glib::WeakRef<gst::Pipeline>,
    reference: SharedReference,
    sink: Arc<dyn UnitSink>,
    /// The session's number.
    number: u64,
    state: Mutex<TapState>,
}

/// The state between two buffers of the parser.
#[derive(Default)]
struct TapState {
    format: Option<(gst::Caps, Arc<CodedFormat>)>,
    /// Of the last buffer that had a media time.
    time: Option<Time>,
    /// NAL units without a picture. They belong to the next one.
    held: Vec<u8>,
}

/// The times of a unit, as in [`CodedUnit`].
#[derive(Debug, Clone, Copy)]
struct Time {
    pts_ns: u64,
    arrival: Duration,
    captured_unix: Duration,
    clock: CaptureClock,
    ntp_ns: Option<u64>,
}

/// Puts a tee before `parser`, the first element of the decoder, and the tap behind the tee. Returns the tee, which takes the
/// elementary stream now. `codec` is H.264 or H.265.
///
/// # Errors
/// If an element is missing or can't be linked.
pub(super) fn add_tap(
    pipeline: &gst::Pipeline,
    session: &Arc<SessionState>,
    codec: Codec,
    parser: &gst::Element,
    reference: SharedReference,
    sink: &Arc<dyn UnitSink>,
) -> Result<gst::Element, PipelineError> {
    static SESSIONS: AtomicU64 = AtomicU64::new(0);
    let tap = UnitTap {
        codec,
        session: session.clone(),
        pipeline: pipeline.downgrade(),
        reference,
        sink: sink.clone(),
        number: SESSIONS.fetch_add(1, Ordering::Relaxed),
        state: Mutex::default(),
    };
    let tee = element("tee")?;
    let repacker = element(codec.parser())?;
    let units = gst_app::AppSink::builder()
        .caps(&recorded_caps(codec))
        .sync(false)
        .async_(false)
        .enable_last_sample(false)
        .callbacks(
            gst_app::AppSinkCallbacks::builder()
                .new_sample(move |sink| {
                    if let Ok(sample) = sink.pull_sample() {
                        tap.unit(sink, &sample);
                    }
                    Ok(gst::FlowSuccess::Ok)
                })
                .build(),
        )
        .build();
    let chain = [tee.clone(), repacker, units.upcast()];
    pipeline
        .add_many(&chain)
        // Before the decoder: the recording does not wait for it.
        .and_then(|()| gst::Element::link_many(&chain))
        .and_then(|()| tee.link(parser))
        .map_err(|error| PipelineError::link("the recording", error))?;
    for element in chain.iter().rev() {
        element
            .sync_state_with_parent()
            .map_err(|_| PipelineError::NotStarted(element.name().into()))?;
    }
    Ok(tee)
}

/// Whole access units in the form of MP4.
pub(super) fn recorded_caps(codec: Codec) -> gst::Caps {
    let form = match codec {
        Codec::H265 => "hvc1",
        Codec::H264 | Codec::Mjpeg => "avc",
    };
    gst::Caps::builder(codec.media_type())
        .field("stream-format", form)
        .field("alignment", "au")
        .build()
}

impl UnitTap {
    fn unit(&self, sink: &gst_app::AppSink, sample: &gst::Sample) {
        let (Some(caps), Some(buffer)) = (sample.caps(), sample.buffer_owned()) else {
            return;
        };
        let mut state = lock(&self.state);
        // The parser makes two buffers of parameter sets before a delimiter and what follows it: the second one has no time.
        state.time = self.time(sink, &buffer).or(state.time);
        let (Some(format), Some(time)) = (state.format(self.codec, caps), state.time) else {
            return;
        };
        let is_key = !buffer.flags().contains(gst::BufferFlags::DELTA_UNIT);
        let Ok(data) = buffer.into_mapped_buffer_readable() else {
            return;
        };
        if !has_picture(self.codec, &data) {
            if state.held.len() + data.len() <= MOST_HELD_BYTES {
                state.held.extend_from_slice(&data);
            }
            return;
        }
        let data = match state.held.is_empty() {
            true => Bytes::from_owner(data),
            false => {
                let mut whole = std::mem::take(&mut state.held);
                whole.extend_from_slice(&data);
                whole.into()
            }
        };
        drop(state);
        self.sink.unit(CodedUnit {
            format,
            data,
            is_key,
            session: self.number,
            pts_ns: time.pts_ns,
            arrival: time.arrival,
            captured_unix: time.captured_unix,
            clock: time.clock,
            ntp_ns: time.ntp_ns,
        });
    }

    fn time(&self, sink: &gst_app::AppSink, buffer: &gst::BufferRef) -> Option<Time> {
        let pts_ns = buffer.pts()?.nseconds();
        let now = self.session.now();
        let age = self
            .pipeline
            .upgrade()
            .zip(sink.static_pad("sink"))
            .and_then(|(pipeline, pad)| age_of(&pad, buffer, pipeline.current_running_time()?));
        let age = SessionState::plausible(age);
        let ntp_ns = (self.reference)(buffer);
        let (captured_unix, clock) = captured(unix_now().saturating_sub(age), ntp_ns);
        Some(Time {
            pts_ns,
            arrival: now.saturating_sub(age),
            captured_unix,
            clock,
            ntp_ns,
        })
    }
}

impl TapState {
    /// The format that caps state. Units share it while it stays the same.
    fn format(&mut self, codec: Codec, caps: &gst::CapsRef) -> Option<Arc<CodedFormat>> {
        if let Some((of, format)) = &self.format
            && **of == *caps
        {
            return Some(format.clone());
        }
        let stated = caps.structure(0)?;
        let record = stated.get::<gst::Buffer>("codec_data").ok()?;
        let new = CodedFormat {
            codec,
            record: Bytes::copy_from_slice(&record.map_readable().ok()?),
            size: size_in(stated)?,
        };
        // Caps also state what a decoder does not need, such as a measured rate.
        let format = match self.format.take() {
            Some((_, before)) if *before == new => before,
            _ => Arc::new(new),
        };
        self.format = Some((caps.to_owned(), format.clone()));
        Some(format)
    }
}

/// Whether `units`, each after its length of four bytes, have a part of a picture.
fn has_picture(codec: Codec, mut units: &[u8]) -> bool {
    while let Some((length, rest)) = units.split_first_chunk::<4>() {
        let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
        let is_picture = rest.first().is_some_and(|first| match codec {
            Codec::H265 => (first >> 1) & 63 < 32,
            Codec::H264 | Codec::Mjpeg => (1..=5).contains(&(first & 31)),
        });
        if is_picture {
            return true;
        }
        units = rest.get(length..).unwrap_or_default();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameter_sets_and_delimiters_are_no_pictures() {
        let unit = |first: u8| [0, 0, 0, 2, first, 0x80];
        let both = |one: u8, other: u8| [unit(one), unit(other)].concat();
        // SPS and delimiter, SPS and IDR picture; VPS and SEI, VPS and IDR picture.
        assert!(!has_picture(Codec::H264, &both(0x67, 0x09)));
        assert!(has_picture(Codec::H264, &both(0x67, 0x65)));
        assert!(!has_picture(Codec::H265, &both(0x40, 0x4e)));
        assert!(has_picture(Codec::H265, &both(0x40, 0x26)));
        for broken in [&[][..], &[0, 0, 0], &[0, 0, 0, 9, 0x67], &[255; 5][..4]] {
            assert!(!has_picture(Codec::H264, broken), "{broken:?}");
        }
    }
}

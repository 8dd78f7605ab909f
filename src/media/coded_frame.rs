//! Decodes one frame of a recording: source of coded units → parser → decoder → sink, as in a session (`decode`).
//!
//! The decoder is chosen as for a camera, and the picture has the same size, shape and colours as that of a session. The pipeline is
//! made for one frame. It runs on its own threads, in no real time, and is taken down when the frame is there.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;

use super::MediaError;
use super::codec::Codec;
use super::coded_unit::CodedFormat;
use super::decode::add_coded;
use super::element::PipelineError;
use super::local::LocalSource;
use super::output::{Need, Output, OutputControl};
use super::plan::DecoderPlan;
use super::session::Ending;
use super::session_state::SessionState;
use super::source::{FrameSink, SessionEnd, StreamFacts};
use super::unit_tap::recorded_caps;
use crate::base::sync::lock;
use crate::base::{Clock, Frame, Size, Stop};

/// The longest time to a decoder's first picture. Then the longest time for all pictures: after it the nearest one so far counts.
const LIMIT: Duration = Duration::from_secs(3);
/// Presentation times that differ by less are the same: some drivers count in microseconds.
const SAME: Duration = Duration::from_millis(1);
/// The first presentation time in the pipeline. It is later than the pipeline ever runs: a session drops units that are late.
const BEGIN: Duration = Duration::from_secs(3600);
/// The name of the source, which its thread has too.
const SOURCE: &str = "recorded-frame";

/// A frame of a recording with all that it is decoded from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CodedFrame {
    /// The format of its units.
    pub format: CodedFormat,
    /// In decoding order: a key frame, what follows it, and last the frame itself. At least one.
    pub units: Vec<TimedUnit>,
}

/// A coded picture with its place among others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimedUnit {
    /// Its NAL units, as in [`super::CodedUnit::data`].
    pub data: Bytes,
    /// Presentation time since that of the unit that is shown first.
    pub presentation: Duration,
}

/// Why a frame of a recording can't be decoded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CodedFrameError {
    /// GStreamer does not start.
    #[error(transparent)]
    Media(#[from] MediaError),
    /// No decoder works.
    #[error("no decoder for {} works on this machine; install {}", .0.name(), .0.package())]
    NoDecoder(Codec),
    /// All decoders were tried, or one that took all the time.
    #[error("{decoder} gives no picture of the recording: {reason}")]
    NoPicture {
        /// The element of the decoder that was tried last.
        decoder: &'static str,
        /// Its reason.
        reason: String,
    },
}

impl CodedFrame {
    /// Decodes the frame. If the decoder does not give it, because the recording lacks what it refers to or because the decoder is
    /// too slow, the picture that is nearest to it counts. Where hardware scales, the picture is hardly wider than
    /// `most_width` pixels; elsewhere it has its coded size. Blocks for some seconds at most, and longer if it is the first use of
    /// a decoder in this process.
    ///
    /// # Errors
    /// If no decoder gives a picture.
    pub fn decode(&self, most_width: u32) -> Result<Frame, CodedFrameError> {
        super::init()?;
        let begun = Instant::now();
        let codec = self.format.codec;
        let mut error = CodedFrameError::NoDecoder(codec);
        let mut refused = Vec::new();
        while begun.elapsed() < LIMIT
            && let Some(plan) = codec.decoders().choose(&refused)
        {
            let decoder = plan.decoder.element;
            match self.decode_with(plan, most_width) {
                Ok(frame) => return Ok(frame),
                Err(reason) => error = CodedFrameError::NoPicture { decoder, reason },
            }
            tracing::debug!(%error, "a frame of a recording is not decoded");
            refused.push(decoder);
        }
        Err(error)
    }

    fn decode_with(&self, plan: DecoderPlan, most_width: u32) -> Result<Frame, String> {
        let last = self.units.last().ok_or("it has no unit")?;
        let stop = Stop::default();
        let nearest = Arc::new(Nearest {
            wanted: BEGIN + last.presentation,
            until: Instant::now() + LIMIT,
            found: Mutex::default(),
            stop: stop.clone(),
        });
        let session = SessionState::new(nearest.clone(), Clock::system());
        let pipeline = self
            .pipeline(&session, plan, most_width)
            .map_err(|error| error.to_string())?;
        let local = LocalSource {
            name: "the recording".to_owned(),
            start_limit: LIMIT,
            stall_limit: LIMIT,
        };
        let ending = local.play(pipeline, &session, None, &stop);
        session.close();
        let found = lock(&nearest.found).take();
        if let Some((_, frame)) = found {
            return Ok(frame);
        }
        Err(match ending {
            Ending::Eos => "its units can't be decoded".to_owned(),
            ending => match local.end(ending, &session) {
                SessionEnd::Failed { message, .. } => message,
                SessionEnd::Stopped => "it was stopped".to_owned(),
            },
        })
    }

    /// The pipeline, with a source that gives all units.
    fn pipeline(
        &self,
        session: &Arc<SessionState>,
        plan: DecoderPlan,
        most_width: u32,
    ) -> Result<gst::Pipeline, PipelineError> {
        let pipeline = gst::Pipeline::new();
        let output = OutputControl::new(Output {
            needs: vec![Need::Within(Size::new(most_width, u32::MAX))],
            ..Output::default()
        });
        let codec = self.format.codec;
        let no_times = Box::new(|_: &gst::BufferRef| None);
        let parser = add_coded(&pipeline, session, codec, plan, &output, no_times)?;
        let mut caps = recorded_caps(codec);
        let record = gst::Buffer::from_slice(self.format.record.clone());
        caps.make_mut().set("codec_data", record);
        let mut buffers = self.buffers().into_iter();
        let callbacks = gst_app::AppSrcCallbacks::builder().need_data(move |source, _| {
            let given = match buffers.next() {
                Some(buffer) => source.push_buffer(buffer),
                None => source.end_of_stream(),
            };
            if let Err(error) = given {
                tracing::trace!(%error, "a frame of a recording is no longer decoded");
            }
        });
        let source = gst_app::AppSrc::builder()
            .name(SOURCE)
            .caps(&caps)
            .format(gst::Format::Time)
            .callbacks(callbacks.build())
            .build();
        pipeline
            .add(&source)
            .and_then(|()| source.link(&parser))
            .map_err(|error| PipelineError::link("the recording", error))?;
        Ok(pipeline)
    }

    fn buffers(&self) -> Vec<gst::Buffer> {
        let units = self.units.iter().enumerate();
        let buffers = units.map(|(index, unit)| {
            let mut buffer = gst::Buffer::from_slice(unit.data.clone());
            if let Some(buffer) = buffer.get_mut() {
                buffer.set_pts(gst::ClockTime::try_from(BEGIN + unit.presentation).ok());
                if index > 0 {
                    buffer.set_flags(gst::BufferFlags::DELTA_UNIT);
                }
            }
            buffer
        });
        buffers.collect()
    }
}

/// Keeps the picture that is nearest to the wanted one, and ends the session when there is no nearer one.
struct Nearest {
    wanted: Duration,
    until: Instant,
    found: Mutex<Option<(Duration, Frame)>>,
    stop: Stop,
}

impl FrameSink for Nearest {
    fn described(&self, _: &StreamFacts) {}

    fn access_unit(&self, _: usize) {}

    fn alive(&self) {}

    fn frame(&self, frame: Frame) {
        let distance = frame
            .meta
            .pts
            .map_or(Duration::MAX, |pts| pts.abs_diff(self.wanted));
        let mut found = lock(&self.found);
        if found.as_ref().is_none_or(|(before, _)| distance <= *before) {
            *found = Some((distance, frame));
        }
        drop(found);
        if distance < SAME || Instant::now() >= self.until {
            self.stop.raise();
        }
    }
}

#[cfg(test)]
#[path = "coded_frame_tests.rs"]
mod tests;

//! Encodes the test pattern as H.264: one picture in, one access unit out, on the camera's own thread.

use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;
use gstreamer_video as gst_video;

use std::time::Duration;

use super::viewers::Outgoing;
use crate::base::{Pattern, PlaneMut};
use crate::config::TestPattern;

/// Encoders in order of preference, with the settings that make them answer every picture immediately. The key frame
/// distance in frames replaces `{gop}`, the bit rate in kbit/s replaces `{rate}`.
const ENCODERS: [(&str, &str); 2] = [
    (
        "x264enc",
        "x264enc tune=zerolatency speed-preset=ultrafast threads=1 key-int-max={gop} bitrate={rate}",
    ),
    (
        "openh264enc",
        "openh264enc complexity=low gop-size={gop} bitrate={rate}000",
    ),
];
/// Limit for encoding one picture.
const ENCODE_LIMIT: gst::ClockTime = gst::ClockTime::from_seconds(5);

/// A running encoder; dropping it stops it.
#[derive(Debug)]
pub(super) struct PatternEncoder {
    pattern: Pattern,
    layout: gst_video::VideoInfo,
    pipeline: gst::Pipeline,
    source: gst_app::AppSrc,
    sink: gst_app::AppSink,
    caps: Option<gst::Caps>,
}

/// Why a pattern can't be encoded.
#[derive(Debug, thiserror::Error)]
pub(super) enum EncoderError {
    /// The pattern is not valid.
    #[error(transparent)]
    Pattern(#[from] crate::base::PatternError),
    /// No encoder is installed.
    #[error(
        "no H.264 encoder is installed (x264enc, openh264enc); install gstreamer1.0-plugins-ugly"
    )]
    NoEncoder,
    /// GStreamer's error.
    #[error("the H.264 encoder can't be started: {0}")]
    Start(String),
}

impl PatternEncoder {
    /// Starts the best available encoder.
    pub(super) fn start(options: &TestPattern) -> Result<Self, EncoderError> {
        let pattern = Pattern::new(options.size, options.objects)?;
        let started = |error: &dyn std::fmt::Display| EncoderError::Start(error.to_string());
        let (_, description) = ENCODERS
            .into_iter()
            .find(|(name, _)| gst::ElementFactory::find(name).is_some())
            .ok_or(EncoderError::NoEncoder)?;
        let size = options.size;
        // A twentieth of a bit per pixel is sufficient for flat colours.
        let bits = f64::from(size.width * size.height) * options.fps / 20.0;
        let encoder = description
            .replace("{gop}", &format!("{}", options.fps.ceil().max(1.0)))
            .replace("{rate}", &format!("{}", (bits / 1000.0).ceil().max(200.0)));
        let pipeline = gst::parse::launch(&format!(
            "appsrc name=pictures format=time is-live=false ! videoconvert ! {encoder} ! h264parse \
             ! video/x-h264,stream-format=avc,alignment=au ! appsink name=units sync=false"
        ))
        .map_err(|error| started(&error))?
        .downcast::<gst::Pipeline>()
        .map_err(|_| started(&"not a pipeline"))?;
        let named = |name| pipeline.by_name(name);
        let (Some(source), Some(sink)) = (
            named("pictures").and_downcast::<gst_app::AppSrc>(),
            named("units").and_downcast::<gst_app::AppSink>(),
        ) else {
            return Err(started(&"its ends are missing"));
        };
        let rate = gst::Fraction::approximate_f64(options.fps).unwrap_or(gst::Fraction::new(25, 1));
        let layout =
            gst_video::VideoInfo::builder(gst_video::VideoFormat::I420, size.width, size.height)
                .fps(rate)
                .build()
                .map_err(|error| started(&error))?;
        source.set_caps(Some(&layout.to_caps().map_err(|error| started(&error))?));
        pipeline
            .set_state(gst::State::Playing)
            .map_err(|error| started(&error))?;
        Ok(Self {
            pattern,
            layout,
            pipeline,
            source,
            sink,
            caps: None,
        })
    }

    /// The stream's format, after the first picture.
    pub(super) fn caps(&self) -> Option<&gst::Caps> {
        self.caps.as_ref()
    }

    /// Makes the next picture a key frame.
    pub(super) fn force_key_frame(&self) {
        let event = gst_video::UpstreamForceKeyUnitEvent::builder()
            .all_headers(true)
            .build();
        self.sink.send_event(event);
    }

    /// Paints and encodes a frame that is due at `due` by the camera's clock. Blocks until it is encoded; none if the
    /// encoder failed.
    pub(super) fn encode(&mut self, number: u32, due: Duration) -> Option<Outgoing> {
        let due = gst::ClockTime::try_from(due).ok()?;
        let mut picture = painted(&self.pattern, number, &self.layout)?;
        picture.get_mut()?.set_pts(due);
        self.source.push_buffer(picture).ok()?;
        let sample = self.sink.try_pull_sample(ENCODE_LIMIT)?;
        if self.caps.is_none() {
            self.caps = sample.caps_owned();
        }
        let buffer = sample.buffer_owned()?;
        Some(Outgoing {
            key: !buffer.flags().contains(gst::BufferFlags::DELTA_UNIT),
            shown: due,
            sent: due,
            buffer,
        })
    }
}

impl Drop for PatternEncoder {
    fn drop(&mut self) {
        if let Err(error) = self.pipeline.set_state(gst::State::Null) {
            tracing::warn!(%error, "the test camera's encoder did not stop");
        }
    }
}

/// Whether a pattern can be encoded here.
pub(super) fn check(options: &TestPattern) -> Result<(), EncoderError> {
    PatternEncoder::start(options).map(drop)
}

/// A frame of the pattern in GStreamer's layout of I420.
fn painted(pattern: &Pattern, number: u32, layout: &gst_video::VideoInfo) -> Option<gst::Buffer> {
    let mut bytes = vec![0; layout.size()];
    {
        let [_, u_start, v_start] = *layout.offset() else {
            return None;
        };
        let (y, chroma) = bytes.split_at_mut(u_start);
        let (u, v) = chroma.split_at_mut(v_start - u_start);
        let strides: Vec<usize> = layout
            .stride()
            .iter()
            .map(|stride| *stride as usize)
            .collect();
        let mut planes = [y, u, v].into_iter().zip(strides);
        let mut next = || {
            let (bytes, stride) = planes.next()?;
            Some(PlaneMut { bytes, stride })
        };
        pattern.paint(number, [next()?, next()?, next()?]);
    }
    Some(gst::Buffer::from_mut_slice(bytes))
}

//! Turns cameras into frames: the session of a source, its decoder, stall detection and capture time. Only this room
//! names GStreamer and V4L2.
//!
//! The [`Runner`] of a source runs one session after the other ([`FrameSource::run`]) without end. Each session has a
//! separate thread. Inside a session, the pipeline's own threads receive and decode. They pass each frame on directly;
//! nothing is queued here.

mod backlog;
mod camera_probe;
mod capture_time;
mod codec;
mod coded_frame;
mod coded_unit;
mod csi;
mod cuda_context;
mod declared_shape;
mod decode;
mod decoder;
mod decoder_rest;
mod display_orientation;
mod dmabuf_frame;
mod element;
mod fallback;
mod file;
mod file_elements;
mod file_streams;
mod file_timeline;
mod host_frame;
mod image;
mod jpeg;
mod local;
mod lost_error;
mod next_frame;
mod nvcodec;
mod observer;
mod output;
mod pixel_aspect;
mod plan;
mod probe;
mod reference;
mod regular_file;
mod rtp_filter;
mod rtp_header;
mod rtp_jpeg;
mod rtp_senders;
mod rtsp;
mod rtsp_account;
mod rtsp_challenge;
mod rtsp_diagnosis;
mod rtsp_dialogue;
mod rtsp_end_context;
mod rtsp_error;
mod rtsp_extension;
mod rtsp_headers;
mod rtsp_keep_alive;
mod rtsp_login;
mod rtsp_message;
mod rtsp_sdp;
mod rtsp_status;
mod rtsp_stream;
mod rtsp_tls;
mod runner;
mod scaling;
mod sei;
mod session;
mod session_progress;
mod session_state;
mod source;
mod still;
mod stream_decoder;
mod survey;
mod synthetic;
mod teardown;
mod test_pattern;
#[cfg(feature = "testcam")]
pub mod testcam;
mod turned_frame;
mod unit_filter;
mod unit_tap;
mod v4l2;
mod wanted_units;

use std::sync::Arc;

use crate::base::{Clock, SourceId};
use crate::config::{Location, StreamSettings, without_secrets};

pub use camera_probe::{CameraReport, Login, OfferedStream, ProbeError, probe_camera};
pub use codec::Codec;
pub use coded_frame::{CodedFrame, CodedFrameError, TimedUnit};
pub use coded_unit::{CodedFormat, CodedUnit, UnitSink};
pub use csi::CsiSource;
pub use decoder::{DecoderReport, decoder_report, working_decoder};
pub use file::FileSource;
pub use image::ImageSource;
pub use jpeg::{JpegError, jpeg_of_width, jpeg_within};
pub use next_frame::NextFrame;
pub use nvcodec::{has_element, load_nvcodec, registry_file};
pub use output::{Need, Output, OutputControl};
pub use probe::DecoderFault;
pub use reference::ReferenceTime;
pub use runner::{
    LOGIN_WAITS, Runner, RunnerOptions, SourceCounters, SourceListener, SourceReason,
    SourceSnapshot,
};
pub use source::{
    ALIVE_INTERVAL, FrameSink, FrameSource, Health, SessionEnd, StreamFacts, descriptors_of,
};
pub use still::{StillError, StillImage};
pub use survey::{DecoderFinding, DecoderOutcome, gstreamer_version, survey_decoders};
pub use test_pattern::TestPatternSource;
pub use v4l2::{V4l2Device, V4l2Formats, V4l2Source, list_v4l2};

/// Why no part of this room can work.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MediaError {
    /// GStreamer is installed but does not start.
    #[error("GStreamer does not start: {0}")]
    Init(String),
}

/// Starts GStreamer once per process. Further calls do nothing. Call it before anything else makes an rtspsrc: GStreamer looks for the
/// extensions of all of them at the first one.
///
/// # Errors
/// If GStreamer can't start. Each further call returns the same error.
pub fn init() -> Result<(), MediaError> {
    static STARTED: std::sync::OnceLock<Result<(), MediaError>> = std::sync::OnceLock::new();
    STARTED
        .get_or_init(|| {
            gstreamer::init().map_err(|err| MediaError::Init(err.to_string()))?;
            redirect_log();
            rtsp_extension::register().map_err(|err| MediaError::Init(err.to_string()))
        })
        .clone()
}

/// Sends GStreamer's own error texts to the log at debug level: important errors also arrive as messages, and the
/// source reports those. If GST_DEBUG is set, GStreamer prints its log in the usual way.
fn redirect_log() {
    if std::env::var_os("GST_DEBUG").is_some() {
        return;
    }
    gstreamer::log::remove_default_log_function();
    gstreamer::log::set_default_threshold(gstreamer::DebugLevel::Error);
    gstreamer::log::add_log_function(|category, level, _, _, _, _, message| {
        if level == gstreamer::DebugLevel::Error {
            let message = message.get();
            // The text quotes addresses.
            let message = message
                .as_deref()
                .map(|text| without_secrets(text.as_str()));
            tracing::debug!(category = category.name(), message, "GStreamer");
        }
    });
}

/// How a source is opened.
#[derive(Clone, Default)]
pub struct OpenOptions {
    /// How the camera's clock is read.
    pub reference: ReferenceTime,
    /// The size and rate of pictures that the consumer needs; it may change while the source runs.
    pub output: OutputControl,
    /// Takes what an RTSP camera sends in H.264 or H.265. Other sources have none.
    pub units: Option<Arc<dyn UnitSink>>,
}

/// Makes the source that `settings` describe. The first session opens it.
pub fn open(
    id: SourceId,
    settings: &StreamSettings,
    clock: &Clock,
    options: OpenOptions,
) -> Box<dyn FrameSource> {
    let clock = clock.clone();
    let OpenOptions {
        reference,
        output,
        units,
    } = options;
    match &settings.location {
        Location::Rtsp(url) => Box::new(
            rtsp::RtspSource::new(id, url, settings, clock, reference, output).recorded_by(units),
        ),
        Location::Image(path) => Box::new(ImageSource::new(path.clone(), clock)),
        Location::TestPattern(pattern) => Box::new(TestPatternSource::new(*pattern, clock)),
        Location::V4l2(path) => Box::new(V4l2Source::new(path.clone(), settings, clock, output)),
        Location::Csi(sensor) => Box::new(CsiSource::new(*sensor, settings, clock, output)),
        Location::File(path) => Box::new(FileSource::new(path.clone(), settings, clock, output)),
    }
}

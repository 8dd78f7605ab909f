//! A video file as access units in memory: demultiplexed once, not decoded, shared by all cameras that show it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;

use super::TestcamError;

/// A file that is played in a loop.
#[derive(Debug)]
pub(super) struct Clip {
    /// The caps: H.264 or H.265 with its parameter sets, as the payloader takes them.
    pub(super) caps: gst::Caps,
    /// The access units in decoding order; the first one is a key frame.
    pub(super) units: Vec<AccessUnit>,
    /// Time from the first access unit to the start of the next round.
    pub(super) period: Duration,
}

/// One coded picture.
#[derive(Debug)]
pub(super) struct AccessUnit {
    /// Its bytes, length-prefixed; timestamps are set when it is sent.
    pub(super) buffer: gst::Buffer,
    /// The time of sending, from the clip's start.
    pub(super) sent: Duration,
    /// The time of presentation; later than `sent` if pictures were reordered.
    pub(super) shown: Duration,
    /// Whether decoding can start here.
    pub(super) key: bool,
}

/// Larger files would fill the memory.
const LARGEST_FILE_BYTES: u64 = 1 << 30;
/// Limit for reading the whole file.
const LOAD_LIMIT: gst::ClockTime = gst::ClockTime::from_seconds(60);
/// Duration of a last access unit without one.
const DEFAULT_FRAME: Duration = Duration::from_millis(40);

/// Why a file can't be played.
#[derive(Debug, thiserror::Error)]
enum ClipError {
    /// The format changes between two access units.
    #[error("changes its format midway; cut it there")]
    FormatChange,
    /// An access unit has neither PTS nor DTS.
    #[error("has an access unit without a time")]
    NoTime,
    /// No access unit can start decoding.
    #[error("has no H.264 or H.265 key frame")]
    NoKeyFrame,
    /// The pipeline has no sink.
    #[error("lost its sink")]
    NoSink,
    /// The pipeline has no bus.
    #[error("has no bus")]
    NoBus,
    /// GStreamer's own error.
    #[error("{0}")]
    Pipeline(String),
    /// Reading took longer than [`LOAD_LIMIT`].
    #[error("was not read within {LOAD_LIMIT}")]
    Late,
}

impl Clip {
    /// Reads a file's first video stream. Blocks for as long as reading takes.
    pub(super) fn load(path: &Path) -> Result<Self, TestcamError> {
        let unusable = |message: String| TestcamError::File {
            path: path.to_owned(),
            message,
        };
        let bytes = std::fs::metadata(path)
            .map_err(|error| unusable(error.to_string()))?
            .len();
        if bytes > LARGEST_FILE_BYTES {
            return Err(unusable(format!(
                "has {bytes} bytes, at most {LARGEST_FILE_BYTES} are held in memory; cut it shorter"
            )));
        }
        let pipeline = demultiplexer(path).map_err(|error| unusable(error.to_string()))?;
        let read = read_all(&pipeline);
        // A pipeline that is dropped while it runs would leak its threads.
        let stopped = pipeline.set_state(gst::State::Null);
        let samples = read.map_err(|error| unusable(error.to_string()))?;
        stopped.map_err(|error| unusable(error.to_string()))?;
        Self::from_samples(samples).map_err(|error| unusable(error.to_string()))
    }

    /// Which codec it is: `h264` or `h265`.
    pub(super) fn codec(&self) -> &'static str {
        match self.caps.structure(0).map(|caps| caps.name().as_str()) {
            Some("video/x-h265") => "h265",
            _ => "h264",
        }
    }

    fn from_samples(samples: Vec<gst::Sample>) -> Result<Self, ClipError> {
        let mut units: Vec<AccessUnit> = Vec::with_capacity(samples.len());
        let mut first_caps = None;
        let mut start = None;
        let mut last_duration = None;
        for sample in samples {
            let (Some(buffer), Some(caps)) = (sample.buffer_owned(), sample.caps()) else {
                continue;
            };
            let key = !buffer.flags().contains(gst::BufferFlags::DELTA_UNIT);
            if units.is_empty() && !key {
                continue;
            }
            match &first_caps {
                None => first_caps = Some(caps.to_owned()),
                Some(first) if codec_data(first) != codec_data(caps) => {
                    return Err(ClipError::FormatChange);
                }
                Some(_) => {}
            }
            let pts = buffer.pts().or(buffer.dts());
            let (Some(pts), Some(dts)) = (pts, buffer.dts().or(pts)) else {
                return Err(ClipError::NoTime);
            };
            let start = *start.get_or_insert(dts);
            last_duration = buffer.duration().map(Duration::from);
            units.push(AccessUnit {
                sent: dts.saturating_sub(start).into(),
                shown: pts.saturating_sub(start).into(),
                buffer,
                key,
            });
        }
        let (Some(caps), Some(last)) = (first_caps, units.last()) else {
            return Err(ClipError::NoKeyFrame);
        };
        let apart = match units.len() {
            1 => DEFAULT_FRAME,
            count => last.sent / (count as u32 - 1),
        };
        let step = last_duration
            .filter(|step| !step.is_zero())
            .unwrap_or(apart);
        Ok(Self {
            period: last.sent + step,
            caps,
            units,
        })
    }
}

fn codec_data(caps: &gst::CapsRef) -> Option<gst::Buffer> {
    caps.structure(0)?.get("codec_data").ok()
}

/// `filesrc ! parsebin`, and behind the video stream a parser that gives whole access units.
fn demultiplexer(path: &Path) -> Result<gst::Pipeline, gst::glib::BoolError> {
    let pipeline = gst::Pipeline::new();
    let location: PathBuf = path.to_owned();
    let source = gst::ElementFactory::make("filesrc")
        .property("location", location)
        .build()?;
    let parse = gst::ElementFactory::make("parsebin").build()?;
    let sink = gst_app::AppSink::builder()
        .name("units")
        .sync(false)
        .max_buffers(64)
        .build();
    pipeline.add_many([&source, &parse, sink.upcast_ref()])?;
    source.link(&parse)?;
    let weak = pipeline.downgrade();
    parse.connect_pad_added(move |_, pad| {
        if let Some(pipeline) = weak.upgrade()
            && let Err(error) = link_stream(&pipeline, pad, &sink)
        {
            gst::element_error!(pipeline, gst::StreamError::Failed, ["{error}"]);
        }
    });
    Ok(pipeline)
}

fn link_stream(
    pipeline: &gst::Pipeline,
    pad: &gst::Pad,
    sink: &gst_app::AppSink,
) -> Result<(), gst::glib::BoolError> {
    let caps = pad.current_caps().unwrap_or_else(|| pad.query_caps(None));
    let name = caps.structure(0).map(|caps| caps.name().to_string());
    let (parser, wanted) = match name.as_deref() {
        Some("video/x-h264") => ("h264parse", "video/x-h264,stream-format=avc,alignment=au"),
        Some("video/x-h265") => ("h265parse", "video/x-h265,stream-format=hvc1,alignment=au"),
        _ => return discard(pipeline, pad),
    };
    let entry = sink.static_pad("sink");
    if entry.is_none_or(|entry| entry.is_linked()) {
        return discard(pipeline, pad);
    }
    sink.set_caps(Some(&wanted.parse()?));
    let parser = gst::ElementFactory::make(parser).build()?;
    pipeline.add(&parser)?;
    parser.link(sink)?;
    parser.sync_state_with_parent()?;
    let entry = parser
        .static_pad("sink")
        .ok_or_else(|| gst::glib::bool_error!("a parser without an entry"))?;
    pad.link(&entry)
        .map_err(|error| gst::glib::bool_error!("can't link a parser: {error}"))?;
    Ok(())
}

/// Discards audio and further streams: an unlinked pad would end the pipeline.
fn discard(pipeline: &gst::Pipeline, pad: &gst::Pad) -> Result<(), gst::glib::BoolError> {
    let sink = gst::ElementFactory::make("fakesink")
        .property("sync", false)
        .property("async", false)
        .build()?;
    pipeline.add(&sink)?;
    sink.sync_state_with_parent()?;
    if let Some(entry) = sink.static_pad("sink") {
        pad.link(&entry)
            .map_err(|error| gst::glib::bool_error!("can't discard a stream: {error}"))?;
    }
    Ok(())
}

fn read_all(pipeline: &gst::Pipeline) -> Result<Vec<gst::Sample>, ClipError> {
    let sink = pipeline
        .by_name("units")
        .and_downcast::<gst_app::AppSink>()
        .ok_or(ClipError::NoSink)?;
    let bus = pipeline.bus().ok_or(ClipError::NoBus)?;
    pipeline
        .set_state(gst::State::Playing)
        .map_err(|error| ClipError::Pipeline(error.to_string()))?;
    let deadline = std::time::Instant::now() + Duration::from(LOAD_LIMIT);
    let mut samples = Vec::new();
    while std::time::Instant::now() < deadline {
        // An error message ends the wait early; the time limit only bounds how late it is noticed.
        if let Some(sample) = sink.try_pull_sample(gst::ClockTime::from_mseconds(100)) {
            samples.push(sample);
        } else if sink.is_eos() {
            return Ok(samples);
        } else if let Some(message) =
            bus.pop_filtered(&[gst::MessageType::Error, gst::MessageType::Eos])
        {
            match message.view() {
                gst::MessageView::Error(error) => {
                    return Err(ClipError::Pipeline(error.error().to_string()));
                }
                _ => return Ok(samples),
            }
        }
    }
    Err(ClipError::Late)
}

//! A video file as a source: played in real time, once and again.
//!
//! H.264, H.265 and JPEG take the way of cameras, through the decoder table; anything else goes through whichever decoder
//! GStreamer has (`file_streams`). Each round is a pipeline of its own in the same session: containers differ too much in how
//! well they seek. Media time goes on across the seam.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use gstreamer as gst;
use gstreamer::prelude::*;

use super::decoder::element;
use super::fallback::{Chosen, Fallback};
use super::file_streams::Streams;
use super::hub::{Failure, Hub};
use super::image::file_code;
use super::local::Local;
use super::output::OutputControl;
use super::session::Ending;
use super::source::{FrameSink, FrameSource, SessionEnd};
use crate::base::{Clock, Stop};
use crate::config::StreamSettings;

/// Least time between the starts of two rounds: a file of one frame must not keep a core busy.
const SHORTEST_ROUND: Duration = Duration::from_millis(100);

/// Plays a file until it is stopped.
#[derive(Debug)]
pub struct FileSource {
    path: PathBuf,
    local: Local,
    clock: Clock,
    output: OutputControl,
    fallback: Fallback,
}

impl FileSource {
    /// A source of one file, which is opened when a session begins.
    pub fn new(
        path: PathBuf,
        settings: &StreamSettings,
        clock: Clock,
        output: OutputControl,
    ) -> Self {
        let local = Local {
            name: format!("file {}", path.display()),
            start_limit: settings.start_limit,
            stall_limit: settings.stall_limit,
        };
        Self {
            fallback: Fallback::new(&local.name),
            path,
            local,
            clock,
            output,
        }
    }

    /// Plays rounds until one does not end as it should; `taken` is what the last one took.
    fn play(&self, hub: &Arc<Hub>, taken: &mut Arc<Chosen>, stop: &Stop) -> Ending {
        let seam = Arc::new(Seam::default());
        loop {
            let begun = Instant::now();
            let frames_before = hub.progress().last_frame;
            *taken = Arc::default();
            let pipeline = match self.build(hub, &seam, taken) {
                Ok(pipeline) => pipeline,
                Err(reason) => return Ending::Failure(Failure::new("no-decoder", reason)),
            };
            match self.local.play(pipeline, hub, stop) {
                Ending::Eos if hub.progress().last_frame != frames_before => {}
                Ending::Eos => {
                    let message = format!("{} has no video", self.local.name);
                    return Ending::Failure(Failure::new("garbage", message));
                }
                ending => return ending,
            }
            if stop.wait(SHORTEST_ROUND.saturating_sub(begun.elapsed())) {
                return Ending::Stopped;
            }
            seam.next_round();
        }
    }

    fn build(
        &self,
        hub: &Arc<Hub>,
        seam: &Arc<Seam>,
        chosen: &Arc<Chosen>,
    ) -> Result<gst::Pipeline, String> {
        let pipeline = gst::Pipeline::new();
        let source = element("filesrc")?;
        source.set_property("location", &self.path);
        let parse = element("parsebin")?;
        pipeline
            .add_many([&source, &parse])
            .and_then(|()| source.link(&parse))
            .map_err(|error| format!("the file's elements can't be linked: {error}"))?;
        let streams = Arc::new(Streams {
            hub: hub.clone(),
            seam: seam.clone(),
            output: self.output.clone(),
            fallback: self.fallback.clone(),
            chosen: chosen.clone(),
            pipeline: pipeline.downgrade(),
            state: Mutex::default(),
        });
        streams.watch(&parse);
        Ok(pipeline)
    }
}

impl FrameSource for FileSource {
    fn run(&mut self, sink: &Arc<dyn FrameSink>, stop: &Stop) -> SessionEnd {
        loop {
            let hub = Hub::new(sink.clone(), self.clock.clone());
            let mut taken = Arc::default();
            let ending = match std::fs::File::open(&self.path) {
                Ok(_) => self.play(&hub, &mut taken, stop),
                Err(error) => {
                    let message = format!("{}: {error}", self.local.name);
                    Ending::Failure(Failure::new(file_code(&error), message))
                }
            };
            hub.close();
            let chosen = taken.get().copied();
            if !self.fallback.judge(&ending, &hub.progress(), chosen) {
                return self.local.end(ending, &hub);
            }
        }
    }
}

/// Keeps media time going on from round to round, and from stream to stream where they change in the middle.
#[derive(Debug, Default)]
pub(super) struct Seam {
    /// Where this round begins.
    round_ns: AtomicU64,
    /// Where the stream that is shown begins: with its round, or where the one before it ended.
    offset_ns: AtomicU64,
    /// Where what was seen of it ends.
    end_ns: AtomicU64,
    /// A stream begins whose times count from its first picture.
    begins: AtomicBool,
}

impl Seam {
    fn next_round(&self) {
        let end = self.end_ns.load(Ordering::Acquire);
        self.round_ns.store(end, Ordering::Release);
        self.offset_ns.store(end, Ordering::Release);
    }

    /// Another stream of the same round follows; its own times may begin anywhere.
    pub(super) fn next_stream(&self) {
        let end = self.end_ns.load(Ordering::Acquire);
        self.offset_ns.store(end, Ordering::Release);
        self.begins.store(true, Ordering::Release);
    }

    /// Moves what leaves `pad` to this round's place on the session's time line.
    pub(super) fn shift(self: &Arc<Self>, pad: &gst::Pad) {
        let seam = self.clone();
        let start = AtomicU64::new(0);
        let wanted = gst::PadProbeType::BUFFER | gst::PadProbeType::EVENT_DOWNSTREAM;
        pad.add_probe(wanted, move |_, info| {
            let offset = seam.offset_ns.load(Ordering::Acquire);
            match &mut info.data {
                Some(gst::PadProbeData::Event(event)) => {
                    if let gst::EventView::Segment(segment) = event.view()
                        && let Some(segment) = segment.segment().downcast_ref::<gst::ClockTime>()
                    {
                        let begins = segment.start().map_or(0, gst::ClockTime::nseconds);
                        start.store(begins, Ordering::Release);
                        let mut moved = gst::FormattedSegment::<gst::ClockTime>::new();
                        moved.set_start(gst::ClockTime::from_nseconds(offset));
                        moved.set_time(gst::ClockTime::from_nseconds(offset));
                        // The pipeline's clock began with the round.
                        let round = seam.round_ns.load(Ordering::Acquire);
                        let base = gst::ClockTime::from_nseconds(offset.saturating_sub(round));
                        moved.set_base(base);
                        *event = gst::event::Segment::new(&moved);
                    }
                }
                Some(gst::PadProbeData::Buffer(buffer)) => {
                    if seam.begins.swap(false, Ordering::AcqRel)
                        && let Some(first) = buffer.dts_or_pts()
                    {
                        start.store(first.nseconds(), Ordering::Release);
                    }
                    seam.shift_buffer(buffer.make_mut(), offset, start.load(Ordering::Acquire));
                }
                _ => {}
            }
            gst::PadProbeReturn::Ok
        });
    }

    fn shift_buffer(&self, buffer: &mut gst::BufferRef, offset: u64, start: u64) {
        let moved = |time: gst::ClockTime| {
            gst::ClockTime::from_nseconds(offset + time.nseconds().saturating_sub(start))
        };
        buffer.set_dts(buffer.dts().map(moved));
        if let Some(pts) = buffer.pts().map(moved) {
            buffer.set_pts(pts);
            let end = pts.nseconds() + buffer.duration().map_or(0, gst::ClockTime::nseconds);
            self.end_ns.fetch_max(end, Ordering::AcqRel);
        }
    }
}

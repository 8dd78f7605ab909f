//! A video file as a source, played in real time in a loop.
//!
//! H.264, H.265 and JPEG use the decoder table, as cameras do. For other codecs GStreamer chooses the decoder
//! (`file_streams`). Each round is a new pipeline in the same session, because many containers do not seek well. Media
//! time continues from round to round.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use gstreamer as gst;
use gstreamer::prelude::*;

use super::element::{PipelineError, element};
use super::fallback::{ChosenDecoder, Fallback};
use super::file_streams::Streams;
use super::file_timeline::Timeline;
use super::local::LocalSource;
use super::lost_error::Demuxer;
use super::output::OutputControl;
use super::regular_file::check_file;
use super::session::Ending;
use super::session_state::{Failure, SessionState};
use super::source::{FrameSink, FrameSource, SessionEnd};
use crate::base::{Clock, Stop};
use crate::config::StreamSettings;

/// Minimum time between the starts of two rounds: a file of one frame must not use a whole core.
const SHORTEST_ROUND: Duration = Duration::from_millis(100);

/// Longest time in which the parser of a file shows no stream, until its demuxer is asked alone and, if that one accepts the
/// file, the file is opened once more (see [`Demuxer`]).
const OPENING_LIMIT: Duration = Duration::from_secs(5);

/// Plays a file until it is stopped.
#[derive(Debug)]
pub struct FileSource {
    path: PathBuf,
    local: LocalSource,
    clock: Clock,
    output: OutputControl,
    fallback: Fallback,
}

impl FileSource {
    /// A source for one file. Each session opens it.
    pub fn new(
        path: PathBuf,
        settings: &StreamSettings,
        clock: Clock,
        output: OutputControl,
    ) -> Self {
        let local = LocalSource {
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

    /// Plays rounds until one fails. `taken` is the decoder of the last round.
    fn play(
        &self,
        session: &Arc<SessionState>,
        taken: &mut Arc<ChosenDecoder>,
        stop: &Stop,
    ) -> Ending {
        let timeline = Arc::new(Timeline::default());
        let mut may_reopen = true;
        loop {
            let begun = Instant::now();
            let frames_before = session.progress().last_frame;
            *taken = Arc::default();
            let demuxer = Arc::new(Demuxer::default());
            let pipeline = match self.build(session, &timeline, taken, &demuxer) {
                Ok(pipeline) => pipeline,
                Err(error) => return Ending::Failure(error.into()),
            };
            let opening = may_reopen.then_some(OPENING_LIMIT);
            match self.local.play(pipeline, session, opening, stop) {
                Ending::NoFrame(progress) if may_reopen && progress.units == 0 => {
                    if let Some(error) = demuxer.refusal(&self.path) {
                        return Ending::Error(error);
                    }
                    tracing::debug!(file = self.local.name, "no stream was found; opened again");
                    may_reopen = false;
                    continue;
                }
                Ending::Eos if session.progress().last_frame != frames_before => {}
                Ending::Eos => {
                    let message = format!("{} has no video", self.local.name);
                    return Ending::Failure(Failure::new("garbage", message));
                }
                ending => return ending,
            }
            if stop.wait(SHORTEST_ROUND.saturating_sub(begun.elapsed())) {
                return Ending::Stopped;
            }
            timeline.next_round();
        }
    }

    fn build(
        &self,
        session: &Arc<SessionState>,
        timeline: &Arc<Timeline>,
        chosen: &Arc<ChosenDecoder>,
        demuxer: &Arc<Demuxer>,
    ) -> Result<gst::Pipeline, PipelineError> {
        let pipeline = gst::Pipeline::new();
        let source = element("filesrc")?;
        source.set_property("location", &self.path);
        let parse = element("parsebin")?;
        demuxer.watch(&parse);
        pipeline
            .add_many([&source, &parse])
            .and_then(|()| source.link(&parse))
            .map_err(|error| PipelineError::link("the file's elements", error))?;
        let streams = Arc::new(Streams {
            session: session.clone(),
            timeline: timeline.clone(),
            output: self.output.clone(),
            fallback: self.fallback.clone(),
            chosen: chosen.clone(),
            pipeline: pipeline.downgrade(),
            state: Mutex::default(),
        });
        streams.watch(&parse);
        start_clock(&pipeline)?;
        Ok(pipeline)
    }
}

/// Gives the pipeline its clock and its start now. Elements that join while it is on its way to PLAYING would have neither, and would
/// pass pictures on before they are due.
fn start_clock(pipeline: &gst::Pipeline) -> Result<(), PipelineError> {
    let clock = gst::SystemClock::obtain();
    pipeline.use_clock(Some(&clock));
    pipeline
        .set_clock(Some(&clock))
        .map_err(|error| PipelineError::link("the clock", error))?;
    // Else PLAYING would choose another one.
    pipeline.set_start_time(gst::ClockTime::NONE);
    pipeline.set_base_time(clock.time());
    Ok(())
}

impl FrameSource for FileSource {
    fn run(&mut self, sink: &Arc<dyn FrameSink>, stop: &Stop) -> SessionEnd {
        loop {
            let session = SessionState::new(sink.clone(), self.clock.clone());
            let mut taken = Arc::default();
            let ending = match check_file(&self.path) {
                Ok(()) => self.play(&session, &mut taken, stop),
                Err((code, reason)) => {
                    let message = format!("{}: {reason}", self.local.name);
                    Ending::Failure(Failure::new(code, message))
                }
            };
            session.close();
            let chosen = taken.get().copied();
            if !self
                .fallback
                .decoder_failed(&ending, &session.progress(), chosen)
            {
                return self.local.end(ending, &session);
            }
        }
    }
}

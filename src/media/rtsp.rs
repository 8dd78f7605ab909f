//! An RTSP camera: rtspsrc → depayloader → parser → decoder → frames, one pipeline a session.
//!
//! Only the first video stream whose codec can be decoded is set up; sound and metadata are left alone. The session runs
//! on the caller's thread, which sleeps on the bus and keeps the session alive; rtspsrc's own threads do the work. A decoder
//! that gets pictures in and gives none out is exchanged for the next one of the table, for this camera alone, and one that
//! fails later, too.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_rtsp as gst_rtsp;
use url::Url;

use super::fallback::Fallback;
use super::output::OutputControl;
use super::reference::{Reference, ReferenceTime};
use super::rtp_filter::Guard;
use super::rtsp_dialogue::{Dialogue, Sign};
use super::rtsp_error::{self, Circumstances};
use super::rtsp_extension;
use super::rtsp_keep_alive::KeepAlive;
use super::rtsp_stream::Taker;
use super::rtsp_tls::{self, Verdict};
use super::session::{self, Ending, Limits};
use super::session_state::{Failure, Hub, Observer};
use super::source::{ALIVE_INTERVAL, FrameSink, FrameSource, SessionEnd};
use super::teardown::teardown;
use crate::base::{Clock, SourceId, Stop};
use crate::config::{StreamSettings, Transport};

/// Longest wait for the TCP connection and for each answer: a camera that is off is told within this time.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);
/// From the start to PLAY, all requests together; also what bounds a name server that does not answer.
const CONNECT_LIMIT: Duration = Duration::from_secs(15);
/// How long a TEARDOWN may delay the end of a session; a camera that is gone does not answer it.
const FAREWELL_LIMIT: Duration = Duration::from_millis(200);
/// How long a session's pipeline may take to stop before it is left to itself.
const CLOSE_LIMIT: Duration = Duration::from_secs(3);

/// One camera.
pub(super) struct RtspSource {
    name: String,
    url: Url,
    settings: StreamSettings,
    clock: Clock,
    reference: ReferenceTime,
    output: OutputControl,
    fallback: Fallback,
    /// What keeps its sessions alive, as far as it is known of former ones.
    sign: Sign,
    observer: Option<Arc<dyn Observer>>,
}

/// What became of one pipeline.
enum Attempt {
    Ended(SessionEnd),
    /// Another one is worth a try at once: with the next decoder of the table, or with the same one for another wish.
    Again,
}

impl RtspSource {
    pub(super) fn new(
        id: SourceId,
        url: &Url,
        settings: &StreamSettings,
        clock: Clock,
        reference: ReferenceTime,
        output: OutputControl,
    ) -> Self {
        let name = format!("camera {id}");
        Self {
            fallback: Fallback::new(&name),
            name,
            url: url.clone(),
            settings: settings.clone(),
            clock,
            reference,
            output,
            sign: Sign::default(),
            observer: None,
        }
    }

    /// The same camera, its sessions looked at by `observer`.
    pub(super) fn observed_by(mut self, observer: Arc<dyn Observer>) -> Self {
        self.observer = Some(observer);
        self
    }

    fn attempt(&mut self, sink: &Arc<dyn FrameSink>, stop: &Stop) -> Attempt {
        let hub = Hub::new(sink.clone(), self.clock.clone());
        if let Some(observer) = &self.observer {
            hub.observe(observer.clone());
        }
        let tls = Arc::new(Verdict::default());
        let dialogue = Arc::new(Dialogue::new(self.settings.credentials.clone(), self.sign));
        let pipeline = gst::Pipeline::new();
        session::quiet_bus(&pipeline);
        let mut taker = None;
        let ending = match self.build(&pipeline, &hub, &tls, &dialogue) {
            Ok((source, built)) => {
                taker = Some(built);
                match pipeline.set_state(gst::State::Playing) {
                    Ok(_) => self.watch(&pipeline, source, &hub, &dialogue, stop),
                    Err(_) => Ending::Failure(Failure::new(
                        "no-decoder",
                        format!("{}: rtspsrc does not start", self.name),
                    )),
                }
            }
            Err(failure) => Ending::Failure(failure),
        };
        hub.close();
        teardown(pipeline, &self.name, CLOSE_LIMIT);
        if let Some(observer) = self
            .observer
            .as_ref()
            .filter(|_| dialogue.asked_for_login())
        {
            observer.asked_for_login();
        }
        self.judge(&ending, &hub, &tls, &dialogue, taker.as_deref())
    }

    fn watch(
        &mut self,
        pipeline: &gst::Pipeline,
        source: gst::Element,
        hub: &Arc<Hub>,
        dialogue: &Arc<Dialogue>,
        stop: &Stop,
    ) -> Ending {
        let limits = Limits {
            connect: CONNECT_LIMIT,
            start: self.settings.start_limit,
            stall: self.settings.stall_limit,
            other_decoder: true,
        };
        let mut keep_alive = KeepAlive::new(source, dialogue.clone());
        let ending = session::watch_with(pipeline, hub, &limits, stop, |progress| {
            if progress.playing.is_some() {
                keep_alive.tend()
            } else {
                ALIVE_INTERVAL
            }
        });
        self.sign = if keep_alive.was_unanswered() {
            Sign::Options
        } else {
            dialogue.sign()
        };
        ending
    }

    fn build(
        &self,
        pipeline: &gst::Pipeline,
        hub: &Arc<Hub>,
        tls: &Arc<Verdict>,
        dialogue: &Arc<Dialogue>,
    ) -> Result<(gst::Element, Arc<Taker>), Failure> {
        let missing = |reason: String| Failure::new("no-decoder", reason);
        let source = rtsp_extension::source(dialogue).map_err(missing)?;
        self.set_up(&source);
        if self.url.scheme() == "rtsps" {
            rtsp_tls::guard(&source, &self.settings.tls, tls, &self.name)?;
        }
        let taker = Arc::new(Taker {
            name: self.name.clone(),
            fallback: self.fallback.clone(),
            output: self.output.clone(),
            hub: hub.clone(),
            dialogue: dialogue.clone(),
            guard: Guard::attach(&source, &self.name, hub, dialogue),
            reference: Reference::attach(&source, self.reference),
            taken: Mutex::default(),
        });
        taker.select_stream(&source);
        taker.link_stream(pipeline, &source);
        pipeline
            .add(&source)
            .map_err(|_| Failure::new("no-decoder", "the pipeline takes no rtspsrc"))?;
        Ok((source, taker))
    }

    fn set_up(&self, source: &gst::Element) {
        let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        let millis = u32::try_from(self.settings.jitter_buffer.as_millis()).unwrap_or(u32::MAX);
        source.set_property("location", self.url.as_str());
        // The login itself is added to the requests on their way: see `rtsp_login`. Without one that is set here rtspsrc would not
        // send a request again.
        source.set_property("user-id", "");
        source.set_property("user-pw", "");
        source.set_property("do-rtsp-keep-alive", false);
        let protocols = match self.settings.transport {
            Transport::Tcp => gst_rtsp::RTSPLowerTrans::TCP,
            Transport::Udp => gst_rtsp::RTSPLowerTrans::UDP,
        };
        source.set_property("protocols", protocols);
        source.set_property("latency", millis);
        source.set_property("tcp-timeout", micros(ANSWER_LIMIT));
        source.set_property("timeout", micros(self.settings.stall_limit));
        // "auto" takes servers that state a duration for films, and buffers.
        source.set_property_from_str("buffer-mode", "slave");
        source.set_property("do-retransmission", false);
        source.set_property("user-agent", concat!("nvr/", env!("CARGO_PKG_VERSION")));
        source.set_property(
            "teardown-timeout",
            gst::ClockTime::try_from(FAREWELL_LIMIT).unwrap_or_default(),
        );
    }

    fn judge(
        &mut self,
        ending: &Ending,
        hub: &Hub,
        tls: &Verdict,
        dialogue: &Dialogue,
        taker: Option<&Taker>,
    ) -> Attempt {
        let progress = hub.progress();
        let chosen = taker.and_then(Taker::choice);
        if matches!(ending, Ending::Reopen) || self.fallback.judge(ending, &progress, chosen) {
            return Attempt::Again;
        }
        let circumstances = Circumstances {
            name: &self.name,
            url: &self.url,
            with_login: self.settings.credentials.is_some(),
            transport: self.settings.transport,
            answer_limit: ANSWER_LIMIT,
            connect_limit: CONNECT_LIMIT,
            stall_limit: self.settings.stall_limit,
            start_limit: self.settings.start_limit,
            decoder: chosen.map(|(_, plan)| plan.line.element),
            tls,
            stream_refused: hub.refused_stream(),
            dialogue,
            arrived: taker.map(|taker| taker.guard.arrived()).unwrap_or_default(),
            played_for: progress
                .playing
                .map(|playing| hub.now().saturating_sub(playing)),
        };
        let live_for = match (progress.first_frame, progress.last_frame) {
            (Some(first), Some(last)) => last.saturating_sub(first),
            _ => Duration::ZERO,
        };
        Attempt::Ended(match rtsp_error::explain(ending, &circumstances) {
            None => SessionEnd::Stopped,
            Some(Failure { code, message }) => SessionEnd::Failed {
                code,
                message,
                live_for,
            },
        })
    }
}

impl FrameSource for RtspSource {
    fn run(&mut self, sink: &Arc<dyn FrameSink>, stop: &Stop) -> SessionEnd {
        loop {
            if let Attempt::Ended(end) = self.attempt(sink, stop) {
                return end;
            }
        }
    }
}

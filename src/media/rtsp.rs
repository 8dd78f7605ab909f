//! An RTSP camera: rtspsrc → depayloader → parser → decoder → frames, one pipeline a session.
//!
//! Only the first video stream whose codec can be decoded is set up; sound and metadata are left alone. The session runs
//! on the caller's thread, which sleeps on the bus; rtspsrc's own threads do the work. A decoder that gets pictures in and
//! gives none out is exchanged for the next one of the table, for this camera alone, and one that fails later, too.

use std::sync::Arc;
use std::time::Duration;

use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_rtsp as gst_rtsp;
use url::Url;

use super::codec::Codec;
use super::decode::add_coded;
use super::decoder::element;
use super::fallback::{Chosen, Fallback};
use super::hub::{Failure, Hub, Observer};
use super::output::OutputControl;
use super::plan::Plan;
use super::reference::{Reference, ReferenceTime};
use super::rtp_jpeg;
use super::rtsp_error::{self, Circumstances};
use super::rtsp_tls::{self, Verdict};
use super::session::{self, Ending, Limits};
use super::source::{FrameSink, FrameSource, SessionEnd};
use super::teardown::teardown;
use crate::base::{Clock, SourceId, Stop};
use crate::config::{Credentials, StreamSettings, Transport};

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
        let pipeline = gst::Pipeline::new();
        session::quiet_bus(&pipeline);
        let chosen = Arc::new(Chosen::new());
        let ending = match self.build(&pipeline, &hub, &tls, &chosen) {
            Ok(()) => match pipeline.set_state(gst::State::Playing) {
                Ok(_) => self.watch(&pipeline, &hub, stop),
                Err(_) => Ending::Failure(Failure::new(
                    "no-decoder",
                    format!("{}: rtspsrc does not start", self.name),
                )),
            },
            Err(failure) => Ending::Failure(failure),
        };
        hub.close();
        teardown(pipeline, &self.name, CLOSE_LIMIT);
        self.judge(ending, &hub, &tls, chosen.get().copied())
    }

    fn watch(&self, pipeline: &gst::Pipeline, hub: &Arc<Hub>, stop: &Stop) -> Ending {
        let limits = Limits {
            connect: CONNECT_LIMIT,
            start: self.settings.start_limit,
            stall: self.settings.stall_limit,
            other_decoder: true,
        };
        session::watch(pipeline, hub, &limits, stop)
    }

    fn build(
        &self,
        pipeline: &gst::Pipeline,
        hub: &Arc<Hub>,
        tls: &Arc<Verdict>,
        chosen: &Arc<Chosen>,
    ) -> Result<(), Failure> {
        let missing = |reason: String| Failure::new("no-decoder", reason);
        let source = element("rtspsrc").map_err(missing)?;
        self.set_up(&source);
        if self.url.scheme() == "rtsps" {
            rtsp_tls::guard(&source, &self.settings.tls, tls, &self.name)?;
        }
        let reference = Reference::attach(&source, self.reference);
        self.select_stream(&source, hub, chosen);
        self.link_stream(pipeline, &source, hub, chosen, &reference);
        pipeline
            .add(&source)
            .map_err(|_| Failure::new("no-decoder", "the pipeline takes no rtspsrc"))
    }

    fn set_up(&self, source: &gst::Element) {
        let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        let millis = u32::try_from(self.settings.jitter_buffer.as_millis()).unwrap_or(u32::MAX);
        source.set_property("location", self.url.as_str());
        if let Some(Credentials { username, password }) = &self.settings.credentials {
            source.set_property("user-id", username.reveal());
            source.set_property("user-pw", password.reveal());
        }
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

    /// Picks the stream before SETUP, and its decoder with it: probing one may take a second, and nothing flows yet.
    fn select_stream(&self, source: &gst::Element, hub: &Arc<Hub>, chosen: &Arc<Chosen>) {
        let (hub, chosen) = (hub.clone(), chosen.clone());
        let (name, fallback) = (self.name.clone(), self.fallback.clone());
        source.connect("select-stream", false, move |arguments| {
            let caps = arguments
                .get(2)
                .and_then(|value| value.get::<gst::Caps>().ok());
            let caps = caps.as_ref().and_then(|caps| caps.structure(0));
            if let Some(caps) = caps {
                let word = |name| caps.get::<&str>(name).unwrap_or("unknown");
                hub.offered(word("media"), word("encoding-name"));
            }
            let offer = caps.map(Offer::of);
            let select = match offer {
                Some(Offer::Video(encoding)) if chosen.get().is_none() => {
                    match choose(&name, &encoding, &fallback) {
                        Ok(choice) => chosen.set(choice).is_ok(),
                        Err(failure) => {
                            hub.refuse_stream(failure);
                            false
                        }
                    }
                }
                _ => false,
            };
            Some(select.to_value())
        });
    }

    fn link_stream(
        &self,
        pipeline: &gst::Pipeline,
        source: &gst::Element,
        hub: &Arc<Hub>,
        chosen: &Arc<Chosen>,
        reference: &Arc<Reference>,
    ) {
        let (hub, chosen, reference) = (hub.clone(), chosen.clone(), reference.clone());
        let (name, output) = (self.name.clone(), self.output.clone());
        let pipeline = pipeline.downgrade();
        source.connect_pad_added(move |_, pad| {
            let (Some(pipeline), Some(chosen)) = (pipeline.upgrade(), chosen.get()) else {
                return;
            };
            if let Err(reason) = link(&name, &pipeline, pad, &hub, *chosen, &output, &reference) {
                hub.fail(Failure::new("no-decoder", reason));
            }
        });
    }

    fn judge(
        &mut self,
        ending: Ending,
        hub: &Hub,
        tls: &Verdict,
        chosen: Option<(Codec, Plan)>,
    ) -> Attempt {
        let progress = hub.progress();
        if matches!(ending, Ending::Reopen) || self.fallback.judge(&ending, &progress, chosen) {
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
        };
        let live_for = match (progress.first_frame, progress.last_frame) {
            (Some(first), Some(last)) => last.saturating_sub(first),
            _ => Duration::ZERO,
        };
        Attempt::Ended(match rtsp_error::explain(&ending, &circumstances) {
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

/// What a server offers in one media section.
enum Offer {
    Video(String),
    Other,
}

impl Offer {
    fn of(caps: &gst::StructureRef) -> Self {
        match caps.get::<&str>("media") {
            Ok("video") => Self::Video(
                caps.get::<&str>("encoding-name")
                    .unwrap_or("unknown")
                    .to_owned(),
            ),
            _ => Self::Other,
        }
    }
}

fn choose(name: &str, encoding: &str, fallback: &Fallback) -> Result<(Codec, Plan), Failure> {
    let codec = Codec::of_rtp(encoding).ok_or_else(|| {
        Failure::new(
            "no-decoder",
            format!(
                "{name} sends {encoding}, which is not decoded here; set it to H.264, H.265 or MJPEG"
            ),
        )
    })?;
    Ok((codec, fallback.choose(codec)?))
}

fn link(
    name: &str,
    pipeline: &gst::Pipeline,
    stream: &gst::Pad,
    hub: &Arc<Hub>,
    (codec, plan): (Codec, Plan),
    output: &OutputControl,
    reference: &Arc<Reference>,
) -> Result<(), String> {
    let parser = add_coded(pipeline, hub, codec, plan, output, reference.of_units())?;
    let depayloader = element(codec.depayloader())?;
    reference.watch_packets(&depayloader);
    if codec == Codec::Mjpeg {
        rtp_jpeg::watch(&depayloader, name, hub);
    }
    pipeline
        .add(&depayloader)
        .and_then(|()| depayloader.link(&parser))
        .map_err(|err| format!("the depayloader can't be linked: {err}"))?;
    depayloader
        .sync_state_with_parent()
        .map_err(|_| format!("{} does not start", depayloader.name()))?;
    let input = depayloader
        .static_pad("sink")
        .ok_or_else(|| format!("{} has no input", depayloader.name()))?;
    stream
        .link(&input)
        .map(|_| ())
        .map_err(|err| format!("the camera's stream can't be linked: {err}"))
}

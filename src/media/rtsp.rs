//! An RTSP camera: rtspsrc → depayloader → parser → decoder → frames, one pipeline per session.
//!
//! Only the first video stream with a supported codec is set up; sound and metadata are ignored. The session runs on
//! the caller's thread, which waits on the bus and sends keep-alive requests. rtspsrc's own threads receive and decode.
//! If a decoder gives no pictures, or fails later, this camera alone changes to the next decoder of the table.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_rtsp as gst_rtsp;
use url::Url;

use super::coded_unit::UnitSink;
use super::fallback::Fallback;
use super::observer::Observer;
use super::output::OutputControl;
use super::reference::{Reference, ReferenceTime};
use super::rtp_filter::RtpFilter;
use super::rtsp_account::{Account, AccountUse, Withheld};
use super::rtsp_diagnosis;
use super::rtsp_dialogue::{Dialogue, KeepAliveMethod};
use super::rtsp_end_context::EndContext;
use super::rtsp_error;
use super::rtsp_extension;
use super::rtsp_keep_alive::KeepAlive;
use super::rtsp_stream::StreamSelector;
use super::rtsp_tls::{self, CertificateCheck};
use super::session::{self, Ending, Limits};
use super::session_state::{Failure, SessionState};
use super::source::{ALIVE_INTERVAL, FrameSink, FrameSource, SessionEnd};
use super::teardown::teardown;
use crate::base::{Clock, SourceId, Stop};
use crate::config::{StreamSettings, Transport};

/// Limit for the TCP connection and for each response: a camera that is off is reported within this time.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);
/// Limit from the start to the answer to PLAY, for all requests together, without the time in which decoders are tried. It
/// also covers a name server that does not answer.
const CONNECT_LIMIT: Duration = Duration::from_secs(15);
/// Limit for TEARDOWN at the end of a session; an absent camera does not answer it.
const FAREWELL_LIMIT: Duration = Duration::from_millis(200);
/// Limit for stopping the pipeline of a session before it is abandoned.
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
    /// Its login, which other sources may share.
    account: Option<AccountUse>,
    /// How long no session sends the login, after the last one was refused.
    login_wait: Duration,
    /// The keep-alive method that earlier sessions found out.
    keep_alive_method: KeepAliveMethod,
    observer: Option<Arc<dyn Observer>>,
    /// Takes the access units of all its sessions.
    units: Option<Arc<dyn UnitSink>>,
}

/// The result of one pipeline.
enum Attempt {
    Ended(SessionEnd),
    /// Try again immediately: with the next decoder of the table, or with the same one for another output.
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
        let account = (settings.credentials.clone()).map(|credentials| AccountUse {
            account: Account::of(rtsp_diagnosis::host(url).to_ascii_lowercase(), credentials),
            source: name.clone(),
            asked_at: Instant::now(),
            limit: ANSWER_LIMIT,
        });
        Self {
            fallback: Fallback::new(&name),
            account,
            login_wait: Duration::ZERO,
            name,
            url: url.clone(),
            settings: settings.clone(),
            clock,
            reference,
            output,
            keep_alive_method: KeepAliveMethod::default(),
            observer: None,
            units: None,
        }
    }

    /// Adds an observer to all sessions of the camera.
    pub(super) fn observed_by(mut self, observer: Arc<dyn Observer>) -> Self {
        self.observer = Some(observer);
        self
    }

    /// Gives the access units of all sessions of the camera to `units`.
    pub(super) fn recorded_by(mut self, units: Option<Arc<dyn UnitSink>>) -> Self {
        self.units = units;
        self
    }

    fn attempt(&mut self, sink: &Arc<dyn FrameSink>, stop: &Stop) -> Attempt {
        let session = SessionState::new(sink.clone(), self.clock.clone());
        if let Some(observer) = &self.observer {
            session.observe(observer.clone());
        }
        let tls = Arc::new(CertificateCheck::default());
        let dialogue = Arc::new(Dialogue::new(self.account.clone(), self.keep_alive_method));
        let pipeline = gst::Pipeline::new();
        session::filter_bus(&pipeline);
        let mut selector = None;
        let ending = match self.build(&pipeline, &session, &tls, &dialogue) {
            Ok((source, built)) => {
                selector = Some(built);
                match pipeline.set_state(gst::State::Playing) {
                    Ok(_) => self.watch(&pipeline, source, &session, &dialogue, stop),
                    Err(_) => Ending::Failure(Failure::new(
                        "no-decoder",
                        format!("{}: rtspsrc does not start", self.name),
                    )),
                }
            }
            Err(failure) => Ending::Failure(failure),
        };
        session.close();
        dialogue.end();
        teardown(pipeline, &self.name, CLOSE_LIMIT);
        if let Some(observer) = self
            .observer
            .as_ref()
            .filter(|_| dialogue.asked_for_login())
        {
            observer.asked_for_login();
        }
        self.conclude(&ending, &session, &tls, &dialogue, selector.as_deref())
    }

    fn watch(
        &mut self,
        pipeline: &gst::Pipeline,
        source: gst::Element,
        session: &Arc<SessionState>,
        dialogue: &Arc<Dialogue>,
        stop: &Stop,
    ) -> Ending {
        let limits = Limits {
            connect: CONNECT_LIMIT,
            opening: None,
            start: self.settings.start_limit,
            stall: self.settings.stall_limit,
            other_decoder: true,
        };
        let mut keep_alive = KeepAlive::new(source, dialogue.clone());
        let ending = session::watch_with(pipeline, session, &limits, stop, |progress| {
            if progress.playing.is_some() {
                keep_alive.send_if_due()
            } else {
                ALIVE_INTERVAL
            }
        });
        self.keep_alive_method = if keep_alive.was_unanswered() {
            KeepAliveMethod::Options
        } else {
            dialogue.keep_alive_method()
        };
        ending
    }

    fn build(
        &self,
        pipeline: &gst::Pipeline,
        session: &Arc<SessionState>,
        tls: &Arc<CertificateCheck>,
        dialogue: &Arc<Dialogue>,
    ) -> Result<(gst::Element, Arc<StreamSelector>), Failure> {
        let source = rtsp_extension::source(dialogue)?;
        self.set_up(&source);
        if self.url.scheme() == "rtsps" {
            rtsp_tls::check_certificates(&source, &self.settings.tls, tls, &self.name)?;
        }
        let selector = Arc::new(StreamSelector {
            name: self.name.clone(),
            fallback: self.fallback.clone(),
            output: self.output.clone(),
            session: session.clone(),
            dialogue: dialogue.clone(),
            filter: RtpFilter::attach(&source, &self.name, session, dialogue),
            reference: Reference::attach(&source, self.reference),
            units: self.units.clone(),
            taken: Mutex::default(),
        });
        selector.select_stream(&source);
        selector.link_stream(pipeline, &source);
        pipeline
            .add(&source)
            .map_err(|_| Failure::new("no-decoder", "rtspsrc can't be added to the pipeline"))?;
        Ok((source, selector))
    }

    fn set_up(&self, source: &gst::Element) {
        let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        let millis = u32::try_from(self.settings.jitter_buffer.as_millis()).unwrap_or(u32::MAX);
        source.set_property("location", self.url.as_str());
        // `rtsp_login` adds the login to the requests. Without a login here, rtspsrc would not send a request again.
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
        // "auto" would treat servers that state a duration as films, and buffer.
        source.set_property_from_str("buffer-mode", "slave");
        source.set_property("do-retransmission", false);
        source.set_property("user-agent", concat!("nvr/", env!("CARGO_PKG_VERSION")));
        source.set_property(
            "teardown-timeout",
            gst::ClockTime::try_from(FAREWELL_LIMIT).unwrap_or_default(),
        );
    }

    fn conclude(
        &mut self,
        ending: &Ending,
        session: &SessionState,
        tls: &CertificateCheck,
        dialogue: &Dialogue,
        selector: Option<&StreamSelector>,
    ) -> Attempt {
        let progress = session.progress();
        let chosen = selector.and_then(StreamSelector::choice);
        if matches!(ending, Ending::Reopen)
            || self.fallback.decoder_failed(ending, &progress, chosen)
        {
            return Attempt::Again;
        }
        let context = EndContext {
            name: &self.name,
            url: &self.url,
            with_login: self.settings.credentials.is_some(),
            transport: self.settings.transport,
            answer_limit: ANSWER_LIMIT,
            connect_limit: CONNECT_LIMIT,
            stall_limit: self.settings.stall_limit,
            start_limit: self.settings.start_limit,
            decoder: chosen.map(|(_, plan)| plan.decoder.element),
            tls,
            stream_refused: session.refused_stream(),
            dialogue,
            arrived: selector
                .map(|selector| selector.filter.arrived())
                .unwrap_or_default(),
            played_for: progress
                .playing
                .map(|playing| session.now().saturating_sub(playing)),
        };
        let was_refused = dialogue.refused_login()
            || matches!(dialogue.withheld_login(), Some(Withheld::Refused(_)));
        let account = self.account.as_ref().filter(|_| was_refused);
        self.login_wait = account.map_or(Duration::ZERO, |login| login.account.held_for());
        let live_for = match (progress.first_frame, progress.last_frame) {
            (Some(first), Some(last)) => last.saturating_sub(first),
            _ => Duration::ZERO,
        };
        Attempt::Ended(match rtsp_error::explain(ending, &context) {
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

    fn asked_for(&mut self, at: Instant) {
        if let Some(account) = &mut self.account {
            account.asked_at = at;
        }
    }

    fn shortest_wait(&self) -> Duration {
        self.login_wait
    }
}

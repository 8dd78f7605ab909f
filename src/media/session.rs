//! The loop of a session's own thread. It waits on the pipeline's bus until the session ends, fails, stalls or is asked
//! to stop.
//!
//! Nothing is polled: the wait ends with a message, or at the next time at which a limit could be reached, at the
//! latest after [`ALIVE_INTERVAL`].

use std::sync::Arc;
use std::time::Duration;

use gstreamer as gst;
use gstreamer::prelude::*;

use super::cuda_context;
use super::session_progress::Progress;
use super::session_state::{Failure, SessionState};
use super::source::ALIVE_INTERVAL;
use crate::base::Stop;

/// A decoder without a picture this long after its first key frame can't decode the stream.
const DECODER_LIMIT: Duration = Duration::from_secs(5);
/// The decoder must also have received at least this many access units, because slow streams take longer.
const DECODER_UNITS: u64 = 20;

/// The time limits of a session.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// From the start to the answer to PLAY, and again from the choice of a decoder.
    pub(super) connect: Duration,
    /// From PLAY to the first sign of a stream: a decoder or an access unit. None: as long as to the first frame.
    pub(super) opening: Option<Duration>,
    /// From PLAY to the first frame.
    pub(super) start: Duration,
    /// Without an access unit, once frames have come.
    pub(super) stall: Duration,
    /// Whether another decoder could be tried if this one gives no picture.
    pub(super) other_decoder: bool,
}

/// How a session ended.
#[derive(Debug)]
pub(super) enum Ending {
    /// It was asked to stop.
    Stopped,
    /// A callback gave the reason.
    Failure(Failure),
    /// An element failed.
    Error(ElementError),
    /// The stream ended.
    Eos,
    /// PLAY was not answered within the limit.
    NotConnected,
    /// No access unit arrived for this long.
    Stalled(Duration),
    /// No frame was decoded; the progress says how much arrived.
    NoFrame(Progress),
    /// Access units go in and no picture comes out; another decoder may work.
    DecoderSilent,
    /// New elements are needed, because another output is wanted.
    Reopen,
}

/// An element's error.
#[derive(Debug)]
pub(super) struct ElementError {
    /// The factory of the element that failed, for example `rtspsrc`.
    pub(super) element: String,
    pub(super) error: gst::glib::Error,
    pub(super) debug: String,
    /// The status of the response, if an RTSP server refused.
    pub(super) rtsp_status: Option<u32>,
}

/// Drops messages that nobody reads, so that they do not wake the session's thread, and shares the CUDA context between
/// pipelines. Call it before the pipeline starts.
pub(super) fn filter_bus(pipeline: &gst::Pipeline) {
    if let Some(bus) = pipeline.bus() {
        bus.set_sync_handler(|_, message| {
            use gst::MessageType as Type;
            cuda_context::handle_message(message);
            let wanted = matches!(
                message.type_(),
                Type::Error
                    | Type::Warning
                    | Type::Eos
                    | Type::Application
                    | Type::Progress
                    | Type::Latency
            );
            if wanted {
                gst::BusSyncReply::Pass
            } else {
                gst::BusSyncReply::Drop
            }
        });
    }
}

/// Waits for the end of the session. Blocks, and reports progress meanwhile.
pub(super) fn watch(
    pipeline: &gst::Pipeline,
    session: &Arc<SessionState>,
    limits: &Limits,
    stop: &Stop,
) -> Ending {
    watch_with(pipeline, session, limits, stop, |_| ALIVE_INTERVAL)
}

/// As [`watch`], and calls `periodic` at least as often as `periodic` asks for.
pub(super) fn watch_with(
    pipeline: &gst::Pipeline,
    session: &Arc<SessionState>,
    limits: &Limits,
    stop: &Stop,
    mut periodic: impl FnMut(&Progress) -> Duration,
) -> Ending {
    let Some(bus) = pipeline.bus() else {
        return Ending::NotConnected;
    };
    session.set_bus(&bus);
    let waker = Arc::downgrade(session);
    let _waker = stop.when_raised(move || {
        if let Some(session) = waker.upgrade() {
            session.wake();
        }
    });
    let started = session.now();
    loop {
        session.alive();
        if stop.is_raised() {
            return Ending::Stopped;
        }
        if let Some(failure) = session.failure() {
            return Ending::Failure(failure);
        }
        if session.wants_reopen() {
            return Ending::Reopen;
        }
        let progress = session.progress();
        let wait = match next_limit(&progress, limits, started, session.now()) {
            Ok(wait) => wait,
            Err(ending) => return ending,
        };
        let wait = wait.min(periodic(&progress));
        let wait = gst::ClockTime::try_from(wait.min(ALIVE_INTERVAL))
            .unwrap_or(gst::ClockTime::from_mseconds(500));
        if let Some(message) = bus.timed_pop(wait)
            && let Some(ending) = ending_of(pipeline, session, &message)
        {
            // The callback's reason is the cause; the element's error is a consequence.
            return match session.failure() {
                Some(failure) => Ending::Failure(failure),
                None => ending,
            };
        }
    }
}

fn ending_of(
    pipeline: &gst::Pipeline,
    session: &SessionState,
    message: &gst::Message,
) -> Option<Ending> {
    match message.view() {
        gst::MessageView::Error(_) => element_error(message).map(Ending::Error),
        gst::MessageView::Warning(warning) => {
            tracing::debug!(
                element = factory_of(message),
                warning = %warning.error(),
                debug = warning.debug().as_deref(),
                "warning from the pipeline"
            );
            None
        }
        gst::MessageView::Eos(_) => Some(Ending::Eos),
        // rtspsrc posts that a "request" is complete when PLAY is answered. It posts the start of that request before it
        // connects.
        gst::MessageView::Progress(progress) => {
            let (kind, code, _) = progress.get();
            if matches!(kind, gst::ProgressType::Complete) && code == "request" {
                session.playing();
            }
            None
        }
        gst::MessageView::Latency(_) => {
            if let Err(err) = pipeline.recalculate_latency() {
                tracing::debug!(%err, "the latency could not be updated");
            }
            None
        }
        _ => None,
    }
}

/// The error in `message`, if it is one.
pub(super) fn element_error(message: &gst::Message) -> Option<ElementError> {
    let gst::MessageView::Error(error) = message.view() else {
        return None;
    };
    Some(ElementError {
        element: factory_of(message),
        error: error.error(),
        debug: error
            .debug()
            .map(|text| text.to_string())
            .unwrap_or_default(),
        rtsp_status: error
            .details()
            .and_then(|details| details.get::<u32>("rtsp-status-code").ok()),
    })
}

fn factory_of(message: &gst::Message) -> String {
    message
        .src()
        .and_then(|source| source.downcast_ref::<gst::Element>())
        .and_then(|element| element.factory())
        .map(|factory| factory.name().to_string())
        .unwrap_or_default()
}

/// The time until a limit can be reached, or the limit that was reached.
fn next_limit(
    progress: &Progress,
    limits: &Limits,
    started: Duration,
    now: Duration,
) -> Result<Duration, Ending> {
    let left = |since: Duration, limit: Duration| {
        let left = (since + limit).saturating_sub(now);
        (!left.is_zero()).then_some(left)
    };
    let Some(playing) = progress.playing else {
        if progress.choosing {
            // Decoders that are tried have time limits of their own.
            return Ok(limits.connect);
        }
        let since = progress.chosen.unwrap_or(started);
        return left(since, limits.connect).ok_or(Ending::NotConnected);
    };
    let Some(first_frame) = progress.first_frame else {
        if limits.other_decoder
            && progress.units_since_key >= DECODER_UNITS
            && let Some(key) = progress.first_key
            && left(key, DECODER_LIMIT).is_none()
        {
            return Err(Ending::DecoderSilent);
        }
        let start_left = left(playing, limits.start).ok_or(Ending::NoFrame(*progress))?;
        let has_stream = progress.units > 0 || progress.chosen.is_some() || progress.choosing;
        if let Some(limit) = limits.opening
            && !has_stream
        {
            let opening_left = left(playing, limit).ok_or(Ending::NoFrame(*progress))?;
            return Ok(opening_left.min(start_left));
        }
        return Ok(match progress.first_key {
            // There may be too few access units when the limit is reached: check again one second later.
            Some(key) if limits.other_decoder => left(key, DECODER_LIMIT)
                .unwrap_or(Duration::from_secs(1))
                .min(start_left),
            _ => start_left,
        });
    };
    let last_unit = progress.last_unit.unwrap_or(first_frame);
    let unit_left =
        left(last_unit, limits.stall).ok_or(Ending::Stalled(now.saturating_sub(last_unit)))?;
    // Access units arrive but no frames: the decoder or the stream has failed without an error.
    let last_frame = progress.last_frame.unwrap_or(first_frame);
    let frame_left =
        left(last_frame, limits.start.max(limits.stall)).ok_or(Ending::NoFrame(*progress))?;
    Ok(unit_left.min(frame_left))
}

#[cfg(test)]
#[path = "session_tests.rs"]
mod tests;

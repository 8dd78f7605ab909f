//! The reason why an RTSP session ended, as a code for programs and a message for people.
//!
//! The sources are the server's last response, the packets that arrived, and GStreamer's error domains with the few
//! fixed texts of its RTSP library (`gst_rtsp_strresult`). No message has a login: the URL has none, and GStreamer
//! never gets one.

use std::time::Duration;

use gstreamer as gst;

use super::codec::Codec;
use super::rtp_filter::{Arrived, list};
use super::rtsp_diagnosis::{diagnosis, host};
use super::rtsp_end_context::EndContext;
use super::rtsp_status::of_status;
use super::session::{ElementError, Ending};
use super::session_progress::Progress;
use super::session_state::Failure;
use crate::config::Transport;

/// The reason; none if the session was asked to end.
pub(super) fn explain(ending: &Ending, context: &EndContext<'_>) -> Option<Failure> {
    let name = context.name;
    Some(match ending {
        Ending::Stopped | Ending::Reopen => return None,
        Ending::Failure(failure) => failure.clone(),
        Ending::Error(error) => of_error(error, context),
        Ending::Eos => Failure::new("ended", closed(context)),
        Ending::NotConnected => not_connected(context),
        Ending::Stalled(silent) => Failure::new(
            "stalled",
            format!(
                "no picture from {name} for {} (limit {}); check its power and network",
                seconds(*silent),
                seconds(context.stall_limit)
            ),
        ),
        Ending::NoFrame(progress) => no_frame(progress, context),
        Ending::DecoderSilent => Failure::new(
            "no-decoder",
            format!(
                "no decoder of this machine can decode {name}'s stream, {} was the last one tried; set the camera to H.264 main profile",
                context.decoder.unwrap_or("none")
            ),
        ),
    })
}

/// The camera closed the connection: when, and the facts about it.
fn closed(context: &EndContext<'_>) -> String {
    let mut message = format!(
        "{} at {} closed the connection",
        context.name,
        host(context.url)
    );
    if let Some(time) = context.played_for {
        message += &format!(" {} after PLAY", seconds(time));
    }
    if let Some(method) = context.dialogue.unanswered() {
        message += &format!(" without an answer to {method}");
    }
    if let Some(limit) = context.dialogue.session_timeout() {
        message += &format!("; it states a session timeout of {}", seconds(limit));
    }
    message
}

fn not_connected(context: &EndContext<'_>) -> Failure {
    if let Some(answer) = context.dialogue.refusal() {
        return of_status(answer.status, context);
    }
    let (name, place, limit) = (
        context.name,
        host(context.url),
        seconds(context.connect_limit),
    );
    let message = match context.dialogue.last_request() {
        Some((method, false)) => {
            format!("{name} at {place} did not answer {method} within {limit}")
        }
        Some((method, true)) => format!(
            "{name} at {place} answered {method}, and its session came no further within {limit}"
        ),
        None => format!(
            "{name} at {place} could not be sent a request within {limit}; check its address, the name server and the network"
        ),
    };
    Failure::new("unreachable", message)
}

fn no_frame(progress: &Progress, context: &EndContext<'_>) -> Failure {
    let name = context.name;
    let limit = seconds(context.start_limit);
    let message = match (progress.units, progress.first_key) {
        (0, _) if !context.arrived.is_empty() => no_picture(context),
        (0, _) if context.transport == Transport::Udp => format!(
            "{name} answered PLAY, and no RTP packet arrived within {limit}; if a firewall blocks UDP, set transport = \"tcp\""
        ),
        (0, _) => format!("{name} answered PLAY, and no RTP packet arrived within {limit}"),
        (units, None) => format!(
            "{units} pictures of {name} arrived within {limit}, none of them a key frame; shorten its key frame interval"
        ),
        (units, Some(_)) => format!(
            "{units} pictures of {name} arrived, key frames among them, but {} decoded none for {limit}; check its codec settings",
            context.decoder.unwrap_or("the decoder")
        ),
    };
    let strange =
        !context.arrived.is_empty() && context.arrived.iter().all(|arrived| !arrived.named);
    let code = if strange && progress.units == 0 {
        "payload-type"
    } else {
        "no-frame"
    };
    Failure::new(code, message)
}

/// RTP packets arrived, but no picture could be made from them.
fn no_picture(context: &EndContext<'_>) -> String {
    let came: Vec<_> = context
        .arrived
        .iter()
        .map(|arrived| {
            let note = if !arrived.named {
                ", which its description (SDP) does not name"
            } else if Codec::of_rtp(&arrived.payload.encoding).is_none() {
                ", which is not supported"
            } else {
                ""
            };
            let Arrived {
                payload,
                packets,
                bytes,
                ..
            } = arrived;
            format!("{packets} RTP packets ({bytes} bytes) of payload type {payload}{note}")
        })
        .collect();
    format!(
        "no picture could be decoded from what {} sent within {}: {}; its description names {}",
        context.name,
        seconds(context.start_limit),
        came.join(", "),
        list(&context.dialogue.video_payloads())
    )
}

fn of_error(error: &ElementError, context: &EndContext<'_>) -> Failure {
    let name = context.name;
    if let Some(refusal) = context.tls.refusal() {
        return Failure::new(
            "tls",
            format!(
                "the certificate of {name} is not trusted: {refusal}; pin it or name its authority"
            ),
        );
    }
    if error.element != "rtspsrc" {
        return of_element(error, context);
    }
    // rtspsrc tells the status of some refusals only.
    let refused = context.dialogue.refusal().map(|answer| answer.status);
    if let Some(status) = refused.or(error.rtsp_status) {
        return of_status(status, context);
    }
    if let Some(failure) = &context.stream_refused {
        return failure.clone();
    }
    let debug = error.debug.as_str();
    let says = |text: &str| debug.contains(text);
    let place = host(context.url);
    let limit = seconds(context.answer_limit);
    if says(" SDP") || says("SDP ") || error.error.matches(gst::StreamError::CodecNotFound) {
        return no_video(context);
    }
    if says("any UDP packets") {
        return Failure::new(
            "no-frame",
            format!(
                "no UDP packet came from {name}; if a firewall blocks UDP, set transport = \"tcp\""
            ),
        );
    }
    if says("Parse error") || says("RTSP version") {
        return Failure::new(
            "garbage",
            format!("the server at {place} does not speak RTSP; check the port of {name}"),
        );
    }
    if says("Failed to connect") || says("Could not connect") {
        return no_connection(says("Timeout"), context);
    }
    if says("end-of-file") {
        return Failure::new("ended", closed(context));
    }
    let asked = context.dialogue.unanswered();
    if says("Timeout") {
        let to = asked.map(|method| format!(" to {method}"));
        return Failure::new(
            "unreachable",
            format!(
                "{name} at {place} accepts the connection but gives no RTSP answer{} within {limit}; check its port",
                to.unwrap_or_default()
            ),
        );
    }
    let during = asked.map(|method| format!(" while it was asked for {method}"));
    Failure::new(
        "unreachable",
        format!(
            "the session with {name} at {place} failed{}: {}",
            during.unwrap_or_default(),
            cause(error)
        ),
    )
}

/// No connection to the camera's port came about.
fn no_connection(timed_out: bool, context: &EndContext<'_>) -> Failure {
    let (name, place) = (context.name, host(context.url));
    let limit = seconds(context.answer_limit);
    if timed_out {
        return Failure::new(
            "unreachable",
            format!(
                "{name} at {place} did not answer within {limit}; check its address, power and network"
            ),
        );
    }
    let (code, found) = diagnosis(context.url);
    Failure::new(code, format!("{name} at {place} {found}"))
}

/// The camera's description has no video that can be read.
fn no_video(context: &EndContext<'_>) -> Failure {
    let name = context.name;
    let path = context.shown_path();
    let message = match context.dialogue.video_payloads().as_slice() {
        [] if !context.dialogue.is_described() => format!(
            "{name} answered DESCRIBE for {path} without a description (SDP) of a stream; check its path"
        ),
        [] => format!("{name} offers no video stream under {path}; check its path"),
        payloads => format!(
            "{name} describes its video under {path} in an unsupported way; it names payload type {}",
            list(payloads)
        ),
    };
    Failure::new("no-video", message)
}

/// GStreamer's message, with the cause in parentheses at the end of its debug text.
fn cause(error: &ElementError) -> String {
    let debug = error.debug.trim_end();
    let inner = debug
        .strip_suffix(')')
        .and_then(|text| text.rsplit_once('(').map(|(_, inner)| inner));
    match inner.filter(|inner| !inner.is_empty()) {
        Some(inner) => format!("{} ({inner})", error.error),
        None => error.error.to_string(),
    }
}

fn of_element(error: &ElementError, context: &EndContext<'_>) -> Failure {
    let name = context.name;
    if error.error.matches(gst::StreamError::Format)
        || error.error.matches(gst::StreamError::TypeNotFound)
        || error.error.matches(gst::CoreError::Negotiation)
    {
        return Failure::new(
            "format-changed",
            format!(
                "the stream of {name} changed in a way that {} can't follow; it is restarted",
                error.element
            ),
        );
    }
    let code = if context.decoder == Some(error.element.as_str()) {
        "no-decoder"
    } else {
        "garbage"
    };
    Failure::new(
        code,
        format!(
            "{} failed on the stream of {name}: {}",
            error.element, error.error
        ),
    )
}

fn seconds(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    if time.subsec_millis() == 0 {
        format!("{seconds:.0} s")
    } else {
        format!("{seconds:.1} s")
    }
}

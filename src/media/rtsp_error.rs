//! Why an RTSP session ended, in a code for machines and words for people.
//!
//! The server's status is taken from the error's details, the rest from GStreamer's error domains and the few fixed texts
//! of its RTSP library (`gst_rtsp_strresult`). No text here holds a login: the URL has none, and GStreamer never saw one.

use std::io;
use std::net::TcpStream;
use std::time::Duration;

use gstreamer as gst;
use url::Url;

use super::hub::{Failure, Progress};
use super::rtsp_tls::Verdict;
use super::session::{Ending, Error};
use crate::config::{Location, Transport};

/// How long the second look at a camera that could not be connected to may take.
const DIAGNOSIS_LIMIT: Duration = Duration::from_secs(1);

/// What a session knew when it ended.
pub(super) struct Circumstances<'a> {
    /// `camera 3`.
    pub(super) name: &'a str,
    pub(super) url: &'a Url,
    pub(super) with_login: bool,
    pub(super) transport: Transport,
    pub(super) answer_limit: Duration,
    pub(super) connect_limit: Duration,
    pub(super) stall_limit: Duration,
    pub(super) start_limit: Duration,
    pub(super) decoder: Option<&'a str>,
    pub(super) tls: &'a Verdict,
    /// Why the streams that it offered were not taken.
    pub(super) stream_refused: Option<Failure>,
}

/// The reason; nothing where the session was asked to end.
pub(super) fn explain(ending: &Ending, at: &Circumstances<'_>) -> Option<Failure> {
    let name = at.name;
    Some(match ending {
        Ending::Stopped | Ending::Reopen => return None,
        Ending::Failure(failure) => failure.clone(),
        Ending::Error(error) => of_error(error, at),
        Ending::Eos => Failure::new(
            "ended",
            format!("{name} ended the stream; it restarts, or too many clients use it"),
        ),
        Ending::NotConnected => Failure::new(
            "unreachable",
            format!(
                "{name} at {} did not start to send within {}; check its address, power and network",
                host(at.url),
                seconds(at.connect_limit)
            ),
        ),
        Ending::Stalled(silent) => Failure::new(
            "stalled",
            format!(
                "no picture from {name} for {} (limit {}); check its power and network",
                seconds(*silent),
                seconds(at.stall_limit)
            ),
        ),
        Ending::NoFrame(progress) => no_frame(progress, at),
        Ending::DecoderSilent => Failure::new(
            "no-decoder",
            format!(
                "no decoder of this machine makes a picture of {name}'s stream, {} was the last; set the camera to H.264 main profile",
                at.decoder.unwrap_or("none")
            ),
        ),
    })
}

fn no_frame(progress: &Progress, at: &Circumstances<'_>) -> Failure {
    let name = at.name;
    let limit = seconds(at.start_limit);
    let message = match (progress.units, progress.first_key) {
        (0, _) if at.transport == Transport::Udp => format!(
            "{name} plays but nothing arrived within {limit}; a firewall may hold UDP back, try transport = \"tcp\""
        ),
        (0, _) => format!("{name} plays but nothing arrived within {limit}; restart the camera"),
        (units, None) => format!(
            "{units} pictures of {name} arrived within {limit}, none of them a key frame; shorten its key frame interval"
        ),
        (units, Some(_)) => format!(
            "{units} pictures of {name} arrived, key frames among them, but {} decoded none for {limit}; check its codec settings",
            at.decoder.unwrap_or("the decoder")
        ),
    };
    Failure::new("no-frame", message)
}

fn of_error(error: &Error, at: &Circumstances<'_>) -> Failure {
    let name = at.name;
    if let Some(refusal) = at.tls.refusal() {
        return Failure::new(
            "tls",
            format!(
                "the certificate of {name} is not trusted: {refusal}; pin it or name its authority"
            ),
        );
    }
    if error.element != "rtspsrc" {
        return of_element(error, at);
    }
    if let Some(status) = error.rtsp_status {
        return of_status(status, at);
    }
    if let Some(failure) = &at.stream_refused {
        return failure.clone();
    }
    let debug = error.debug.as_str();
    let says = |text: &str| debug.contains(text);
    let place = host(at.url);
    let limit = seconds(at.answer_limit);
    if says("SDP contains no streams") || error.error.matches(gst::StreamError::CodecNotFound) {
        return Failure::new(
            "no-video",
            format!(
                "{name} offers no video stream under {}; check its path",
                shown_path(at.url)
            ),
        );
    }
    if says("any UDP packets") {
        return Failure::new(
            "no-frame",
            format!(
                "no UDP packet came from {name}; a firewall may hold them back, try transport = \"tcp\""
            ),
        );
    }
    if says("Parse error") || says("RTSP version") {
        return Failure::new(
            "garbage",
            format!("what answers at {place} does not speak RTSP; check the port of {name}"),
        );
    }
    if says("Failed to connect") || says("Could not connect") {
        if says("Timeout") {
            return Failure::new(
                "unreachable",
                format!(
                    "{name} at {place} did not answer within {limit}; check its address, power and network"
                ),
            );
        }
        let (code, found) = diagnosis(at.url);
        return Failure::new(code, format!("{name} at {place} {found}"));
    }
    if says("end-of-file") {
        return Failure::new(
            "ended",
            format!(
                "{name} at {place} closed the connection; it restarts, or too many clients use it"
            ),
        );
    }
    if says("Timeout") {
        return Failure::new(
            "unreachable",
            format!(
                "{name} at {place} takes the connection but gives no RTSP answer within {limit}; check its port, or restart it"
            ),
        );
    }
    Failure::new(
        "unreachable",
        format!("the session with {name} at {place} failed: {}", error.error),
    )
}

fn of_element(error: &Error, at: &Circumstances<'_>) -> Failure {
    let name = at.name;
    if error.error.matches(gst::StreamError::Format)
        || error.error.matches(gst::StreamError::TypeNotFound)
        || error.error.matches(gst::CoreError::Negotiation)
    {
        return Failure::new(
            "format-changed",
            format!(
                "the stream of {name} changed in a way that {} can't follow; it starts anew",
                error.element
            ),
        );
    }
    let code = if at.decoder == Some(error.element.as_str()) {
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

fn of_status(status: u32, at: &Circumstances<'_>) -> Failure {
    let name = at.name;
    let path = shown_path(at.url);
    match status {
        401 if at.with_login => Failure::new(
            "unauthorized",
            format!(
                "{name} refused the login (401 Unauthorized); check its user name and password"
            ),
        ),
        401 => Failure::new(
            "unauthorized",
            format!("{name} asks for a login (401 Unauthorized); set its user name and password"),
        ),
        403 => Failure::new(
            "permission",
            format!(
                "{name} does not let this user see {path} (403 Forbidden); check the user's rights"
            ),
        ),
        404 | 410 | 454 => Failure::new(
            "not-found",
            format!("{name} has no stream {path} ({status} Not Found); check the path of its URI"),
        ),
        453 | 503 => Failure::new(
            "busy",
            format!(
                "{name} has no capacity left ({status}); close other clients, or choose its substream"
            ),
        ),
        461 => Failure::new(
            "no-video",
            format!(
                "{name} does not send that way (461 Unsupported Transport); change its transport"
            ),
        ),
        _ => Failure::new(
            "unreachable",
            format!("{name} answered the request for {path} with status {status}"),
        ),
    }
}

/// Why a connection fails, found out by trying once more: rtspsrc says "Generic error" of every cause.
fn diagnosis(url: &Url) -> (&'static str, &'static str) {
    let addresses = url.socket_addrs(|| Some(default_port(url)));
    let Some(address) = addresses
        .ok()
        .and_then(|addresses| addresses.first().copied())
    else {
        return (
            "unreachable",
            "has a host name that nobody knows; check its address and the name server",
        );
    };
    let connected = TcpStream::connect_timeout(&address, DIAGNOSIS_LIMIT);
    match connected.map_err(|err| err.kind()) {
        Ok(_) if url.scheme() == "rtsps" => (
            "tls",
            "takes the connection but does not speak TLS; check that its port is the one for rtsps",
        ),
        Ok(_) => (
            "unreachable",
            "did not take the connection at first; it restarts, or too many clients use it",
        ),
        Err(io::ErrorKind::ConnectionRefused) => (
            "unreachable",
            "refused the connection; check its port, and that RTSP is switched on",
        ),
        Err(io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable) => (
            "unreachable",
            "is not to be found in the network; check its address and the route to it",
        ),
        Err(_) => (
            "unreachable",
            "can't be connected to; check its address, power and network",
        ),
    }
}

fn default_port(url: &Url) -> u16 {
    if url.scheme() == "rtsps" { 322 } else { 554 }
}

/// Its path as it may be shown: some makers want the login there.
fn shown_path(url: &Url) -> String {
    let shown = Location::Rtsp(url.clone()).to_string();
    Url::parse(&shown).map_or(shown, |shown| shown.path().to_owned())
}

/// Host and port, without anything that a URL may hide before or behind them.
fn host(url: &Url) -> String {
    let host = url.host_str().unwrap_or("an unnamed host");
    let default = default_port(url);
    format!("{host}:{}", url.port().unwrap_or(default))
}

fn seconds(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    if time.subsec_millis() == 0 {
        format!("{seconds:.0} s")
    } else {
        format!("{seconds:.1} s")
    }
}

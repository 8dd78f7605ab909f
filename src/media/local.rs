//! The common part of local sources (files and devices): runs a pipeline to its end and reports why it ended.

use std::sync::Arc;
use std::time::Duration;

use gstreamer as gst;
use gstreamer::prelude::*;

use super::codec::Codec;
use super::session::{self, ElementError, Ending, Limits};
use super::session_state::{Failure, SessionState};
use super::source::SessionEnd;
use super::teardown::teardown;
use crate::base::Stop;

/// Limit from the start to the first playing state; local sources do not wait for a network.
const OPEN_LIMIT: Duration = Duration::from_secs(15);
/// Limit for stopping a pipeline before it is abandoned.
const CLOSE_LIMIT: Duration = Duration::from_secs(3);

/// One source and its limits.
#[derive(Debug, Clone)]
pub(super) struct LocalSource {
    /// `file clip.mp4`, `camera /dev/video0`.
    pub(super) name: String,
    /// Longest time to the first frame.
    pub(super) start_limit: Duration,
    /// Longest time without an access unit.
    pub(super) stall_limit: Duration,
}

impl LocalSource {
    /// Plays a pipeline until it ends or is stopped, and tears it down. `opening` is the longest time without any sign of a
    /// stream, if that is shorter than the time to the first frame.
    pub(super) fn play(
        &self,
        pipeline: gst::Pipeline,
        session: &Arc<SessionState>,
        opening: Option<Duration>,
        stop: &Stop,
    ) -> Ending {
        session::filter_bus(&pipeline);
        let limits = Limits {
            connect: OPEN_LIMIT,
            opening,
            start: self.start_limit,
            stall: self.stall_limit,
            other_decoder: true,
        };
        // An element that refuses has posted its reason on the bus.
        let refused = pipeline.set_state(gst::State::Playing).is_err();
        session.playing();
        let ending = if refused && !has_error(&pipeline) {
            Ending::Failure(Failure::new(
                "unreachable",
                format!("{} can't be played; GStreamer states no reason", self.name),
            ))
        } else {
            session::watch(&pipeline, session, &limits, stop)
        };
        teardown(pipeline, &self.name, CLOSE_LIMIT);
        ending
    }

    /// Converts the end of a pipeline to the end of the session.
    pub(super) fn end(&self, ending: Ending, session: &SessionState) -> SessionEnd {
        let progress = session.progress();
        match self.explain(ending, progress.first_frame.is_some()) {
            None => SessionEnd::Stopped,
            Some(Failure { code, message }) => SessionEnd::Failed {
                code,
                message,
                live_for: match (progress.first_frame, progress.last_frame) {
                    (Some(first), Some(last)) => last.saturating_sub(first),
                    _ => Duration::ZERO,
                },
            },
        }
    }

    /// `was_live` is true if frames were decoded.
    fn explain(&self, ending: Ending, was_live: bool) -> Option<Failure> {
        let name = &self.name;
        Some(match ending {
            Ending::Stopped | Ending::Reopen => return None,
            Ending::Failure(failure) => failure,
            Ending::Error(error) if was_live && has_changed(&error) => self.changed(&error),
            Ending::Error(error) => self.of_error(&error),
            Ending::Eos => Failure::new("ended", format!("{name} ended")),
            Ending::NotConnected => Failure::new(
                "unreachable",
                format!("{name} did not start within {} s", OPEN_LIMIT.as_secs()),
            ),
            Ending::Stalled(silent) => Failure::new(
                "stalled",
                format!(
                    "no picture from {name} for {:.1} s (limit {:.1} s)",
                    silent.as_secs_f64(),
                    self.stall_limit.as_secs_f64()
                ),
            ),
            Ending::NoFrame(_) | Ending::DecoderSilent => Failure::new(
                "no-frame",
                format!(
                    "{name} gave no picture within {:.1} s",
                    self.start_limit.as_secs_f64()
                ),
            ),
        })
    }

    /// A capture device whose signal has another size now, or a recording that continues in another format.
    fn changed(&self, error: &ElementError) -> Failure {
        Failure::new(
            "format-changed",
            format!(
                "the pictures of {} changed in a way that {} can't follow; it is restarted",
                self.name, error.element
            ),
        )
    }

    fn of_error(&self, error: &ElementError) -> Failure {
        let (name, element) = (&self.name, &error.element);
        if let Some((format, package)) = missing_decoder(&error.debug) {
            let message =
                format!("nothing on this machine decodes {name}'s {format}; install {package}");
            return Failure::new("no-decoder", message);
        }
        let is = |domain: gst::ResourceError| error.error.matches(domain);
        let code = if is(gst::ResourceError::Busy) {
            "busy"
        } else if is(gst::ResourceError::NotAuthorized) {
            "permission"
        } else if is(gst::ResourceError::NotFound) {
            "not-found"
        } else if error.error.matches(gst::CoreError::MissingPlugin)
            || error.error.matches(gst::StreamError::CodecNotFound)
        {
            "no-decoder"
        } else if error.error.is::<gst::ResourceError>() {
            "unreachable"
        } else {
            "garbage"
        };
        // `qtdemux` reads MP4 and MOV, whose index is written last.
        let remedy = if element.starts_with("qtdemux")
            && error.error.matches(gst::StreamError::Demux)
        {
            " If it was cut off, or its recording was interrupted, its index (moov) is missing; copy the whole file \
             again, or repair it"
        } else {
            ""
        };
        let message = format!("{name}: {element}: {}{remedy}", error.error);
        Failure::new(code, message)
    }
}

/// The format for which GStreamer has no decoder at all, and the packages that have one. GStreamer names it in the debug text alone:
/// `Missing decoder: VP8 (video/x-vp8, width=…)`, and `Missing parser` where no decoder takes what a parser would give.
fn missing_decoder(debug: &str) -> Option<(String, &'static str)> {
    let mut lines = debug.lines();
    let (_, stated) = lines.find_map(|line| line.strip_prefix("Missing ")?.split_once(": "))?;
    // The name may have parentheses of its own: `H.264 (Main Profile) (video/x-h264, …)`.
    let media_type = |at: usize| {
        let caps = stated[at..].trim_start_matches([' ', '(']);
        let kind = caps.split([',', ')']).next()?;
        kind.contains('/').then_some((at, kind))
    };
    let (end, kind) = stated
        .match_indices(" (")
        .find_map(|(at, _)| media_type(at))?;
    let package = Codec::of_caps(kind).map_or(
        "the GStreamer plug-in for it (most are in gstreamer1.0-plugins-good, gstreamer1.0-plugins-bad and gstreamer1.0-libav)",
        Codec::package,
    );
    Some((stated[..end].to_owned(), package))
}

/// Whether elements no longer agree on a format. Sources say so only in their debug text.
fn has_changed(error: &ElementError) -> bool {
    error.error.matches(gst::StreamError::Format)
        || error.error.matches(gst::CoreError::Negotiation)
        || error.debug.contains("not-negotiated")
}

/// Whether there is an error on the bus; it stays there for [`session::watch`].
fn has_error(pipeline: &gst::Pipeline) -> bool {
    pipeline
        .bus()
        .is_some_and(|bus| match bus.pop_filtered(&[gst::MessageType::Error]) {
            Some(error) => bus.post(error).is_ok(),
            None => false,
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_format_without_a_decoder_is_named_with_its_package() {
        let debug =
            |what: &str| format!("gstparsebin.c(3540): …:\nno suitable plugins found:\n{what}\n");
        let found = |what: &str| missing_decoder(&debug(what));
        let h264 =
            "Missing parser: H.264 (High 4:4:4 Profile) (video/x-h264, stream-format=(string)avc)";
        let expected = (
            "H.264 (High 4:4:4 Profile)".to_owned(),
            "gstreamer1.0-libav",
        );
        assert_eq!(found(h264), Some(expected));
        let (format, package) =
            found("Missing decoder: VP8 (video/x-vp8, width=(int)320)").expect("it is named");
        assert_eq!(format, "VP8");
        assert!(package.contains("gstreamer1.0-plugins-good"));
        assert_eq!(found("Missing nothing"), None);
        assert_eq!(
            missing_decoder("streaming stopped, reason error (-5)"),
            None
        );
    }

    #[test]
    fn a_device_whose_signal_changed_is_told_as_such() {
        let local = LocalSource {
            name: "camera /dev/video0".to_owned(),
            start_limit: Duration::from_secs(10),
            stall_limit: Duration::from_secs(5),
        };
        let code_of = |was_live: bool, reason: &str| {
            let error = ElementError {
                element: "v4l2src".to_owned(),
                error: gst::glib::Error::new(
                    gst::StreamError::Failed,
                    "Internal data stream error.",
                ),
                debug: format!("gst_base_src_loop (): streaming stopped, reason {reason}"),
                rtsp_status: None,
            };
            local
                .explain(Ending::Error(error), was_live)
                .map(|failure| failure.code)
        };
        assert_eq!(code_of(true, "not-negotiated (-4)"), Some("format-changed"));
        assert_eq!(code_of(true, "error (-5)"), Some("garbage"));
        // The format never matched.
        assert_eq!(code_of(false, "not-negotiated (-4)"), Some("garbage"));
    }
}

//! The timeline between a source's session and whoever wants its frames.

use std::sync::Arc;
use std::time::Duration;

use crate::base::{Frame, Size, Stop};
use crate::config::{Location, StreamSettings, Transport, without_secrets};

/// A way to get pictures: RTSP, V4L2, a file, an image, the test pattern.
pub trait FrameSource: Send {
    /// Runs one session: connects, decodes, hands over, and returns when the session ended, failed or stalled, or soon
    /// after `stop` was raised. Blocks; called again for the next session, never concurrently. On return everything
    /// that the session held is released, or, where a driver hangs in the kernel, abandoned and named in the log: hence
    /// the shared sink, which a lost thread may outlive the session with.
    fn run(&mut self, sink: &Arc<dyn FrameSink>, stop: &Stop) -> SessionEnd;
}

/// What a session tells while it runs. Called from the session's own threads; must not block.
pub trait FrameSink: Send + Sync {
    /// The stream is described: its codec, and once known its size and decoder. May come again when they change.
    fn described(&self, facts: &StreamFacts);

    /// An access unit has arrived: the camera is alive, though a decoder may still wait for a key frame.
    fn access_unit(&self, bytes: usize);

    /// The session's own thread has moved: called at least every [`ALIVE_INTERVAL`], frames or none.
    fn alive(&self);

    /// A frame was decoded. It wraps the decoder's own buffer, converted by nobody yet: keep the newest, or none.
    fn frame(&self, frame: Frame);
}

/// The longest time between two calls of [`FrameSink::alive`]: long, so that a silent camera wakes nobody up.
pub const ALIVE_INTERVAL: Duration = Duration::from_secs(5);

/// What is known of a stream.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct StreamFacts {
    /// `h264`, `h265`, `mjpeg`, `raw`.
    pub codec: String,
    /// Picture size, once decoded.
    pub size: Option<Size>,
    /// Which decoder runs, `avdec_h264` for one.
    pub decoder: String,
    /// Frames a second by the stream's own word.
    pub nominal_fps: Option<f64>,
}

/// How healthy a source is, as its SourceStatus says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// No frame yet in this session, or waiting for the next attempt.
    Connecting,
    /// Frames flow.
    Live,
    /// Was live, and its frames stopped.
    Stalled,
    /// Can't be reached or decoded; retried all the same.
    Failed,
}

/// Why a session ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SessionEnd {
    /// It was asked to.
    Stopped,
    /// It failed: a code for machines and a message for people, as published in SourceStatus.
    Failed {
        /// `unreachable`, `unauthorized` (401), `not-found` (404), `no-video`, `no-decoder`, `stalled`, `no-frame`,
        /// `garbage`, `picture-size`, `format-changed`, `ended`, `tls`, `busy`, `permission`, `no-resources`.
        code: &'static str,
        /// Names the thing, the value, the limit and the remedy; never a credential.
        message: String,
        /// How long it had delivered frames.
        live_for: Duration,
    },
}

impl SessionEnd {
    /// The same, with what may be a login in its message masked: messages quote addresses and GStreamer's own texts.
    #[must_use]
    pub fn without_secrets(self) -> Self {
        match self {
            Self::Stopped => Self::Stopped,
            Self::Failed {
                code,
                message,
                live_for,
            } => Self::Failed {
                code,
                message: without_secrets(&message),
                live_for,
            },
        }
    }
}

/// How many file descriptors a session with this source may take. Counted in `/proc/self/fd` with GStreamer 1.22, a running
/// session has 6 to 8 over TCP and 16 over UDP (sockets of RTP and RTCP, and what wakes each of their threads); some more are
/// needed while it is opened.
pub fn descriptors_of(stream: &StreamSettings) -> usize {
    match &stream.location {
        Location::Rtsp(_) => match stream.transport {
            Transport::Tcp => 10,
            Transport::Udp => 20,
        },
        // A device's buffers may be dma-bufs, each with a descriptor.
        Location::V4l2(_) | Location::Csi(_) => 32,
        Location::File(_) => 10,
        Location::Image(_) | Location::TestPattern(_) => 2,
    }
}

//! The interface between a source's session and the consumer of its frames.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::base::{Frame, Size, Stop};
use crate::config::{Location, StreamSettings, Transport, without_secrets};

/// A kind of source: RTSP, V4L2, CSI, a file, an image, the test pattern.
pub trait FrameSource: Send {
    /// Runs one session: connects, decodes and passes frames on. Returns when the session ended, failed or stalled, or
    /// soon after `stop` was raised. Blocks. It is called again for the next session, never concurrently. On return,
    /// everything that the session held is released. If a driver hangs in the kernel, the session's thread is abandoned
    /// and named in the log; it may then outlive the session, therefore the sink is shared.
    fn run(&mut self, sink: &Arc<dyn FrameSink>, stop: &Stop) -> SessionEnd;

    /// The next session was asked for at this time, by a new configuration or by an operator and not by the schedule.
    fn asked_for(&mut self, _at: Instant) {}

    /// The shortest wait before the next session; asked after a session has failed.
    fn shortest_wait(&self) -> Duration {
        Duration::ZERO
    }
}

/// Receives the events of a running session. The session's threads call it; it must not block.
pub trait FrameSink: Send + Sync {
    /// The stream is known: its codec, and later its size and decoder. Called again when they change.
    fn described(&self, facts: &StreamFacts);

    /// An access unit has arrived. The camera sends, although the decoder may still wait for a key frame.
    fn access_unit(&self, bytes: usize);

    /// The session's own thread makes progress. Called at least every [`ALIVE_INTERVAL`], with or without frames.
    fn alive(&self);

    /// A frame was decoded. It wraps the decoder's own buffer without conversion: keep the newest frame or none.
    fn frame(&self, frame: Frame);
}

/// The longest time between two calls of [`FrameSink::alive`]. It is long, so that a silent camera causes few wake-ups.
pub const ALIVE_INTERVAL: Duration = Duration::from_secs(5);

/// Facts about a stream.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct StreamFacts {
    /// `h264`, `h265`, `mjpeg`, `raw`.
    pub codec: String,
    /// Picture size, once a picture was decoded.
    pub size: Option<Size>,
    /// The element that decodes, for example `avdec_h264`.
    pub decoder: String,
    /// Frames per second, as the stream states them.
    pub nominal_fps: Option<f64>,
}

/// The health of a source, as in its SourceStatus.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// No frame yet in this session, or waiting for the next attempt.
    Connecting,
    /// Frames arrive.
    Live,
    /// It was live, and frames stopped.
    Stalled,
    /// It can't be reached or decoded. It is still tried again.
    Failed,
}

/// Why a session ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SessionEnd {
    /// It was asked to stop.
    Stopped,
    /// It failed. Code and message are published in SourceStatus.
    Failed {
        /// `unreachable`, `unauthorized` (401), `not-found` (404), `no-video`, `no-decoder`, `stalled`, `no-frame`,
        /// `garbage`, `picture-size`, `format-changed`, `ended`, `tls`, `busy`, `permission`, `no-resources`.
        code: &'static str,
        /// The message names the thing, the value, the limit and the remedy, and has no credentials.
        message: String,
        /// How long it delivered frames.
        live_for: Duration,
    },
}

impl SessionEnd {
    /// The same, with possible logins in its message masked: messages quote addresses and GStreamer's own texts.
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

/// The number of file descriptors that a session of this source may take. Counted in `/proc/self/fd` with GStreamer
/// 1.22, a running session has 6 to 8 over TCP and 16 over UDP: sockets of RTP and RTCP, and descriptors that wake
/// their threads. Opening a session needs some more.
pub fn descriptors_of(stream: &StreamSettings) -> usize {
    match &stream.location {
        Location::Rtsp(_) => match stream.transport {
            Transport::Tcp => 10,
            Transport::Udp => 20,
        },
        // The buffers of a device may be dma-bufs, each with a descriptor.
        Location::V4l2(_) | Location::Csi(_) => 32,
        Location::File(_) => 10,
        Location::Image(_) | Location::TestPattern(_) => 2,
    }
}

//! Tests a camera: whether it accepts the login, which streams it sends, at which rate and by which clock.
//!
//! It runs one ordinary session, as a processor would, measures it, and ends it after some seconds.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use serde::Serialize;

use super::jpeg::{JpegError, jpeg};
use super::observer::{ObservedUnit, Observer};
use super::output::OutputControl;
use super::reference::ReferenceTime;
use super::rtsp::RtspSource;
use super::{FrameSink, FrameSource, OpenOptions, SessionEnd, StreamFacts};
use crate::base::sync::lock;
use crate::base::{Clock, Frame, Size, SourceId, Stop};
use crate::config::{Location, StreamSettings};

/// The result of the test.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CameraReport {
    /// The address, without login.
    pub uri: String,
    /// Whether the camera asks for a login.
    pub login: Login,
    /// All streams that the camera offers under this URI: `video H264`, `audio MPEG4-GENERIC`.
    pub streams: Vec<OfferedStream>,
    /// The codec of the video, as statuses name it.
    pub codec: String,
    /// The decoder that was used.
    pub decoder: String,
    /// Picture size.
    pub size: Option<Size>,
    /// Frames per second, as the stream states them.
    pub nominal_fps: Option<f64>,
    /// Measured frames per second.
    pub fps: Option<f64>,
    /// Seconds between two key frames; absent if fewer than two arrived.
    pub key_frame_interval_s: Option<f64>,
    /// Kilobits per second of coded video.
    pub bitrate_kbps: Option<f64>,
    /// Seconds from the start to the first picture.
    pub first_frame_s: f64,
    /// Whether RTCP sender reports give the camera's time.
    pub sender_reports: bool,
    /// How far the camera's clock is ahead of ours, in milliseconds; negative if it is behind. Network delay makes it
    /// appear to be behind by that delay.
    pub clock_offset_ms: Option<i64>,
    /// The duration of the measurement in seconds.
    pub measured_s: f64,
    /// The reason if the session ended too early.
    pub problem: Option<String>,
    /// The first picture.
    #[serde(skip)]
    pub first_frame_jpeg: Option<Vec<u8>>,
}

/// Whether a camera asks for a login.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Login {
    /// It sends without a login.
    NotAsked,
    /// It asks for a login and accepts the given one.
    Accepted,
    /// A source without a network has no login.
    None,
}

/// A media section of the camera's description.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OfferedStream {
    /// `video`, `audio`, `application` (metadata).
    pub media: String,
    /// The RTP encoding name.
    pub encoding: String,
}

/// Why no picture arrived.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ProbeError {
    /// The code as in [`SessionEnd::Failed`]: `unauthorized`, `unreachable`, `not-found` and so on.
    pub code: &'static str,
    /// The message for people.
    pub message: String,
}

/// Cameras that keep their last pictures send them in a burst at first. Counting starts after it.
const BURST: Duration = Duration::from_millis(500);
/// Maximum wait for a second key frame and a sender report, as a multiple of the measuring time.
const PATIENCE: u32 = 3;

/// Tests a camera for about `measure`, from its first access unit on. Blocks; raise `stop` to end it early.
///
/// # Errors
/// If no picture arrived: the code and message of the session's end.
pub fn probe_camera(
    settings: &StreamSettings,
    measure: Duration,
    stop: &Stop,
) -> Result<CameraReport, ProbeError> {
    let end = Stop::default();
    let ending = end.clone();
    let _follow = stop.when_raised(move || ending.raise());
    let observer = Arc::new(ProbeObserver::new(measure, end.clone()));
    let session_end = session(settings, &observer, &end);
    let found = observer.lock();
    let login = match &settings.location {
        Location::Rtsp(_) if found.asked_for_login => Login::Accepted,
        Location::Rtsp(_) => Login::NotAsked,
        _ => Login::None,
    };
    let problem = match session_end {
        SessionEnd::Stopped => None,
        SessionEnd::Failed { code, message, .. } => {
            if found.first_frame.is_none() {
                return Err(ProbeError { code, message });
            }
            Some(message)
        }
    };
    let Some((first_frame, picture)) = &found.first_frame else {
        return Err(ProbeError {
            code: "no-frame",
            message: "interrupted before a picture arrived".to_owned(),
        });
    };
    let mut report = CameraReport {
        uri: settings.location.to_string(),
        login,
        streams: found.streams.clone(),
        codec: found.facts.codec.clone(),
        decoder: found.facts.decoder.clone(),
        size: found.facts.size,
        nominal_fps: found.facts.nominal_fps,
        first_frame_s: first_frame.as_secs_f64(),
        problem,
        first_frame_jpeg: None,
        ..found.measured()
    };
    match picture {
        Ok(jpeg) => report.first_frame_jpeg = Some(jpeg.clone()),
        Err(error) => report.problem = report.problem.or_else(|| Some(error.to_string())),
    }
    Ok(report)
}

fn session(settings: &StreamSettings, observer: &Arc<ProbeObserver>, stop: &Stop) -> SessionEnd {
    let (id, clock) = (SourceId(0), observer.clock.clone());
    let sink: Arc<dyn FrameSink> = observer.clone();
    let end = match &settings.location {
        Location::Rtsp(url) => {
            let (reference, output) = (ReferenceTime::Auto, OutputControl::default());
            RtspSource::new(id, url, settings, clock, reference, output)
                .observed_by(observer.clone())
                .run(&sink, stop)
        }
        _ => super::open(id, settings, &clock, OpenOptions::default()).run(&sink, stop),
    };
    end.without_secrets()
}

/// Collects data; the session's threads write it.
struct ProbeObserver {
    begun: Instant,
    clock: Clock,
    measure: Duration,
    stop: Stop,
    found: Mutex<Measurements>,
}

#[derive(Default)]
struct Measurements {
    asked_for_login: bool,
    streams: Vec<OfferedStream>,
    facts: StreamFacts,
    first_frame: Option<(Duration, Result<Vec<u8>, JpegError>)>,
    /// The first access unit.
    begun: Option<Duration>,
    /// The first and the last access unit that were counted.
    first: Option<Duration>,
    last: Option<Duration>,
    units: u64,
    /// The bytes of all units but the last: what arrived between the first and the last time.
    bytes: u64,
    last_bytes: u64,
    keys: Vec<Duration>,
    /// The offset of the unit with the least delay, which measures the camera's clock best.
    clock_offset_ms: Option<i64>,
}

impl ProbeObserver {
    fn new(measure: Duration, stop: Stop) -> Self {
        Self {
            begun: Instant::now(),
            clock: Clock::system(),
            measure,
            stop,
            found: Mutex::default(),
        }
    }

    /// Counts an access unit that arrived `at` this time of the session's clock.
    fn count(&self, at: Duration, bytes: usize, key: bool, offset_ms: Option<i64>, reports: bool) {
        let mut found = self.lock();
        if at.saturating_sub(*found.begun.get_or_insert(at)) < BURST {
            return;
        }
        let first = *found.first.get_or_insert(at);
        found.last = Some(at);
        found.units += 1;
        found.bytes += found.last_bytes;
        found.last_bytes = bytes as u64;
        if key {
            found.keys.push(at);
        }
        found.clock_offset_ms = found.clock_offset_ms.max(offset_ms);
        let measured = at.saturating_sub(first);
        let complete = !reports || (found.keys.len() >= 2 && found.clock_offset_ms.is_some());
        let enough = measured >= self.measure && found.first_frame.is_some();
        if enough && (complete || measured >= self.measure * PATIENCE) {
            self.stop.raise();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Measurements> {
        lock(&self.found)
    }
}

impl Measurements {
    /// The measured part of a report; the other fields are empty.
    fn measured(&self) -> CameraReport {
        let span = match (self.first, self.last) {
            (Some(first), Some(last)) => last.saturating_sub(first).as_secs_f64(),
            _ => 0.0,
        };
        let per_second = |amount: f64| (span > 0.0).then(|| amount / span);
        let key_frame_interval_s = match (self.keys.first(), self.keys.last()) {
            (Some(first), Some(last)) if self.keys.len() > 1 => {
                Some(last.saturating_sub(*first).as_secs_f64() / (self.keys.len() - 1) as f64)
            }
            _ => None,
        };
        CameraReport {
            uri: String::new(),
            login: Login::None,
            streams: Vec::new(),
            codec: String::new(),
            decoder: String::new(),
            size: None,
            nominal_fps: None,
            fps: per_second(self.units.saturating_sub(1) as f64),
            key_frame_interval_s,
            bitrate_kbps: per_second(self.bytes as f64 * 8.0 / 1000.0).filter(|rate| *rate > 0.0),
            first_frame_s: 0.0,
            sender_reports: self.clock_offset_ms.is_some(),
            clock_offset_ms: self.clock_offset_ms,
            measured_s: span,
            problem: None,
            first_frame_jpeg: None,
        }
    }
}

impl FrameSink for ProbeObserver {
    fn described(&self, facts: &StreamFacts) {
        self.lock().facts = facts.clone();
    }

    fn access_unit(&self, bytes: usize) {
        // RTSP sessions give more details of each unit to the observer below.
        if self.lock().streams.is_empty() {
            self.count(self.clock.now(), bytes, false, None, false);
        }
    }

    fn alive(&self) {}

    fn frame(&self, frame: Frame) {
        // Encoded immediately and only once: a kept frame would take a buffer from its decoder.
        if self.lock().first_frame.is_none() {
            let picture = jpeg(&frame);
            self.lock().first_frame = Some((self.begun.elapsed(), picture));
        }
    }
}

impl Observer for ProbeObserver {
    fn offered(&self, media: &str, encoding: &str) {
        self.lock().streams.push(OfferedStream {
            media: media.to_owned(),
            encoding: encoding.to_owned(),
        });
    }

    fn asked_for_login(&self) {
        self.lock().asked_for_login = true;
    }

    fn unit(&self, unit: &ObservedUnit) {
        let offset_ms = unit.ntp_ns.map(|ntp_ns| {
            let ours = unit.arrival_unix.as_nanos() as i128;
            ((i128::from(ntp_ns) - ours) / 1_000_000) as i64
        });
        self.count(unit.arrival, unit.bytes, unit.key, offset_ms, true);
    }
}

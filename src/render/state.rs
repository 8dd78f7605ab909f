//! The state of a camera on a wall: its video, its analysis and its recording, all derived from observed facts.
//!
//! Pure functions of the facts and the time. If no frames arrive the picture is stale, even while the session reports that it
//! is live. A status counts only while its processor is online.

use std::time::Duration;

use jiff::Timestamp;

/// Video, analysis and recording state of one camera. Its tile, the page, `/state.json` and the metrics show it. It is derived in one
/// place, `WallContext::camera_state`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CameraState {
    /// State of the video.
    pub video: Video,
    /// State of the analysis.
    pub analysis: Analysis,
    /// State of the recording.
    pub recording: Recording,
}

/// The video state of a camera.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Video {
    /// New frames arrive.
    Live,
    /// No new frames arrive. The last picture is shown dimmed.
    Stale {
        /// Time since the last frame.
        age: Duration,
        /// The reason, if known.
        reason: Option<Reason>,
    },
    /// No frame has arrived yet, and no failure is known.
    Connecting,
    /// There is no picture, for this reason.
    NoCamera(Reason),
}

/// Why there is no picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// Error code as in SourceStatus: `unreachable`, `unauthorized`, `no-decoder`.
    pub code: String,
    /// Error message for people.
    pub message: String,
    /// Start of the failure.
    pub since: Timestamp,
}

/// The analysis state of a camera.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Analysis {
    /// A processor analyses the camera.
    Ok,
    /// A processor analyses the camera, but its events arrive later than video can be delayed. Boxes may be missing, or belong
    /// to another frame.
    Late,
    /// The source is paused on its processor.
    Paused,
    /// No processor analyses the camera, so no boxes can be drawn.
    NoProcessor,
    /// Unknown: there is no connection to the broker.
    NoBroker,
}

/// The recording state of a camera.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Recording {
    /// It is recorded, or it is not to be.
    #[default]
    Ok,
    /// Its processor is to record it and can't.
    Failing,
}

/// The facts that decide the video state of a camera on this wall.
#[derive(Debug, Clone, PartialEq)]
pub struct VideoFacts {
    /// Monotonic time at which the last frame was decoded.
    pub last_frame: Option<Duration>,
    /// Mean time between frames.
    pub interval: Option<Duration>,
    /// Why the session failed. `None` if it did not.
    pub failed: Option<Reason>,
    /// How long the tile has been empty. `None` if it shows a picture, or the camera has no tile.
    pub blank_for: Option<Duration>,
}

/// The facts that decide the analysis state of a camera.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AnalysisFacts {
    /// Whether there is a connection to the broker.
    pub connected: bool,
    /// Whether a processor that is online claims the source by its status.
    pub claimed: bool,
    /// Whether that status says that the source is paused.
    pub paused: bool,
    /// Monotonic time of the last event. Processors that publish no status are detected by their events.
    pub last_event: Option<Duration>,
    /// Whether events arrive too late for their frames.
    pub late: bool,
}

/// A source is stale if no frame arrives for this many of its mean intervals. Some cameras send one frame in five seconds.
const MISSED_INTERVALS: u32 = 3;
/// Upper limit of that time.
const SLOWEST: Duration = Duration::from_secs(30);
/// A processor without a status counts as active for this long after an event.
const EVENTS_COUNT_FOR: Duration = Duration::from_secs(5);
/// A tile is shown as connecting when it has been empty for this long: the longest video delay and one or two frames.
const BLANK_LIMIT: Duration = Duration::from_millis(1500);

impl CameraState {
    /// Whether the video is live.
    pub fn is_live(&self) -> bool {
        self.video == Video::Live
    }

    /// Whether the latency of the newest event applies to the picture that is shown.
    pub fn has_latency(&self) -> bool {
        self.is_live() && matches!(self.analysis, Analysis::Ok | Analysis::Late)
    }

    /// The text of the tile, in capitals: the states joined by ` · `. Empty for ordinary states.
    pub fn text(&self) -> String {
        let words: Vec<String> = self
            .video
            .headline()
            .into_iter()
            .chain(self.analysis.headline().map(str::to_owned))
            .chain(self.recording.headline().map(str::to_owned))
            .collect();
        words.join(" · ")
    }
}

impl Video {
    /// The state at `now`. `stale_after` is the setting of that name.
    pub fn of(facts: &VideoFacts, now: Duration, stale_after: Duration) -> Self {
        let Some(last) = facts.last_frame else {
            return match &facts.failed {
                Some(reason) => Self::NoCamera(reason.clone()),
                None => Self::Connecting,
            };
        };
        let age = now.saturating_sub(last);
        let usual = facts.interval.unwrap_or_default() * MISSED_INTERVALS;
        if age <= stale_after.max(usual.min(SLOWEST)) {
            // A camera with one frame in five seconds leaves its tile empty after the page has changed.
            match facts.blank_for {
                Some(blank) if blank > BLANK_LIMIT => Self::Connecting,
                _ => Self::Live,
            }
        } else {
            Self::Stale {
                age,
                reason: facts.failed.clone(),
            }
        }
    }

    /// The text of the tile, in capitals. `None` for live video.
    pub fn headline(&self) -> Option<String> {
        match self {
            Self::Live => None,
            Self::Stale { age, .. } => Some(format!("STALE {}", elapsed(*age))),
            Self::Connecting => Some("CONNECTING".to_owned()),
            Self::NoCamera(_) => Some("NO CAMERA".to_owned()),
        }
    }

    /// The reason of the state, if known.
    pub fn reason(&self) -> Option<&Reason> {
        match self {
            Self::NoCamera(reason) => Some(reason),
            Self::Stale { reason, .. } => reason.as_ref(),
            Self::Live | Self::Connecting => None,
        }
    }
}

impl Analysis {
    /// The state at `now`.
    pub fn of(facts: &AnalysisFacts, now: Duration) -> Self {
        let seen = facts
            .last_event
            .is_some_and(|at| now.saturating_sub(at) <= EVENTS_COUNT_FOR);
        match facts {
            AnalysisFacts {
                connected: false, ..
            } => Self::NoBroker,
            AnalysisFacts { paused: true, .. } => Self::Paused,
            AnalysisFacts { claimed, late, .. } if *claimed || seen => {
                if *late {
                    Self::Late
                } else {
                    Self::Ok
                }
            }
            _ => Self::NoProcessor,
        }
    }

    /// The text of the tile, in capitals. `None` if the analysis is in order.
    pub fn headline(&self) -> Option<&'static str> {
        match self {
            Self::Ok => None,
            Self::Late => Some("LATE"),
            Self::Paused => Some("PAUSED"),
            Self::NoProcessor => Some("NO PROCESSOR"),
            Self::NoBroker => Some("NO BROKER"),
        }
    }
}

impl Recording {
    /// The text of the tile, in capitals. `None` if the recording is in order.
    pub fn headline(self) -> Option<&'static str> {
        match self {
            Self::Ok => None,
            Self::Failing => Some("NOT RECORDING"),
        }
    }
}

/// Formats a time span: `8 s`, `3 min`, `2 h 5 min`, `4 d`.
fn elapsed(time: Duration) -> String {
    match time.as_secs() {
        seconds @ 0..120 => format!("{seconds} s"),
        seconds @ 120..7200 => format!("{} min", seconds / 60),
        seconds @ 7200..172_800 => {
            format!("{} h {} min", seconds / 3600, seconds % 3600 / 60)
        }
        seconds => format!("{} d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(2);

    fn at(seconds: f64) -> Duration {
        Duration::from_secs_f64(seconds)
    }

    fn refused() -> Reason {
        Reason {
            code: "unauthorized".to_owned(),
            message: "camera 3 refuses the login".to_owned(),
            since: Timestamp::UNIX_EPOCH,
        }
    }

    fn frames_until(last: f64) -> VideoFacts {
        VideoFacts {
            last_frame: Some(at(last)),
            interval: Some(at(0.04)),
            failed: None,
            blank_for: None,
        }
    }

    #[test]
    fn a_picture_is_live_only_while_frames_come() {
        let facts = frames_until(10.0);
        assert_eq!(Video::of(&facts, at(12.0), LIMIT), Video::Live);
        let stale = Video::of(&facts, at(12.1), LIMIT);
        assert_eq!(stale.headline().as_deref(), Some("STALE 2 s"));
        assert_eq!(
            Video::of(&facts, at(200.0), LIMIT).headline().as_deref(),
            Some("STALE 3 min")
        );
    }

    #[test]
    fn a_session_that_only_calls_itself_live_does_not_count() {
        // The session has not failed, but no frames arrive.
        let video = Video::of(&frames_until(0.0), at(60.0), LIMIT);
        assert!(
            matches!(video, Video::Stale { reason: None, .. }),
            "{video:?}"
        );
    }

    #[test]
    fn a_slow_camera_is_not_stale_between_two_pictures() {
        let facts = VideoFacts {
            interval: Some(at(5.0)),
            ..frames_until(0.0)
        };
        assert_eq!(Video::of(&facts, at(14.0), LIMIT), Video::Live);
        assert!(matches!(
            Video::of(&facts, at(15.5), LIMIT),
            Video::Stale { .. }
        ));
    }

    #[test]
    fn a_tile_that_waits_for_its_first_picture_connects() {
        let mut facts = frames_until(10.0);
        facts.blank_for = Some(at(1.5));
        assert_eq!(Video::of(&facts, at(10.0), LIMIT), Video::Live);
        facts.blank_for = Some(at(1.6));
        assert_eq!(Video::of(&facts, at(10.0), LIMIT), Video::Connecting);
    }

    #[test]
    fn a_camera_that_was_never_seen_says_why() {
        let mut facts = VideoFacts {
            last_frame: None,
            interval: None,
            failed: None,
            blank_for: None,
        };
        assert_eq!(Video::of(&facts, at(1.0), LIMIT), Video::Connecting);
        facts.failed = Some(refused());
        assert_eq!(
            Video::of(&facts, at(1.0), LIMIT),
            Video::NoCamera(refused())
        );
    }

    #[test]
    fn analysis_depends_on_the_broker_then_the_processor_then_the_pause() {
        let well = AnalysisFacts {
            connected: true,
            claimed: true,
            paused: false,
            last_event: None,
            late: false,
        };
        let late = AnalysisFacts { late: true, ..well };
        let cases = [
            (well, Analysis::Ok),
            (late, Analysis::Late),
            (
                AnalysisFacts {
                    paused: true,
                    ..late
                },
                Analysis::Paused,
            ),
            (
                AnalysisFacts {
                    claimed: false,
                    ..late
                },
                Analysis::NoProcessor,
            ),
            (
                AnalysisFacts {
                    paused: true,
                    ..well
                },
                Analysis::Paused,
            ),
            (
                AnalysisFacts {
                    claimed: false,
                    ..well
                },
                Analysis::NoProcessor,
            ),
            (
                AnalysisFacts {
                    connected: false,
                    ..well
                },
                Analysis::NoBroker,
            ),
        ];
        for (facts, wanted) in cases {
            assert_eq!(Analysis::of(&facts, at(1.0)), wanted);
        }
    }

    #[test]
    fn events_stand_for_a_processor_that_publishes_no_status() {
        let facts = AnalysisFacts {
            connected: true,
            claimed: false,
            paused: false,
            last_event: Some(at(10.0)),
            late: false,
        };
        assert_eq!(Analysis::of(&facts, at(14.0)), Analysis::Ok);
        assert_eq!(Analysis::of(&facts, at(16.0)), Analysis::NoProcessor);
    }

    #[test]
    fn time_spans_grow_with_their_units() {
        let words: Vec<String> = [0, 119, 120, 7199, 7200, 90_000, 172_800]
            .map(|seconds| elapsed(Duration::from_secs(seconds)))
            .into();
        assert_eq!(
            words,
            [
                "0 s",
                "119 s",
                "2 min",
                "119 min",
                "2 h 0 min",
                "25 h 0 min",
                "2 d"
            ]
        );
    }
}

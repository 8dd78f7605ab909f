//! What a wall says of a camera: a pair, video and analysis, each from what is known and never from what is hoped.
//!
//! Pure: fed with facts, asked at any time. A picture that no access unit stands behind is stale, whatever its session
//! says of itself; a status whose processor is gone is void.

use std::time::Duration;

use jiff::Timestamp;

/// Both, of one camera: what its tile, the page, `/state.json` and the metrics tell. It is derived in one place
/// (`WallContext::camera_state`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CameraState {
    /// How its picture is.
    pub video: Video,
    /// Whether somebody looks for objects in it.
    pub analysis: Analysis,
}

/// How a camera's picture is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Video {
    /// New pictures come.
    Live,
    /// The last picture is shown dimmed; this is its age.
    Stale {
        /// Since the last frame.
        age: Duration,
        /// Why, where that is known.
        reason: Option<Reason>,
    },
    /// No picture yet, and nothing wrong so far.
    Connecting,
    /// There is no picture, for a reason.
    NoCamera(Reason),
}

/// Why there is no picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// For machines, as in SourceStatus: `unreachable`, `unauthorized`, `no-decoder`.
    pub code: String,
    /// For people.
    pub message: String,
    /// Since when.
    pub since: Timestamp,
}

/// Whether somebody looks for objects in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Analysis {
    /// A processor does.
    Ok,
    /// One does, and its events come later than video can be held back for them: boxes that are missing mean nothing, and those
    /// that are drawn are of another picture.
    Late,
    /// A processor could, and was told not to.
    Paused,
    /// None does: boxes that are missing mean nothing.
    NoProcessor,
    /// Nobody knows: there is no connection to the broker.
    NoBroker,
}

/// What is known of a camera's session on this wall.
#[derive(Debug, Clone, PartialEq)]
pub struct VideoFacts {
    /// When the last frame was decoded, monotonic.
    pub last_frame: Option<Duration>,
    /// Usual time between two of them.
    pub interval: Option<Duration>,
    /// Why the session failed, where it did.
    pub failed: Option<Reason>,
    /// For how long the tile has had nothing to show; nothing where it shows a picture, or the camera has no tile.
    pub blank_for: Option<Duration>,
}

/// What is known of a camera's analysis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AnalysisFacts {
    /// Whether there is a connection to the broker.
    pub connected: bool,
    /// A valid status of a processor that is online says so.
    pub claimed: bool,
    /// That status says that the source is paused.
    pub paused: bool,
    /// When the last event came, monotonic: processors that publish no statuses are known by their events alone.
    pub last_event: Option<Duration>,
    /// Whether they come too late for the pictures that they were found in.
    pub late: bool,
}

/// A source is stale when nothing came for so many of its usual intervals: cameras of one frame in five seconds exist.
const MISSED_INTERVALS: u32 = 3;
/// But no camera is that slow.
const SLOWEST: Duration = Duration::from_secs(30);
/// Events of a processor without statuses keep its analysis alive for so long.
const EVENTS_COUNT_FOR: Duration = Duration::from_secs(5);
/// A tile may be empty for so long before it says that it waits: the longest delay of video, and a frame or two.
const BLANK_LIMIT: Duration = Duration::from_millis(1500);

impl CameraState {
    /// Whether new pictures are shown.
    pub fn is_live(&self) -> bool {
        self.video == Video::Live
    }

    /// Whether the newest event's latency tells something of the picture that is shown.
    pub fn has_latency(&self) -> bool {
        self.is_live() && matches!(self.analysis, Analysis::Ok | Analysis::Late)
    }

    /// What the tile says in capitals; empty where all is well.
    pub fn text(&self) -> String {
        let words: Vec<String> = self
            .video
            .headline()
            .into_iter()
            .chain(self.analysis.headline().map(str::to_owned))
            .collect();
        words.join(" · ")
    }
}

impl Video {
    /// The state at `now`; `stale_after` is the setting.
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
            // Of a camera that sends a frame in five seconds, on a page that has just been turned.
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

    /// What the tile says, in capitals; nothing where all is well.
    pub fn headline(&self) -> Option<String> {
        match self {
            Self::Live => None,
            Self::Stale { age, .. } => Some(format!("STALE {}", elapsed(*age))),
            Self::Connecting => Some("CONNECTING".to_owned()),
            Self::NoCamera(_) => Some("NO CAMERA".to_owned()),
        }
    }

    /// Why, where that is known.
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

    /// What the tile says, in capitals; nothing where all is well.
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

/// A time span for people across the room: `8 s`, `3 min`, `2 h 5 min`, `4 d`.
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
        // No failure is known, the session stands, and yet nothing comes.
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
    fn analysis_goes_from_the_broker_to_the_processor_to_its_wish() {
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

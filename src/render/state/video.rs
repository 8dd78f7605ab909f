//! The state of a camera's video on a wall, derived from observed facts.
//!
//! A pure function of the facts and the time. If no frames arrive the picture is stale, even while the session reports that it
//! is live.

use std::time::Duration;

use jiff::Timestamp;

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

/// A source is stale if no frame arrives for this many of its mean intervals. Some cameras send one frame in five seconds.
const MISSED_INTERVALS: u32 = 3;
/// Upper limit of that time.
const SLOWEST: Duration = Duration::from_secs(30);
/// A tile is shown as connecting when it has been empty for this long: the longest video delay and one or two frames.
const BLANK_LIMIT: Duration = Duration::from_millis(1500);

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

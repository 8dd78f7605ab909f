//! The state of a camera on a wall: its video, its analysis and its recording, all derived from observed facts.
//!
//! Pure functions of the facts and the time. A status counts only while its processor is online.

mod video;

use std::time::Duration;

pub use video::{Reason, Video, VideoFacts};

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

/// A processor without a status counts as active for this long after an event.
const EVENTS_COUNT_FOR: Duration = Duration::from_secs(5);

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

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: f64) -> Duration {
        Duration::from_secs_f64(seconds)
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
}

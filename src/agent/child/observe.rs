//! The state of a role as the cycle needs it: which sources flow, and whether the picture moves. Pure.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::base::SourceId;
use crate::control::wall_state::VideoState;
use crate::control::{DetectorStatus, DisplayStatus, RecorderStatus, Status, WallStatus};
use crate::event::SourceState;

/// The state of a role at one moment.
#[derive(Debug, Clone, PartialEq, Default)]
pub(in crate::agent) struct Observation {
    /// Its sources, and whether frames of each flow.
    pub(in crate::agent) flows: BTreeMap<SourceId, bool>,
    /// Whether the picture of a wall has changed since the last observation; `None` without a picture, and of a processor.
    pub(in crate::agent) picture: Option<bool>,
    /// The detector of a processor.
    pub(in crate::agent) detector: Option<DetectorStatus>,
    /// The recorder of a processor.
    pub(in crate::agent) recorder: Option<RecorderStatus>,
    /// The number of planes that a wall uses on each of its outputs.
    pub(in crate::agent) planes: Option<BTreeMap<String, u32>>,
    /// The monitors of a wall.
    pub(in crate::agent) screen: Option<Screen>,
}

/// The monitors of a wall.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::agent) struct Screen {
    /// Those that are plugged in and switched on, by name.
    pub(in crate::agent) monitors: BTreeSet<String>,
    /// Those of them that have taken a picture.
    pub(in crate::agent) shown: BTreeSet<String>,
    /// Why the display can't be opened.
    pub(in crate::agent) trouble: Option<String>,
}

/// Compares the statuses of one role.
#[derive(Debug, Default)]
pub(super) struct Observer {
    /// Composed scenes of all heads at the last status.
    scenes: Option<u64>,
}

impl Observer {
    /// The observation of a status.
    pub(super) fn observe(&mut self, status: &Status) -> Observation {
        match status {
            Status::Processor(processor) => {
                let flows = processor.sources.iter().map(|source| {
                    // A paused source is not analysed; its session still runs. Without a detector it decodes hardly anything.
                    let has_arrived = source.metrics.codec.is_some();
                    let flows = match source.state {
                        SourceState::Live => true,
                        SourceState::Paused => has_arrived && source.reason.is_none(),
                        _ => false,
                    };
                    (source.source_id, flows)
                });
                Observation {
                    flows: flows.collect(),
                    picture: None,
                    detector: processor.detector.clone(),
                    recorder: processor.recorder.clone(),
                    planes: None,
                    screen: None,
                }
            }
            Status::Wall(wall) => {
                let tiles = wall.state.tiles.iter();
                let flows =
                    tiles.map(|tile| (tile.source_id, tile.video.state == VideoState::Live));
                let scenes = wall.state.heads.iter().map(|head| head.scenes).sum();
                let before = self.scenes.replace(scenes);
                // A wall without a monitor composes nothing.
                let has_picture = scenes > 0;
                Observation {
                    flows: flows.collect(),
                    picture: has_picture.then(|| before.is_some_and(|before| before != scenes)),
                    detector: None,
                    recorder: None,
                    planes: Some(planes(wall.displays.as_ref())),
                    screen: Some(screen(wall)),
                }
            }
        }
    }

    /// The next status is that of another process.
    pub(super) fn forget(&mut self) {
        self.scenes = None;
    }
}

fn screen(wall: &WallStatus) -> Screen {
    let visible = wall.state.heads.iter().filter(|head| head.visible);
    let shown = visible.clone().filter(|head| head.scenes > 0);
    let displays = wall.displays.as_ref();
    Screen {
        monitors: visible.map(|head| head.name.clone()).collect(),
        shown: shown.map(|head| head.name.clone()).collect(),
        trouble: displays.and_then(|displays| displays.trouble.clone()),
    }
}

/// The planes of the monitors that are switched on.
fn planes(displays: Option<&DisplayStatus>) -> BTreeMap<String, u32> {
    let heads = displays.iter().flat_map(|displays| &displays.heads);
    let of_head = |head: &Value| {
        let planes = head.get("planes")?.as_array()?.len();
        let connector = head.get("connector")?.as_str()?.to_owned();
        Some((connector, u32::try_from(planes).ok()?))
    };
    heads.filter_map(of_head).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::ProcessorStatus;
    use crate::control::wall_state::{Head, Tile};
    use crate::event::SourceStatus;

    fn wall(scenes: u64, state: VideoState) -> Status {
        let mut status = WallStatus::default();
        status.state.heads = vec![Head {
            scenes,
            ..Head::default()
        }];
        let mut tile = Tile {
            source_id: SourceId(3),
            ..Tile::default()
        };
        tile.video.state = state;
        status.state.tiles = vec![tile];
        Status::Wall(status)
    }

    #[test]
    fn a_picture_moves_when_scenes_are_composed() {
        let mut observer = Observer::default();
        let mut picture = |scenes| observer.observe(&wall(scenes, VideoState::Live)).picture;
        assert_eq!(picture(0), None);
        assert_eq!(picture(5), Some(true));
        assert_eq!(picture(5), Some(false));
        assert_eq!(picture(6), Some(true));
    }

    #[test]
    fn a_monitor_has_taken_a_picture_when_a_scene_was_presented() {
        let screen = |scenes, visible| {
            let mut status = WallStatus::default();
            let name = "HDMI-A-1".to_owned();
            status.state.heads = vec![Head {
                name,
                visible,
                scenes,
                ..Head::default()
            }];
            let found = Observer::default().observe(&Status::Wall(status)).screen;
            let found = found.expect("a wall has one");
            (found.monitors.len(), found.shown.len())
        };
        assert_eq!(screen(5, true), (1, 1));
        assert_eq!(screen(0, true), (1, 0));
        assert_eq!(screen(5, false), (0, 0));
    }

    #[test]
    fn only_live_video_flows() {
        let flows = |state| Observer::default().observe(&wall(1, state)).flows;
        assert!(flows(VideoState::Live)[&SourceId(3)]);
        assert!(!flows(VideoState::Stale)[&SourceId(3)]);
    }

    #[test]
    fn a_source_without_a_detector_flows_while_its_session_runs() {
        let flows = |codec: Option<&str>, reason: Option<&str>| {
            let reason =
                reason.map(|code| serde_json::json!({"code": code, "message": "it is off"}));
            let source: SourceStatus = serde_json::from_value(serde_json::json!({
                "source_id": 3, "instance_id": "box", "session": "0", "state": "paused", "since": "2026-01-01T00:00:00Z",
                "reason": reason, "uri": "rtsp://a/", "codec": codec, "fps_in": 0.0, "dropped": 0, "reconnects": 0,
            }))
            .expect("a status");
            let status = Status::Processor(ProcessorStatus {
                sources: vec![source],
                ..ProcessorStatus::default()
            });
            Observer::default().observe(&status).flows[&SourceId(3)]
        };
        assert!(flows(Some("h264"), None));
        assert!(!flows(Some("h264"), Some("connection-refused")));
        assert!(!flows(None, None), "nothing has arrived");
    }

    #[test]
    fn planes_are_those_of_the_outputs_that_a_wall_uses() {
        let lit =
            serde_json::json!({"connector": "HDMI-A-1", "planes": [{"plane": 31}, {"plane": 32}]});
        let dark = serde_json::json!({"card": "/dev/dri/card0"});
        let status = WallStatus {
            displays: Some(DisplayStatus {
                heads: vec![lit, dark],
                trouble: None,
            }),
            ..WallStatus::default()
        };
        let observed = Observer::default().observe(&Status::Wall(status));
        let expected = BTreeMap::from([("HDMI-A-1".to_owned(), 2)]);
        assert_eq!(observed.planes, Some(expected));
    }
}

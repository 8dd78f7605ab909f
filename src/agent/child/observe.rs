//! The state of a role as the cycle needs it: which sources flow, and whether the picture moves. Pure.

use std::collections::BTreeMap;

use crate::base::SourceId;
use crate::control::Status;
use crate::control::wall_state::VideoState;
use crate::event::SourceState;

/// The state of a role at one moment.
#[derive(Debug, Clone, PartialEq, Default)]
pub(in crate::agent) struct Observation {
    /// Its sources, and whether frames of each flow.
    pub(in crate::agent) flows: BTreeMap<SourceId, bool>,
    /// Whether the picture of a wall has changed since the last observation; `None` without a picture, and of a processor.
    pub(in crate::agent) picture: Option<bool>,
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
                    // A paused source is not analysed; its frames still arrive.
                    let arrives = source.metrics.fps_in.is_some_and(|fps| fps > 0.0);
                    let flows = match source.state {
                        SourceState::Live => true,
                        SourceState::Paused => arrives,
                        _ => false,
                    };
                    (source.source_id, flows)
                });
                Observation {
                    flows: flows.collect(),
                    picture: None,
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
                }
            }
        }
    }

    /// The next status is that of another process.
    pub(super) fn forget(&mut self) {
        self.scenes = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::WallStatus;
    use crate::control::wall_state::{Head, Tile};

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
    fn only_live_video_flows() {
        let flows = |state| Observer::default().observe(&wall(1, state)).flows;
        assert!(flows(VideoState::Live)[&SourceId(3)]);
        assert!(!flows(VideoState::Stale)[&SourceId(3)]);
    }
}

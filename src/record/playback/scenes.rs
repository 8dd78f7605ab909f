//! Puts the objects of analysed frames on the frames of a recording.

use std::collections::HashMap;
use std::time::Duration;

use super::super::scene::Scene;

/// The time between two frames where there are no two: that of 25 frames a second.
const ASSUMED_INTERVAL: Duration = Duration::from_millis(40);

/// The times by which a frame is recognised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FrameTime {
    /// Capture time since the Unix epoch.
    pub(super) captured_unix: Duration,
    /// RTCP NTP time as Unix nanoseconds, where the camera told it.
    pub(super) ntp_ns: Option<u64>,
}

/// The scene of each frame. A scene belongs to the frame of the same NTP time; without one, to the frame that was captured nearest to
/// it, within half the usual time between two frames. Of several scenes for one frame the nearest counts, of equally near ones the
/// first. A scene without a frame is dropped.
pub(super) fn by_frame(frames: &[FrameTime], scenes: Vec<Scene>) -> Vec<Option<Scene>> {
    let by_ntp: HashMap<u64, usize> = frames
        .iter()
        .enumerate()
        .filter_map(|(index, frame)| Some((frame.ntp_ns?, index)))
        .collect();
    let by_time = ByTime::new(frames);
    // What a scene is away from its frame, and whether the NTP time tells them to belong together.
    let mut pairs: Vec<(bool, Duration, usize, Scene)> = scenes
        .into_iter()
        .filter_map(|scene| {
            let same = scene.ntp_ns.and_then(|ntp_ns| by_ntp.get(&ntp_ns));
            if let Some(&frame) = same {
                return Some((false, Duration::ZERO, frame, scene));
            }
            let (distance, frame) = by_time.nearest(scene.captured_unix)?;
            Some((true, distance, frame, scene))
        })
        .collect();
    pairs.sort_by_key(|&(by_capture_time, distance, ..)| (by_capture_time, distance));
    let mut found: Vec<Option<Scene>> = Vec::new();
    found.resize_with(frames.len(), || None);
    for (_, _, frame, scene) in pairs {
        found[frame].get_or_insert(scene);
    }
    found
}

/// The frame that was captured nearest to a time, within half the usual time between two frames.
pub(super) fn nearest(frames: &[FrameTime], time: Duration) -> Option<usize> {
    let nearest = ByTime::new(frames).nearest(time);
    nearest.map(|(_, frame)| frame)
}

/// Frames in the order of their capture times.
struct ByTime {
    frames: Vec<(Duration, usize)>,
    /// The longest time between a frame and its scene.
    tolerance: Duration,
}

impl ByTime {
    fn new(frames: &[FrameTime]) -> Self {
        let mut frames: Vec<_> = frames
            .iter()
            .enumerate()
            .map(|(index, frame)| (frame.captured_unix, index))
            .collect();
        frames.sort_unstable();
        let mut intervals: Vec<Duration> = frames
            .windows(2)
            .map(|pair| pair[1].0 - pair[0].0)
            .filter(|interval| !interval.is_zero())
            .collect();
        let middle = intervals.len() / 2;
        let usual = if intervals.is_empty() {
            ASSUMED_INTERVAL
        } else {
            *intervals.select_nth_unstable(middle).1
        };
        Self {
            frames,
            tolerance: usual / 2,
        }
    }

    /// The frame nearest to a time, and how far it is away, if that is within the tolerance.
    fn nearest(&self, time: Duration) -> Option<(Duration, usize)> {
        let after = self
            .frames
            .partition_point(|(captured, _)| *captured < time);
        let around = [after.checked_sub(1), Some(after)];
        around
            .into_iter()
            .flatten()
            .filter_map(|at| self.frames.get(at))
            .map(|&(captured, frame)| (captured.abs_diff(time), frame))
            .min()
            .filter(|(distance, _)| *distance <= self.tolerance)
    }
}

#[cfg(test)]
#[path = "scenes_tests.rs"]
mod tests;

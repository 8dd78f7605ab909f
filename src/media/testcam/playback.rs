//! The pictures of a camera on its own time line: the access units of a clip in an endless loop, or the frames of the
//! pattern.
//!
//! The position on the time line depends only on the camera's clock, so that later viewers see the same as the others.

use std::sync::Arc;
use std::time::Duration;

use super::clip::Clip;
use super::encoder::PatternEncoder;
use super::viewers::{CameraState, Outgoing};
use crate::config::TestPattern;

/// The source of a camera's access units.
#[derive(Debug, Clone)]
pub(super) enum Playback {
    /// A file in memory.
    Clip(Arc<Clip>),
    /// The pattern, encoded only while there are viewers.
    Pattern(TestPattern),
}

/// A thread that wakes later than this (a suspended machine) continues from now instead of catching up.
const CATCH_UP_LIMIT: Duration = Duration::from_secs(1);

impl Playback {
    /// Sends access units when they are due, until the camera is closed. `start` is the start of the camera by its own
    /// clock, `offset` its position at that time.
    pub(super) fn play(&self, camera: &CameraState, start: Duration, offset: Duration) {
        match self {
            Self::Clip(clip) => play_clip(camera, clip, start, offset),
            Self::Pattern(pattern) => play_pattern(camera, *pattern, start, offset),
        }
    }
}

fn play_clip(camera: &CameraState, clip: &Clip, start: Duration, offset: Duration) {
    while camera.wait_for_viewer() {
        let (mut round, mut index) = clip.position(camera.now().saturating_sub(start) + offset);
        loop {
            let unit = &clip.units[index];
            // The start of this round, which may be before the camera's start.
            let round_start = start + clip.period * round;
            let sent = (round_start + unit.sent).saturating_sub(offset);
            if !camera.wait_until(sent, Some(&clip.caps)) {
                break;
            }
            if camera.now().saturating_sub(sent) > CATCH_UP_LIMIT {
                break;
            }
            let shown = (round_start + unit.shown).saturating_sub(offset);
            if let (Ok(shown), Ok(sent)) = (shown.try_into(), sent.try_into()) {
                camera.send(&Outgoing {
                    buffer: unit.buffer.clone(),
                    shown,
                    sent,
                    key: unit.key,
                });
            }
            index += 1;
            if index == clip.units.len() {
                (round, index) = (round + 1, 0);
            }
        }
    }
}

impl Clip {
    /// The first access unit that is due at or after `time` of endless playback: round and index.
    fn position(&self, time: Duration) -> (u32, usize) {
        let period = self.period.as_nanos().max(1);
        let round = u32::try_from(time.as_nanos() / period).unwrap_or(u32::MAX);
        let within = time.saturating_sub(self.period * round);
        match self.units.partition_point(|unit| unit.sent < within) {
            index if index == self.units.len() => (round + 1, 0),
            index => (round, index),
        }
    }
}

fn play_pattern(camera: &CameraState, pattern: TestPattern, start: Duration, offset: Duration) {
    let frame = Duration::from_secs_f64(1.0 / pattern.fps);
    while camera.wait_for_viewer() {
        let mut encoder = match PatternEncoder::start(&pattern) {
            Ok(encoder) => encoder,
            Err(error) => {
                tracing::error!(%error, "the test camera can't encode its pattern");
                return;
            }
        };
        let mut number = frame_at(camera.now().saturating_sub(start) + offset, frame);
        loop {
            let due = (start + frame * number).saturating_sub(offset);
            if !camera.wait_until(due, encoder.caps()) {
                break;
            }
            if camera.now().saturating_sub(due) > CATCH_UP_LIMIT {
                number = frame_at(camera.now().saturating_sub(start) + offset, frame);
                continue;
            }
            if camera.wants_key_frame() {
                encoder.force_key_frame();
            }
            let Some(unit) = encoder.encode(number, due) else {
                tracing::error!("the test camera's encoder stopped");
                return;
            };
            camera.send(&unit);
            number = number.wrapping_add(1);
        }
    }
}

/// The first frame at or after `time`.
fn frame_at(time: Duration, frame: Duration) -> u32 {
    (time.as_nanos().div_ceil(frame.as_nanos().max(1)) & u128::from(u32::MAX)) as u32
}

#[cfg(test)]
mod tests {
    use gstreamer as gst;

    use super::super::clip::AccessUnit;
    use super::*;

    #[test]
    fn a_clip_s_position_depends_only_on_the_time() {
        super::super::super::init().expect("GStreamer starts");
        let ms = Duration::from_millis;
        let unit = |sent| AccessUnit {
            buffer: gst::Buffer::new(),
            sent: ms(sent),
            shown: ms(sent),
            key: sent == 0,
        };
        let clip = Clip {
            caps: gst::Caps::new_empty_simple("video/x-h264"),
            units: vec![unit(0), unit(40), unit(80)],
            period: ms(120),
        };
        assert_eq!(clip.position(ms(0)), (0, 0));
        assert_eq!(clip.position(ms(1)), (0, 1));
        assert_eq!(clip.position(ms(80)), (0, 2));
        // After the last unit, the first one of the next round is due.
        assert_eq!(clip.position(ms(81)), (1, 0));
        assert_eq!(clip.position(ms(120)), (1, 0));
        assert_eq!(clip.position(ms(121)), (1, 1));
        assert_eq!(clip.position(ms(120_000 + 41)), (1000, 2));
    }

    #[test]
    fn the_next_frame_of_the_pattern_is_never_in_the_past() {
        let frame = Duration::from_millis(40);
        assert_eq!(frame_at(Duration::ZERO, frame), 0);
        assert_eq!(frame_at(Duration::from_millis(1), frame), 1);
        assert_eq!(frame_at(Duration::from_millis(40), frame), 1);
        assert_eq!(frame_at(Duration::from_secs(86_400), frame), 2_160_000);
    }
}

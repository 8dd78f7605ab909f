//! Decides which access units of a stream are decoded, by the rate of pictures that the consumer needs.
//!
//! Where key frames come often enough, they alone are decoded. Elsewhere all pictures are decoded that others refer to, and of those
//! to which none refers only as many as are needed. The decision is made before the decoder, because decoding is what a camera costs.

use std::time::Duration;

use crate::config::DecodeChoice;

/// Key frames alone are decoded where the time between them is at most this many times the wanted interval.
const KEY_TOLERANCE: f64 = 1.1;
/// A picture is needed this part of the wanted interval after the one before. Less than 1, because the consumer drops what is too much, and
/// two limits of the same rate would lose pictures to jitter.
const EARLY: f64 = 0.8;
/// Below this rate, in frames per second, pictures are so rare that the decoder is closed between them.
const RARE_FPS: f64 = 1.0 / 60.0;

/// What other pictures of the stream have to do with an access unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum UnitKind {
    /// Decoding can start with it.
    Key,
    /// Others refer to it, or may do.
    Referred,
    /// No other picture refers to it.
    Disposable,
}

/// The pictures that the consumer of a stream needs.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct WantedRate {
    /// The most pictures per second; none for all.
    pub(super) max_fps: Option<f64>,
    /// The setting of the camera.
    pub(super) decode: DecodeChoice,
}

/// The state between two access units of a stream.
#[derive(Debug, Default)]
pub(super) struct UnitChoice {
    last_key: Option<Duration>,
    /// The last two times between key frames.
    key_intervals: [Option<Duration>; 2],
    keys_only: bool,
    /// A unit was skipped to which later ones may refer: none is decoded up to the next key frame.
    is_broken: bool,
    /// The media time of a key frame whose picture the decoder has not given yet. Some decoders give it after a further unit.
    awaited: Option<u64>,
    last_decoded: Option<Duration>,
    last_decoded_key: Option<Duration>,
}

impl UnitChoice {
    /// Whether the unit that arrived at `at` is decoded. `pts` is its media time in nanoseconds.
    pub(super) fn admits(
        &mut self,
        kind: UnitKind,
        pts: Option<u64>,
        at: Duration,
        wanted: WantedRate,
    ) -> bool {
        let admits = match kind {
            UnitKind::Key => self.key(pts, at, wanted),
            UnitKind::Disposable if self.tells_disposable(wanted) => {
                !self.is_broken && is_due(self.last_decoded, at, wanted.max_fps)
            }
            UnitKind::Referred | UnitKind::Disposable => self.referred(),
        };
        if admits {
            self.last_decoded = Some(at);
        }
        admits
    }

    /// Whether it matters that no other picture refers to one: its unit has to be read for that.
    pub(super) fn tells_disposable(&self, wanted: WantedRate) -> bool {
        !self.keys_only && wanted.decode == DecodeChoice::Auto && wanted.max_fps.is_some()
    }

    /// The decoder has given the picture of this media time.
    pub(super) fn picture(&mut self, pts: Option<u64>) {
        if self
            .awaited
            .is_some_and(|awaited| pts.is_none_or(|pts| pts >= awaited))
        {
            self.awaited = None;
        }
    }

    /// Whether the decoder has given what is wanted, and the next picture is wanted much later.
    pub(super) fn may_rest(&self, at: Duration, wanted: WantedRate) -> bool {
        let is_rare = wanted.max_fps.is_some_and(|fps| fps < RARE_FPS);
        let has_given = self.last_decoded_key.is_some() && self.awaited.is_none();
        is_rare && self.keys_only && has_given && !is_due(self.last_decoded_key, at, wanted.max_fps)
    }

    /// The unit that arrived at `at` is not decoded, because the decoder is closed.
    pub(super) fn missed(&mut self, kind: UnitKind, at: Duration) {
        if kind == UnitKind::Key {
            self.key_came(at);
        }
        self.is_broken = true;
    }

    fn key_came(&mut self, at: Duration) {
        if let Some(last) = self.last_key.replace(at) {
            self.key_intervals = [Some(at.saturating_sub(last)), self.key_intervals[0]];
        }
    }

    fn key(&mut self, pts: Option<u64>, at: Duration, wanted: WantedRate) -> bool {
        self.key_came(at);
        let keys_only = match wanted.decode {
            DecodeChoice::All => false,
            DecodeChoice::Key => true,
            DecodeChoice::Auto => self.keys_suffice(wanted.max_fps),
        };
        if keys_only != self.keys_only {
            self.keys_only = keys_only;
            tracing::debug!(keys_only, "other pictures of the stream are decoded");
        }
        let admits = !keys_only || is_due(self.last_decoded_key, at, wanted.max_fps);
        self.is_broken = !admits;
        if admits {
            self.last_decoded_key = Some(at);
            self.awaited = Some(pts.unwrap_or_default());
        }
        admits
    }

    fn referred(&mut self) -> bool {
        self.is_broken |= self.keys_only && self.awaited.is_none();
        !self.is_broken
    }

    fn keys_suffice(&self, max_fps: Option<f64>) -> bool {
        max_fps.is_some_and(|fps| {
            self.key_intervals
                .iter()
                .all(|interval| interval.is_some_and(|it| it.as_secs_f64() * fps <= KEY_TOLERANCE))
        })
    }
}

/// Whether a picture is needed at `at`, after the one at `last`.
fn is_due(last: Option<Duration>, at: Duration, max_fps: Option<f64>) -> bool {
    match (last, max_fps) {
        (Some(last), Some(fps)) => at.saturating_sub(last).as_secs_f64() * fps >= EARLY,
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FPS: u32 = 25;
    const ONE: WantedRate = WantedRate {
        max_fps: Some(1.0),
        decode: DecodeChoice::Auto,
    };

    fn time(unit: u32) -> Duration {
        Duration::from_secs(100) + Duration::from_secs(1) * unit / FPS
    }

    /// Whether each of `units` is decoded, of a stream with a key frame every `group` units. The decoder gives each picture at once.
    fn decoded(
        choice: &mut UnitChoice,
        units: std::ops::Range<u32>,
        group: u32,
        wanted: WantedRate,
    ) -> Vec<bool> {
        units
            .map(|unit| {
                let kind = match unit % group {
                    0 => UnitKind::Key,
                    _ => UnitKind::Referred,
                };
                let pts = Some(u64::from(unit));
                let admits = choice.admits(kind, pts, time(unit), wanted);
                if admits {
                    choice.picture(pts);
                }
                admits
            })
            .collect()
    }

    fn count(decoded: &[bool]) -> usize {
        decoded.iter().filter(|it| **it).count()
    }

    #[test]
    fn key_frames_alone_are_decoded_where_they_come_often_enough() {
        let mut choice = UnitChoice::default();
        // Two intervals are seen first.
        let start = decoded(&mut choice, 0..51, FPS, ONE);
        assert_eq!(count(&start), 51);
        let later = decoded(&mut choice, 51..551, FPS, ONE);
        let keys: Vec<bool> = (51..551).map(|unit| unit % FPS == 0).collect();
        assert_eq!(later, keys);
    }

    #[test]
    fn a_camera_with_rare_key_frames_is_decoded_whole() {
        let mut choice = UnitChoice::default();
        assert_eq!(count(&decoded(&mut choice, 0..1500, 10 * FPS, ONE)), 1500);
        // Also if it had frequent ones before: only the first long group is missing.
        let mut choice = UnitChoice::default();
        decoded(&mut choice, 0..250, FPS, ONE);
        let first = decoded(&mut choice, 250..500, 10 * FPS, ONE);
        assert_eq!(count(&first), 1);
        assert_eq!(count(&decoded(&mut choice, 500..1000, 10 * FPS, ONE)), 500);
    }

    #[test]
    fn a_higher_rate_is_followed_from_the_next_key_frame_on() {
        let mut choice = UnitChoice::default();
        decoded(&mut choice, 0..110, FPS, ONE);
        let five = WantedRate {
            max_fps: Some(5.0),
            ..ONE
        };
        let after = decoded(&mut choice, 110..160, FPS, five);
        let wanted: Vec<bool> = (110..160).map(|unit| unit >= 125).collect();
        assert_eq!(after, wanted);
        assert_eq!(
            count(&decoded(&mut choice, 160..260, FPS, WantedRate::default())),
            100
        );
    }

    #[test]
    fn of_pictures_that_are_all_key_frames_only_as_many_as_needed_are_decoded() {
        let mut choice = UnitChoice::default();
        let five = WantedRate {
            max_fps: Some(5.0),
            ..ONE
        };
        decoded(&mut choice, 0..10, 1, five);
        // One of four: the consumer drops what is too much.
        let pictures = decoded(&mut choice, 10..1010, 1, five);
        assert_eq!(count(&pictures), 250);
        assert_eq!(
            count(&decoded(&mut choice, 1010..1110, 1, WantedRate::default())),
            100
        );
    }

    #[test]
    fn a_decoder_that_needs_a_further_unit_for_a_picture_gets_it() {
        let mut choice = UnitChoice::default();
        decoded(&mut choice, 0..75, FPS, ONE);
        assert!(choice.admits(UnitKind::Key, Some(75), time(75), ONE));
        choice.picture(Some(74));
        assert!(choice.admits(UnitKind::Referred, Some(76), time(76), ONE));
        choice.picture(Some(75));
        assert!(!choice.admits(UnitKind::Referred, Some(77), time(77), ONE));
        // One that states no times gives the key frame next.
        assert!(choice.admits(UnitKind::Key, None, time(100), ONE));
        choice.picture(None);
        assert!(!choice.admits(UnitKind::Referred, None, time(101), ONE));
    }

    #[test]
    fn pictures_to_which_none_refers_are_decoded_only_if_needed() {
        let mut choice = UnitChoice::default();
        let ten = WantedRate {
            max_fps: Some(10.0),
            ..ONE
        };
        let mut admitted = |wanted| {
            let kind = |unit| match unit % 250 {
                0 => UnitKind::Key,
                // Every fifth picture refers to the one five before.
                unit if unit % 5 == 0 => UnitKind::Referred,
                _ => UnitKind::Disposable,
            };
            let admitted = (0..250).map(|unit| choice.admits(kind(unit), None, time(unit), wanted));
            admitted.collect::<Vec<bool>>()
        };
        let group = admitted(ten);
        // 5 of 25 are referred to; of the others each second one is 80 ms after the one before.
        assert!(group.iter().step_by(5).all(|it| *it));
        assert_eq!(count(&group), 50 + 100);
        let all = WantedRate {
            decode: DecodeChoice::All,
            ..ten
        };
        assert_eq!(count(&admitted(all)), 250);
    }

    #[test]
    fn a_decoder_rests_between_rare_pictures() {
        let mut choice = UnitChoice::default();
        let rare = WantedRate {
            max_fps: Some(0.001),
            decode: DecodeChoice::Key,
        };
        assert!(!choice.may_rest(time(0), rare), "it has given no picture");
        assert!(choice.admits(UnitKind::Key, Some(0), time(0), rare));
        assert!(!choice.may_rest(time(1), rare), "the picture is awaited");
        choice.picture(Some(0));
        assert!(choice.may_rest(time(1), rare));
        let often = WantedRate {
            max_fps: None,
            ..rare
        };
        assert!(!choice.may_rest(time(1), often));
        assert!(!choice.may_rest(time(1), ONE));
        assert!(!choice.may_rest(time(0) + Duration::from_secs(1000), rare));
        let all = WantedRate {
            decode: DecodeChoice::All,
            ..rare
        };
        assert!(choice.admits(UnitKind::Key, Some(2), time(2), all));
        choice.picture(Some(2));
        assert!(!choice.may_rest(time(3), all), "all pictures are decoded");
    }

    #[test]
    fn after_a_rest_decoding_begins_with_a_key_frame() {
        let mut choice = UnitChoice::default();
        assert!(choice.admits(UnitKind::Key, None, time(0), WantedRate::default()));
        choice.missed(UnitKind::Referred, time(1));
        assert!(!choice.admits(UnitKind::Referred, None, time(2), WantedRate::default()));
        choice.missed(UnitKind::Key, time(3));
        assert!(!choice.admits(UnitKind::Referred, None, time(4), WantedRate::default()));
        assert!(choice.admits(UnitKind::Key, None, time(5), WantedRate::default()));
        assert!(choice.admits(UnitKind::Referred, None, time(6), WantedRate::default()));
    }

    #[test]
    fn the_setting_decides_over_the_rate() {
        let mut choice = UnitChoice::default();
        let keys = WantedRate {
            max_fps: None,
            decode: DecodeChoice::Key,
        };
        assert_eq!(count(&decoded(&mut choice, 0..1000, 10 * FPS, keys)), 4);
        let all = WantedRate {
            decode: DecodeChoice::All,
            ..ONE
        };
        assert_eq!(count(&decoded(&mut choice, 1000..1500, FPS, all)), 500);
    }
}

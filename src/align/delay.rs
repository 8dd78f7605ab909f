//! The delay of frames, which changes slowly so that viewers do not notice it.
//!
//! The delay rises by a quarter of the time that passes: video plays at three quarters of its speed until boxes arrive in time,
//! about a second after the start. It falls by 1/50 of the time that passes, which is not visible. A hysteresis of one frame
//! interval ignores small changes of the target.

use std::time::Duration;

/// Maximum delay. A wall with a longer one would no longer show live video.
pub(super) const LONGEST: Duration = Duration::from_secs(1);
/// Rise of the delay per elapsed time.
const RISE: f64 = 0.25;
/// Fall of the delay per elapsed time.
const FALL: f64 = 0.02;
/// Maximum elapsed time per frame. After a stall the delay continues from its old value.
const LONGEST_STEP: Duration = Duration::from_millis(200);

/// The delay, which moves towards its target.
#[derive(Debug, Default)]
pub(super) struct Delay {
    present: Duration,
    moved: Option<Duration>,
}

impl Delay {
    /// The present delay.
    pub(super) fn get(&self) -> Duration {
        self.present
    }

    /// Sets the delay to `target` at once, after a change of settings.
    pub(super) fn jump(&mut self, target: Duration) {
        self.present = target.min(LONGEST);
    }

    /// Moves the delay towards `target` for the time until `at`. An excess up to `slack` is kept unless the target is zero.
    pub(super) fn glide(&mut self, at: Duration, target: Duration, slack: Duration) {
        let passed = at
            .saturating_sub(self.moved.replace(at).unwrap_or(at))
            .min(LONGEST_STEP);
        let target = target.min(LONGEST);
        let slack = if target.is_zero() {
            Duration::ZERO
        } else {
            slack
        };
        if target > self.present {
            self.present = target.min(self.present + passed.mul_f64(RISE));
        } else if target + slack < self.present {
            self.present = (target + slack).max(self.present.saturating_sub(passed.mul_f64(FALL)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME: Duration = Duration::from_millis(40);

    fn glided(delay: &mut Delay, from: u32, frames: u32, target_ms: u64) -> Duration {
        for frame in from..from + frames {
            let before = delay.get();
            delay.glide(FRAME * frame, Duration::from_millis(target_ms), FRAME);
            // Neither a picture twice for longer than a frame, nor two pictures left out.
            assert!(delay.get() <= before + FRAME / 4 && delay.get() + FRAME / 40 >= before);
        }
        delay.get()
    }

    #[test]
    fn it_rises_within_a_second_or_two_and_falls_unseen() {
        let mut delay = Delay::default();
        assert_eq!(glided(&mut delay, 0, 40, 320), Duration::from_millis(320));
        assert_eq!(
            glided(&mut delay, 40, 500, 300),
            Duration::from_millis(320),
            "less than a frame"
        );
        let later = glided(&mut delay, 540, 250, 100);
        assert!(later > Duration::from_millis(110) && later < Duration::from_millis(150));
        assert_eq!(glided(&mut delay, 790, 2_000, 0), Duration::ZERO);
    }

    #[test]
    fn a_stall_does_not_make_it_jump() {
        let mut delay = Delay::default();
        delay.glide(FRAME, LONGEST, FRAME);
        delay.glide(Duration::from_secs(3600), LONGEST, FRAME);
        assert_eq!(delay.get(), Duration::from_millis(50));
    }
}

//! Predicts the box of a track: a Kalman filter over real time.
//!
//! The filter of ByteTrack and SORT has only diagonal noise. It is therefore equivalent to a separate small filter for
//! each coordinate of the box, without matrices and without heap memory. Two things differ, because a step may be 40 ms
//! or half a second. The velocity of the centre is an Ornstein–Uhlenbeck process: it keeps its direction for some time
//! and then decays, so uncertainty grows with time but stays bounded. Width and height are random walks without a
//! velocity, because a half-hidden person does not shrink.

use crate::base::BBox;

/// Standard deviation of a detected centre, in sizes: ByteTrack's 1/20.
const CENTRE_NOISE: f32 = 0.05;
/// Standard deviation of a detected width or height, in sizes: strides and half-hidden bodies change them strongly.
const EXTENT_NOISE: f32 = 0.1;
/// Growth of the standard deviation of a width or height, in sizes per square root of a second.
const EXTENT_DRIFT: f32 = 0.2;
/// Minimum width and height in pixels: boxes without extent have no size.
const LEAST_EXTENT: f32 = 1.0;

/// The factors of one time step, the same for all tracks of a source.
#[derive(Debug, Clone, Copy)]
pub(super) struct Step {
    seconds: f32,
    /// The remaining share of a velocity.
    decay: f32,
    /// The distance of the centre, as seconds of the velocity at the start.
    drift: f32,
    /// Growth of the covariance for a velocity noise of 1: of the centre, of both, of the velocity.
    growth: [f32; 3],
}

impl Step {
    /// A step of `seconds`, if velocities last for `persistence` seconds.
    pub(super) fn new(seconds: f64, persistence: f64) -> Self {
        let persistence = persistence.max(1e-3);
        let ratio = seconds / persistence;
        let decay = (-ratio).exp();
        // In double precision: for 40 ms of 2 s the terms of the first one cancel to eight digits.
        let centre = 2.0 * ratio - 3.0 + 4.0 * decay - decay * decay;
        Self {
            seconds: seconds as f32,
            decay: decay as f32,
            drift: (persistence * (1.0 - decay)) as f32,
            growth: [
                (persistence * persistence * centre.max(0.0)) as f32,
                (persistence * (1.0 - decay) * (1.0 - decay)) as f32,
                (1.0 - decay * decay) as f32,
            ],
        }
    }
}

/// The state of one object: centre with velocity, width, height, and their variances.
#[derive(Debug, Clone, Copy)]
pub(super) struct Motion {
    x: Centre,
    y: Centre,
    width: Extent,
    height: Extent,
}

impl Motion {
    /// A new object, with a velocity of up to a few times `speed` sizes per second in any direction.
    pub(super) fn new(seen: &BBox, speed: f32) -> Self {
        let size = size_of(seen.width, seen.height);
        Self {
            x: Centre::new(seen.x, size, speed),
            y: Centre::new(seen.y, size, speed),
            width: Extent::new(seen.width, size),
            height: Extent::new(seen.height, size),
        }
    }

    /// Predicts one step. `wander` is the long-term change of the velocity in sizes per second.
    pub(super) fn predict(&mut self, step: &Step, wander: f32) {
        let size = self.size();
        self.x.predict(step, size * wander);
        self.y.predict(step, size * wander);
        self.width.predict(step, size);
        self.height.predict(step, size);
    }

    /// Corrects the state by a detected box.
    pub(super) fn correct(&mut self, seen: &BBox) {
        let size = self.size();
        self.x.correct(seen.x, size);
        self.y.correct(seen.y, size);
        self.width.correct(seen.width, size);
        self.height.correct(seen.height, size);
    }

    /// The most likely box.
    pub(super) fn bbox(&self) -> BBox {
        BBox {
            x: self.x.value,
            y: self.y.value,
            width: self.width.value.max(LEAST_EXTENT),
            height: self.height.value.max(LEAST_EXTENT),
        }
    }

    /// Standard deviation of the centre, horizontal and vertical, in pixels.
    pub(super) fn spread(&self) -> (f32, f32) {
        (self.x.variance.sqrt(), self.y.variance.sqrt())
    }

    /// Half of width plus height: the unit of noise and speed.
    pub(super) fn size(&self) -> f32 {
        size_of(self.width.value, self.height.value)
    }
}

fn size_of(width: f32, height: f32) -> f32 {
    (width.max(LEAST_EXTENT) + height.max(LEAST_EXTENT)) / 2.0
}

/// One coordinate of the centre with its velocity, and their covariance.
#[derive(Debug, Clone, Copy)]
struct Centre {
    value: f32,
    velocity: f32,
    variance: f32,
    covariance: f32,
    velocity_variance: f32,
}

impl Centre {
    fn new(value: f32, size: f32, speed: f32) -> Self {
        Self {
            value,
            velocity: 0.0,
            variance: (CENTRE_NOISE * size).powi(2),
            covariance: 0.0,
            velocity_variance: (speed * size).powi(2),
        }
    }

    fn predict(&mut self, step: &Step, wander_px: f32) {
        let Step { decay, drift, .. } = *step;
        let [centre, both, velocity] = step.growth.map(|growth| growth * wander_px * wander_px);
        self.value += drift * self.velocity;
        self.velocity *= decay;
        self.variance +=
            2.0 * drift * self.covariance + drift * drift * self.velocity_variance + centre;
        self.covariance = decay * (self.covariance + drift * self.velocity_variance) + both;
        self.velocity_variance = decay * decay * self.velocity_variance + velocity;
    }

    fn correct(&mut self, seen: f32, size: f32) {
        let noise = (CENTRE_NOISE * size).powi(2);
        let total = self.variance + noise;
        let (gain, velocity_gain) = (self.variance / total, self.covariance / total);
        let surprise = seen - self.value;
        self.value += gain * surprise;
        self.velocity += velocity_gain * surprise;
        self.velocity_variance =
            (self.velocity_variance - velocity_gain * self.covariance).max(0.0);
        self.covariance *= 1.0 - gain;
        self.variance *= 1.0 - gain;
    }
}

/// Width or height.
#[derive(Debug, Clone, Copy)]
struct Extent {
    value: f32,
    variance: f32,
}

impl Extent {
    fn new(value: f32, size: f32) -> Self {
        Self {
            value,
            variance: (EXTENT_NOISE * size).powi(2),
        }
    }

    fn predict(&mut self, step: &Step, size: f32) {
        self.variance += (EXTENT_DRIFT * size).powi(2) * step.seconds;
    }

    fn correct(&mut self, seen: f32, size: f32) {
        let gain = self.variance / (self.variance + (EXTENT_NOISE * size).powi(2));
        self.value += gain * (seen - self.value);
        self.variance *= 1.0 - gain;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPEED: f32 = 1.5;
    const WANDER: f32 = 0.7;
    const PERSISTENCE: f64 = 3.0;

    fn walker(x: f32) -> BBox {
        BBox {
            x,
            y: 200.0,
            width: 40.0,
            height: 100.0,
        }
    }

    fn follow(frame_seconds: f64, frames: usize, px_per_second: f32) -> Motion {
        let step = Step::new(frame_seconds, PERSISTENCE);
        let mut motion = Motion::new(&walker(100.0), SPEED);
        for frame in 1..=frames {
            motion.predict(&step, WANDER);
            motion.correct(&walker(
                100.0 + px_per_second * frame_seconds as f32 * frame as f32,
            ));
        }
        motion
    }

    #[test]
    fn the_speed_learned_in_two_seconds_does_not_depend_on_the_frame_rate() {
        for (seconds, frames) in [(0.04, 50), (0.1, 20), (0.4, 5)] {
            let velocity = follow(seconds, frames, 90.0).x.velocity;
            assert!(
                (velocity - 90.0).abs() < 9.0,
                "{velocity} at {seconds} s a frame"
            );
        }
    }

    #[test]
    fn one_long_step_and_many_short_ones_give_the_same_prediction() {
        let (mut long, mut short) = (follow(0.1, 10, 60.0), follow(0.1, 10, 60.0));
        long.predict(&Step::new(1.0, PERSISTENCE), WANDER);
        for _ in 0..25 {
            short.predict(&Step::new(0.04, PERSISTENCE), WANDER);
        }
        assert!((long.bbox().x - short.bbox().x).abs() < 0.05);
        assert!((long.spread().0 - short.spread().0).abs() < 0.05);
    }

    #[test]
    fn no_time_changes_nothing() {
        let mut motion = follow(0.1, 10, 60.0);
        let before = (motion.bbox(), motion.spread());
        motion.predict(&Step::new(0.0, PERSISTENCE), WANDER);
        assert_eq!((motion.bbox(), motion.spread()), before);
    }

    #[test]
    fn a_velocity_decays_and_its_variance_returns_to_the_long_term_value() {
        let mut motion = follow(0.1, 30, 60.0);
        motion.predict(&Step::new(60.0, PERSISTENCE), WANDER);
        assert!(motion.x.velocity.abs() < 0.01);
        let wanderer = (WANDER * motion.size()).powi(2);
        assert!((motion.x.velocity_variance / wanderer - 1.0).abs() < 0.01);
    }

    #[test]
    fn a_box_without_extent_stays_finite() {
        let mut motion = Motion::new(&BBox::from_corners(5.0, 5.0, 5.0, 5.0), SPEED);
        motion.predict(&Step::new(0.4, PERSISTENCE), WANDER);
        motion.correct(&BBox::from_corners(5.0, 5.0, 5.0, 5.0));
        assert!(motion.spread().0.is_finite() && motion.bbox().x == 5.0);
    }
}

//! Where a track was between two events, and where it may be after the last one.
//!
//! A straight line at constant speed is wrong whenever an object stops or starts between two detections: at five of them a
//! second a walker's box is off by half its width then. The velocities around the two events tell: if it came faster than
//! the line, it may have gone on like that and stopped; if it came slower, it may have gone on like that and then taken up
//! its usual speed. The box drawn is the smallest around all that is plausible, and never much larger than the object.

use super::clocks::Ns;

/// Left, top, right, bottom as fractions of the picture.
pub(super) type Corners = [f32; 4];

/// A box around several plausible places is at most so much larger than the object: with edges rounded outward to
/// the pixels of a small tile it stays below one and a half.
const LARGEST_GROWTH: f32 = 1.28;
/// Where a track's usual speed is unknown, it may have started this much faster than its mean.
const SUDDEN: f32 = 2.5;
/// A velocity below this share of the mean is as good as rest.
const REST: f32 = 0.1;
/// Nothing is followed that crosses the picture faster than in half a second; it is a mistaken identity.
const FASTEST: f32 = 2.0;

/// What is known of a track's velocity around a leg, in pictures a second along one axis.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Course {
    /// Mean over the leg before.
    pub(super) before: Option<f32>,
    /// Mean over the one before that.
    pub(super) earlier: Option<f32>,
    /// Mean over the leg after.
    pub(super) after: Option<f32>,
    /// The fastest that it was lately; zero where it never moved.
    pub(super) habit: f32,
}

/// Nanoseconds as seconds.
pub(super) fn seconds(time: Ns) -> f32 {
    (time as f64 / 1e9) as f32
}

/// Middle along an axis, 0 across and 1 down.
fn middle(corners: &Corners, axis: usize) -> f32 {
    (corners[axis] + corners[axis + 2]) / 2.0
}

/// Mean velocity across and down over `span` seconds; nothing that is too fast to be one object.
pub(super) fn velocity(from: &Corners, to: &Corners, span: f32) -> Option<[f32; 2]> {
    if span <= 0.0 {
        return None;
    }
    let velocity = [0, 1].map(|axis| (middle(to, axis) - middle(from, axis)) / span);
    velocity
        .iter()
        .all(|along| along.abs() <= FASTEST)
        .then_some(velocity)
}

/// The smallest box around where the object may be, `time` seconds into a leg of `span`; `0 ≤ time ≤ span`.
pub(super) fn between(
    from: &Corners,
    to: &Corners,
    span: f32,
    time: f32,
    courses: [Course; 2],
) -> Corners {
    let share = if span > 0.0 { time / span } else { 0.0 };
    let mut spreads = [Spread::at(0.0); 2];
    for (axis, course) in courses.iter().enumerate() {
        let way = middle(to, axis) - middle(from, axis);
        spreads[axis] = displacements(way, span, time, course);
    }
    let extent = [0, 1].map(|axis| {
        let (first, last) = (from[axis + 2] - from[axis], to[axis + 2] - to[axis]);
        first + (last - first) * share
    });
    around(from, extent, spreads)
}

/// The smallest box around where the object may be, `time` seconds after it was last seen at `from`.
pub(super) fn beyond(from: &Corners, time: f32, courses: [Course; 2]) -> Corners {
    let spreads = courses.map(|course| {
        let Some(before) = course.before else {
            return Spread::at(0.0);
        };
        let mut spread = Spread::at(before * time);
        if let Some(earlier) = course.earlier {
            let (now, then) = (before.abs(), earlier.abs());
            if now < then * 0.9 {
                spread.add(0.0);
            } else if now > then * 1.1 && course.habit > now {
                spread.add(course.habit.copysign(before) * time);
            }
        }
        spread
    });
    let extent = [0, 1].map(|axis| from[axis + 2] - from[axis]);
    around(from, extent, spreads)
}

/// Displacements that are plausible, from the least to the greatest.
#[derive(Debug, Clone, Copy)]
struct Spread {
    low: f32,
    high: f32,
}

impl Spread {
    fn at(value: f32) -> Self {
        Self {
            low: value,
            high: value,
        }
    }

    fn add(&mut self, value: f32) {
        self.low = self.low.min(value);
        self.high = self.high.max(value);
    }

    fn width(&self) -> f32 {
        self.high - self.low
    }

    fn shrunk(&self, share: f32) -> Self {
        let (middle, half) = ((self.low + self.high) / 2.0, self.width() / 2.0 * share);
        Self {
            low: middle - half,
            high: middle + half,
        }
    }
}

fn displacements(way: f32, span: f32, time: f32, course: &Course) -> Spread {
    if span <= 0.0 {
        return Spread::at(0.0);
    }
    let mean = way / span;
    let mut spread = Spread::at(mean * time);
    let mut consider = |first: f32, second: f32| {
        if let Some(place) = bent(way, span, time, first, second) {
            spread.add(place);
        }
    };
    let usual = course.habit.copysign(mean);
    // Of a leg in which it started, the mean is less than the speed at the end.
    let started = course.before.zip(course.earlier).and_then(|(now, then)| {
        (then.abs() < now.abs() && course.habit > now.abs()).then(|| course.habit.copysign(now))
    });
    for first in [course.before, started].into_iter().flatten() {
        if let Some(second) = course.after {
            consider(first, second);
        }
        if first * mean >= 0.0 && first.abs() > mean.abs() {
            consider(first, 0.0);
        } else if first * mean >= 0.0 || first.abs() < REST * mean.abs() {
            if course.habit > mean.abs() {
                consider(first, usual);
            } else if course.habit <= 0.0 && first.abs() < REST * mean.abs() {
                consider(first, SUDDEN * mean);
            }
        }
    }
    if course.before.is_none()
        && let Some(second) = course.after
        && second * mean > 0.0
        && second.abs() > mean.abs()
    {
        consider(0.0, second);
    }
    spread
}

/// Where an object is at `time` that covers `way` in `span` with the velocity `first` and, from some moment on, `second`;
/// none where no such moment exists.
fn bent(way: f32, span: f32, time: f32, first: f32, second: f32) -> Option<f32> {
    let change = first - second;
    if change.abs() <= f32::EPSILON {
        return None;
    }
    let moment = (way - second * span) / change;
    // A little beyond either end is rounding.
    if !(-0.01 * span..=1.01 * span).contains(&moment) {
        return None;
    }
    Some(if time <= moment {
        first * time
    } else {
        way - second * (span - time)
    })
}

/// The box of `extent` that was at `from`, displaced by all of `spreads`, within the limit of growth.
fn around(from: &Corners, extent: [f32; 2], spreads: [Spread; 2]) -> Corners {
    let growth = |share: f32| {
        [0, 1]
            .map(|axis| 1.0 + spreads[axis].width() * share / extent[axis].max(f32::MIN_POSITIVE))
            .iter()
            .product::<f32>()
    };
    let mut share = 1.0;
    if growth(1.0) > LARGEST_GROWTH {
        // The root of a quadratic, to the hundredth that matters.
        let (mut least, mut most) = (0.0, 1.0);
        for _ in 0..8 {
            share = (least + most) / 2.0;
            if growth(share) > LARGEST_GROWTH {
                most = share;
            } else {
                least = share;
            }
        }
        share = least;
    }
    let mut corners = [0.0; 4];
    for axis in 0..2 {
        let spread = spreads[axis].shrunk(share);
        let (at, half) = (middle(from, axis), extent[axis] / 2.0);
        corners[axis] = at + spread.low - half;
        corners[axis + 2] = at + spread.high + half;
    }
    corners
}

#[cfg(test)]
mod tests {
    use super::*;

    const WAY: f32 = 0.05;
    const SPAN: f32 = 0.2;

    fn place(left: f32) -> Corners {
        [left, 0.2, left + 0.1, 0.6]
    }

    fn across(course: Course, way: f32, time: f32) -> (f32, f32) {
        let [left, top, right, bottom] = between(
            &place(0.3),
            &place(0.3 + way),
            SPAN,
            time,
            [course, Course::default()],
        );
        assert!((top - 0.2).abs() < 1e-6 && (bottom - 0.6).abs() < 1e-6);
        (left - 0.3, right - 0.4)
    }

    fn near(found: (f32, f32), expected: (f32, f32)) {
        let close = |a: f32, b: f32| (a - b).abs() < 1e-5;
        assert!(
            close(found.0, expected.0) && close(found.1, expected.1),
            "{found:?}, expected {expected:?}"
        );
    }

    #[test]
    fn constant_speed_gives_the_object_s_own_box() {
        let course = Course {
            before: Some(WAY / SPAN),
            earlier: Some(WAY / SPAN),
            after: Some(WAY / SPAN),
            habit: WAY / SPAN,
        };
        near(across(course, WAY, 0.08), (0.02, 0.02));
    }

    #[test]
    fn what_stopped_may_have_gone_on_at_first() {
        let course = Course {
            before: Some(0.25),
            earlier: Some(0.25),
            habit: 0.25,
            ..Course::default()
        };
        // On a line 0.01 after 0.08 s; gone on, 0.02.
        near(across(course, WAY / 2.0, 0.08), (0.01, 0.02));
        near(across(course, 0.0, 0.08), (0.0, 0.0));
    }

    #[test]
    fn what_started_may_have_rested_at_first() {
        let course = Course {
            before: Some(0.0),
            earlier: Some(0.0),
            habit: 0.25,
            ..Course::default()
        };
        near(across(course, -WAY / 2.0, 0.08), (-0.01, 0.0));
    }

    #[test]
    fn a_box_around_what_nobody_knows_stays_near_the_object_s_size() {
        let unknown = Course {
            before: Some(0.0),
            earlier: Some(0.0),
            ..Course::default()
        };
        let (left, right) = across(unknown, 0.3, 0.1);
        assert!(right > left && right - left <= 0.1 * (LARGEST_GROWTH - 1.0) + 1e-5);
    }
}

//! The record of one camera on one wall, frame by frame.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::RangeInclusive;

use super::tile_reading::{Line, TileReading};

/// Number of frames per camera before judging starts, while the delay rises. The same as in the unit test of the aligner.
const SETTLING: u32 = 100;
/// Minimum IoU of every object and its box in a good frame.
const GOOD_IOU: f32 = 0.6;
/// Number of frames that a message names.
const NAMED: usize = 12;

/// The record of one camera, by frame number.
#[derive(Clone, Default)]
pub(super) struct Record {
    frames: BTreeMap<u32, Judged>,
    first: Option<u32>,
    /// Scenes in which the pattern's code could not be read.
    pub(super) unread: usize,
    /// Frames that were marked as unsynchronised.
    pub(super) marked: usize,
}

/// The worst values of one displayed frame in all its scenes.
#[derive(Debug, Clone, Copy)]
struct Judged {
    /// Mean IoU of the frame's objects and their boxes.
    mean: f32,
    /// IoU of the object that has the least.
    least: f32,
    of_one_event: bool,
    line: Line,
}

impl Judged {
    fn is_good(&self) -> bool {
        self.least >= GOOD_IOU
    }
}

impl Record {
    /// Adds the tile of one scene. `None` if the pattern's code could not be read.
    pub(super) fn add(&mut self, reading: Option<&TileReading>, marked: bool) {
        let Some(reading) = reading else {
            self.unread += 1;
            return;
        };
        let first = *self.first.get_or_insert(reading.number);
        if reading.number < first + SETTLING {
            return;
        }
        let overlaps = reading.overlaps();
        let judged = Judged {
            mean: overlaps.iter().sum::<f32>() / overlaps.len().max(1) as f32,
            least: overlaps.iter().copied().fold(1.0, f32::min),
            of_one_event: reading.of_one_event(),
            line: reading.line(),
        };
        match self.frames.get_mut(&reading.number) {
            Some(worst) => {
                worst.mean = worst.mean.min(judged.mean);
                worst.least = worst.least.min(judged.least);
                worst.of_one_event &= judged.of_one_event;
                worst.line = worst.line.min(judged.line);
            }
            None => {
                self.marked += usize::from(marked);
                self.frames.insert(reading.number, judged);
            }
        }
    }

    /// Only the frames between two analysed frames that are at most `distance` apart.
    pub(super) fn between(&self, looked_at: &[u32], distance: u32) -> Self {
        let mut record = self.clone();
        record.frames.retain(|number, _| {
            around(looked_at, *number).is_some_and(|(before, after)| after - before <= distance)
        });
        record
    }

    /// The number of judged frames.
    pub(super) fn judged(&self) -> usize {
        self.frames.len()
    }

    fn share_of(&self, is: impl Fn(&Judged) -> bool) -> f64 {
        let count = self.frames.values().filter(|judged| is(judged)).count();
        count as f64 / self.frames.len().max(1) as f64
    }

    /// Mean IoU of objects and their boxes in displayed frames.
    pub(super) fn mean(&self) -> f64 {
        let sum: f64 = self
            .frames
            .values()
            .map(|judged| f64::from(judged.mean))
            .sum();
        sum / self.frames.len().max(1) as f64
    }

    /// Share of displayed frames in which each object's IoU is at least [`GOOD_IOU`] in every scene.
    pub(super) fn share(&self) -> f64 {
        self.share_of(Judged::is_good)
    }

    /// Share of displayed frames whose boxes belong to one event in every scene.
    pub(super) fn of_one_event(&self) -> f64 {
        self.share_of(|judged| judged.of_one_event)
    }

    /// The first bad frames, each with the analysed frames around it.
    pub(super) fn bad(&self, looked_at: &[u32]) -> Vec<String> {
        let bad = self.frames.iter().filter(|(_, judged)| !judged.is_good());
        let told = bad.map(|(number, judged)| {
            let around = around(looked_at, *number);
            format!(
                "{number} {:?} {:.2} of {around:?}",
                judged.line, judged.least
            )
        });
        told.take(NAMED).collect()
    }

    /// The number of frames with this kind of line.
    pub(super) fn lines(&self, line: Line) -> usize {
        self.counted(line, 0..=u32::MAX)
    }

    /// The number of frames in `range` with this kind of line.
    pub(super) fn counted(&self, line: Line, range: RangeInclusive<u32>) -> usize {
        let frames = self.frames.range(range);
        frames.filter(|(_, judged)| judged.line == line).count()
    }

    /// The newest frame.
    pub(super) fn newest(&self) -> u32 {
        self.frames.keys().next_back().copied().unwrap_or_default()
    }

    /// The newest frame with this kind of line.
    pub(super) fn last(&self, line: Line) -> Option<u32> {
        let mut newest = self.frames.iter().rev();
        newest
            .find(|(_, judged)| judged.line == line)
            .map(|(number, _)| *number)
    }

    /// Whether the newest `frames` frames have no boxes.
    pub(super) fn ended(&self, frames: usize) -> bool {
        let mut newest = self.frames.values().rev().take(frames);
        self.frames.len() > frames && newest.all(|judged| judged.line == Line::None)
    }
}

/// The figures and the first frames whose boxes are of several events: all frames would be a thousand lines.
impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mixed = self.frames.iter().filter(|(_, frame)| !frame.of_one_event);
        f.debug_struct("Record")
            .field("judged", &self.judged())
            .field("mean", &self.mean())
            .field("share", &self.share())
            .field("of_one_event", &self.of_one_event())
            .field("unread", &self.unread)
            .field("marked", &self.marked)
            .field("mixed", &mixed.take(NAMED).collect::<Vec<_>>())
            .finish()
    }
}

/// The nearest analysed frames on both sides of `number`.
fn around(looked_at: &[u32], number: u32) -> Option<(u32, u32)> {
    let next = looked_at.partition_point(|at| *at <= number);
    let before = looked_at.get(next.checked_sub(1)?)?;
    Some((*before, *looked_at.get(next)?))
}

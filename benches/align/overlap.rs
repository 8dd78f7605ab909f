//! Statistics of the intersection over union (IoU) in many frames.

/// Overlap from which a box is plainly that of its object.
const GOOD: f32 = 0.6;

/// Statistics of displayed frames.
#[derive(Debug, Default, Clone)]
pub(crate) struct Overlap {
    frames: u64,
    good_frames: u64,
    boxes: u64,
    good_boxes: u64,
    dashed: u64,
    sum: f64,
}

impl Overlap {
    /// One frame: the IoU of each of its objects, 0 for one without a box, and whether its box is dashed.
    pub(crate) fn frame(&mut self, found: &[(f32, bool)]) {
        if found.is_empty() {
            return;
        }
        self.frames += 1;
        self.good_frames += u64::from(found.iter().all(|(iou, _)| *iou >= GOOD));
        for (iou, dashed) in found {
            self.boxes += 1;
            self.good_boxes += u64::from(*iou >= GOOD);
            self.dashed += u64::from(*dashed);
            self.sum += f64::from(*iou);
        }
    }

    /// Adds the statistics of other frames.
    pub(crate) fn add(&mut self, other: &Self) {
        self.frames += other.frames;
        self.good_frames += other.good_frames;
        self.boxes += other.boxes;
        self.good_boxes += other.good_boxes;
        self.dashed += other.dashed;
        self.sum += other.sum;
    }

    /// Mean IoU of all objects in all frames.
    pub(crate) fn mean(&self) -> f64 {
        self.sum / self.boxes.max(1) as f64
    }

    /// Share of frames in which every object's IoU is at least 0.6.
    pub(crate) fn good_frames(&self) -> f64 {
        self.good_frames as f64 / self.frames.max(1) as f64
    }

    /// Share of objects whose IoU is at least 0.6.
    pub(crate) fn good_boxes(&self) -> f64 {
        self.good_boxes as f64 / self.boxes.max(1) as f64
    }

    /// Share of objects whose box is dashed.
    pub(crate) fn dashed(&self) -> f64 {
        self.dashed as f64 / self.boxes.max(1) as f64
    }
}

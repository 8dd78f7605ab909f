//! Determines the layout of an output from the numbers of one run on noise: offsets within cells, pixels, shares of the
//! picture and class numbers look different, if enough rows have content.

use super::output_layout::OutputLayout::{
    self, Anchors, DecodedCells, DeepStream, Detr, End2end, End2end7, Yolov8Turned, Yolox,
};
use super::output_layout::{GRIDS, cells};
use crate::base::Size;

/// The only candidate that the numbers of a run on noise allow; none if they are ambiguous.
pub(super) fn by_run(
    candidates: &[OutputLayout],
    shape: &[usize],
    numbers: &[f32],
    input: Size,
) -> Option<OutputLayout> {
    let &[1, rows, columns] = shape else {
        return None;
    };
    let output = NoiseRun {
        rows: numbers.chunks_exact(columns.max(1)).take(rows).collect(),
        input,
    };
    let verdicts: Vec<(OutputLayout, Option<bool>)> = candidates
        .iter()
        .map(|layout| (*layout, output.verdict(*layout)))
        .collect();
    let mut proven = verdicts
        .iter()
        .filter(|(_, verdict)| *verdict == Some(true));
    let (winner, _) = proven.next()?;
    verdicts
        .iter()
        .all(|(layout, verdict)| layout == winner || *verdict == Some(false))
        .then_some(*winner)
}

/// The output of a run on noise.
struct NoiseRun<'a> {
    rows: Vec<&'a [f32]>,
    input: Size,
}

/// The number of non-empty rows that a proof needs.
const ENOUGH_ROWS: usize = 20;
/// The share of rows that must agree: single cells of a network that sees noise may have any values.
const NEARLY_ALL: f64 = 0.95;

impl NoiseRun<'_> {
    /// Some(true) if proven, Some(false) if refuted, otherwise none.
    fn verdict(&self, layout: OutputLayout) -> Option<bool> {
        match layout {
            Yolox => self.raw_cells(),
            DecodedCells | Yolov8Turned => self.decoded_cells(),
            Anchors => self.anchors(),
            End2end7 => self.numbered(),
            End2end => self.selected(true),
            DeepStream => self.selected(false),
            Detr => self.shares(),
            _ => None,
        }
    }

    fn share(&self, agrees: impl Fn(&[f32]) -> bool) -> f64 {
        let count = self.rows.iter().filter(|row| agrees(row)).count();
        count as f64 / self.rows.len().max(1) as f64
    }

    /// Rows that are not all zero.
    fn said(&self) -> usize {
        let said = |row: &&&[f32]| row.iter().any(|number| *number != 0.0);
        self.rows.iter().filter(said).count()
    }

    /// Offsets within cells and logarithms of sizes are small in every cell; pixels are not.
    fn raw_cells(&self) -> Option<bool> {
        let is_raw = |row: &[f32]| {
            row[..2].iter().all(|offset| offset.abs() < 8.0)
                && row[2..4].iter().all(|log| log.abs() < 8.0)
                && row[4..].iter().all(|score| (-0.01..=1.01).contains(score))
        };
        let share = self.share(is_raw);
        if share < 0.5 {
            return Some(false);
        }
        // In a picture of a few cells, pixels are as small as offsets.
        let is_large = self.input.width.min(self.input.height) >= 160;
        let vary = self.said() >= ENOUGH_ROWS && (0..4).all(|column| self.varies(column));
        (share >= NEARLY_ALL && is_large && vary).then_some(true)
    }

    /// The boxes of most cells are near their cells.
    fn decoded_cells(&self) -> Option<bool> {
        if self.said() < ENOUGH_ROWS {
            return None;
        }
        let grid = GRIDS
            .into_iter()
            .find(|strides| cells(strides, self.input) == self.rows.len())?;
        let centres = grid.iter().flat_map(|stride| {
            let (columns, lines) = (self.input.width / stride, self.input.height / stride);
            let stride = *stride as f32;
            (0..lines).flat_map(move |line| {
                (0..columns).map(move |column| {
                    let centre = |index: u32| (index as f32 + 0.5) * stride;
                    (centre(column), centre(line), stride)
                })
            })
        });
        let is_near = |row: &[f32], (x, y, stride): (f32, f32, f32)| {
            let (across, down) = ((row[0] - x).abs(), (row[1] - y).abs());
            across < 4.0 * stride && down < 4.0 * stride && row[2] >= 0.0 && row[3] >= 0.0
        };
        let near = self
            .rows
            .iter()
            .zip(centres)
            .filter(|(row, centre)| is_near(row, *centre))
            .count();
        match near as f64 / self.rows.len().max(1) as f64 {
            share if share >= NEARLY_ALL => Some(true),
            share if share < 0.5 => Some(false),
            _ => None,
        }
    }

    /// Objectness and scores between 0 and 1, and sizes in pixels. The last column of other layouts has whole numbers.
    fn anchors(&self) -> Option<bool> {
        let are_scores = |row: &[f32]| row[4..].iter().all(|score| (-0.01..=1.01).contains(score));
        if self.share(are_scores) < 0.5 {
            return Some(false);
        }
        let has_pixels = self.rows.iter().filter(|row| row[2] > 2.0 && row[3] > 2.0);
        let vary = (0..self.rows.first()?.len()).all(|column| self.varies(column));
        (self.share(are_scores) >= NEARLY_ALL && has_pixels.count() >= ENOUGH_ROWS && vary)
            .then_some(true)
    }

    /// The number of the picture, corners in pixels, a whole number for the class, and a score.
    fn numbered(&self) -> Option<bool> {
        let is_numbered = |row: &[f32]| row[0] == 0.0 && row[5].fract() == 0.0;
        if self.share(is_numbered) < NEARLY_ALL {
            return Some(false);
        }
        let is_box = |row: &[f32]| {
            row[3] >= row[1] && row[4] >= row[2] && (0.0..=1.0).contains(&row[6]) && row[5] >= 0.0
        };
        let has_pixels = self
            .rows
            .iter()
            .filter(|row| row[1..5].iter().any(|edge| *edge > 2.0))
            .count()
            >= ENOUGH_ROWS;
        (has_pixels && self.share(is_box) >= NEARLY_ALL).then_some(true)
    }

    /// Corners in pixels, a score, and a whole number for the class; by falling score if the network selects the boxes.
    fn selected(&self, by_score: bool) -> Option<bool> {
        let is_whole = |row: &[f32]| row[5].fract() == 0.0;
        if self.share(is_whole) < NEARLY_ALL {
            return Some(false);
        }
        let is_box = |row: &[f32]| {
            row[2] >= row[0] && row[3] >= row[1] && (0.0..=1.0).contains(&row[4]) && row[5] >= 0.0
        };
        let has_pixels = self
            .rows
            .iter()
            .filter(|row| row[..4].iter().any(|edge| *edge > 2.0))
            .count()
            >= ENOUGH_ROWS;
        let falls = self.rows.windows(2).all(|pair| pair[0][4] >= pair[1][4]);
        (has_pixels && self.share(is_box) >= NEARLY_ALL && (falls || !by_score)).then_some(true)
    }

    /// Boxes as shares of the picture, then scores.
    fn shares(&self) -> Option<bool> {
        let is_share = |number: &f32| (-0.05..=1.05).contains(number);
        if self.share(|row| row[..4].iter().all(is_share)) < 0.5 {
            return Some(false);
        }
        let all = self.share(|row| row.iter().all(is_share)) >= NEARLY_ALL;
        let vary = (0..self.rows.first()?.len()).all(|column| self.varies(column));
        (all && vary && self.said() >= ENOUGH_ROWS).then_some(true)
    }

    /// Whether the rows differ in this column.
    fn varies(&self, column: usize) -> bool {
        let mut numbers = self.rows.iter().map(|row| row[column]);
        let first = numbers.next();
        let different = numbers.filter(|number| Some(*number) != first).count();
        different >= ENOUGH_ROWS
    }
}

#[cfg(test)]
#[path = "evidence_tests.rs"]
mod tests;

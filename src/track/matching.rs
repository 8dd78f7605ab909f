//! Matches detections with tracks: the similarity of two boxes, and the assignment with the largest sum of
//! similarities.

use pathfinding::matrix::Matrix;
use pathfinding::prelude::kuhn_munkres;

use super::motion::Motion;
use crate::base::BBox;

/// The margin of a box in standard deviations of the prediction.
const MARGIN_SIGMAS: f32 = 2.0;
/// The widest margin in sizes of the track: with a wider one, too many boxes would be similar.
const WIDEST_MARGIN: f32 = 1.0;
/// Minimum overlap (IoU) of boxes that stay in place: the boxes of a standing person overlap by 0.6 and more, those of
/// two people beside each other by less than 0.5.
const IN_PLACE: f32 = 0.5;
/// Similarities are counted in millionths, because the assignment needs whole numbers.
const MILLION: f32 = 1e6;

/// The area in which the next detection of a track is expected: the predicted box and its margins.
#[derive(Debug, Clone, Copy)]
pub(super) struct SearchBox {
    predicted: BBox,
    across: f32,
    down: f32,
}

impl SearchBox {
    pub(super) fn of(motion: &Motion) -> Self {
        let (across, down) = motion.spread();
        let widest = WIDEST_MARGIN * motion.size();
        Self {
            predicted: motion.bbox(),
            across: (MARGIN_SIGMAS * across).min(widest),
            down: (MARGIN_SIGMAS * down).min(widest),
        }
    }

    /// The similarity of the track and a detection, 0–1: the IoU of both boxes after adding a margin of twice the
    /// prediction's standard deviation on every side, times the ratio of their heights.
    ///
    /// At 25 frames per second, or for a track with a known velocity, this is nearly the plain IoU. A walker who was
    /// first detected 0.4 s ago and has moved by a body's width still overlaps. Margins that grow with motion come from
    /// C-BIoU (Yang et al. 2023); here the filter gives their width. Boxes with margins distinguish sizes less well,
    /// therefore the heights are compared.
    pub(super) fn similarity(&self, detection: &BBox) -> f32 {
        let predicted = &self.predicted;
        let apart = |distance: f32, one: f32, other: f32, margin: f32| {
            distance.abs() >= (one + other) / 2.0 + 2.0 * margin
        };
        // Most pairs of a frame end here.
        if apart(
            predicted.x - detection.x,
            predicted.width,
            detection.width,
            self.across,
        ) || apart(
            predicted.y - detection.y,
            predicted.height,
            detection.height,
            self.down,
        ) {
            return 0.0;
        }
        let iou = self.grown(predicted).iou(&self.grown(detection));
        let heights =
            predicted.height.min(detection.height) / predicted.height.max(detection.height);
        let alike = iou * heights;
        if alike.is_finite() { alike } else { 0.0 }
    }

    fn grown(&self, bbox: &BBox) -> BBox {
        BBox {
            width: bbox.width + 2.0 * self.across,
            height: bbox.height + 2.0 * self.down,
            ..*bbox
        }
    }
}

/// The similarity of two boxes without known motion, 0–1: their IoU if it is large, otherwise 0.
pub(super) fn in_place(last: &BBox, detection: &BBox) -> f32 {
    let iou = last.iou(detection);
    if iou >= IN_PLACE { iou } else { 0.0 }
}

/// A track and a detection that may be assigned to each other.
#[derive(Debug, Clone, Copy)]
struct Pair {
    track: usize,
    detection: usize,
    weight: i64,
    group: usize,
}

/// Finds the assignment with the largest sum of similarities. Keeps its buffers from call to call.
///
/// Pairs that share no track and no detection with others, directly or through further pairs, do not influence each
/// other. Each such group is solved separately. In a typical frame most groups are single pairs, so only the few
/// objects that are close to each other have the cubic cost of the assignment.
#[derive(Debug, Default)]
pub(super) struct Matcher {
    pairs: Vec<Pair>,
    /// Union–find over tracks, then detections.
    parent: Vec<usize>,
    rows: Vec<usize>,
    columns: Vec<usize>,
}

impl Matcher {
    /// Removes all pairs.
    pub(super) fn clear(&mut self) {
        self.pairs.clear();
    }

    /// Adds a pair that may be assigned.
    pub(super) fn offer(&mut self, track: usize, detection: usize, similarity: f32) {
        let weight = (similarity * MILLION) as i64;
        if weight > 0 {
            self.pairs.push(Pair {
                track,
                detection,
                weight,
                group: 0,
            });
        }
    }

    /// Calls `assigned(track, detection)` for each pair of the best assignment. `tracks` and `detections` are upper
    /// bounds of the indices in the pairs.
    pub(super) fn solve(
        &mut self,
        tracks: usize,
        detections: usize,
        mut assigned: impl FnMut(usize, usize),
    ) {
        self.parent.clear();
        self.parent.extend(0..tracks + detections);
        for pair in &self.pairs {
            let (one, other) = (
                root(&mut self.parent, pair.track),
                root(&mut self.parent, tracks + pair.detection),
            );
            self.parent[one] = other;
        }
        for pair in &mut self.pairs {
            pair.group = root(&mut self.parent, pair.track);
        }
        self.pairs
            .sort_unstable_by_key(|pair| (pair.group, pair.track, pair.detection));
        for group in self.pairs.chunk_by(|one, next| one.group == next.group) {
            match group {
                [pair] => assigned(pair.track, pair.detection),
                _ => solve_group(group, &mut self.rows, &mut self.columns, &mut assigned),
            }
        }
    }
}

fn solve_group(
    group: &[Pair],
    rows: &mut Vec<usize>,
    columns: &mut Vec<usize>,
    assigned: &mut impl FnMut(usize, usize),
) {
    let distinct = |into: &mut Vec<usize>, from: fn(&Pair) -> usize| {
        into.clear();
        into.extend(group.iter().map(from));
        into.sort_unstable();
        into.dedup();
    };
    distinct(rows, |pair| pair.track);
    distinct(columns, |pair| pair.detection);
    // The library needs at least as many columns as rows.
    let turned = rows.len() > columns.len();
    let (short, long) = if turned {
        (&*columns, &*rows)
    } else {
        (&*rows, &*columns)
    };
    let mut weights = Matrix::new(short.len(), long.len(), 0i64);
    for pair in group {
        let (one, other) = if turned {
            (pair.detection, pair.track)
        } else {
            (pair.track, pair.detection)
        };
        let place = (
            short.partition_point(|&index| index < one),
            long.partition_point(|&index| index < other),
        );
        weights[place] = pair.weight;
    }
    let (_, chosen) = kuhn_munkres(&weights);
    for (row, column) in chosen.into_iter().enumerate() {
        // A row without a partner gets a column that is not one of its pairs, with weight 0.
        if weights[(row, column)] > 0 {
            let (one, other) = (short[row], long[column]);
            if turned {
                assigned(other, one);
            } else {
                assigned(one, other);
            }
        }
    }
}

fn root(parent: &mut [usize], mut node: usize) -> usize {
    while parent[node] != node {
        parent[node] = parent[parent[node]];
        node = parent[node];
    }
    node
}

#[cfg(test)]
mod tests {
    use super::super::motion::Step;
    use super::*;
    use proptest::prelude::*;

    fn solved(pairs: &[(usize, usize, f32)]) -> Vec<(usize, usize)> {
        let mut matcher = Matcher::default();
        for &(track, detection, similarity) in pairs {
            matcher.offer(track, detection, similarity);
        }
        let mut found = Vec::new();
        matcher.solve(8, 8, |track, detection| found.push((track, detection)));
        found.sort_unstable();
        found
    }

    #[test]
    fn the_best_sum_wins_over_the_best_pair() {
        let pairs = [(0, 0, 0.9), (0, 1, 0.8), (1, 0, 0.7)];
        assert_eq!(solved(&pairs), [(0, 1), (1, 0)]);
    }

    #[test]
    fn a_surplus_track_or_detection_stays_alone() {
        assert_eq!(solved(&[(3, 5, 0.4), (4, 5, 0.6)]), [(4, 5)]);
        assert_eq!(solved(&[(3, 5, 0.4), (3, 6, 0.6)]), [(3, 6)]);
    }

    #[test]
    fn a_new_walker_who_moved_a_bodys_width_is_similar_at_25_and_2_5_fps() {
        let seen = BBox {
            x: 100.0,
            y: 200.0,
            width: 40.0,
            height: 100.0,
        };
        for (seconds, moved) in [(0.04, 4.0), (0.4, 40.0)] {
            let mut motion = Motion::new(&seen, 1.5);
            motion.predict(&Step::new(seconds, 3.0), 0.7);
            let now = BBox {
                x: seen.x + moved,
                ..seen
            };
            let found = SearchBox::of(&motion).similarity(&now);
            assert!(found > 0.4, "{found} after {seconds} s");
        }
    }

    proptest! {
        #[test]
        fn groups_give_the_same_sum_as_one_great_assignment(
            weights in prop::collection::vec(prop::option::weighted(0.3, 1u32..1000), 42),
        ) {
            let mut matrix = Matrix::new(6, 7, 0i64);
            let mut matcher = Matcher::default();
            for (place, weight) in weights.iter().enumerate() {
                if let Some(weight) = weight {
                    matrix[(place / 7, place % 7)] = i64::from(*weight);
                    matcher.offer(place / 7, place % 7, (*weight as f32 + 0.5) / MILLION);
                }
            }
            let mut sum = 0;
            matcher.solve(6, 7, |track, detection| sum += matrix[(track, detection)]);
            prop_assert_eq!(sum, kuhn_munkres(&matrix).0);
        }
    }
}

//! Removal of duplicates: of overlapping boxes of one class only the strongest is kept.

use crate::base::BBox;

/// A box that a network proposes, in pixels of its input.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Candidate {
    /// The box.
    pub bbox: BBox,
    /// Score, 0–1.
    pub confidence: f32,
    /// Class index.
    pub class: usize,
}

/// Maximum number of candidates that are compared with each other; the weakest ones beyond it are dropped. A working
/// network proposes some hundreds; comparing all 8400 of a broken one would delay every source.
const MOST_CANDIDATES: usize = 3000;

/// Maximum number of detections in one frame.
const MOST_DETECTIONS: usize = 300;

/// Keeps those `candidates`, by falling confidence, that no stronger one of the same class overlaps by more than `iou`.
/// Candidates of equal confidence keep their order.
pub(super) fn suppress(candidates: &mut Vec<Candidate>, iou: f32) {
    strongest(candidates, MOST_CANDIDATES);
    let mut kept = 0;
    for index in 0..candidates.len() {
        let candidate = candidates[index];
        let covered = candidates[..kept].iter().any(|stronger| {
            stronger.class == candidate.class && stronger.bbox.iou(&candidate.bbox) > iou
        });
        if !covered {
            candidates[kept] = candidate;
            kept += 1;
            if kept == MOST_DETECTIONS {
                break;
            }
        }
    }
    candidates.truncate(kept);
}

/// Keeps the strongest detections of a network that removes duplicates itself.
pub(super) fn strongest_detections(candidates: &mut Vec<Candidate>) {
    strongest(candidates, MOST_DETECTIONS);
}

fn strongest(candidates: &mut Vec<Candidate>, most: usize) {
    candidates.sort_by(|one, other| other.confidence.total_cmp(&one.confidence));
    candidates.truncate(most);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn candidate(left: f32, confidence: f32, class: usize) -> Candidate {
        Candidate {
            bbox: BBox::from_corners(left, 0.0, left + 10.0, 10.0),
            confidence,
            class,
        }
    }

    #[test]
    fn the_stronger_of_two_overlapping_boxes_of_a_class_stays() {
        let (weak, strong) = (candidate(1.0, 0.6, 0), candidate(0.0, 0.9, 0));
        let (beside, other) = (candidate(20.0, 0.5, 0), candidate(0.5, 0.7, 1));
        let mut candidates = vec![weak, strong, beside, other];
        suppress(&mut candidates, 0.45);
        assert_eq!(candidates, [strong, other, beside]);
    }

    #[test]
    fn the_number_of_compared_candidates_is_limited() {
        let mut candidates: Vec<Candidate> = (0..20_000u16)
            .map(|n| candidate(f32::from(n) * 20.0, f32::from(n) / 20_000.0, 0))
            .collect();
        suppress(&mut candidates, 0.45);
        assert_eq!(candidates.len(), MOST_DETECTIONS);
        assert_eq!(candidates[0].confidence, 19_999.0 / 20_000.0);
    }

    fn any_candidates() -> impl Strategy<Value = Vec<Candidate>> {
        proptest::collection::vec(
            (
                0.0f32..100.0,
                0.0f32..100.0,
                0.0f32..50.0,
                0.0f32..50.0,
                0.0f32..=1.0,
                0usize..3,
            )
                .prop_map(|(x, y, width, height, confidence, class)| Candidate {
                    bbox: BBox {
                        x,
                        y,
                        width,
                        height,
                    },
                    confidence,
                    class,
                }),
            0..60,
        )
    }

    proptest! {
        #[test]
        fn kept_boxes_do_not_overlap_and_removed_ones_were_covered(
            candidates in any_candidates(), iou in 0.0f32..1.0,
        ) {
            let mut kept = candidates.clone();
            suppress(&mut kept, iou);
            for (index, one) in kept.iter().enumerate() {
                prop_assert!(candidates.contains(one));
                for weaker in &kept[index + 1..] {
                    prop_assert!(weaker.confidence <= one.confidence);
                    prop_assert!(weaker.class != one.class || one.bbox.iou(&weaker.bbox) <= iou);
                }
            }
            for gone in candidates.iter().filter(|one| !kept.contains(one)) {
                prop_assert!(kept.iter().any(|stronger| stronger.class == gone.class
                    && stronger.confidence >= gone.confidence
                    && stronger.bbox.iou(&gone.bbox) > iou));
            }
        }

        #[test]
        fn nms_is_idempotent(candidates in any_candidates(), iou in 0.0f32..1.0) {
            let mut once = candidates;
            suppress(&mut once, iou);
            let mut twice = once.clone();
            suppress(&mut twice, iou);
            prop_assert_eq!(once, twice);
        }

        #[test]
        fn numbers_that_are_none_do_no_harm(
            confidences in proptest::collection::vec(proptest::num::f32::ANY, 0..20),
        ) {
            let mut candidates: Vec<Candidate> =
                confidences.iter().map(|confidence| candidate(*confidence, *confidence, 0)).collect();
            suppress(&mut candidates, 0.5);
        }
    }
}

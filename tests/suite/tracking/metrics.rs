//! Agreement of published identities with the truth: IDF1 (Ristani et al. 2016), and the CLEAR MOT counts (Bernardin
//! and Stiefelhagen 2008). On the annotated footage IDF1 and switches agree with py-motmetrics.

use std::collections::{BTreeMap, BTreeSet};

use nvr::base::BBox;
use pathfinding::matrix::Matrix;
use pathfinding::prelude::kuhn_munkres;

/// Minimum overlap of a published box with the true one.
const SAME_OBJECT: f32 = 0.5;

/// A true object in a frame.
#[derive(Debug, Clone)]
pub(super) struct Truth {
    pub(super) id: u64,
    pub(super) bbox: BBox,
    /// False if a detection of it is neither right nor wrong.
    pub(super) counts: bool,
}

/// A published detection.
#[derive(Debug, Clone)]
pub(super) struct Published {
    pub(super) id: Option<u64>,
    pub(super) bbox: BBox,
}

/// The scores of a run.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct TrackingScores {
    /// Share of boxes, true and published, with the identity that fits their object best; 0–1.
    pub(super) idf1: f64,
    /// How often a true object continues with another id.
    pub(super) switches: f64,
    /// 1 minus misses, false boxes and switches per true box.
    pub(super) mota: f64,
    /// Share of published detections that have an id.
    pub(super) with_id: f64,
    /// Published detections.
    pub(super) published: f64,
}

impl std::fmt::Display for TrackingScores {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "IDF1 {:.3}  switches {:>5.1}  MOTA {:.3}  {:.0} published, {:.1} % with an id",
            self.idf1,
            self.switches,
            self.mota,
            self.published,
            100.0 * self.with_id
        )
    }
}

/// Scores a run, frame by frame. A published box without an id counts as a separate identity.
pub(super) fn judge(frames: &[(Vec<Truth>, Vec<Published>)]) -> TrackingScores {
    let mut shared: BTreeMap<(u64, u64), i64> = BTreeMap::new();
    let mut last_id: BTreeMap<u64, u64> = BTreeMap::new();
    let (mut true_boxes, mut published_boxes, mut hits) = (0, 0, 0);
    let mut switches = 0u32;
    let (mut published_all, mut with_id) = (0, 0);
    for (truth, published) in frames {
        published_all += published.len();
        with_id += published.iter().filter(|one| one.id.is_some()).count();
        let mut counted_published = published.len();
        true_boxes += truth.iter().filter(|one| one.counts).count();
        for (one, other) in pair_frame(truth, published, &last_id) {
            let (one, other) = (&truth[one], &published[other]);
            if !one.counts {
                counted_published -= 1;
                continue;
            }
            hits += 1;
            if let Some(id) = other.id
                && last_id
                    .insert(one.id, id)
                    .is_some_and(|earlier| earlier != id)
            {
                switches += 1;
            }
        }
        published_boxes += counted_published;
        for one in truth.iter().filter(|one| one.counts) {
            for other in published {
                if let Some(id) = other.id
                    && one.bbox.iou(&other.bbox) >= SAME_OBJECT
                {
                    *shared.entry((one.id, id)).or_default() += 1;
                }
            }
        }
    }
    let errors = (true_boxes - hits) + (published_boxes - hits) + switches as usize;
    TrackingScores {
        idf1: 2.0 * best_identities(&shared) as f64 / (true_boxes + published_boxes) as f64,
        switches: f64::from(switches),
        mota: 1.0 - errors as f64 / true_boxes as f64,
        with_id: with_id as f64 / published_all as f64,
        published: published_all as f64,
    }
}

/// Pairs the boxes of one frame that are the same object: earlier pairs are kept, the others are paired by overlap.
pub(super) fn pair_frame(
    truth: &[Truth],
    published: &[Published],
    last_id: &BTreeMap<u64, u64>,
) -> Vec<(usize, usize)> {
    const TOGETHER_BEFORE: i64 = 1_000_000;
    let side = truth.len().max(published.len());
    if side == 0 {
        return Vec::new();
    }
    let mut weights = Matrix::new(side, side, 0i64);
    for (row, one) in truth.iter().enumerate() {
        for (column, other) in published.iter().enumerate() {
            let iou = one.bbox.iou(&other.bbox);
            if iou >= SAME_OBJECT {
                let before = other.id.is_some() && last_id.get(&one.id) == other.id.as_ref();
                weights[(row, column)] =
                    (iou * 1000.0) as i64 + if before { TOGETHER_BEFORE } else { 0 };
            }
        }
    }
    let (_, chosen) = kuhn_munkres(&weights);
    chosen
        .into_iter()
        .enumerate()
        .filter(|&place| weights[place] > 0)
        .collect()
}

/// The maximum number of agreeing boxes if each true object gets at most one published identity, and vice versa.
fn best_identities(shared: &BTreeMap<(u64, u64), i64>) -> i64 {
    let truths: Vec<u64> = BTreeSet::from_iter(shared.keys().map(|key| key.0))
        .into_iter()
        .collect();
    let ids: Vec<u64> = BTreeSet::from_iter(shared.keys().map(|key| key.1))
        .into_iter()
        .collect();
    // The library needs more columns than rows: an object may be left without an id.
    let mut weights = Matrix::new(truths.len(), truths.len() + ids.len(), 0i64);
    for ((truth, id), count) in shared {
        let place = (
            truths.partition_point(|one| one < truth),
            ids.partition_point(|one| one < id),
        );
        weights[place] = *count;
    }
    if truths.is_empty() {
        return 0;
    }
    kuhn_munkres(&weights).0
}

#[test]
fn a_swap_halfway_costs_two_switches_and_half_of_idf1() {
    let at = |x: f32| BBox::from_corners(x, 0.0, x + 10.0, 20.0);
    let frames: Vec<_> = (0..10)
        .map(|frame| {
            let truth = [(1, 0.0), (2, 100.0)].map(|(id, x)| Truth {
                id,
                bbox: at(x),
                counts: true,
            });
            let ids = if frame < 5 { [7, 8] } else { [8, 7] };
            let published = [(ids[0], 0.0), (ids[1], 100.0)].map(|(id, x)| Published {
                id: Some(id),
                bbox: at(x),
            });
            (truth.to_vec(), published.to_vec())
        })
        .collect();
    let scores = judge(&frames);
    assert_eq!((scores.idf1, scores.switches), (0.5, 2.0));
    assert!((scores.mota - 0.9).abs() < 1e-9);
}

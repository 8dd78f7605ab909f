//! Quality of the published tracks: IDF1 and identity switches at 10 and at 2.5 frames per second, on synthetic
//! crossings and on ten seconds of manually annotated real footage, compared with a naive baseline and with the best
//! possible result for the same detections. `cargo test --test suite tracking -- --nocapture` prints the scores.

#![expect(
    clippy::print_stdout,
    reason = "the scores are the purpose of the test"
)]

mod crossings;
mod live;
mod metrics;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use metrics::{Published, TrackingScores, Truth, judge, pair_frame};
use nvr::base::BBox;
use nvr::detect::Detection;
use nvr::track::{Tracker, TrackerSettings};

/// The default confidence of a processor.
const CONFIDENCE: f32 = 0.5;
/// Of the footage and the scenes.
const FRAME: Duration = Duration::from_millis(100);
/// Every frame is 10 per second, every fourth 2.5.
const RATES: [(usize, &str); 2] = [(1, "10 fps"), (4, "2.5 fps")];
/// Other seeds than those with which the settings were chosen (100–111).
const SEEDS: std::ops::Range<u64> = 1..9;

/// The true objects of a frame, and the detections.
type Frame = (Vec<Truth>, Vec<Detection>);
type Scene = Vec<Frame>;

/// Minimum IDF1 and maximum switches, with a small margin to the measured values.
struct Limits {
    idf1: f64,
    switches: f64,
}

/// The scores of one or more scenes, in three ways.
struct Compared {
    ours: TrackingScores,
    naive: TrackingScores,
    ceiling: TrackingScores,
}

#[test]
fn identities_survive_crossings_and_occlusions_in_synthetic_scenes() {
    let limits = [
        Limits {
            idf1: 0.83,
            switches: 8.0,
        },
        Limits {
            idf1: 0.80,
            switches: 16.0,
        },
    ];
    let scenes: Vec<Scene> = SEEDS.map(crossings::scene).collect();
    for ((every, rate), limits) in RATES.into_iter().zip(limits) {
        let compared = compare(scenes.iter().map(|scene| (scene, 0)), every);
        report("synthetic crossings", rate, &compared);
        assert_limits(&compared, &limits, rate);
    }
}

#[test]
fn identities_hold_on_real_footage() {
    let limits = [
        Limits {
            idf1: 0.90,
            switches: 2.0,
        },
        Limits {
            idf1: 0.89,
            switches: 2.5,
        },
    ];
    let scene = footage();
    for ((every, rate), limits) in RATES.into_iter().zip(limits) {
        // Every fourth frame can start at four frames: the mean of all.
        let compared = compare((0..every).map(|phase| (&scene, phase)), every);
        report("footage", rate, &compared);
        assert_limits(&compared, &limits, rate);
    }
}

#[test]
fn every_detection_of_the_footage_is_published_at_2_5_frames_a_second() {
    let scene = footage();
    let (mut found, mut published, mut with_id, mut overlapping) = (0, 0, 0, 0);
    for phase in 0..4 {
        let mut tracker = Tracker::new(TrackerSettings::for_confidence(CONFIDENCE));
        let mut before: Vec<Detection> = Vec::new();
        for (at, (_, detections)) in sampled(&scene, 4, phase) {
            let ids = tracker.update(at, detections);
            let strong: Vec<(&Detection, Option<u64>)> = detections
                .iter()
                .zip(ids)
                .filter(|(detection, _)| detection.confidence >= CONFIDENCE)
                .collect();
            found += strong_ones(detections).count();
            published += strong.len();
            with_id += strong.iter().filter(|(_, id)| id.is_some()).count();
            overlapping += strong
                .iter()
                .filter(|(now, _)| before.iter().any(|then| then.bbox.iou(&now.bbox) >= 0.2))
                .count();
            before = strong_ones(detections).cloned().collect();
        }
    }
    let percent = |count: usize| 100.0 * count as f64 / found as f64;
    println!(
        "footage at 2.5 fps: {:.1} % of {found} detections published, {:.1} % with an id; {:.1} % overlap (IoU 0.2) with \
         anything of the frame before, which is all that plain overlap could carry on",
        percent(published),
        percent(with_id),
        percent(overlapping)
    );
    assert_eq!(published, found);
    assert!(
        with_id * 100 >= found * 97,
        "{with_id} of {found} have an id"
    );
}

fn report(what: &str, rate: &str, scores: &Compared) {
    println!("{what} at {rate}");
    println!("  tracker   {}", scores.ours);
    println!("  naive     {}", scores.naive);
    println!("  ceiling   {}", scores.ceiling);
}

fn assert_limits(compared: &Compared, limits: &Limits, rate: &str) {
    let Compared { ours, naive, .. } = compared;
    assert!(ours.idf1 >= limits.idf1, "IDF1 {} at {rate}", ours.idf1);
    assert!(
        ours.switches <= limits.switches,
        "{} switches at {rate}",
        ours.switches
    );
    assert!(ours.idf1 > naive.idf1, "the naive baseline is as good");
}

/// The tracker, the baseline and the upper bound over scenes and start frames: the mean of all.
fn compare<'a>(scenes: impl Iterator<Item = (&'a Scene, usize)> + Clone, every: usize) -> Compared {
    let ours = scenes.clone().map(|(scene, phase)| {
        let mut tracker = Tracker::new(TrackerSettings::for_confidence(CONFIDENCE));
        run(scene, every, phase, |at, (_, detections)| {
            tracker.update(at, detections)
        })
    });
    let naive = scenes.clone().map(|(scene, phase)| {
        let mut naive = Naive::default();
        run(scene, every, phase, |at, (_, detections)| {
            naive.update(at, detections)
        })
    });
    let ceiling = scenes.map(|(scene, phase)| run(scene, every, phase, |_, frame| oracle(frame)));
    Compared {
        ours: mean(ours),
        naive: mean(naive),
        ceiling: mean(ceiling),
    }
}

/// Runs one way of assigning ids over a scene at one rate, and scores the published detections.
fn run(
    scene: &Scene,
    every: usize,
    phase: usize,
    mut identify: impl FnMut(Duration, &Frame) -> Vec<Option<u64>>,
) -> TrackingScores {
    let judged: Vec<_> = sampled(scene, every, phase)
        .map(|(at, frame)| {
            let ids = identify(at, frame);
            assert_eq!(ids.len(), frame.1.len());
            let published = frame
                .1
                .iter()
                .zip(ids)
                .filter(|(detection, _)| detection.confidence >= CONFIDENCE)
                .map(|(detection, id)| Published {
                    id,
                    bbox: detection.bbox,
                })
                .collect();
            (frame.0.clone(), published)
        })
        .collect();
    judge(&judged)
}

/// Every `every`th frame from `phase` on, with its time.
fn sampled(scene: &Scene, every: usize, phase: usize) -> impl Iterator<Item = (Duration, &Frame)> {
    (0u32..)
        .zip(scene)
        .skip(phase)
        .step_by(every)
        .map(|(number, frame)| (FRAME * number, frame))
}

/// Ids from the truth: no tracker can be better with these detections.
fn oracle((truth, detections): &Frame) -> Vec<Option<u64>> {
    let boxes: Vec<Published> = detections
        .iter()
        .map(|detection| Published {
            id: None,
            bbox: detection.bbox,
        })
        .collect();
    let mut ids = vec![None; detections.len()];
    for (one, other) in pair_frame(truth, &boxes, &BTreeMap::new()) {
        ids[other] = Some(truth[one].id);
    }
    ids
}

/// Greedy overlap with the last box (IoU 0.3), without motion; forgets after the same time as the tracker.
#[derive(Default)]
struct Naive {
    known: Vec<(u64, Detection, Duration)>,
    ids_given: u64,
}

impl Naive {
    fn update(&mut self, at: Duration, detections: &[Detection]) -> Vec<Option<u64>> {
        let memory = TrackerSettings::default().lost_limit;
        self.known.retain(|(_, _, seen)| at - *seen <= memory);
        let mut pairs = Vec::new();
        for (row, (_, last, _)) in self.known.iter().enumerate() {
            for (column, detection) in detections.iter().enumerate() {
                let iou = last.bbox.iou(&detection.bbox);
                if iou >= 0.3
                    && detection.confidence >= CONFIDENCE
                    && last.class_name == detection.class_name
                {
                    pairs.push((iou, row, column));
                }
            }
        }
        pairs.sort_by(|one, other| other.0.total_cmp(&one.0));
        let mut ids = vec![None; detections.len()];
        let mut used = vec![false; self.known.len()];
        for (_, row, column) in pairs {
            if !used[row] && ids[column].is_none() {
                used[row] = true;
                let known = &mut self.known[row];
                (known.1, known.2) = (detections[column].clone(), at);
                ids[column] = Some(known.0);
            }
        }
        for (id, detection) in ids.iter_mut().zip(detections) {
            if id.is_none() && detection.confidence >= CONFIDENCE {
                self.ids_given += 1;
                self.known.push((self.ids_given, detection.clone(), at));
                *id = Some(self.ids_given);
            }
        }
        ids
    }
}

/// The annotated footage with the detections of its persons.
fn footage() -> Scene {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/vtest-100");
    let mut scene = vec![(Vec::new(), Vec::new()); 100];
    for row in rows(&folder.join("truth.csv")) {
        scene[number(&row[0]) as usize - 1].0.push(Truth {
            id: number(&row[1]) as u64,
            bbox: bbox(&row[2..6]),
            counts: &row[6] == "1",
        });
    }
    let person: Arc<str> = "person".into();
    for row in rows(&folder.join("detections.csv")) {
        if row[1] == *person {
            scene[number(&row[0]) as usize - 1].1.push(Detection {
                class_name: Arc::clone(&person),
                confidence: number(&row[2]),
                bbox: bbox(&row[3..7]),
            });
        }
    }
    scene
}

fn rows(file: &Path) -> Vec<Vec<String>> {
    std::fs::read_to_string(file)
        .unwrap_or_else(|err| panic!("{}: {err}", file.display()))
        .lines()
        .skip(1)
        .map(|line| line.split(',').map(str::to_owned).collect())
        .collect()
}

fn number(field: &str) -> f32 {
    field
        .parse()
        .unwrap_or_else(|err| panic!("`{field}`: {err}"))
}

/// From left, top, width and height.
fn bbox(fields: &[String]) -> BBox {
    let [left, top, width, height] = [0, 1, 2, 3].map(|index: usize| number(&fields[index]));
    BBox::from_corners(left, top, left + width, top + height)
}

fn strong_ones(detections: &[Detection]) -> impl Iterator<Item = &Detection> {
    detections
        .iter()
        .filter(|detection| detection.confidence >= CONFIDENCE)
}

/// The mean of several runs.
fn mean(runs: impl Iterator<Item = TrackingScores>) -> TrackingScores {
    let runs: Vec<TrackingScores> = runs.collect();
    let over =
        |value: fn(&TrackingScores) -> f64| runs.iter().map(value).sum::<f64>() / runs.len() as f64;
    TrackingScores {
        idf1: over(|run| run.idf1),
        switches: over(|run| run.switches),
        mota: over(|run| run.mota),
        with_id: over(|run| run.with_id),
        published: over(|run| run.published),
    }
}

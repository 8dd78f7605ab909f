//! The tracker judged as published: IDF1 and identity switches at 10 and at 2.5 frames a second, on synthetic crossings and
//! on ten seconds of real footage annotated by eye, beside a naive baseline and beside the best that any tracker could do
//! with the same detections. `cargo test --test suite tracking -- --nocapture` prints the figures.

#![expect(clippy::print_stdout, reason = "the figures are what the test is for")]

mod crossings;
mod live;
mod metrics;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use metrics::{Figures, Published, Truth, judge, pair_frame};
use nvr::base::BBox;
use nvr::detect::Detection;
use nvr::track::{Tracker, TrackerSettings};

/// What a processor publishes by default.
const CONFIDENCE: f32 = 0.5;
/// Both the footage and the scenes.
const FRAME: Duration = Duration::from_millis(100);
/// Every frame is 10 a second, every fourth 2.5.
const RATES: [(usize, &str); 2] = [(1, "10 fps"), (4, "2.5 fps")];
/// Not the seeds that the settings were chosen on (100–111).
const SEEDS: std::ops::Range<u64> = 1..9;

/// What is there, and what the detector made of it.
type Frame = (Vec<Truth>, Vec<Detection>);
type Scene = Vec<Frame>;

/// Least IDF1 and most switches, a little beyond what was measured.
struct Limits {
    idf1: f64,
    switches: f64,
}

/// One scene or more, in three ways.
struct Compared {
    ours: Figures,
    naive: Figures,
    ceiling: Figures,
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
        hold(&compared, &limits, rate);
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
        // Every fourth frame can begin at four frames: the mean of all.
        let compared = compare((0..every).map(|phase| (&scene, phase)), every);
        report("footage", rate, &compared);
        hold(&compared, &limits, rate);
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

fn report(what: &str, rate: &str, figures: &Compared) {
    println!("{what} at {rate}");
    println!("  tracker   {}", figures.ours);
    println!("  naive     {}", figures.naive);
    println!("  ceiling   {}", figures.ceiling);
}

fn hold(compared: &Compared, limits: &Limits, rate: &str) {
    let Compared { ours, naive, .. } = compared;
    assert!(ours.idf1 >= limits.idf1, "IDF1 {} at {rate}", ours.idf1);
    assert!(
        ours.switches <= limits.switches,
        "{} switches at {rate}",
        ours.switches
    );
    assert!(ours.idf1 > naive.idf1, "the naive baseline is as good");
}

/// The tracker, the baseline and the ceiling over scenes and the frame each begins at: the mean of all.
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

/// Runs one way of giving ids over a scene at one rate, and judges what is published of it.
fn run(
    scene: &Scene,
    every: usize,
    phase: usize,
    mut identify: impl FnMut(Duration, &Frame) -> Vec<Option<u64>>,
) -> Figures {
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

/// Ids by the truth: what no tracker can better with these detections.
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

/// Greedy overlap with the box seen last (IoU 0.3), no motion, forgotten after as long as the tracker forgets.
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
fn mean(runs: impl Iterator<Item = Figures>) -> Figures {
    let runs: Vec<Figures> = runs.collect();
    let over = |value: fn(&Figures) -> f64| runs.iter().map(value).sum::<f64>() / runs.len() as f64;
    Figures {
        idf1: over(|run| run.idf1),
        switches: over(|run| run.switches),
        mota: over(|run| run.mota),
        with_id: over(|run| run.with_id),
        published: over(|run| run.published),
    }
}

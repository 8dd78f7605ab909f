//! Numbers of lanes, chosen with detectors whose speed is known.

use std::cell::{Cell, RefCell};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::base::Size;
use crate::detect::{Detection, Picture, Thresholds};

/// No limit is met.
const NONE: Limits = Limits {
    lanes: usize::MAX,
    time: Duration::MAX,
};

/// A detector that takes `time` for a picture. It counts itself while it is there.
struct Timed {
    time: Duration,
    live: Arc<AtomicUsize>,
}

impl Timed {
    fn boxed(time: Duration, live: &Arc<AtomicUsize>) -> Box<dyn Detector> {
        live.fetch_add(1, Ordering::Relaxed);
        Box::new(Self {
            time,
            live: live.clone(),
        })
    }
}

impl Drop for Timed {
    fn drop(&mut self) {
        self.live.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Detector for Timed {
    fn input_size(&self) -> Size {
        Size::new(32, 32)
    }

    fn detect(
        &mut self,
        pictures: &[Picture<'_>],
        _: Thresholds,
    ) -> Result<Vec<Vec<Detection>>, DetectError> {
        std::thread::sleep(self.time);
        Ok(vec![Vec::new(); pictures.len()])
    }
}

fn key(threads: usize) -> ChoiceKey {
    ChoiceKey {
        model: "ab12".to_owned(),
        engine: "rten 1".to_owned(),
        threads,
    }
}

/// The chosen number for an engine that takes `time(threads)` by calculation, and how often networks were loaded.
fn chosen(
    remembered: &Remembered<usize>,
    threads: usize,
    bytes: u64,
    time: impl Fn(usize) -> Duration,
) -> (usize, usize) {
    let (loads, live) = (Cell::new(0), Arc::new(AtomicUsize::new(0)));
    let most = Cell::new(0);
    let times = RefCell::new(Vec::new());
    let load = |threads| {
        loads.set(loads.get() + 1);
        times.borrow_mut().push(time(threads));
        let one = Timed::boxed(time(threads), &live);
        most.set(most.get().max(live.load(Ordering::Relaxed)));
        Ok(one)
    };
    // No clock: what else the machine does would count.
    let measure = |detectors: &mut [Box<dyn Detector>], _: Duration| {
        let times = times.borrow();
        let last = times.iter().rev().take(detectors.len());
        Ok(last.map(|time| 1.0 / time.as_secs_f64()).sum())
    };
    let limits = Limits {
        lanes: most_lanes(bytes, Some(1 << 30)),
        ..NONE
    };
    let found = choose_in(remembered, &key(threads), limits, load, measure).expect("it loads");
    assert_eq!(
        live.load(Ordering::Relaxed),
        found.len(),
        "no other one is left"
    );
    assert!(most.get() <= threads, "never more than one number at once");
    (found.len(), loads.get())
}

fn remembered() -> (tempfile::TempDir, PathBuf, Remembered<usize>) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("cache/lanes.json");
    (folder, path.clone(), Remembered::at(path))
}

#[test]
fn the_number_with_the_most_pictures_is_chosen_and_remembered() {
    let (_folder, _, remembered) = remembered();
    // More threads do not help: four networks of one thread infer four times as many pictures.
    let flat = |_| Duration::from_millis(20);
    assert_eq!(chosen(&remembered, 4, 0, flat), (4, 1 + 2 + 4));
    assert_eq!(chosen(&remembered, 4, 0, flat), (4, 4), "it is known now");
    // Another number of threads is another choice. Threads help fully here: one lane is as fast.
    let shared = |threads: usize| Duration::from_millis(60) / threads as u32;
    assert_eq!(chosen(&remembered, 3, 0, shared), (1, 1 + 2 + 3 + 1));
    assert_eq!(chosen(&remembered, 3, 0, shared), (1, 1));
    assert_eq!(remembered.all().len(), 2);
}

#[test]
fn a_network_that_is_too_slow_to_measure_has_one_lane() {
    let (_folder, _, remembered) = remembered();
    let live = Arc::default();
    let load = |_| Ok(Timed::boxed(BUDGET, &live));
    let found = choose_in(&remembered, &key(2), NONE, load, rate).expect("it loads");
    assert_eq!(found.len(), 1);
    assert_eq!(remembered.get(&key(2)), Some(1));
}

#[test]
fn networks_that_take_long_to_load_are_not_tried_in_further_numbers() {
    let (_folder, _, remembered) = remembered();
    let (live, loads) = (Arc::default(), Cell::new(0));
    let limits = Limits {
        time: Duration::from_millis(30),
        ..NONE
    };
    let load = |_| {
        loads.set(loads.get() + 1);
        std::thread::sleep(Duration::from_millis(15));
        Ok(Timed::boxed(Duration::ZERO, &live))
    };
    // Each number is better than the one before, and measured at once.
    let measure = |detectors: &mut [Box<dyn Detector>], _: Duration| Ok(detectors.len() as f64);
    let found = choose_in(&remembered, &key(8), limits, load, measure).expect("it loads");
    // One takes 15 ms, two 45 ms: four and eight are not tried. On a busy machine two are not either.
    assert!(found.len() <= 2, "{}", found.len());
    assert_eq!(loads.get(), if found.len() == 1 { 1 } else { 3 });
    assert_eq!(remembered.get(&key(8)), Some(found.len()));
}

#[test]
fn the_rate_counts_the_pictures_of_all_detectors() {
    let live = Arc::default();
    let time = Duration::from_millis(50);
    let mut detectors: Vec<_> = (0..4).map(|_| Timed::boxed(time, &live)).collect();
    let found = rate(&mut detectors, Duration::from_millis(400)).expect("it runs");
    // Never more than 20 of each; fewer where the machine has other work.
    assert!(found > 0.0 && found <= 80.0, "{found}");
}

#[test]
fn memory_limits_the_lanes() {
    let (_folder, _, remembered) = remembered();
    let flat = |_| Duration::from_millis(5);
    // A quarter of 1 GiB is enough for three networks of 80 MiB.
    assert_eq!(chosen(&remembered, 4, 20 << 20, flat).0, 2);
    assert_eq!(most_lanes(1 << 40, Some(1 << 30)), 1);
    assert_eq!(most_lanes(1 << 40, None), usize::MAX);
}

#[test]
fn a_damaged_file_or_an_impossible_number_is_measured_again() {
    let (_folder, path, remembered) = remembered();
    let flat = |_| Duration::from_millis(5);
    for text in ["{", "[]", "{\"x\": -1}"] {
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("it is made");
        std::fs::write(&path, text).expect("it can be written");
        assert_eq!(chosen(&remembered, 2, 0, flat), (2, 1 + 2), "{text}");
    }
    remembered.keep(&key(2), 70);
    assert_eq!(chosen(&remembered, 2, 0, flat), (2, 1 + 2));
}

#[test]
fn candidates_are_doubles_up_to_the_threads() {
    assert_eq!(candidates(1, 99), [1]);
    assert_eq!(candidates(2, 99), [1, 2]);
    assert_eq!(candidates(6, 99), [1, 2, 4, 6]);
    assert_eq!(candidates(8, 99), [1, 2, 4, 8]);
    assert_eq!(candidates(8, 3), [1, 2]);
    assert_eq!(candidates(0, 99), [1]);
}

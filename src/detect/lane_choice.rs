//! Chooses the number of lanes of an engine on the CPU: the one that infers the most pictures per second on this machine.
//!
//! One network with many threads leaves cores idle at each of its layers; several networks with one thread each do not, and need more
//! memory and more time for each picture. Which is faster depends on the network, the engine and the processor, so it is measured at the
//! first start, and remembered.

use std::sync::Barrier;
use std::time::{Duration, Instant};

use super::bench::{NoisePicture, THRESHOLDS};
use super::parallelism::threads_of;
use super::remembered::{ChoiceKey, Remembered};
use super::{DetectError, Detector};
use crate::base::value_of;

/// The file of the choices in the cache.
const FILE: &str = "lanes.json";

/// How long the measurements of one choice take together, without loading. No further number is tried after that.
const BUDGET: Duration = Duration::from_secs(2);

/// The limit of time of a choice, loading included. It is longer than the budget because OpenVINO takes half a second and more to load a
/// network.
const LONGEST: Duration = Duration::from_secs(10);

/// More lanes must infer so many times as many pictures: they take memory, and each picture takes longer.
const WORTH: f64 = 1.1;

/// The part of the free memory that the networks of all lanes may take.
const MEMORY_SHARE: f64 = 0.25;

/// How many times the size of its files a loaded network takes: the weights, as read and as packed for the processor, and tensors.
const MEMORY_PER_BYTE: f64 = 4.0;

/// The detectors of the best number of lanes. `load` makes one with so many threads, from files of `bytes` bytes. Unless the choice is
/// remembered, blocks for about [`BUDGET`] and the time for loading; after [`LONGEST`] no further number is tried.
///
/// # Errors
/// If not even one lane can be loaded.
pub(super) fn choose(
    key: &ChoiceKey,
    bytes: u64,
    load: impl Fn(usize) -> Result<Box<dyn Detector>, DetectError>,
) -> Result<Vec<Box<dyn Detector>>, DetectError> {
    let limits = Limits {
        lanes: most_lanes(bytes, free_memory()),
        time: LONGEST,
    };
    choose_in(&Remembered::in_cache(FILE), key, limits, load, rate)
}

/// What ends the search for a better number.
struct Limits {
    /// No greater number of lanes is tried.
    lanes: usize,
    /// No further number is tried after this time, loading included.
    time: Duration,
}

/// As [`choose`], with the given earlier choices and limits. `measure` gives the pictures per second of detectors, measured in about so
/// much time.
fn choose_in(
    remembered: &Remembered<usize>,
    key: &ChoiceKey,
    limits: Limits,
    load: impl Fn(usize) -> Result<Box<dyn Detector>, DetectError>,
    measure: impl Fn(&mut [Box<dyn Detector>], Duration) -> Result<f64, DetectError>,
) -> Result<Vec<Box<dyn Detector>>, DetectError> {
    let possible = 1..=key.threads.max(1);
    if let Some(lanes) = remembered.get(key).filter(|lanes| possible.contains(lanes)) {
        return loaded(&load, key.threads, lanes);
    }
    let started = Instant::now();
    let (mut best, mut best_rate) = (1, 0.0);
    let candidates: Vec<usize> = candidates(key.threads, limits.lanes);
    let slot = BUDGET / (2 * u32::try_from(candidates.len()).unwrap_or(u32::MAX).max(1));
    let mut last = None;
    let mut measuring = Duration::ZERO;
    for lanes in candidates {
        if lanes > 1 && (measuring >= BUDGET || started.elapsed() >= limits.time) {
            break;
        }
        // The memory of one number of lanes is free before the next one is loaded.
        drop(last.take());
        let mut detectors = loaded(&load, key.threads, lanes)?;
        let measured = Instant::now();
        let rate = measure(&mut detectors, slot)?;
        measuring += measured.elapsed();
        tracing::debug!(lanes, rate, "lanes are measured");
        if best_rate == 0.0 || rate >= best_rate * WORTH {
            (best, best_rate) = (lanes, rate);
        }
        last = Some((lanes, detectors));
    }
    let took = started.elapsed().as_millis();
    tracing::info!(
        lanes = best,
        threads = key.threads,
        per_second = (best_rate * 10.0).round() / 10.0,
        took_ms = u64::try_from(took).unwrap_or(u64::MAX),
        "the number of lanes is chosen by measurement; later starts know it"
    );
    remembered.keep(key, best);
    match last {
        Some((lanes, detectors)) if lanes == best => Ok(detectors),
        _ => {
            drop(last);
            loaded(&load, key.threads, best)
        }
    }
}

/// 1, its doubles, and the number of threads.
fn candidates(threads: usize, most: usize) -> Vec<usize> {
    let mut counts: Vec<usize> = std::iter::successors(Some(1), |count| Some(count * 2))
        .take_while(|count| *count < threads)
        .chain([threads.max(1)])
        .filter(|count| *count <= most)
        .collect();
    counts.dedup();
    counts
}

/// How many lanes the free memory is enough for. One in any case.
fn most_lanes(bytes: u64, free: Option<u64>) -> usize {
    let each = bytes as f64 * MEMORY_PER_BYTE;
    match free {
        Some(free) if each > 0.0 => ((free as f64 * MEMORY_SHARE / each) as usize).max(1),
        _ => usize::MAX,
    }
}

fn loaded(
    load: &impl Fn(usize) -> Result<Box<dyn Detector>, DetectError>,
    threads: usize,
    lanes: usize,
) -> Result<Vec<Box<dyn Detector>>, DetectError> {
    threads_of(threads, lanes).into_iter().map(load).collect()
}

/// Pictures per second of all `detectors` at once, measured for about `slot`.
fn rate(detectors: &mut [Box<dyn Detector>], slot: Duration) -> Result<f64, DetectError> {
    let start = &Barrier::new(detectors.len());
    let rates = std::thread::scope(|scope| {
        let threads: Vec<_> = detectors
            .iter_mut()
            .map(|detector| scope.spawn(move || rate_of_one(detector.as_mut(), slot, start)))
            .collect();
        let joined = threads.into_iter().map(|thread| match thread.join() {
            Ok(rate) => rate,
            Err(panic) => std::panic::resume_unwind(panic),
        });
        joined.collect::<Vec<_>>()
    });
    rates.into_iter().sum()
}

fn rate_of_one(
    detector: &mut dyn Detector,
    slot: Duration,
    start: &Barrier,
) -> Result<f64, DetectError> {
    let noise = NoisePicture::new(detector.input_size());
    let picture = [noise.picture()];
    // Engines choose their algorithms during the first call. All wait for each other, also after an error.
    let started = Instant::now();
    let first = detector.detect(&picture, THRESHOLDS);
    let took = started.elapsed();
    start.wait();
    first?;
    if took >= slot {
        return Ok(1.0 / took.as_secs_f64());
    }
    let (started, mut pictures) = (Instant::now(), 0);
    while pictures == 0 || started.elapsed() < slot {
        detector.detect(&picture, THRESHOLDS)?;
        pictures += 1;
    }
    Ok(f64::from(pictures) / started.elapsed().as_secs_f64().max(f64::MIN_POSITIVE))
}

/// Memory that can be had without swapping, in bytes.
fn free_memory() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let value = value_of(&text, "MemAvailable:")?;
    let kilobytes: u64 = value.strip_suffix("kB")?.trim_end().parse().ok()?;
    Some(kilobytes * 1024)
}

#[cfg(test)]
#[path = "lane_choice_tests.rs"]
mod tests;

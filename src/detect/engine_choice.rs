//! Chooses the engine on the CPU for `auto`: OpenVINO where it is faster on this machine, else ONNX Runtime, else rten.
//!
//! OpenVINO is faster on some processors and slower on others, so it is measured at the first start, and the result is remembered. A
//! process can open one build of ONNX Runtime only. Therefore the measurement is made inside the build with OpenVINO, and later starts
//! open the plain build first, which may be newer, where OpenVINO is not worth it.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::bench::{NoisePicture, THRESHOLDS, quantile};
use super::cpu_engine::CpuEngine;
use super::onnxruntime;
use super::onnxruntime::library::{Build, open_library, openvino_library};
use super::onnxruntime::openvino;
use super::remembered::{ChoiceKey, Remembered};
use super::rten;
use super::{DetectError, Detector, Parallelism};
use crate::config::OpenVinoPrecision;

/// The file of the choices in the cache.
const FILE: &str = "engines.json";

/// How long the measurement of one choice takes, in addition to loading the network twice.
const BUDGET: Duration = Duration::from_secs(1);

/// OpenVINO must be so many times as fast: it takes more memory, and more time to load.
const WORTH: f64 = 1.1;

/// The engine of the two that is used on this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Faster {
    OpenVino,
    OnnxRuntime,
}

/// The engines that `auto` tries, in this order.
pub(super) struct Candidates {
    pub(super) engines: Vec<CpuEngine>,
    /// Why faster engines can't load the model.
    pub(super) refusals: Vec<DetectError>,
}

impl Candidates {
    /// Engines of which none has refused the model yet.
    pub(super) fn of(engines: Vec<CpuEngine>) -> Self {
        Self {
            engines,
            refusals: Vec::new(),
        }
    }
}

/// The engines for the model `model`, given by its id and its hash. `load` makes a detector with so many threads. Blocks for
/// [`BUDGET`] and the time for loading, if OpenVINO is here and the choice is not remembered.
///
/// # Errors
/// If a loaded network does not match the manifest, or fails.
pub(super) fn candidates(
    model: String,
    parallelism: Parallelism,
    precision: OpenVinoPrecision,
    load: impl Fn(CpuEngine, usize) -> Result<Box<dyn Detector>, DetectError>,
) -> Result<Candidates, DetectError> {
    let openvino = CpuEngine::OpenVino(precision);
    let key = ChoiceKey {
        model,
        engine: format!("{} or {}", openvino.identity(), onnxruntime::NAME),
        threads: threads_of_a_lane(parallelism),
    };
    let remembered = Remembered::in_cache(FILE);
    if remembered.get(&key) != Some(Faster::OnnxRuntime) && is_present() {
        let load = |engine| load(engine, key.threads);
        let mut found = faster(&remembered, &key, openvino, load, median_calls)?;
        found.engines.push(CpuEngine::Rten);
        tracing::info!(backend = found.engines[0].name(), "backend chosen");
        return Ok(found);
    }
    Ok(Candidates::of(without_openvino()))
}

/// The threads of a lane. If the number of lanes is to be measured, it is often that of the threads.
fn threads_of_a_lane(parallelism: Parallelism) -> usize {
    let threads = parallelism.cpu_threads();
    (threads / parallelism.cpu_lanes().unwrap_or(threads)).max(1)
}

/// Whether OpenVINO can be used. Where a file for it exists, the reason why not is logged.
fn is_present() -> bool {
    match openvino::present() {
        Ok(present) => {
            let version = present.version;
            tracing::debug!(version, library = present.library, "OpenVINO is open");
            true
        }
        Err(reason) => {
            if openvino_library().is_some_and(|path| path.exists()) {
                tracing::info!(%reason, "OpenVINO is not used");
            }
            false
        }
    }
}

/// ONNX Runtime if its library is here, and rten.
fn without_openvino() -> Vec<CpuEngine> {
    match open_library(Build::Plain) {
        Ok(library) => {
            tracing::info!(backend = onnxruntime::NAME, library = %library.display(), "backend chosen");
            vec![CpuEngine::OnnxRuntime, CpuEngine::Rten]
        }
        Err(reason) => {
            tracing::info!(backend = rten::NAME, %reason, "backend chosen: ONNX Runtime, which is twice as fast, is missing");
            vec![CpuEngine::Rten]
        }
    }
}

/// OpenVINO and ONNX Runtime, the better one first; without the one that can't load the model. `measure` gives the time of a picture
/// with each of the two, measured in about so much time.
fn faster(
    remembered: &Remembered<Faster>,
    key: &ChoiceKey,
    openvino: CpuEngine,
    load: impl Fn(CpuEngine) -> Result<Box<dyn Detector>, DetectError>,
    measure: impl Fn([&mut dyn Detector; 2], Duration) -> Result<[Duration; 2], DetectError>,
) -> Result<Candidates, DetectError> {
    let plain = CpuEngine::OnnxRuntime;
    let sorted = |choice| {
        Candidates::of(match choice {
            Faster::OpenVino => vec![openvino, plain],
            Faster::OnnxRuntime => vec![plain, openvino],
        })
    };
    if let Some(choice) = remembered.get(key) {
        return Ok(sorted(choice));
    }
    let only = |engine, reason| Candidates {
        engines: vec![engine],
        refusals: vec![reason],
    };
    let mut with_openvino = match load(openvino) {
        Err(reason @ DetectError::Load { .. }) => return Ok(only(plain, reason)),
        other => other?,
    };
    let mut without = match load(plain) {
        Err(reason @ DetectError::Load { .. }) => return Ok(only(openvino, reason)),
        other => other?,
    };
    let [its_time, other_time] = measure([with_openvino.as_mut(), without.as_mut()], BUDGET)?;
    let choice = match its_time.mul_f64(WORTH) <= other_time {
        true => Faster::OpenVino,
        false => Faster::OnnxRuntime,
    };
    let ms = |time: Duration| (time.as_secs_f64() * 1e4).round() / 10.0;
    tracing::info!(
        openvino_ms = ms(its_time),
        onnxruntime_ms = ms(other_time),
        threads = key.threads,
        "OpenVINO and ONNX Runtime are measured; later starts know the faster one"
    );
    remembered.keep(key, choice);
    Ok(sorted(choice))
}

/// The median time of the calls of each detector. They are called in turns, because what else the machine does changes with time.
fn median_calls(
    mut detectors: [&mut dyn Detector; 2],
    limit: Duration,
) -> Result<[Duration; 2], DetectError> {
    let noise = NoisePicture::new(detectors[0].input_size());
    let mut times = [Vec::new(), Vec::new()];
    let started = Instant::now();
    loop {
        for (detector, times) in detectors.iter_mut().zip(&mut times) {
            let called = Instant::now();
            detector.detect(&[noise.picture()], THRESHOLDS)?;
            times.push(called.elapsed());
        }
        if started.elapsed() >= limit {
            return Ok(times.map(median));
        }
    }
}

/// The median of `times` without the first one, if there are others: engines choose their algorithms during the first call.
fn median(mut times: Vec<Duration>) -> Duration {
    if times.len() > 1 {
        times.remove(0);
    }
    times.sort_unstable();
    quantile(&times, 0.5)
}

#[cfg(test)]
#[path = "engine_choice_tests.rs"]
mod tests;

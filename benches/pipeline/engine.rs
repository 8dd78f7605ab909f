//! The engine alone: the same detector as in the processor, run repeatedly on one picture in a separate process.

use std::io::Read;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nvr::base::{Letterbox, Size, models_dirs};
use nvr::config::{Backend, ModelChoice, OpenVinoPrecision};
use nvr::detect::{DetectorRequest, ModelStore, Parallelism, Picture, Thresholds, open};

use crate::process::{Process, mean};

/// Results of the engine alone.
pub(crate) struct Alone {
    pub(crate) per_second: f64,
    pub(crate) cpu_each_s: f64,
}

impl Alone {
    /// Several runs as one.
    pub(crate) fn mean(runs: &[Self]) -> Self {
        Self {
            per_second: mean(runs, |run| run.per_second),
            cpu_each_s: mean(runs, |run| run.cpu_each_s),
        }
    }
}

/// The backend that `auto` takes here.
pub(crate) fn best_backend() -> &'static str {
    open(
        &wanted(Backend::Auto, 1),
        &ModelStore::new(models_dirs(&[])),
    )
    .expect("a model; run `make setup`")
    .backend
}

/// Runs the engine alone for `window`.
pub(crate) fn alone(backend: &str, threads: usize, window: Duration) -> Alone {
    result(start(backend, threads, window))
}

/// Runs so many engines with one thread each, in separate processes, at once for `window`. Gives the sum of their inferences per second.
pub(crate) fn together(backend: &str, engines: usize, window: Duration) -> f64 {
    let started: Vec<Process> = (0..engines).map(|_| start(backend, 1, window)).collect();
    started
        .into_iter()
        .map(|process| result(process).per_second)
        .sum()
}

fn start(backend: &str, threads: usize, window: Duration) -> Process {
    let own = std::env::current_exe().expect("this program has a file");
    Process::start(
        Command::new(own)
            .args([
                "engine",
                backend,
                &threads.to_string(),
                &window.as_secs_f64().to_string(),
            ])
            .stdout(Stdio::piped()),
    )
}

fn result(mut process: Process) -> Alone {
    let mut text = String::new();
    let mut output = process.output().expect("its output is piped");
    output
        .read_to_string(&mut text)
        .expect("its output is text");
    let figures: Vec<f64> = text
        .split_whitespace()
        .filter_map(|word| word.parse().ok())
        .collect();
    let [count, seconds, cpu_seconds] = figures[..] else {
        panic!("the engine's process said {text:?}");
    };
    Alone {
        per_second: count / seconds,
        cpu_each_s: cpu_seconds / count,
    }
}

/// Runs in the child process. Prints the number of inferences, the time and the CPU time.
pub(crate) fn run(mut arguments: impl Iterator<Item = String>) {
    let backend = match arguments.next().as_deref() {
        Some("rten") => Backend::Rten,
        _ => Backend::Onnxruntime,
    };
    let threads = arguments
        .next()
        .and_then(|text| text.parse().ok())
        .expect("threads");
    let window: f64 = arguments
        .next()
        .and_then(|text| text.parse().ok())
        .expect("seconds");
    let store = ModelStore::new(models_dirs(&[]));
    let mut detector = open(&wanted(backend, threads), &store)
        .expect("the model")
        .detector;
    let size = detector.input_size();
    let pixels = (size.width * size.height) as usize;
    let rgb: Vec<u8> = (0..pixels * 3)
        .map(|index| (index * 31 % 251) as u8)
        .collect();
    let picture = Picture {
        rgb: &rgb,
        letterbox: Letterbox::fit(Size::new(1280, 720), size),
    };
    let thresholds = Thresholds {
        confidence: 0.1,
        iou: 0.45,
    };
    let mut infer = || {
        detector
            .detect(&[picture], thresholds)
            .expect("an inference")
    };
    for _ in 0..5 {
        infer();
    }
    let (cpu, start, mut count) = (cpu_seconds(), Instant::now(), 0u32);
    while start.elapsed().as_secs_f64() < window {
        infer();
        count += 1;
    }
    println!(
        "{count} {} {}",
        start.elapsed().as_secs_f64(),
        cpu_seconds() - cpu
    );
}

fn wanted(backend: Backend, threads: usize) -> DetectorRequest {
    DetectorRequest {
        model: ModelChoice::Default,
        backend,
        openvino_precision: OpenVinoPrecision::F32,
        parallelism: Parallelism {
            threads: Some(threads),
            lanes: Some(1),
            ..Parallelism::default()
        },
        scripted_delay: Duration::ZERO,
    }
}

fn cpu_seconds() -> f64 {
    let spent = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    spent.tv_sec as f64 + spent.tv_nsec as f64 * 1e-9
}

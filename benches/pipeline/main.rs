//! The whole pipeline against the sum of its parts, everything in one run: a machine's load and age cancel out.
//!
//! Four RTSP cameras of 1280×720 at 25 frames a second are decoded by GStreamer alone, the engine infers alone, and then
//! the processor does both. Printed are ratios, and the limits that they are held against.
#![expect(clippy::print_stdout, reason = "a benchmark prints its table")]
#![expect(
    clippy::expect_used,
    reason = "a benchmark ends where a part of it is missing"
)]

mod engine;
mod parts;
mod process;

use std::time::Duration;

use engine::Alone;
use parts::{Cameras, Measured, Processor, decode_only};
use process::free_port;

/// How long each part is watched after it has warmed up.
const WINDOW: Duration = Duration::from_secs(40);
/// In how many processes one after the other, where two parts are held against each other closely.
const ROUNDS: u32 = 5;

fn main() {
    let mut arguments = std::env::args().skip(1);
    match arguments.next().as_deref() {
        Some("engine") => engine::run(arguments),
        // `cargo bench` says --bench; a name filters benchmarks, and this one has a name of its own.
        Some(filter) if !filter.starts_with('-') && !"pipeline".contains(filter) => {}
        _ => compare(),
    }
}

fn compare() {
    let mut table = Table::default();
    let cameras = Cameras::start(4);
    let backend = engine::best_backend();
    println!(
        "4 cameras, 1280x720, 25 fps, H.264 over RTSP/TCP; backend {backend}, 1 thread; {} s a part\n",
        WINDOW.as_secs()
    );

    let decode = decode_only(&cameras, WINDOW);
    // In turns: a machine that slows down does so for both, and a process whose memory lies badly, which alone makes an
    // engine some percent slower, is one of several.
    let (alone, four): (Vec<_>, Vec<_>) = (0..ROUNDS)
        .map(|_| {
            let settings = ["--backend", backend, "--threads", "1"];
            (
                engine::alone(backend, 1, WINDOW / ROUNDS),
                Processor::start(&cameras, 4, &settings).measure(WINDOW / ROUNDS),
            )
        })
        .unzip();
    let alone = Alone::mean(&alone);
    let four = Measured::mean(&four);
    println!(
        "decoding alone: {:.3} CPU, {:.1} MB",
        decode.cores, decode.peak_mb
    );
    println!(
        "engine alone:   {:.2} inferences/s, {:.1} ms CPU each",
        alone.per_second,
        alone.cpu_each_s * 1e3
    );

    let parts = four.inferred_per_second * alone.cpu_each_s + decode.cores;
    println!(
        "processor:      {:.2} inferences/s, {:.3} CPU, parts {parts:.3} CPU, latency p50 {:.0} ms\n",
        four.inferred_per_second, four.cores, four.latency_p50_ms
    );
    table.at_most(
        "CPU of the processor / (engine + decoding)",
        four.cores / parts,
        1.08,
    );
    table.at_least(
        "inferred frames/s / engine alone",
        four.inferred_per_second / alone.per_second,
        0.97,
    );
    table.at_most(
        "peak memory in MB (decoding alone is above)",
        four.peak_mb,
        250.0,
    );

    let scripted = Processor::start(&cameras, 4, &["--backend", "scripted"]).measure(WINDOW);
    println!(
        "scripted:       {:.1} frames/s, {:.3} CPU",
        scripted.inferred_per_second, scripted.cores
    );
    table.at_least(
        "scripted: inferred frames/s / 100",
        scripted.inferred_per_second / 100.0,
        0.98,
    );
    table.at_most(
        "scripted: CPU / decoding alone",
        scripted.cores / decode.cores,
        1.5,
    );

    let single = Processor::start(
        &cameras,
        1,
        &["--backend", backend, "--threads", "1", "--max-fps", "5"],
    )
    .measure(WINDOW);
    table.at_most(
        "one source: latency p50 - inference p50, ms",
        single.latency_p50_ms - single.inference_p50_ms,
        25.0,
    );

    let idle = Processor::idle(&free_port().to_string()).measure_idle(WINDOW);
    table.at_most(
        "idle (nothing reachable): CPU, % of a core",
        idle.cores * 100.0,
        1.0,
    );
    table.at_most(
        "idle: wake-ups a second, all threads",
        idle.wakeups_per_second,
        50.0,
    );
    table.print();
}

/// Figures and what they are held against.
#[derive(Default)]
struct Table(Vec<(&'static str, f64, String, bool)>);

impl Table {
    fn at_most(&mut self, what: &'static str, found: f64, limit: f64) {
        self.0
            .push((what, found, format!("≤ {limit}"), found <= limit));
    }

    fn at_least(&mut self, what: &'static str, found: f64, limit: f64) {
        self.0
            .push((what, found, format!("≥ {limit}"), found >= limit));
    }

    fn print(&self) {
        println!("\n{:<48} {:>9}   {:<8} verdict", "", "found", "limit");
        for (what, found, limit, held) in &self.0 {
            println!(
                "{what:<48} {found:>9.3}   {limit:<8} {}",
                if *held { "held" } else { "BEYOND" }
            );
        }
    }
}

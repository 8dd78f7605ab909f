//! The processor, compared with decoding alone and the engine alone.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nvr::base::Size;
use serde_json::Value;

use crate::cameras::{Cameras, WARM_UP};
use crate::engine::{self, Alone};
use crate::process::{Process, Use, broker, figure, free_port, mean, nvr};
use crate::table::Table;

/// How long each part is watched after it has warmed up.
const WINDOW: Duration = Duration::from_secs(40);
/// In how many processes one after the other, where two parts are held against each other closely.
const ROUNDS: u32 = 5;

/// Prints the processor against the sum of its parts.
pub(crate) fn compare() {
    let mut table = Table::default();
    let cameras = Cameras::footage(4, Size::new(1280, 720));
    let backend = engine::best_backend();
    println!(
        "4 cameras, 1280x720, 25 fps, H.264 over RTSP/TCP; backend {backend}, 1 thread; {} s a part\n",
        WINDOW.as_secs()
    );
    let decode = cameras.decode_only(WINDOW);
    one_thread(&mut table, &cameras, backend, &decode);
    all_cores(&mut table, &cameras, backend, decode.cores);
    scripted(&mut table, &cameras, decode.cores);
    one_source(&mut table, &cameras, backend);
    key_frames(&mut table);
    idle(&mut table);
    table.print();
}

/// A processor with one thread, against the engine and the decoders.
fn one_thread(table: &mut Table, cameras: &Cameras, backend: &str, decode: &Use) {
    // In turns: a machine that slows down does so for both, and a process whose memory lies badly, which alone makes an
    // engine some percent slower, is one of several.
    let (mut alone, mut beside, mut four) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let settings = ["--backend", backend, "--threads", "1"];
        alone.push(engine::alone(backend, 1, WINDOW / ROUNDS));
        beside.push(beside_decoders(cameras, backend, WINDOW / ROUNDS));
        four.push(Processor::start(cameras, 4, &settings).measure(WINDOW / ROUNDS));
    }
    let [alone, beside] = [alone, beside].map(|runs| Alone::mean(&runs));
    let four = Measured::mean(&four);
    println!(
        "decoding alone: {:.3} CPU, {:.1} MB",
        decode.cores, decode.peak_mb
    );
    println!(
        "engine alone:   {:.2} inferences/s, {:.1} ms CPU each; beside the decoders {:.2} inferences/s",
        alone.per_second,
        alone.cpu_each_s * 1e3,
        beside.per_second
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
        "inferred frames/s / engine beside the decoders",
        four.inferred_per_second / beside.per_second,
        0.97,
    );
    table.at_most(
        "peak memory in MB (decoding alone is above)",
        four.peak_mb,
        240.0,
    );
}

/// A processor with the scripted detector, against decoding alone.
fn scripted(table: &mut Table, cameras: &Cameras, decoding: f64) {
    let scripted = Processor::start(cameras, 4, &["--backend", "scripted"]).measure(WINDOW);
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
        scripted.cores / decoding,
        1.5,
    );
}

/// The latency of one source beyond its inference.
fn one_source(table: &mut Table, cameras: &Cameras, backend: &str) {
    let single = Processor::start(
        cameras,
        1,
        &["--backend", backend, "--threads", "1", "--max-fps", "5"],
    )
    .measure(WINDOW);
    table.at_most(
        "one source: latency p50 - inference p50, ms",
        single.latency_p50_ms - single.inference_p50_ms,
        25.0,
    );
}

/// A processor whose only camera is missing.
fn idle(table: &mut Table) {
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
}

/// The engine while another process decodes all cameras. The kernel lets threads that wake up run before one that computes all the
/// time, also where another core is idle: with two cores an engine loses a tenth of its time beside four decoders.
fn beside_decoders(cameras: &Cameras, backend: &str, window: Duration) -> Alone {
    let _decoders = cameras.decoders();
    engine::alone(backend, 1, window)
}

/// A processor that needs one picture a second of each camera, against what the same elements of GStreamer take for no more than that.
fn key_frames(table: &mut Table) {
    // Another server for each part: the RTSP server sometimes aborts when its clients are killed.
    let cameras = || Cameras::with_many_keys(16, Size::new(640, 360));
    let decode = cameras().decode_only(WINDOW);
    let receive = cameras().receive_only(WINDOW);
    let keys = cameras().decode_keys_only(WINDOW);
    let cameras = cameras();
    let settings = ["--backend", "scripted", "--max-fps", "1"];
    let wanted = Processor::start(&cameras, 16, &settings).measure(WINDOW);
    println!(
        "16 cameras 640x360: decoding all {:.3} CPU, receiving {:.3}, receiving and decoding key frames {:.3}; \
         one picture a second of each {:.3} CPU, {:.1} frames/s, {:.2} of decoding all\n",
        decode.cores,
        receive.cores,
        keys.cores,
        wanted.cores,
        wanted.inferred_per_second,
        wanted.cores / decode.cores
    );
    table.at_least(
        "one picture a second: inferred frames/s / 16",
        wanted.inferred_per_second / 16.0,
        0.9,
    );
    table.at_most(
        "one picture a second: CPU / (receiving + decoding key frames)",
        wanted.cores / keys.cores,
        1.5,
    );
}

/// A processor that may use all cores, and chooses its lanes, against as many engines of one thread as there are cores.
fn all_cores(table: &mut Table, cameras: &Cameras, backend: &str, decoding: f64) {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    // It measures its lanes once; the runs below know them.
    let _ = Processor::start(cameras, 4, &["--backend", backend]).measure(WINDOW / ROUNDS);
    let (engines, four): (Vec<_>, Vec<_>) = (0..ROUNDS)
        .map(|_| {
            (
                engine::together(backend, cores, WINDOW / ROUNDS),
                Processor::start(cameras, 4, &["--backend", backend]).measure(WINDOW / ROUNDS),
            )
        })
        .unzip();
    let engines = mean(&engines, |per_second| *per_second);
    let four = Measured::mean(&four);
    println!(
        "{cores} engines:      {engines:.2} inferences/s together; the processor with all cores {:.2}, {:.3} CPU\n",
        four.inferred_per_second, four.cores
    );
    let left = engines * (1.0 - decoding / cores as f64);
    table.at_least(
        "all cores: inferred frames/s / (engines of one thread - decoding)",
        four.inferred_per_second / left,
        0.95,
    );
    table.at_most("all cores: peak memory in MB", four.peak_mb, 300.0);
    let single =
        Processor::start(cameras, 1, &["--backend", backend, "--max-fps", "5"]).measure(WINDOW);
    table.at_most(
        "all cores, one source: latency p50 - inference p50, ms",
        single.latency_p50_ms - single.inference_p50_ms,
        10.0,
    );
}

/// A processor with a broker and a subscriber.
pub(crate) struct Processor {
    process: Process,
    _broker: Process,
    listener: Process,
    http: u16,
}

/// Results of a processor in the measured window.
pub(crate) struct Measured {
    pub(crate) cores: f64,
    pub(crate) peak_mb: f64,
    pub(crate) inferred_per_second: f64,
    pub(crate) latency_p50_ms: f64,
    pub(crate) inference_p50_ms: f64,
}

impl Measured {
    /// Several runs as one; of the peaks, the highest.
    pub(crate) fn mean(runs: &[Self]) -> Self {
        Self {
            cores: mean(runs, |run| run.cores),
            peak_mb: runs.iter().map(|run| run.peak_mb).fold(0.0, f64::max),
            inferred_per_second: mean(runs, |run| run.inferred_per_second),
            latency_p50_ms: mean(runs, |run| run.latency_p50_ms),
            inference_p50_ms: mean(runs, |run| run.inference_p50_ms),
        }
    }
}

impl Processor {
    pub(crate) fn start(cameras: &Cameras, count: u32, settings: &[&str]) -> Self {
        Self::with(cameras.sources(count), settings)
    }

    /// A processor whose only camera is missing.
    pub(crate) fn idle(dead_port: &str) -> Self {
        let source = vec![
            "--source".to_owned(),
            format!("0=rtsp://127.0.0.1:{dead_port}/live0.stream"),
        ];
        Self::with(source, &["--backend", "scripted"])
    }

    fn with(sources: Vec<String>, settings: &[&str]) -> Self {
        let (broker, mqtt) = broker();
        let http = free_port();
        let listener = Process::start(
            Command::new("mosquitto_sub")
                .args(["-p", &mqtt.to_string(), "-t", "nvr/detections/#"])
                .stdout(Stdio::piped()),
        );
        let process = Process::start(
            nvr()
                .args([
                    "processor",
                    "--mqtt-port",
                    &mqtt.to_string(),
                    "--http",
                    &format!("127.0.0.1:{http}"),
                ])
                .args(sources)
                .args(settings)
                .env("NVR_LOG", "warn"),
        );
        Self {
            process,
            _broker: broker,
            listener,
            http,
        }
    }

    pub(crate) fn measure(mut self, window: Duration) -> Measured {
        let output = self.listener.output().expect("its output is piped");
        let events = std::thread::spawn(move || {
            let lines = BufReader::new(output).lines().map_while(Result::ok);
            lines
                .filter_map(|line| {
                    Some((Instant::now(), serde_json::from_str::<Value>(&line).ok()?))
                })
                .collect::<Vec<_>>()
        });
        std::thread::sleep(WARM_UP);
        let (inferred, start) = (self.inferred(), Instant::now());
        let usage = self.process.watch(window);
        let (count, seconds) = (self.inferred() - inferred, start.elapsed().as_secs_f64());
        drop(self);
        let events = events.join().expect("the listener's thread ends with it");
        let p50 = |field: &str| {
            let mut values: Vec<f64> = events
                .iter()
                .filter(|(at, _)| *at >= start)
                .filter_map(|(_, event)| event.get(field)?.as_f64())
                .collect();
            values.sort_by(f64::total_cmp);
            values.get(values.len() / 2).copied().expect("events came")
        };
        Measured {
            cores: usage.cores,
            peak_mb: usage.peak_mb,
            inferred_per_second: count / seconds,
            latency_p50_ms: p50("latency_ms"),
            inference_p50_ms: p50("inference_time_ms"),
        }
    }

    pub(crate) fn measure_idle(self, window: Duration) -> Use {
        std::thread::sleep(WARM_UP);
        self.process.watch(window)
    }

    fn inferred(&self) -> f64 {
        figure(self.http, "nvr_frames_inferred_total")
    }
}

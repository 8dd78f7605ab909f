//! The wall, compared with decoding alone and with GStreamer's best arrangement of the same screen, which draws no boxes.
//!
//! Twelve cameras of 640×360 in a screen of 1920×1080: tiles of 480×360, the pictures in them 480×270. The parts take turns, so
//! that a machine that slows down does so for all of them.

use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use nvr::base::{Size, unix_now};
use rumqttc::{Client, MqttOptions, QoS};
use serde_json::{Value, json};

use crate::cameras::{Cameras, WARM_UP, launched};
use crate::process::{Process, Use, broker, figure, free_port, mean, nvr, page};
use crate::table::Table;

const CAMERAS: u32 = 12;
const CAMERA: Size = Size::new(640, 360);
const FPS: f64 = 25.0;
const TILE: Size = Size::new(480, 360);
const COLUMNS: u32 = 4;
/// How long each part is watched in each round.
const WINDOW: Duration = Duration::from_secs(20);
const ROUNDS: u32 = 3;
/// Events of each camera.
const EVENT_INTERVAL: Duration = Duration::from_millis(200);
/// How old an event's frame is when it is published.
const EVENT_AGE: Duration = Duration::from_millis(80);

/// Prints the wall compared with decoding and with GStreamer.
pub(crate) fn compare() {
    let cameras = Cameras::footage(CAMERAS, CAMERA);
    let (_broker, mqtt) = broker();
    let _events = Events::publish(mqtt);
    println!(
        "{CAMERAS} cameras, {CAMERA}, {FPS} fps, H.264 over RTSP/TCP, to 1920x1080; {ROUNDS} x {} s a part\n",
        WINDOW.as_secs()
    );
    let mut decode = Vec::new();
    let mut rival = Vec::new();
    let mut latest = Vec::new();
    let mut aligned = Vec::new();
    for _ in 0..ROUNDS {
        decode.push(cameras.decode_only(WINDOW));
        latest.push(Shown::by_wall(&cameras, mqtt, "latest"));
        rival.push(compositor(&cameras, WINDOW));
        aligned.push(Shown::by_wall(&cameras, mqtt, "aligned"));
    }
    let of = |uses: &[Use]| mean(uses, |run| run.cores);
    let (decode, rival) = (of(&decode), of(&rival));
    println!("decoding alone:  {decode:.3} CPU");
    println!("GStreamer:       {rival:.3} CPU, no boxes");
    let mut table = Table::default();
    for (sync, runs, limit_mb) in [("latest", latest, 170.0), ("aligned", aligned, 260.0)] {
        let cores = mean(&runs, |run| run.usage.cores);
        let peak_mb = runs.iter().map(|run| run.usage.peak_mb).fold(0.0, f64::max);
        let shown = mean(&runs, |run| run.frames_per_second);
        println!(
            "wall, {sync:<8}   {cores:.3} CPU, {shown:.1} frames/s, {:.1} scenes/s, {:.0} % of events on their own frames, delay {:.0} ms",
            mean(&runs, |run| run.scenes_per_second),
            mean(&runs, |run| run.matched_share) * 100.0,
            mean(&runs, |run| run.delay_ms),
        );
        table.at_most(format!("{sync}: CPU / decoding alone"), cores / decode, 1.3);
        table.at_most(format!("{sync}: CPU / GStreamer"), cores / rival, 0.8);
        table.at_most(format!("{sync}: peak memory in MB"), peak_mb, limit_mb);
        let all = f64::from(CAMERAS) * FPS;
        table.at_least(format!("{sync}: frames shown / decoded"), shown / all, 0.98);
    }
    table.print();
}

/// Results of a wall in the measured window.
struct Shown {
    usage: Use,
    frames_per_second: f64,
    scenes_per_second: f64,
    matched_share: f64,
    delay_ms: f64,
}

impl Shown {
    fn by_wall(cameras: &Cameras, mqtt: u16, sync: &str) -> Self {
        let http = free_port();
        let wall = Process::start(
            nvr()
                .args(["wall", "--output", "headless", "--sync", sync])
                .args(["--mqtt-port", &mqtt.to_string()])
                .args(["--http", &format!("127.0.0.1:{http}")])
                .args(["--tile-width", &TILE.width.to_string()])
                .args(["--tile-height", &TILE.height.to_string()])
                .args(["--grid-columns", &COLUMNS.to_string()])
                .args(cameras.sources(CAMERAS))
                // As its unit has it.
                .env("MALLOC_ARENA_MAX", "2")
                .env("NVR_LOG", "warn")
                .stdout(Stdio::null()),
        );
        std::thread::sleep(WARM_UP);
        let counted = || {
            (
                figure(http, "nvr_wall_frames_shown_total"),
                figure(http, "nvr_wall_scenes_total"),
            )
        };
        let (frames, scenes) = counted();
        let usage = wall.watch(WINDOW);
        let (frames_after, scenes_after) = counted();
        let seconds = WINDOW.as_secs_f64();
        let answer = page(http, "/state.json");
        let body = answer
            .split("\r\n\r\n")
            .nth(1)
            .expect("an answer has a body");
        let state: Value = serde_json::from_str(body).expect("it is JSON");
        let tiles = state["tiles"].as_array().expect("a wall has tiles");
        let of = |field: &str| {
            mean(tiles, |tile| {
                tile["sync"][field].as_f64().unwrap_or_default()
            })
        };
        Self {
            usage,
            frames_per_second: (frames_after - frames) / seconds,
            scenes_per_second: (scenes_after - scenes) / seconds,
            matched_share: of("matched_share"),
            delay_ms: of("delay_ms"),
        }
    }
}

/// The cheapest arrangement of GStreamer's elements for the same picture: each stream is scaled to its tile, composed in the
/// format of the decoders, and converted once at the end.
fn compositor(cameras: &Cameras, window: Duration) -> Use {
    let (width, height) = (TILE.width, TILE.width * CAMERA.height / CAMERA.width);
    let mut places = String::new();
    let mut streams = String::new();
    for id in 0..CAMERAS {
        let x = id % COLUMNS * TILE.width;
        let y = id / COLUMNS * TILE.height + (TILE.height - height) / 2;
        places += &format!("sink_{id}::xpos={x} sink_{id}::ypos={y} ");
        streams += &format!(
            "{} ! videoscale ! video/x-raw,width={width},height={height} ! queue max-size-buffers=2 ! screen.sink_{id} ",
            cameras.decoding(id)
        );
    }
    let pipeline = format!(
        "compositor name=screen background=black {places} ! video/x-raw,format=I420,width=1920,height=1080,framerate=25/1 \
         ! videoconvert ! video/x-raw,format=BGRx ! fakesink sync=false {streams}"
    );
    launched(&pipeline, window)
}

/// Replaces a processor: publishes three moving boxes for every camera, five times per second.
struct Events {
    ended: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Events {
    fn publish(port: u16) -> Self {
        let ended = Arc::new(AtomicBool::new(false));
        let end = ended.clone();
        let thread = std::thread::spawn(move || {
            let options = MqttOptions::new("bench-events", "127.0.0.1", port);
            let (client, mut connection) = Client::new(options, 256);
            std::thread::spawn(move || connection.iter().for_each(drop));
            let mut number = 0u64;
            while !end.load(Ordering::Relaxed) {
                for id in 0..CAMERAS {
                    let topic = format!("nvr/detections/{id}");
                    let event = event(id, number).to_string();
                    client
                        .publish(topic, QoS::AtMostOnce, false, event)
                        .expect("the broker runs");
                }
                number += 1;
                std::thread::sleep(EVENT_INTERVAL);
            }
        });
        Self {
            ended,
            thread: Some(thread),
        }
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The test cameras' clocks are this machine's: the frame of a time is the one nearest to it.
fn event(id: u32, number: u64) -> Value {
    let captured = unix_now().saturating_sub(EVENT_AGE);
    let boxes = (0..3u64).map(|index| {
        let x = 60 + (number * 8 + index * 190) % 500;
        let bbox = json!({ "x": x, "y": 90 * (index + 1), "width": 60, "height": 80 });
        json!({ "class_name": "person", "confidence": 0.9, "bbox": bbox, "tracker_id": index })
    });
    json!({
        "source_id": id,
        "frame_id": number * 5,
        "timestamp": jiff::Timestamp::from_nanosecond(captured.as_nanos().cast_signed()).expect("this century").to_string(),
        "model_id": "bench",
        "inference_time_ms": 40.0,
        "detections": boxes.collect::<Vec<_>>(),
        "fps": 5.0,
        "latency_ms": EVENT_AGE.as_secs_f64() * 1e3,
        "instance_id": "bench",
        "frame_width": CAMERA.width,
        "frame_height": CAMERA.height,
        "ntp_ns": captured.as_nanos().to_string(),
        "clock": "ntp",
    })
}

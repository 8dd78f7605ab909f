//! Glass-to-glass latency: from the capture time of a camera's frame, through encoder, RTSP, decoder and composition, to the
//! finished scene of the wall.
//!
//! The test pattern contains the frame number, which is read from the pixels of the scene. The capture time of a number comes
//! from a pure GStreamer client, by the sender reports of the same camera, which uses the clock of this machine. The latency of
//! that client's decoder is printed for comparison.

use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;
use nvr::base::{Clock, PatternCode, Plane, Size, cache_dir, unix_now};
use nvr::config::{ConfigSource, Environment, WallFlags};
use nvr::wall::Wall;
use nvr::web::wall::WallView;

use crate::cameras::{Cameras, WARM_UP};
use crate::process::{Process, broker, free_port, nvr};
use crate::recording;
use crate::table::Table;

const CAMERA: Size = Size::new(640, 360);
const FRAME: Duration = Duration::from_millis(40);
const JITTER_BUFFER_MS: u32 = 20;
const FRAMES: usize = 1000;
/// How often the wall is measured beside a recorder, and as often without.
const RECORDER_ROUNDS: u32 = 2;
/// From one scene of the wall to the next, in milliseconds.
const SCENE_MS: f64 = 17.0;
/// Time between two readings of the scene, which is the maximum error.
const LOOK: Duration = Duration::from_millis(1);
/// From 1900, where NTP counts from, to 1970.
const NTP_EPOCH: Duration = Duration::from_secs(2_208_988_800);

/// Prints the latency of frames.
pub(crate) fn measure() {
    let cameras = Cameras::pattern(1, CAMERA);
    let (_broker, mqtt) = broker();
    let (first, mut decoded) = watch(&cameras.url(0));
    println!(
        "one camera, {CAMERA}, 25 fps, encoded live; jitter buffer {JITTER_BUFFER_MS} ms; {FRAMES} frames each\n"
    );
    told("GStreamer's decoder", &mut decoded);
    let _processor = analyse(&cameras, mqtt);
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let mut table = Table::default();
    let (mut latest, _) = shown(&runtime, &cameras, mqtt, "latest", first);
    told("scene, latest", &mut latest);
    table.at_most("latest: p50 in ms", part(&latest, 0.5), 60.0);
    table.at_most("latest: p99 in ms", part(&latest, 0.99), 120.0);
    let (mut aligned, mut beyond) = shown(&runtime, &cameras, mqtt, "aligned", first);
    told("scene, aligned", &mut aligned);
    beyond.sort_by(f64::total_cmp);
    table.at_most(
        "aligned: p99 beyond the budget in ms",
        part(&beyond, 0.99),
        80.0,
    );
    table.print();
}

/// The source of a wall's events, and of the state of its tile, which would hide a part of the picture otherwise.
fn analyse(cameras: &Cameras, mqtt: u16) -> Process {
    Process::start(
        nvr()
            .args(["processor", "--backend", "scripted", "--max-fps", "5"])
            .args(["--mqtt-port", &mqtt.to_string()])
            .args(cameras.sources(1))
            .env("NVR_LOG", "warn")
            .stdout(Stdio::null()),
    )
}

/// Prints the latency of frames of `latest` while a processor receives cameras, and while it records them.
///
/// The wall, its camera and the encoder of that run on the same machine. The processor decodes nothing in both cases, and they take
/// turns, so what differs is the recording alone.
pub(crate) fn measure_beside_recorder() {
    let cameras = Cameras::pattern(1, CAMERA);
    let (_broker, mqtt) = broker();
    let (first, _) = watch(&cameras.url(0));
    let _processor = analyse(&cameras, mqtt);
    println!(
        "one camera as above, beside a processor of {} cameras, {}; {RECORDER_ROUNDS} x {FRAMES} frames each\n",
        recording::CAMERAS,
        recording::CAMERA
    );
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    // The recorder has another broker, so that the wall hears of its own camera only.
    let (_recorders_broker, recorders_mqtt) = broker();
    let ages_beside = |records: bool| {
        let recorded = Cameras::footage(recording::CAMERAS, recording::CAMERA);
        let dir = tempfile::tempdir_in(cache_dir()).expect("a folder for recordings");
        let file = dir.path().join("nvr.toml");
        let mut command = recording::processor(&recorded, &file, recorders_mqtt, free_port());
        command.stdout(Stdio::null());
        if records {
            command.arg("--record").arg(dir.path());
        }
        let _recorder = Process::start(&mut command);
        std::thread::sleep(WARM_UP);
        let (ages, _) = shown(&runtime, &cameras, mqtt, "latest", first);
        // Before its viewer: GStreamer's server may abort when many sessions vanish at once.
        drop(recorded);
        ages
    };
    let (mut without, mut with) = (Vec::new(), Vec::new());
    for _ in 0..RECORDER_ROUNDS {
        without.extend(ages_beside(false));
        with.extend(ages_beside(true));
    }
    told("without recording", &mut without);
    told("with recording", &mut with);
    let mut table = Table::default();
    table.at_most(
        "p99 with recording - without, in ms",
        part(&with, 0.99) - part(&without, 0.99),
        SCENE_MS,
    );
    table.print();
}

/// When the camera's frame of number 0 was due, as Unix time.
#[derive(Clone, Copy)]
struct First(Duration);

impl First {
    /// How old frame `number` is, in milliseconds.
    fn age_ms(self, number: u32) -> f64 {
        let due = self.0 + FRAME * number;
        (unix_now().as_secs_f64() - due.as_secs_f64()) * 1e3
    }
}

/// Ages of all frames that a wall showed, and the same without the delay that it meant to have.
fn shown(
    runtime: &tokio::runtime::Runtime,
    cameras: &Cameras,
    mqtt: u16,
    sync: &str,
    first: First,
) -> (Vec<f64>, Vec<f64>) {
    let document = format!(
        "[mqtt]\nport = {mqtt}\n[[camera]]\nid = 0\nuri = \"{}\"\njitter_buffer = \"{JITTER_BUFFER_MS}ms\"\n\
         [wall]\noutput = \"headless\"\nsync = \"{sync}\"\ntile_width = {}\ntile_height = {}\n",
        cameras.url(0),
        CAMERA.width,
        CAMERA.height
    );
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), document).expect("it can be written");
    let mut flags = WallFlags::default();
    flags.common.config = Some(file.path().display().to_string());
    let settings = ConfigSource::new(flags, Environment::default())
        .load()
        .expect("settings of a wall");
    let _guard = runtime.enter();
    let wall = Wall::start(settings, runtime.handle().clone(), Clock::system()).expect("it starts");
    let (ages, beyond) = sample(&wall, first);
    runtime.block_on(wall.stop(Duration::from_secs(5)));
    (ages, beyond)
}

fn sample(wall: &Arc<Wall>, first: First) -> (Vec<f64>, Vec<f64>) {
    let start = Instant::now();
    let (mut ages, mut beyond) = (Vec::new(), Vec::new());
    let mut last = None;
    while ages.len() < FRAMES {
        assert!(
            start.elapsed() < WARM_UP + FRAME * FRAMES as u32 * 2,
            "the wall showed {} frames only; {:?}",
            ages.len(),
            wall.state().tiles
        );
        std::thread::sleep(LOOK);
        let Some(scene) = wall.picture(0, Duration::from_millis(100)) else {
            continue;
        };
        // The green of a scene's grey code is as good as its luma.
        let luma: Vec<u8> = scene.bytes().iter().skip(1).step_by(4).copied().collect();
        let plane = Plane {
            bytes: &luma,
            stride: scene.size().width as usize,
        };
        let code = PatternCode::read_luma(plane, scene.size()).map(|code| code.frame_number);
        if code.is_none() || code == last {
            continue;
        }
        let age = code.map(|number| first.age_ms(number)).unwrap_or_default();
        last = code;
        // The delay of `aligned` settles while the first events come.
        if start.elapsed() > WARM_UP {
            let delay_ms = wall.state().tiles[0].sync.delay_ms;
            ages.push(age);
            beyond.push(age - f64::from(delay_ms));
        }
    }
    (ages, beyond)
}

/// Learns when frames are due, and how old they are behind GStreamer's decoder.
fn watch(uri: &str) -> (First, Vec<f64>) {
    // With it, not with GStreamer's own: the wall in this process could use no rtspsrc after the one below.
    nvr::media::init().expect("GStreamer starts");
    let pipeline = gst::parse::launch(&format!(
        "rtspsrc location={uri} protocols=tcp latency={JITTER_BUFFER_MS} add-reference-timestamp-meta=true ! rtph264depay \
         ! h264parse ! avdec_h264 max-threads=1 ! videoconvert ! video/x-raw,format=I420 ! appsink name=sink sync=false"
    ))
    .expect("GStreamer's elements are installed")
    .downcast::<gst::Pipeline>()
    .expect("a pipeline");
    let sink = pipeline
        .by_name("sink")
        .and_downcast::<gst_app::AppSink>()
        .expect("it has a sink");
    pipeline.set_state(gst::State::Playing).expect("it plays");
    let mut first = None;
    let mut ages = Vec::new();
    while ages.len() < FRAMES {
        let sample = sink.pull_sample().expect("frames come");
        let seen = unix_now();
        let buffer = sample.buffer().expect("a sample has a buffer");
        let map = buffer.map_readable().expect("it is readable");
        let plane = Plane {
            bytes: &map[..],
            stride: CAMERA.width as usize,
        };
        let Some(code) = PatternCode::read_luma(plane, CAMERA) else {
            continue;
        };
        // The camera's first report comes some seconds after its first frame.
        let ntp = buffer.iter_meta::<gst::ReferenceTimestampMeta>().next();
        if let (None, Some(meta)) = (first, ntp) {
            let due = Duration::from(meta.timestamp()).saturating_sub(NTP_EPOCH);
            first = Some(First(due.saturating_sub(FRAME * code.frame_number)));
        }
        if let Some(first) = first {
            let due = first.0 + FRAME * code.frame_number;
            ages.push((seen.as_secs_f64() - due.as_secs_f64()) * 1e3);
        }
    }
    pipeline.set_state(gst::State::Null).expect("it stops");
    (first.expect("frames have times"), ages)
}

fn told(what: &str, ages: &mut [f64]) {
    ages.sort_by(f64::total_cmp);
    println!(
        "{what:<22} p50 {:.1} ms, p99 {:.1} ms, longest {:.1} ms",
        part(ages, 0.5),
        part(ages, 0.99),
        part(ages, 1.0)
    );
}

/// The value below which a part of `sorted` lies.
fn part(sorted: &[f64], part: f64) -> f64 {
    let last = sorted.len().saturating_sub(1);
    sorted[(last as f64 * part).round() as usize]
}

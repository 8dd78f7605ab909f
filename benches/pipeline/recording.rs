//! A processor that records without a detector, compared with receiving the same streams, and with other recorders.
//!
//! Sixteen cameras of 1280×720 over RTSP/TCP. Each part is one process for all of them; the cameras' server is not counted, nor is the
//! kernel's own work for the disk. The parts take turns, so that a machine that slows down does so for all of them.
//!
//! What is recorded need not be decoded: without a detector the processor decodes one picture at the start of a session. The number of decoded
//! pictures is checked, so that like is compared with like.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nvr::base::{Size, cache_dir};

use crate::cameras::Cameras;
use crate::process::{Process, Use, broker, figure, free_port, mean, nvr};
use crate::table::Table;

/// The number of cameras.
pub(crate) const CAMERAS: u32 = 16;
pub(crate) const CAMERA: Size = Size::new(1280, 720);
/// How long each part is watched in each round.
const WINDOW: Duration = Duration::from_secs(30);
const ROUNDS: u32 = 2;
/// From the first bytes of all cameras to a steady state, in which files are synced every 5 s.
const WARM_UP: Duration = Duration::from_secs(10);
/// The longest time to the first bytes of all cameras. ffmpeg opens them one after the other, 1 s each.
const START_LIMIT: Duration = Duration::from_secs(60);
/// Length of the files of other recorders, which is the default of the processor.
const FILE_S: u64 = 60;

/// What takes the streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Receive,
    Processor,
    SplitMux,
    Ffmpeg,
}

const PARTS: [(Part, &str); 4] = [
    (Part::Receive, "receiving alone"),
    (Part::Processor, "processor"),
    (Part::SplitMux, "splitmuxsink"),
    (Part::Ffmpeg, "ffmpeg"),
];

/// Results of a part in the measured window.
struct Run {
    usage: Use,
    bytes_per_second: f64,
    /// Of a processor.
    decoded_per_second: f64,
}

/// Prints the costs of recording and compares them with receiving.
pub(crate) fn compare() {
    let (_broker, mqtt) = broker();
    println!(
        "{CAMERAS} cameras, {CAMERA}, 25 fps, H.264 over RTSP/TCP; {ROUNDS} x {} s a part\n",
        WINDOW.as_secs()
    );
    let has_ffmpeg = Command::new("ffmpeg")
        .arg("-version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    if !has_ffmpeg {
        println!("ffmpeg is not installed: it is left out");
    }
    let mut runs = PARTS.map(|_| Vec::new());
    for _ in 0..ROUNDS {
        for ((part, _), runs) in PARTS.iter().zip(&mut runs) {
            if *part != Part::Ffmpeg || has_ffmpeg {
                runs.push(part.measure(mqtt));
            }
        }
    }
    for ((_, name), runs) in PARTS.iter().zip(&runs) {
        if !runs.is_empty() {
            tell(name, runs);
        }
    }
    judge(&runs);
}

fn judge([receiving, processor, split_mux, ..]: &[Vec<Run>; PARTS.len()]) {
    let mut table = Table::default();
    table.at_most(
        "CPU beyond receiving, % of a core a camera",
        percent(processor) - percent(receiving),
        0.5,
    );
    table.at_most(
        "peak memory beyond receiving, MB a camera",
        peak_mb(processor) - peak_mb(receiving),
        8.0,
    );
    let bytes = |runs: &[Run]| mean(runs, |run| run.bytes_per_second);
    table.at_least(
        "bytes written / those of splitmuxsink",
        bytes(processor) / bytes(split_mux),
        0.95,
    );
    table.at_most(
        "pictures decoded a second, of 400",
        mean(processor, |run| run.decoded_per_second),
        0.5,
    );
    table.print();
}

fn tell(name: &str, runs: &[Run]) {
    println!(
        "{name:<20} a camera: {:.2} % of a core, {:.2} MB at most, {:.2} MB at the end, {:.2} Mbit/s written; {:.0} pictures/s decoded",
        percent(runs),
        peak_mb(runs),
        mean(runs, |run| run.usage.resident_mb) / f64::from(CAMERAS),
        mean(runs, |run| run.bytes_per_second) * 8e-6 / f64::from(CAMERAS),
        mean(runs, |run| run.decoded_per_second),
    );
}

/// Percent of a core a camera.
fn percent(runs: &[Run]) -> f64 {
    mean(runs, |run| run.usage.cores) * 100.0 / f64::from(CAMERAS)
}

/// The highest peak, a camera.
fn peak_mb(runs: &[Run]) -> f64 {
    let peaks = runs.iter().map(|run| run.usage.peak_mb);
    peaks.fold(0.0, f64::max) / f64::from(CAMERAS)
}

impl Part {
    fn measure(self, mqtt: u16) -> Run {
        let cameras = Cameras::footage(CAMERAS, CAMERA);
        // Where the caches are is a disk; the usual place of temporary files may be memory.
        let dir = tempfile::tempdir_in(cache_dir()).expect("a folder for recordings");
        let http = free_port();
        let process = Process::start(
            self.command(&cameras, dir.path(), mqtt, http)
                .stdout(Stdio::null()),
        );
        if self != Self::Receive {
            wait_for_files(dir.path(), self);
        }
        std::thread::sleep(WARM_UP);
        let decoded = || match self {
            Self::Processor => figure(http, "nvr_frames_decoded_total"),
            Self::Receive | Self::SplitMux | Self::Ffmpeg => 0.0,
        };
        let (before, decoded_before, start) = (written(dir.path()), decoded(), Instant::now());
        let usage = process.watch(WINDOW);
        let seconds = start.elapsed().as_secs_f64();
        let run = Run {
            usage,
            bytes_per_second: (written(dir.path()).bytes - before.bytes) as f64 / seconds,
            decoded_per_second: (decoded() - decoded_before) / seconds,
        };
        // Before the viewers: GStreamer's server may abort when many of them vanish at once.
        drop(cameras);
        run
    }

    fn command(self, cameras: &Cameras, dir: &Path, mqtt: u16, http: u16) -> Command {
        let each = |after: &dyn Fn(u32) -> String| {
            let pipelines =
                (0..CAMERAS).map(|id| format!("{} ! {} ", cameras.receiving(id), after(id)));
            let mut command = Command::new("gst-launch-1.0");
            command
                .arg("-q")
                .args(pipelines.collect::<String>().split_whitespace());
            command
        };
        match self {
            Self::Receive => each(&|_| "fakesink sync=false".to_owned()),
            Self::SplitMux => each(&|id| {
                let place = dir.join(format!("{id}_%05d.mp4"));
                let length_ns = FILE_S * 1_000_000_000;
                format!(
                    "splitmuxsink location={} max-size-time={length_ns}",
                    place.display()
                )
            }),
            Self::Ffmpeg => ffmpeg(cameras, dir),
            Self::Processor => {
                let mut command = processor(cameras, &dir.join("nvr.toml"), mqtt, http);
                command.arg("--record").arg(dir);
                command
            }
        }
    }
}

/// A processor of all cameras without a detector. Writes its `file`. The ids begin at 1: a wall beside it shows another camera, 0.
pub(crate) fn processor(cameras: &Cameras, file: &Path, mqtt: u16, http: u16) -> Command {
    let mut document = "[processor]\nbackend = \"none\"\n".to_owned();
    for id in 0..CAMERAS {
        let url = cameras.url(id);
        document += &format!("[[camera]]\nid = {}\nuri = \"{url}\"\n", id + 1);
    }
    fs::write(file, document).expect("it can be written");
    let mut command = nvr();
    command
        .args(["processor", "--no-tracking", "--config"])
        .arg(file)
        .args(["--instance-id", "recorder"])
        .args(["--mqtt-port", &mqtt.to_string()])
        .args(["--http", &format!("127.0.0.1:{http}")])
        // As its unit has it.
        .env("MALLOC_ARENA_MAX", "2")
        // Decoders that are too slow say so in warnings.
        .env("NVR_LOG", "error");
    command
}

/// It looks at each stream as shortly as it can: by default it opens one in 2.5 s, and reads none before all are open.
fn ffmpeg(cameras: &Cameras, dir: &Path) -> Command {
    let mut command = Command::new("ffmpeg");
    command.args(["-nostdin", "-loglevel", "error"]);
    for id in 0..CAMERAS {
        command
            .args(["-analyzeduration", "100000", "-fpsprobesize", "0"])
            .args(["-rtsp_transport", "tcp", "-i", &cameras.url(id)]);
    }
    for id in 0..CAMERAS {
        command
            .args(["-map", &format!("{id}:v"), "-c", "copy", "-f", "segment"])
            .args([
                "-segment_time",
                &FILE_S.to_string(),
                "-segment_format",
                "mp4",
            ])
            .arg(dir.join(format!("{id}_%05d.mp4")));
    }
    // Remarks on times of packets.
    command.stderr(Stdio::null());
    command
}

fn wait_for_files(dir: &Path, part: Part) {
    let deadline = Instant::now() + START_LIMIT;
    loop {
        let recorded = written(dir).files;
        if recorded >= CAMERAS as usize {
            return;
        }
        assert!(
            Instant::now() < deadline,
            "{part:?} recorded {recorded} of {CAMERAS} cameras within {} s",
            START_LIMIT.as_secs()
        );
        std::thread::sleep(Duration::from_millis(200));
    }
}

/// The recordings below a folder that have content.
#[derive(Default)]
struct Written {
    files: usize,
    bytes: u64,
}

fn written(dir: &Path) -> Written {
    let mut sum = Written::default();
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            let below = written(&path);
            sum.files += below.files;
            sum.bytes += below.bytes;
        } else if path.extension().is_some_and(|extension| extension == "mp4") {
            // With the head alone, nothing of the camera is written yet.
            let bytes = entry.metadata().map_or(0, |metadata| metadata.len());
            sum.files += usize::from(bytes > 10_000);
            sum.bytes += bytes;
        }
    }
    sum
}

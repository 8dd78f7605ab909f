//! The cameras, decoding alone, and the processor, each in a process of its own.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nvr::base::cache_dir;
use serde_json::Value;

use crate::process::{Process, Use, free_port, mean};

/// From start to a steady state.
const WARM_UP: Duration = Duration::from_secs(6);

/// An RTSP server with cameras of 1280×720 at 25 frames a second.
pub(crate) struct Cameras {
    _server: Process,
    port: u16,
}

impl Cameras {
    pub(crate) fn start(count: u32) -> Self {
        let port = free_port();
        let mut server = Process::start(
            nvr()
                .args([
                    "testcam",
                    "--n",
                    &count.to_string(),
                    "--port",
                    &port.to_string(),
                ])
                .arg(clip())
                .stdout(Stdio::piped()),
        );
        let mut lines = BufReader::new(server.output().expect("its output is piped")).lines();
        let ready = lines
            .next()
            .is_some_and(|line| line.is_ok_and(|line| line.contains("rtsp://")));
        assert!(ready, "the cameras did not come up");
        // The rest is read and dropped, lest the server stops at a full pipe.
        std::thread::spawn(move || lines.for_each(drop));
        Self {
            _server: server,
            port,
        }
    }

    fn url(&self, id: u32) -> String {
        format!("rtsp://127.0.0.1:{}/live{id}.stream", self.port)
    }
}

/// Real footage, scaled and sped up to what a common camera sends; made once.
fn clip() -> PathBuf {
    let (source, clip) = (
        cache_dir().join("footage/vtest.avi"),
        cache_dir().join("footage/bench-720p25.mp4"),
    );
    if !clip.is_file() {
        let part = clip.with_extension("part");
        let pipeline = format!(
            "filesrc location={} ! decodebin ! videoconvert ! videoscale ! videorate rate=2.5 ! \
             video/x-raw,format=I420,width=1280,height=720,framerate=25/1,pixel-aspect-ratio=1/1 ! \
             x264enc bitrate=3000 key-int-max=50 bframes=0 speed-preset=veryfast ! h264parse ! mp4mux ! filesink location={}",
            source.display(),
            part.display()
        );
        let made = Command::new("gst-launch-1.0")
            .arg("-q")
            .args(pipeline.split_whitespace())
            .status();
        assert!(
            made.is_ok_and(|status| status.success()),
            "no clip could be made of {}; run `make setup`",
            source.display()
        );
        fs::rename(&part, &clip).expect("the clip takes its name");
    }
    clip
}

/// Decodes all cameras with GStreamer's own tools and drops the pictures.
pub(crate) fn decode_only(cameras: &Cameras, window: Duration) -> Use {
    let pipeline: String = (0..4)
        .map(|id| {
            format!(
                "rtspsrc location={} protocols=tcp latency=50 ! rtph264depay ! h264parse ! avdec_h264 max-threads=1 ! fakesink sync=false ",
                cameras.url(id)
            )
        })
        .collect();
    let process = Process::start(
        Command::new("gst-launch-1.0")
            .arg("-q")
            .args(pipeline.split_whitespace())
            .stdout(Stdio::null()),
    );
    std::thread::sleep(WARM_UP);
    process.watch(window)
}

/// A processor with a broker of its own and somebody who listens.
pub(crate) struct Processor {
    process: Process,
    _broker: Process,
    listener: Process,
    http: u16,
}

/// What a processor did within the window.
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
        let sources =
            (0..count).flat_map(|id| ["--source".to_owned(), format!("{id}={}", cameras.url(id))]);
        Self::with(sources.collect(), settings)
    }

    /// One whose only camera is not there.
    pub(crate) fn idle(dead_port: &str) -> Self {
        let source = vec![
            "--source".to_owned(),
            format!("0=rtsp://127.0.0.1:{dead_port}/live0.stream"),
        ];
        Self::with(source, &["--backend", "scripted"])
    }

    fn with(sources: Vec<String>, settings: &[&str]) -> Self {
        let (mqtt, http) = (free_port(), free_port());
        let broker = Process::start(
            nvr()
                .args(["broker", "--port", &mqtt.to_string()])
                .stdout(Stdio::null())
                .stderr(Stdio::null()),
        );
        let deadline = Instant::now() + Duration::from_secs(10);
        while TcpStream::connect(("127.0.0.1", mqtt)).is_err() {
            assert!(Instant::now() < deadline, "the broker did not come up");
            std::thread::sleep(Duration::from_millis(50));
        }
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
        let mut stream =
            TcpStream::connect(("127.0.0.1", self.http)).expect("the processor's page");
        stream
            .write_all(b"GET /metrics HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
            .expect("a request");
        let mut text = String::new();
        stream.read_to_string(&mut text).expect("an answer");
        text.lines()
            .filter(|line| line.starts_with("nvr_frames_inferred_total"))
            .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
            .sum()
    }
}

fn nvr() -> Command {
    Command::new(env!("CARGO_BIN_EXE_nvr"))
}

//! Test cameras, each set in a separate process, and pipelines that decode them.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use nvr::base::{Size, cache_dir};

use crate::process::{Process, Use, free_port, nvr};

/// From start to a steady state.
pub(crate) const WARM_UP: Duration = Duration::from_secs(6);

/// An RTSP server with cameras of 25 frames a second.
pub(crate) struct Cameras {
    _server: Process,
    port: u16,
    count: u32,
}

impl Cameras {
    /// Real footage of `size`, with a key frame every two seconds.
    pub(crate) fn footage(count: u32, size: Size) -> Self {
        Self::start(count, &[&clip(size, 50).to_string_lossy()])
    }

    /// The same with a key frame every second.
    pub(crate) fn with_many_keys(count: u32, size: Size) -> Self {
        Self::start(count, &[&clip(size, 25).to_string_lossy()])
    }

    /// The moving pattern, encoded live: each picture says its number.
    pub(crate) fn pattern(count: u32, size: Size) -> Self {
        Self::start(count, &["--pattern", "--size", &size.to_string()])
    }

    fn start(count: u32, shown: &[&str]) -> Self {
        let port = free_port();
        let mut server = Process::start(
            nvr()
                .args(["testcam", "--n", &count.to_string()])
                .args(["--port", &port.to_string()])
                .args(shown)
                .stdout(Stdio::piped()),
        );
        let mut lines = BufReader::new(server.output().expect("its output is piped")).lines();
        let ready = lines
            .next()
            .is_some_and(|line| line.is_ok_and(|line| line.contains("rtsp://")));
        assert!(ready, "the cameras did not come up");
        // Reads and drops the rest, so that the server does not block on a full pipe.
        std::thread::spawn(move || lines.for_each(drop));
        Self {
            _server: server,
            port,
            count,
        }
    }

    pub(crate) fn url(&self, id: u32) -> String {
        format!("rtsp://127.0.0.1:{}/live{id}.stream", self.port)
    }

    /// Options that name the first `count` of them.
    pub(crate) fn sources(&self, count: u32) -> Vec<String> {
        (0..count)
            .flat_map(|id| ["--source".to_owned(), format!("{id}={}", self.url(id))])
            .collect()
    }

    /// GStreamer's elements that receive camera `id`, as the program itself arranges them.
    pub(crate) fn receiving(&self, id: u32) -> String {
        format!(
            "rtspsrc location={} protocols=tcp latency=50 ! rtph264depay ! h264parse",
            self.url(id)
        )
    }

    /// GStreamer's elements that decode camera `id`, as the program itself arranges them.
    pub(crate) fn decoding(&self, id: u32) -> String {
        format!("{} ! avdec_h264 max-threads=1", self.receiving(id))
    }

    /// Decodes all cameras with GStreamer's own tools and drops the pictures.
    pub(crate) fn decode_only(&self, window: Duration) -> Use {
        self.decoders().watch(window)
    }

    /// Receives all cameras with GStreamer's own tools, and decodes their key frames alone.
    pub(crate) fn decode_keys_only(&self, window: Duration) -> Use {
        let keys = |id| {
            format!(
                "{} ! identity drop-buffer-flags=delta-unit ! avdec_h264 max-threads=1",
                self.receiving(id)
            )
        };
        self.each(keys, window)
    }

    /// Receives all cameras with GStreamer's own tools, and decodes nothing.
    pub(crate) fn receive_only(&self, window: Duration) -> Use {
        self.each(|id| self.receiving(id), window)
    }

    /// Decodes all cameras with GStreamer's own tools until it is dropped.
    pub(crate) fn decoders(&self) -> Process {
        started(&self.all(|id| self.decoding(id)))
    }

    fn each(&self, elements: impl Fn(u32) -> String, window: Duration) -> Use {
        launched(&self.all(elements), window)
    }

    fn all(&self, elements: impl Fn(u32) -> String) -> String {
        (0..self.count)
            .map(|id| format!("{} ! fakesink sync=false ", elements(id)))
            .collect()
    }
}

/// What `gst-launch-1.0` takes for a pipeline.
pub(crate) fn launched(pipeline: &str, window: Duration) -> Use {
    started(pipeline).watch(window)
}

/// `gst-launch-1.0` with a pipeline, warmed up.
fn started(pipeline: &str) -> Process {
    let process = Process::start(
        Command::new("gst-launch-1.0")
            .arg("-q")
            .args(pipeline.split_whitespace())
            .stdout(Stdio::null()),
    );
    std::thread::sleep(WARM_UP);
    process
}

/// Real footage, scaled and sped up to what a common camera sends, with a key frame every `group` pictures; made once.
fn clip(size: Size, group: u32) -> PathBuf {
    let (source, clip) = (
        cache_dir().join("footage/vtest.avi"),
        cache_dir().join(format!("footage/bench-{}p25-{group}.mp4", size.height)),
    );
    if !clip.is_file() {
        let part = clip.with_extension("part");
        // Of 1280x720, 3 Mbit/s.
        let kbits = size.width * size.height * 3000 / (1280 * 720);
        let pipeline = format!(
            "filesrc location={} ! decodebin ! videoconvert ! videoscale ! videorate rate=2.5 ! \
             video/x-raw,format=I420,width={},height={},framerate=25/1,pixel-aspect-ratio=1/1 ! \
             x264enc bitrate={kbits} key-int-max={group} bframes=0 speed-preset=veryfast ! h264parse ! mp4mux ! filesink location={}",
            source.display(),
            size.width,
            size.height,
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

//! RTSP cameras as sources: frames, times, faults, against a real RTSP server.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use nvr::base::{CaptureClock, Clock, Frame, PatternCode, Pixels, Size, SourceId, Stop, unix_now};
use nvr::config::{Location, SourceTls, StreamSettings, TestPattern, Transport};
use nvr::media::testcam::{CameraOptions, Feed, Testcam, TestcamOptions};
use nvr::media::{FrameSink, ReferenceTime, SessionEnd, StreamFacts, open_with};

use crate::support::cameras::{PATIENCE, make_clip};

const SIZE: Size = Size::new(320, 240);

#[derive(Default)]
struct Pages {
    facts: Vec<StreamFacts>,
    frames: Vec<Frame>,
    units: usize,
    end: Option<SessionEnd>,
}

/// Keeps what a session tells.
#[derive(Default)]
struct Notebook {
    pages: Mutex<Pages>,
    written: Condvar,
}

impl FrameSink for Notebook {
    fn described(&self, facts: &StreamFacts) {
        self.write(|pages| pages.facts.push(facts.clone()));
    }

    fn access_unit(&self, _bytes: usize) {
        self.write(|pages| pages.units += 1);
    }

    fn alive(&self) {}

    fn frame(&self, frame: Frame) {
        self.write(|pages| pages.frames.push(frame));
    }
}

impl Notebook {
    fn write(&self, change: impl FnOnce(&mut Pages)) {
        change(&mut self.pages.lock().unwrap_or_else(PoisonError::into_inner));
        self.written.notify_all();
    }

    fn wait<T>(&self, what: &str, found: impl Fn(&Pages) -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        let mut pages = self.pages.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(found) = found(&pages) {
                return found;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(
                !left.is_zero(),
                "no {what} in time; {} units, {} frames, end {:?}",
                pages.units,
                pages.frames.len(),
                pages.end
            );
            pages = self
                .written
                .wait_timeout(pages, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }
}

/// A session on a thread of its own; dropping it stops it.
struct Session {
    notebook: Arc<Notebook>,
    stop: Stop,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Session {
    fn start(settings: &StreamSettings) -> Self {
        Self::start_with(settings, ReferenceTime::Auto)
    }

    fn start_with(settings: &StreamSettings, reference: ReferenceTime) -> Self {
        nvr::media::init().expect("GStreamer starts");
        let mut source = open_with(SourceId(3), settings, &Clock::system(), reference);
        let (notebook, stop) = (Arc::new(Notebook::default()), Stop::default());
        let (sink, stopped) = (notebook.clone(), stop.clone());
        let thread = std::thread::spawn(move || {
            let shared: Arc<dyn FrameSink> = sink.clone();
            let end = source.run(&shared, &stopped);
            sink.write(|pages| pages.end = Some(end));
        });
        Self {
            notebook,
            stop,
            thread: Some(thread),
        }
    }

    fn frames(&self, count: usize) -> Vec<Frame> {
        self.notebook.wait("frames", |pages| {
            (pages.frames.len() >= count).then(|| pages.frames[..count].to_vec())
        })
    }

    /// Frames with the camera's time.
    fn timed_frames(&self, count: usize) -> Vec<Frame> {
        self.notebook.wait("frames with NTP time", |pages| {
            let timed = pages
                .frames
                .iter()
                .filter(|frame| frame.meta.ntp_ns.is_some());
            (timed.clone().count() >= count).then(|| timed.take(count).cloned().collect())
        })
    }

    fn end(&self) -> (&'static str, String) {
        let end = self.notebook.wait("end", |pages| pages.end.clone());
        match end {
            SessionEnd::Stopped => ("stopped", String::new()),
            SessionEnd::Failed { code, message, .. } => (code, message),
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.stop.raise();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn pattern() -> CameraOptions {
    CameraOptions::new(Feed::Pattern(TestPattern {
        size: SIZE,
        fps: 20.0,
        objects: 3,
    }))
}

fn cameras(cameras: Vec<CameraOptions>) -> Testcam {
    start(TestcamOptions {
        cameras,
        ..TestcamOptions::default()
    })
}

fn start(options: TestcamOptions) -> Testcam {
    Testcam::start(&options).expect("the test cameras start")
}

fn settings(uri: &str) -> StreamSettings {
    StreamSettings {
        location: Location::Rtsp(uri.parse().expect("a URL")),
        credentials: None,
        transport: Transport::Tcp,
        jitter_buffer: Duration::from_millis(50),
        tls: SourceTls::default(),
        stall_limit: Duration::from_secs(5),
        start_limit: Duration::from_secs(20),
    }
}

fn code_of(frame: &Frame) -> Option<PatternCode> {
    let Pixels::Host(pixels) = &frame.pixels else {
        return None;
    };
    PatternCode::read_luma(pixels.plane(0), frame.meta.size)
}

#[test]
fn frames_arrive_from_h264_and_h265_cameras() {
    for codec in ["h264", "h265"] {
        let folder = tempfile::tempdir().expect("a folder");
        let clip = folder.path().join("clip.mp4");
        make_clip(&clip, codec, SIZE, 20, 20);
        let testcam = cameras(vec![CameraOptions::new(Feed::File(clip))]);
        let session = Session::start(&settings(testcam.url(0).as_str()));
        let frames = session.frames(30);
        for (number, frame) in (0u64..).zip(&frames) {
            assert_eq!(frame.meta.frame_id, number);
            assert_eq!(frame.meta.size, SIZE);
        }
        let facts = session.notebook.wait("size", |pages| {
            pages
                .facts
                .iter()
                .find(|facts| facts.size.is_some())
                .cloned()
        });
        assert_eq!(facts.codec, codec);
        assert_eq!(facts.size, Some(SIZE));
        assert_eq!(facts.nominal_fps, Some(20.0));
        session.stop.raise();
        assert_eq!(session.end().0, "stopped");
    }
}

#[test]
fn every_frame_of_the_pattern_arrives_once_with_times_that_hold() {
    let testcam = cameras(vec![pattern()]);
    let session = Session::start(&settings(testcam.url(0).as_str()));
    let frames = session.timed_frames(20);
    let first = code_of(&frames[0])
        .expect("the pattern's code")
        .frame_number;
    for (number, frame) in (0u32..).zip(&frames) {
        let code = code_of(frame).expect("the pattern's code");
        assert_eq!(code.frame_number, first + number);
        assert_eq!(frame.meta.clock, CaptureClock::Ntp);
        let ntp = Duration::from_nanos(frame.meta.ntp_ns.expect("it was waited for"));
        assert_eq!(frame.meta.captured_unix, ntp);
        assert!(unix_now() > ntp);
    }
    for pair in frames.windows(2) {
        let step = pair[1].meta.arrival.saturating_sub(pair[0].meta.arrival);
        assert!(
            step.abs_diff(Duration::from_millis(50)) < Duration::from_millis(45),
            "{step:?} between arrivals"
        );
    }
}

//! RTSP cameras as sources, against a real RTSP server. This file has the sessions and the cameras.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use nvr::base::{
    CaptureClock, Clock, Frame, Heartbeats, PatternCode, Pixels, Size, SourceId, Stop,
};
use nvr::config::{
    Credentials, Location, Secret, SourceTls, StreamSettings, TestPattern, Transport,
};
use nvr::media::testcam::{
    CameraOptions, Feed, LoginScheme, Testcam, TestcamLogin, TestcamOptions, TestcamTls,
};
use nvr::media::{
    FrameSink, Health, OpenOptions, ReferenceTime, Runner, RunnerOptions, SessionEnd,
    SourceListener, SourceSnapshot, StreamFacts, descriptors_of, open,
};

mod answers;
mod faults;
mod frames;
mod lifecycle;
mod quirks;
mod tls;

use crate::support::cameras::{PATIENCE, stream_settings};

const SIZE: Size = Size::new(320, 240);

#[derive(Default)]
struct Recording {
    facts: Vec<StreamFacts>,
    frames: Vec<Frame>,
    units: usize,
    end: Option<SessionEnd>,
}

/// Records the events of a session.
#[derive(Default)]
struct Recorder {
    recording: Mutex<Recording>,
    written: Condvar,
}

impl FrameSink for Recorder {
    fn described(&self, facts: &StreamFacts) {
        self.write(|recording| recording.facts.push(facts.clone()));
    }

    fn access_unit(&self, _bytes: usize) {
        self.write(|recording| recording.units += 1);
    }

    fn alive(&self) {}

    fn frame(&self, frame: Frame) {
        self.write(|recording| recording.frames.push(frame));
    }
}

impl Recorder {
    fn write(&self, change: impl FnOnce(&mut Recording)) {
        change(
            &mut self
                .recording
                .lock()
                .unwrap_or_else(PoisonError::into_inner),
        );
        self.written.notify_all();
    }

    fn wait<T>(&self, what: &str, found: impl Fn(&Recording) -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        let mut recording = self
            .recording
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(found) = found(&recording) {
                return found;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(
                !left.is_zero(),
                "no {what} in time; {} units, {} frames, end {:?}",
                recording.units,
                recording.frames.len(),
                recording.end
            );
            recording = self
                .written
                .wait_timeout(recording, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }
}

/// A session on a separate thread; dropping it stops it.
struct Session {
    recorder: Arc<Recorder>,
    stop: Stop,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Session {
    fn start(settings: &StreamSettings) -> Self {
        Self::start_with(settings, ReferenceTime::Auto)
    }

    fn start_with(settings: &StreamSettings, reference: ReferenceTime) -> Self {
        nvr::media::init().expect("GStreamer starts");
        let mut source = open(
            SourceId(3),
            settings,
            &Clock::system(),
            OpenOptions {
                reference,
                ..OpenOptions::default()
            },
        );
        let (recorder, stop) = (Arc::new(Recorder::default()), Stop::default());
        let (sink, stopped) = (recorder.clone(), stop.clone());
        let thread = std::thread::spawn(move || {
            let shared: Arc<dyn FrameSink> = sink.clone();
            let end = source.run(&shared, &stopped);
            sink.write(|recording| recording.end = Some(end));
        });
        Self {
            recorder,
            stop,
            thread: Some(thread),
        }
    }

    fn frames(&self, count: usize) -> Vec<Frame> {
        self.recorder.wait("frames", |recording| {
            (recording.frames.len() >= count).then(|| recording.frames[..count].to_vec())
        })
    }

    /// Frames with the camera's time.
    fn timed_frames(&self, count: usize) -> Vec<Frame> {
        self.recorder.wait("frames with NTP time", |recording| {
            let timed = recording
                .frames
                .iter()
                .filter(|frame| frame.meta.ntp_ns.is_some());
            (timed.clone().count() >= count).then(|| timed.take(count).cloned().collect())
        })
    }

    fn end(&self) -> (&'static str, String) {
        let end = self.recorder.wait("end", |recording| recording.end.clone());
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
    stream_settings(Location::Rtsp(uri.parse().expect("a URL")))
}

fn code_of(frame: &Frame) -> Option<PatternCode> {
    let Pixels::Host(pixels) = &frame.pixels else {
        return None;
    };
    PatternCode::read_luma(pixels.plane(0), frame.meta.size)
}

/// An RTSP server with one launch line, at `uri`.
struct OneStream {
    uri: String,
    main_loop: gstreamer::glib::MainLoop,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl OneStream {
    fn serve(launch: &str) -> Self {
        use gstreamer::glib;
        use gstreamer_rtsp_server::prelude::*;
        nvr::media::init().expect("GStreamer starts");
        let context = glib::MainContext::new();
        let main_loop = glib::MainLoop::new(Some(&context), false);
        let (launch, running) = (format!("( {launch} )"), main_loop.clone());
        let (sender, port) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            let server = gstreamer_rtsp_server::RTSPServer::new();
            server.set_address("127.0.0.1");
            server.set_service("0");
            let factory = gstreamer_rtsp_server::RTSPMediaFactory::new();
            factory.set_launch(&launch);
            let mounts = server.mount_points().expect("a new server has them");
            mounts.add_factory("/stream", factory);
            let source = server
                .create_source(gio::Cancellable::NONE)
                .expect("it listens");
            source.attach(Some(&context));
            sender.send(server.bound_port()).expect("awaited");
            let _ = context.with_thread_default(|| running.run());
            source.destroy();
            server.client_filter(Some(&mut |_, _| {
                gstreamer_rtsp_server::RTSPFilterResult::Remove
            }));
        });
        let port = port.recv().expect("the server starts");
        Self {
            uri: format!("rtsp://127.0.0.1:{port}/stream"),
            main_loop,
            thread: Some(thread),
        }
    }
}

impl Drop for OneStream {
    fn drop(&mut self) {
        self.main_loop.quit();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

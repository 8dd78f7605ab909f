//! RTSP cameras as sources: frames, times, faults, against a real RTSP server.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use nvr::base::{
    CaptureClock, Clock, Frame, Heartbeats, PatternCode, PixelFormat, Pixels, Size, SourceId, Stop,
    unix_now,
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
mod lifecycle;
mod quirks;
mod tls;

use crate::support::cameras::{PATIENCE, make_clip};

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
        let facts = session.recorder.wait("size", |recording| {
            recording
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

#[test]
fn two_sessions_tell_the_same_time_for_the_same_frame_however_they_read_it() {
    let testcam = start(TestcamOptions {
        cameras: vec![pattern()],
        shared: false,
        ..TestcamOptions::default()
    });
    let settings = settings(testcam.url(0).as_str());
    let sessions = [
        ReferenceTime::Meta,
        ReferenceTime::Meta,
        ReferenceTime::Rtcp,
    ]
    .map(|reference| Session::start_with(&settings, reference));
    let told = sessions.each_ref().map(|session| {
        session
            .timed_frames(60)
            .iter()
            .filter_map(|frame| Some((code_of(frame)?.frame_number, frame.meta.ntp_ns?)))
            .collect::<Vec<_>>()
    });
    // Each session has its own RTP clock, of which a tick is 11 µs.
    for (other, tolerance_ns) in [(&told[1], 23_000), (&told[2], 1_000_000)] {
        let mut common = 0;
        for (number, ntp_ns) in &told[0] {
            if let Some((_, other_ns)) = other.iter().find(|(other, _)| other == number) {
                let apart = ntp_ns.abs_diff(*other_ns);
                assert!(apart <= tolerance_ns, "{apart} ns apart in frame {number}");
                common += 1;
            }
        }
        assert!(common >= 10, "only {common} common frames");
    }
}

#[test]
fn a_wrong_camera_clock_is_a_key_but_no_capture_time() {
    let mut camera = pattern();
    camera.clock_offset_ms = -3_600_000;
    let testcam = cameras(vec![camera]);
    let session = Session::start(&settings(testcam.url(0).as_str()));
    let frame = session.timed_frames(1).remove(0);
    assert_eq!(frame.meta.clock, CaptureClock::Arrival);
    let behind = unix_now() - Duration::from_nanos(frame.meta.ntp_ns.expect("it was waited for"));
    assert!(behind.abs_diff(Duration::from_secs(3_600)) < Duration::from_secs(2));
    let age = unix_now().saturating_sub(frame.meta.captured_unix);
    assert!(age < Duration::from_secs(2), "captured {age:?} ago");
}

#[test]
fn udp_works_where_it_is_chosen() {
    let testcam = cameras(vec![pattern()]);
    let mut settings = settings(testcam.url(0).as_str());
    settings.transport = Transport::Udp;
    Session::start(&settings).frames(10);
}

#[test]
fn pictures_stay_in_the_decoder_s_buffers_unless_frames_lack_their_format() {
    let encoded = |format: &str| {
        OneStream::serve(&format!(
            "videotestsrc is-live=true ! video/x-raw,format={format},width=336,height=240,framerate=10/1 \
             ! x264enc tune=zerolatency key-int-max=10 ! rtph264pay name=pay0"
        ))
    };
    let stride = |frame: &Frame| match &frame.pixels {
        Pixels::Host(pixels) => (pixels.format(), pixels.plane(0).stride),
        Pixels::DmaBuf(_) => panic!("libav decodes to ordinary memory"),
    };
    // libav aligns its rows to 32 bytes or more; a copy would be packed. It does copy pictures that it must crop (1080
    // rows of 1088).
    let ordinary = encoded("I420");
    let frame = Session::start(&settings(&ordinary.uri)).frames(1).remove(0);
    let (format, bytes) = stride(&frame);
    assert!(format == PixelFormat::I420 && bytes > 336, "{bytes} bytes");
    let wide = encoded("Y42B");
    let frame = Session::start(&settings(&wide.uri)).frames(1).remove(0);
    assert_eq!(stride(&frame), (PixelFormat::I420, 336));
}

#[test]
fn sound_beside_the_picture_is_left_alone() {
    let both = OneStream::serve(
        "audiotestsrc is-live=true ! mulawenc ! rtppcmupay name=pay0 \
         videotestsrc is-live=true ! video/x-raw,width=320,height=240,framerate=10/1 \
         ! x264enc tune=zerolatency key-int-max=10 ! rtph264pay name=pay1",
    );
    Session::start(&settings(&both.uri)).frames(5);
}

#[test]
fn a_stream_may_change_its_size() {
    let part = |width, height, frames| {
        format!(
            "videotestsrc is-live=true num-buffers={frames} \
             ! video/x-raw,format=I420,width={width},height={height},framerate=20/1 ! c. "
        )
    };
    let camera = OneStream::serve(&format!(
        "{} {} concat name=c ! x264enc tune=zerolatency key-int-max=10 \
         ! rtph264pay config-interval=-1 name=pay0",
        part(320, 240, 30),
        part(640, 480, 1_000)
    ));
    let session = Session::start(&settings(&camera.uri));
    let sizes = session.recorder.wait("both sizes", |recording| {
        let mut sizes: Vec<_> = recording
            .frames
            .iter()
            .map(|frame| frame.meta.size)
            .collect();
        sizes.dedup();
        (sizes.len() >= 2).then_some(sizes)
    });
    let (small, large) = (Size::new(320, 240), Size::new(640, 480));
    assert_eq!(sizes, [small, large]);
    let described: Vec<_> = session.recorder.wait("facts", |recording| {
        let mut sizes: Vec<_> = recording
            .facts
            .iter()
            .filter_map(|facts| facts.size)
            .collect();
        sizes.dedup();
        Some(sizes)
    });
    assert_eq!(described, [small, large]);
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

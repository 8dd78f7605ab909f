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
    FrameSink, Health, ReferenceTime, Runner, RunnerOptions, SessionEnd, SourceListener,
    SourceSnapshot, StreamFacts, open, open_with,
};

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
fn a_camera_with_a_wrong_clock_keeps_its_key_and_loses_its_say() {
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
fn a_refused_login_is_told_as_such_and_never_shown() {
    for scheme in [LoginScheme::Basic, LoginScheme::Digest] {
        let login = |password: &str| Credentials {
            username: Secret::new("viewer"),
            password: Secret::new(password),
        };
        let testcam = start(TestcamOptions {
            cameras: vec![pattern()],
            login: Some(TestcamLogin {
                credentials: login("right-pass"),
                scheme,
            }),
            ..TestcamOptions::default()
        });
        let mut settings = settings(testcam.url(0).as_str());
        assert_eq!(
            Session::start(&settings).end(),
            (
                "unauthorized",
                "camera 3 asks for a login (401 Unauthorized); set its user name and password"
                    .to_owned()
            )
        );
        settings.credentials = Some(login("wrong-pass"));
        assert_eq!(
            Session::start(&settings).end(),
            (
                "unauthorized",
                "camera 3 refused the login (401 Unauthorized); check its user name and password"
                    .to_owned()
            )
        );
        settings.credentials = Some(login("right-pass"));
        Session::start(&settings).frames(1);
    }
}

#[test]
fn a_path_that_the_camera_lacks_is_told() {
    let testcam = cameras(vec![pattern()]);
    let url = testcam.url(0).join("/nowhere").expect("a path");
    assert_eq!(
        Session::start(&settings(url.as_str())).end(),
        (
            "not-found",
            "camera 3 has no stream /nowhere (404 Not Found); check the path of its URI".to_owned()
        )
    );
}

#[test]
fn a_closed_port_and_an_unknown_host_are_unreachable() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("bound").port();
    drop(listener);
    let (code, message) = Session::start(&settings(&format!("rtsp://127.0.0.1:{port}/a"))).end();
    assert_eq!(code, "unreachable");
    assert_eq!(
        message,
        format!(
            "camera 3 at 127.0.0.1:{port} refused the connection; check its port, and that RTSP is switched on"
        )
    );
    let (code, message) = Session::start(&settings("rtsp://no-such-camera.invalid/a")).end();
    assert_eq!(code, "unreachable");
    assert!(message.contains("host name"), "{message}");
}

#[test]
fn a_camera_that_never_answers_is_unreachable_within_seconds() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("bound").port();
    let begun = Instant::now();
    let (code, message) = Session::start(&settings(&format!("rtsp://127.0.0.1:{port}/a"))).end();
    assert_eq!(code, "unreachable", "{message}");
    assert!(message.contains("no RTSP answer within 5 s"), "{message}");
    assert!(begun.elapsed() < Duration::from_secs(8));
    drop(listener);
}

#[test]
fn a_server_of_another_kind_is_garbage() {
    let garbage: Vec<u8> = (0..4096u32).map(|byte| (byte * 37 % 251) as u8).collect();
    let http = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n".to_vec();
    for answer in [garbage, http] {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("bound").port();
        let server = std::thread::spawn(move || {
            let (mut client, _) = listener.accept().expect("a client");
            let mut request = [0; 1024];
            let _ = client.read(&mut request);
            let _ = client.write_all(&answer);
            // Until the client goes.
            let _ = client.read(&mut request);
        });
        let session = Session::start(&settings(&format!("rtsp://127.0.0.1:{port}/a")));
        let (code, message) = session.end();
        assert_eq!(code, "garbage", "{message}");
        drop(session);
        server.join().expect("the server ends");
    }
}

#[test]
fn streams_that_are_no_video_or_of_another_codec_are_told() {
    let audio = OneStream::serve("audiotestsrc is-live=true ! mulawenc ! rtppcmupay name=pay0");
    let (code, message) = Session::start(&settings(&audio.uri)).end();
    assert_eq!(code, "no-video", "{message}");
    let jpeg = OneStream::serve(
        "videotestsrc is-live=true ! video/x-raw,format=I420,width=64,height=64 ! jpegenc ! rtpjpegpay name=pay0",
    );
    assert_eq!(
        Session::start(&settings(&jpeg.uri)).end(),
        (
            "no-decoder",
            "camera 3 sends JPEG; set it to H.264 or H.265".to_owned()
        )
    );
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
    // libav aligns its rows to 32 bytes or more; a copy would be packed. Sizes that it has to crop (1080 rows of 1088)
    // it does copy.
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
fn a_stream_that_stops_is_stalled_in_time() {
    let testcam = cameras(vec![pattern()]);
    let mut settings = settings(testcam.url(0).as_str());
    settings.stall_limit = Duration::from_secs(1);
    let session = Session::start(&settings);
    session.frames(10);
    testcam.silence(0, true);
    let begun = Instant::now();
    let (code, message) = session.end();
    assert_eq!(code, "stalled");
    assert!(
        message.starts_with("no picture from camera 3 for 1"),
        "{message}"
    );
    let took = begun.elapsed();
    assert!(
        took > Duration::from_millis(800) && took < Duration::from_secs(3),
        "{took:?}"
    );
}

#[test]
fn a_camera_that_plays_and_sends_nothing_gives_no_frame() {
    let mut camera = pattern();
    camera.silent = true;
    let testcam = cameras(vec![camera]);
    let mut settings = settings(testcam.url(0).as_str());
    settings.start_limit = Duration::from_secs(1);
    assert_eq!(
        Session::start(&settings).end(),
        (
            "no-frame",
            "camera 3 plays but nothing arrived within 1 s; restart the camera".to_owned()
        )
    );
}

#[test]
fn a_camera_that_hangs_up_has_ended() {
    let testcam = cameras(vec![pattern()]);
    let session = Session::start(&settings(testcam.url(0).as_str()));
    session.frames(5);
    testcam.drop_clients();
    let (code, message) = session.end();
    assert_eq!(code, "ended", "{message}");
}

#[test]
fn a_session_stops_at_once_whatever_it_waits_for() {
    let testcam = cameras(vec![pattern()]);
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = silent.local_addr().expect("bound").port();
    let live = Session::start(&settings(testcam.url(0).as_str()));
    live.frames(1);
    let connecting = Session::start(&settings(&format!("rtsp://127.0.0.1:{port}/a")));
    let (_held, _) = silent.accept().expect("it connects");
    for session in [live, connecting] {
        let begun = Instant::now();
        session.stop.raise();
        assert_eq!(session.end().0, "stopped");
        let took = begun.elapsed();
        assert!(took < Duration::from_secs(1), "{took:?}");
    }
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
    let sizes = session.notebook.wait("both sizes", |pages| {
        let mut sizes: Vec<_> = pages.frames.iter().map(|frame| frame.meta.size).collect();
        sizes.dedup();
        (sizes.len() >= 2).then_some(sizes)
    });
    let (small, large) = (Size::new(320, 240), Size::new(640, 480));
    assert_eq!(sizes, [small, large]);
    let described: Vec<_> = session.notebook.wait("facts", |pages| {
        let mut sizes: Vec<_> = pages.facts.iter().filter_map(|facts| facts.size).collect();
        sizes.dedup();
        Some(sizes)
    });
    assert_eq!(described, [small, large]);
}

/// Certificates of an authority, of a camera that it signed for `names`, and the camera's fingerprint.
struct Pki {
    folder: tempfile::TempDir,
    fingerprint: [u8; 32],
}

impl Pki {
    fn new(names: &[&str]) -> Self {
        use sha2::Digest as _;
        let folder = tempfile::tempdir().expect("a folder");
        let names = names
            .iter()
            .map(|name| (*name).to_owned())
            .collect::<Vec<_>>();
        let key = || rcgen::KeyPair::generate().expect("a key");
        let mut params = rcgen::CertificateParams::new(Vec::new()).expect("no names");
        let name = format!("authority of {}", folder.path().display());
        params
            .distinguished_name
            .push(rcgen::DnType::CommonName, name);
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let authority_key = key();
        let authority = params.self_signed(&authority_key).expect("an authority");
        let issuer = rcgen::Issuer::new(params, authority_key);
        let camera_key = key();
        let camera = rcgen::CertificateParams::new(names)
            .expect("good names")
            .signed_by(&camera_key, &issuer)
            .expect("a certificate");
        let write = |name: &str, text: String| {
            std::fs::write(folder.path().join(name), text).expect("written");
        };
        write("ca.pem", authority.pem());
        write("cert.pem", camera.pem());
        write("key.pem", camera_key.serialize_pem());
        Self {
            folder,
            fingerprint: sha2::Sha256::digest(camera.der()).into(),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn camera(&self) -> Testcam {
        start(TestcamOptions {
            cameras: vec![pattern()],
            tls: Some(TestcamTls {
                certificate: self.path("cert.pem"),
                key: self.path("key.pem"),
            }),
            ..TestcamOptions::default()
        })
    }
}

fn trusting(testcam: &Testcam, ca: Option<&Path>, pin: Option<[u8; 32]>) -> StreamSettings {
    let mut settings = settings(testcam.url(0).as_str());
    settings.tls = SourceTls {
        ca: ca.map(Path::to_owned),
        pinned_sha256: pin,
    };
    settings
}

#[test]
fn rtsps_is_trusted_by_its_own_authority_and_by_nobody_else() {
    let pki = Pki::new(&["127.0.0.1"]);
    let testcam = pki.camera();
    let ca = pki.path("ca.pem");
    Session::start(&trusting(&testcam, Some(&ca), None)).frames(3);
    let stranger = Pki::new(&["127.0.0.1"]);
    for ca in [None, Some(stranger.path("ca.pem"))] {
        let (code, message) = Session::start(&trusting(&testcam, ca.as_deref(), None)).end();
        assert_eq!(code, "tls", "{message}");
        assert!(
            message.contains("no known authority signed it"),
            "{message}"
        );
    }
    let missing = pki.path("missing.pem");
    let (code, message) = Session::start(&trusting(&testcam, Some(&missing), None)).end();
    assert_eq!(code, "tls", "{message}");
    assert!(message.contains("missing.pem"), "{message}");
}

#[test]
fn an_authority_s_certificate_for_another_host_is_refused() {
    let pki = Pki::new(&["camera.example"]);
    let testcam = pki.camera();
    let ca = pki.path("ca.pem");
    let (code, message) = Session::start(&trusting(&testcam, Some(&ca), None)).end();
    assert_eq!(code, "tls", "{message}");
    assert!(message.contains("made out to another host"), "{message}");
}

#[test]
fn a_pinned_certificate_is_the_only_one_that_is_accepted() {
    let pki = Pki::new(&["camera.example"]);
    let testcam = pki.camera();
    Session::start(&trusting(&testcam, None, Some(pki.fingerprint))).frames(3);
    // The right authority does not help a certificate that is not the pinned one.
    let ca = pki.path("ca.pem");
    let (code, message) = Session::start(&trusting(&testcam, Some(&ca), Some([7; 32]))).end();
    assert_eq!(code, "tls", "{message}");
    assert!(message.contains("pinned is 0707"), "{message}");
}

#[test]
fn rtsps_against_a_plain_port_is_a_matter_of_tls() {
    let testcam = cameras(vec![pattern()]);
    let url = testcam.url(0).as_str().replacen("rtsp:", "rtsps:", 1);
    let (code, message) = Session::start(&settings(&url)).end();
    assert_eq!(code, "tls", "{message}");
}

/// An RTSP server of one launch line, at `uri`.
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

/// Keeps what a runner tells.
#[derive(Default)]
struct Log {
    notebook: Notebook,
    statuses: Mutex<Vec<SourceSnapshot>>,
}

impl SourceListener for Log {
    fn frame(&self, frame: Frame) {
        self.notebook.frame(frame);
    }

    fn status(&self, status: &SourceSnapshot) {
        let mut statuses = self.statuses.lock().unwrap_or_else(PoisonError::into_inner);
        statuses.push(status.clone());
        drop(statuses);
        self.notebook.written.notify_all();
    }
}

impl Log {
    fn wait_for(&self, what: &str, found: impl Fn(&[SourceSnapshot]) -> bool) {
        self.notebook.wait(what, |_| {
            let statuses = self.statuses.lock().unwrap_or_else(PoisonError::into_inner);
            found(&statuses).then_some(())
        });
    }
}

fn run(id: u32, settings: StreamSettings) -> (Runner, Arc<Log>) {
    nvr::media::init().expect("GStreamer starts");
    let log = Arc::new(Log::default());
    let options = RunnerOptions {
        id: SourceId(id),
        heartbeats: Heartbeats::new(Clock::system()),
        stage_limit: Duration::from_secs(30),
        retry_first: Duration::from_millis(50),
        retry_longest: Duration::from_millis(200),
        counters: Arc::default(),
    };
    let open = move || open(SourceId(id), &settings, &Clock::system());
    let runner = Runner::spawn(options, open, log.clone()).expect("a thread");
    (runner, log)
}

fn latest(statuses: &[SourceSnapshot]) -> Option<(Health, Option<&'static str>)> {
    let latest = statuses.last()?;
    Some((
        latest.health,
        latest.reason.as_ref().map(|reason| reason.code),
    ))
}

#[test]
fn a_source_comes_back_when_its_server_does_while_the_other_loses_nothing() {
    let mortal = cameras(vec![pattern()]);
    let steady = cameras(vec![pattern()]);
    let port = mortal.port();
    let (runner, log) = run(0, settings(mortal.url(0).as_str()));
    let (other, other_log) = run(1, settings(steady.url(0).as_str()));
    log.wait_for("life", |told| latest(told) == Some((Health::Live, None)));
    other_log.wait_for("life", |told| latest(told) == Some((Health::Live, None)));
    mortal.stop();
    log.wait_for("death", |told| {
        latest(told) == Some((Health::Failed, Some("unreachable")))
    });
    let before = runner.counters().frames();
    let reborn = start(TestcamOptions {
        port,
        cameras: vec![pattern()],
        ..TestcamOptions::default()
    });
    log.wait_for("second life", |told| {
        latest(told) == Some((Health::Live, None))
    });
    log.notebook.wait("further frames", |pages| {
        (pages.frames.len() as u64 >= before + 5).then_some(())
    });
    log.notebook.wait("numbers", |pages| {
        for (number, frame) in (0u64..).zip(&pages.frames) {
            assert_eq!(frame.meta.frame_id, number);
        }
        Some(())
    });
    assert!(runner.snapshot().reconnects >= 1);
    drop(reborn);
    assert!(runner.stop(Duration::from_secs(5)));
    assert!(other.stop(Duration::from_secs(5)));
    other_log.notebook.wait("numbers", |pages| {
        let numbers: Vec<_> = pages.frames.iter().filter_map(code_of).collect();
        for pair in numbers.windows(2) {
            assert_eq!(pair[1].frame_number, pair[0].frame_number + 1);
        }
        Some(())
    });
}

#[test]
fn a_stalled_source_says_so_and_goes_on_when_the_camera_does() {
    let testcam = cameras(vec![pattern()]);
    let mut settings = settings(testcam.url(0).as_str());
    settings.stall_limit = Duration::from_secs(1);
    settings.start_limit = Duration::from_secs(1);
    let (runner, log) = run(0, settings);
    log.wait_for("life", |told| latest(told) == Some((Health::Live, None)));
    testcam.silence(0, true);
    log.wait_for("the stall", |told| {
        told.iter().any(|told| told.health == Health::Stalled)
    });
    testcam.silence(0, false);
    log.wait_for("life again", |told| {
        latest(told) == Some((Health::Live, None))
    });
    assert!(runner.stop(Duration::from_secs(5)));
}

/// Open files and threads of this process.
fn holdings() -> (usize, usize) {
    let count = |path: &str| std::fs::read_dir(path).map_or(0, Iterator::count);
    (count("/proc/self/fd"), count("/proc/self/task"))
}

/// Runs alone in a process of its own, where nothing else opens files or starts threads.
#[test]
#[ignore = "run by restarts_leak_neither_files_nor_threads"]
fn restarting_alone() {
    let restarts: u32 = std::env::var("NVR_TEST_RESTARTS")
        .ok()
        .and_then(|count| count.parse().ok())
        .unwrap_or(60);
    let testcam = cameras(vec![pattern()]);
    let settings = settings(testcam.url(0).as_str());
    let cycle = || {
        let session = Session::start(&settings);
        session.frames(1);
        drop(session);
        let deadline = Instant::now() + PATIENCE;
        while testcam.viewers(0) > 0 {
            assert!(Instant::now() < deadline, "a session is left");
            std::thread::yield_now();
        }
    };
    // Pools and main loops come to life with the first ones.
    (0..5).for_each(|_| cycle());
    let before = holdings();
    (0..restarts).for_each(|_| cycle());
    // The server takes its own time to put a session away.
    let deadline = Instant::now() + PATIENCE;
    while holdings().0 > before.0 + 5 || holdings().1 > before.1 + 5 {
        assert!(
            Instant::now() < deadline,
            "files and threads before {before:?}, after {restarts} restarts {:?}",
            holdings()
        );
        std::thread::yield_now();
    }
}

#[test]
fn restarts_leak_neither_files_nor_threads() {
    crate::support::run_alone("media::restarting_alone");
}

//! Sources that are no cameras on the network: the painted pattern, still images, video files, devices.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use gstreamer::prelude::GstObjectExt as _;
use nvr::base::{Clock, Frame, PatternCode, PixelFormat, Pixels, Size, SourceId, Stop};
use nvr::config::{Location, StreamSettings, TestPattern};
use nvr::media::{
    FrameSink, FrameSource, ImageSource, OpenOptions, SessionEnd, StreamFacts, TestPatternSource,
};

use crate::support::cameras::{make_clip, run_to_end, stream_settings};
use crate::support::process::nvr;

/// Longest that a test waits for anything.
const PATIENCE: Duration = Duration::from_secs(20);

/// Keeps what a session tells, and stops it after some frames.
#[derive(Default)]
struct Notebook {
    pages: Mutex<Pages>,
    stop: Stop,
    enough: usize,
}

#[derive(Default, Clone)]
pub(crate) struct Pages {
    pub(crate) facts: Option<StreamFacts>,
    pub(crate) frames: Vec<Frame>,
    units: usize,
}

impl FrameSink for Notebook {
    fn described(&self, facts: &StreamFacts) {
        self.pages().facts = Some(facts.clone());
    }

    fn access_unit(&self, _bytes: usize) {
        self.pages().units += 1;
    }

    fn alive(&self) {}

    fn frame(&self, frame: Frame) {
        let mut pages = self.pages();
        pages.frames.push(frame);
        if pages.frames.len() >= self.enough {
            self.stop.raise();
        }
    }
}

impl Notebook {
    fn pages(&self) -> std::sync::MutexGuard<'_, Pages> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs one session until it ends, or has given `enough` frames.
pub(crate) fn session(source: &mut dyn FrameSource, enough: usize) -> (SessionEnd, Pages) {
    let stop = Stop::default();
    let notebook = Arc::new(Notebook {
        enough,
        stop: stop.clone(),
        ..Notebook::default()
    });
    let sink: Arc<dyn FrameSink> = notebook.clone();
    let begun = Instant::now();
    let end = source.run(&sink, &stop);
    assert!(
        begun.elapsed() < PATIENCE,
        "the session took {:?}",
        begun.elapsed()
    );
    let pages = notebook.pages().clone();
    (end, pages)
}

fn code_of(end: SessionEnd) -> &'static str {
    match end {
        SessionEnd::Stopped => "stopped",
        SessionEnd::Failed { code, .. } => code,
    }
}

fn pattern_code(frame: &Frame) -> Option<PatternCode> {
    let Pixels::Host(pixels) = &frame.pixels else {
        return None;
    };
    PatternCode::read_luma(pixels.plane(0), frame.meta.size)
}

#[test]
fn the_painted_pattern_comes_at_its_rate_with_its_numbers() {
    let size = Size::new(640, 360);
    let mut source = TestPatternSource::new(
        TestPattern {
            size,
            fps: 50.0,
            objects: 4,
        },
        Clock::system(),
    );
    let begun = Instant::now();
    let (end, pages) = session(&mut source, 21);
    // The first is due at once.
    assert!(begun.elapsed() >= Duration::from_millis(400));
    assert_eq!(end, SessionEnd::Stopped);
    let facts = pages.facts.expect("described");
    assert_eq!((facts.codec.as_str(), facts.size), ("raw", Some(size)));
    for (number, frame) in (0u32..).zip(&pages.frames) {
        let wanted = PatternCode {
            frame_number: number,
            objects: 4,
        };
        assert_eq!(pattern_code(frame), Some(wanted));
        assert_eq!(frame.meta.frame_id, u64::from(number));
    }
    // The next session goes on counting.
    let (_, pages) = session(&mut source, 1);
    assert_eq!(
        pattern_code(&pages.frames[0]).map(|code| code.frame_number),
        Some(21)
    );
}

#[test]
fn a_pattern_that_can_t_be_painted_ends_its_session() {
    let impossible = TestPattern {
        size: Size::new(64, 64),
        fps: 25.0,
        objects: 3,
    };
    let mut source = TestPatternSource::new(impossible, Clock::system());
    assert_eq!(code_of(session(&mut source, 1).0), "garbage");
}

#[test]
fn a_still_image_is_shown_once_a_second() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("picture.jpg");
    image::RgbImage::from_pixel(64, 48, image::Rgb([0, 200, 0]))
        .save(&path)
        .expect("written");
    let mut source = ImageSource::new(path.clone(), Clock::system());
    let begun = Instant::now();
    let (end, pages) = session(&mut source, 2);
    assert!(begun.elapsed() >= Duration::from_secs(1));
    assert_eq!(end, SessionEnd::Stopped);
    assert_eq!(pages.facts.expect("described").codec, "jpeg");
    let Pixels::Host(pixels) = &pages.frames[1].pixels else {
        panic!("an image is in ordinary memory");
    };
    assert_eq!(pixels.format(), PixelFormat::Rgb);
    let pixel = &pixels.plane(0).bytes[..3];
    assert!(
        pixel[0] < 10 && pixel[1].abs_diff(200) < 10 && pixel[2] < 10,
        "{pixel:?}"
    );
    // A file that went away is an ordinary failure, and one that is back is read again.
    std::fs::remove_file(&path).expect("removed");
    assert_eq!(code_of(session(&mut source, 1).0), "not-found");
}

#[test]
fn what_is_no_image_is_garbage() {
    let mut source = ImageSource::new(Path::new("/dev/null").to_owned(), Clock::system());
    assert_eq!(code_of(session(&mut source, 1).0), "garbage");
}

/// The source of a location, as the processor opens it.
fn open(location: Location) -> Box<dyn FrameSource> {
    nvr::media::init().expect("GStreamer starts");
    let settings = StreamSettings {
        start_limit: Duration::from_secs(10),
        ..stream_settings(location)
    };
    nvr::media::open(
        SourceId(0),
        &settings,
        &Clock::system(),
        OpenOptions::default(),
    )
}

pub(crate) fn open_file(path: &Path) -> Box<dyn FrameSource> {
    open(Location::File(path.to_owned()))
}

/// Frames of a file at 20 frames a second come when they are due, and media time goes on across the seam.
fn assert_played_in_a_loop(path: &Path, codec: &str) {
    let begun = Instant::now();
    let (end, pages) = session(open_file(path).as_mut(), 25);
    let took = begun.elapsed();
    assert_eq!(end, SessionEnd::Stopped);
    assert!(took >= Duration::from_millis(1100), "25 frames in {took:?}");
    assert_eq!(pages.facts.expect("described").codec, codec);
    assert!(pages.units >= 25, "{} units", pages.units);
    let step = Duration::from_millis(50);
    for (before, after) in pages.frames.iter().zip(&pages.frames[1..]) {
        let (before, after) = (
            before.meta.pts.expect("timed"),
            after.meta.pts.expect("timed"),
        );
        assert!(after > before, "{after:?} after {before:?}");
        assert!(
            (after - before).abs_diff(step) < Duration::from_millis(5),
            "{before:?} {after:?}"
        );
    }
    for (number, frame) in (0u64..).zip(&pages.frames) {
        assert_eq!(frame.meta.frame_id, number);
        assert_eq!(frame.meta.size, Size::new(320, 240));
    }
}

#[test]
fn a_video_file_is_played_in_real_time_once_and_again() {
    let folder = tempfile::tempdir().expect("a folder");
    for codec in ["h264", "h265"] {
        let path = folder.path().join(codec).with_extension("mp4");
        make_clip(&path, codec, Size::new(320, 240), 20, 10);
        assert_played_in_a_loop(&path, codec);
    }
}

#[test]
fn a_file_in_another_codec_is_played_as_well() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("clip.avi");
    run_to_end(&format!(
        "avimux name=mux ! filesink location={} \
         videotestsrc pattern=ball num-buffers=10 ! video/x-raw,width=320,height=240,framerate=20/1 ! jpegenc ! mux. \
         audiotestsrc num-buffers=20 ! audioconvert ! mux.",
        path.display()
    ));
    assert_played_in_a_loop(&path, "mjpeg");
    let path = folder.path().join("clip.webm");
    run_to_end(&format!(
        "videotestsrc pattern=ball num-buffers=10 ! video/x-raw,format=I420,width=320,height=240,framerate=20/1 \
         ! vp8enc deadline=1 ! webmmux ! filesink location={}",
        path.display()
    ));
    assert_played_in_a_loop(&path, "video/x-vp8");
}

/// Decoders that GStreamer ranks below all use count for it as none.
#[test]
fn a_file_that_nothing_decodes_names_its_codec_and_the_package() {
    let folder = tempfile::tempdir().expect("a folder");
    let picture = "videotestsrc num-buffers=5 ! video/x-raw,format=I420,width=320,height=240";
    for (name, encoder, codec, package) in [
        (
            "clip.webm",
            "vp8enc deadline=1 ! webmmux",
            "VP8",
            "gstreamer1.0-plugins-good",
        ),
        (
            "clip.mp4",
            "x264enc ! h264parse ! mp4mux",
            "H.264",
            "gstreamer1.0-libav",
        ),
    ] {
        let path = folder.path().join(name);
        run_to_end(&format!(
            "{picture} ! {encoder} ! filesink location={}",
            path.display()
        ));
        let decoders = gstreamer::ElementFactory::factories_with_type(
            gstreamer::ElementFactoryType::DECODER,
            gstreamer::Rank::NONE,
        );
        let ranks: Vec<String> = decoders
            .iter()
            .map(|decoder| format!("{}:NONE", decoder.name()))
            .collect();
        let output = nvr()
            .args(["camera", "probe", &format!("file://{}", path.display())])
            .env("GST_PLUGIN_FEATURE_RANK", ranks.join(","))
            .output()
            .expect("the program runs");
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success(), "{told}");
        let named = format!(
            "nothing on this machine decodes file {}'s {codec}",
            path.display()
        );
        assert!(told.contains(&named) && told.contains(package), "{told}");
    }
}

#[test]
fn pictures_shown_in_another_order_than_sent_keep_their_times() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("clip.mkv");
    run_to_end(&format!(
        "videotestsrc pattern=ball num-buffers=10 ! video/x-raw,format=I420,width=320,height=240,framerate=20/1 \
         ! x264enc bframes=2 b-adapt=false key-int-max=10 ! h264parse ! matroskamux ! filesink location={}",
        path.display()
    ));
    assert_played_in_a_loop(&path, "h264");
}

#[test]
fn a_file_that_is_no_video_says_so() {
    let folder = tempfile::tempdir().expect("a folder");
    let missing = folder.path().join("missing.mp4");
    assert_eq!(
        code_of(session(open_file(&missing).as_mut(), 1).0),
        "not-found"
    );
    let garbage = folder.path().join("garbage.mp4");
    std::fs::write(&garbage, [0x5a; 4096]).expect("written");
    assert_eq!(
        code_of(session(open_file(&garbage).as_mut(), 1).0),
        "garbage"
    );
    let sound = folder.path().join("sound.avi");
    run_to_end(&format!(
        "audiotestsrc num-buffers=20 ! audioconvert ! avimux ! filesink location={}",
        sound.display()
    ));
    assert_eq!(code_of(session(open_file(&sound).as_mut(), 1).0), "garbage");
}

#[test]
fn a_file_stops_soon_after_it_is_told_to() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("slow.mp4");
    // One frame a second: the pipeline is asleep when the word comes.
    make_clip(&path, "h264", Size::new(320, 240), 1, 2);
    let stop = Stop::default();
    let notebook = Arc::new(Notebook {
        enough: usize::MAX,
        ..Notebook::default()
    });
    let sink: Arc<dyn FrameSink> = notebook.clone();
    let (mut source, told) = (open_file(&path), stop.clone());
    let session = std::thread::spawn(move || source.run(&sink, &told));
    let begun = Instant::now();
    while notebook.pages().frames.is_empty() {
        assert!(begun.elapsed() < PATIENCE, "no first frame");
        std::thread::yield_now();
    }
    let told_at = Instant::now();
    stop.raise();
    assert_eq!(session.join().expect("no panic"), SessionEnd::Stopped);
    assert!(
        told_at.elapsed() < Duration::from_secs(2),
        "{:?}",
        told_at.elapsed()
    );
}

#[test]
fn a_device_that_is_no_camera_ends_its_session_plainly() {
    for (path, said) in [
        (
            "/dev/video-that-is-not-there",
            "/dev/video-that-is-not-there is missing",
        ),
        ("/dev/null", "/dev/null is not a camera"),
    ] {
        let mut source = open(Location::V4l2(Path::new(path).to_owned()));
        match session(source.as_mut(), 1).0 {
            SessionEnd::Failed { code, message, .. } => {
                assert_eq!(code, "not-found");
                assert!(message.starts_with(said), "{message}");
            }
            SessionEnd::Stopped => panic!("{path} is no camera"),
        }
    }
}

//! Sources that are no cameras on the network: the painted pattern, still images.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use nvr::base::{Clock, Frame, PatternCode, PixelFormat, Pixels, Size, Stop};
use nvr::config::TestPattern;
use nvr::media::{FrameSink, FrameSource, ImageSource, SessionEnd, StreamFacts, TestPatternSource};

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
struct Pages {
    facts: Option<StreamFacts>,
    frames: Vec<Frame>,
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
fn session(source: &mut dyn FrameSource, enough: usize) -> (SessionEnd, Pages) {
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

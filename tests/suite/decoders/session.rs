//! A source on a separate thread, and a record of the decoders and frames that it gave.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Instant;

use nvr::base::{Clock, Frame, PatternCode, Pixels, Size, SourceId, Stop};
use nvr::config::{Location, TestPattern};
use nvr::media::testcam::{CameraOptions, Feed, Testcam, TestcamOptions};
use nvr::media::{FrameSink, OpenOptions, Output, OutputControl, SessionEnd, StreamFacts, open};

use super::{FPS, SIZE};
use crate::support::cameras::{PATIENCE, stream_settings};

/// What a session told, and a source that tells it.
pub(super) struct Session {
    pub(super) told: Arc<Told>,
    pub(super) output: OutputControl,
    stop: Stop,
    thread: Option<JoinHandle<SessionEnd>>,
    _testcam: Option<Testcam>,
}

#[derive(Default)]
pub(super) struct Told {
    pages: Mutex<Pages>,
    written: Condvar,
}

#[derive(Default)]
pub(super) struct Pages {
    /// Decoders in the order in which they were used.
    pub(super) decoders: Vec<String>,
    pub(super) sightings: Vec<Sighting>,
    units: usize,
    ended: bool,
}

/// One frame.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Sighting {
    pub(super) decoder: String,
    /// The camera's picture.
    pub(super) size: Size,
    /// The pixels that came, where hardware had scaled them.
    pub(super) scaled: Option<Size>,
    /// The number that is painted into it.
    pub(super) number: Option<u32>,
}

impl Told {
    pub(super) fn lock(&self) -> MutexGuard<'_, Pages> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, change: impl FnOnce(&mut Pages)) {
        change(&mut self.lock());
        self.written.notify_all();
    }

    pub(super) fn wait<T>(&self, what: &str, found: impl Fn(&Pages) -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        let mut pages = self.lock();
        loop {
            if let Some(found) = found(&pages) {
                return found;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            let last = pages.sightings.last();
            assert!(
                !left.is_zero(),
                "no {what} in time; {:?}, {} frames, the last {last:?}",
                pages.decoders,
                pages.sightings.len()
            );
            pages = self
                .written
                .wait_timeout(pages, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }
}

impl FrameSink for Told {
    fn described(&self, facts: &StreamFacts) {
        self.write(|pages| {
            if !facts.decoder.is_empty() && pages.decoders.last() != Some(&facts.decoder) {
                pages.decoders.push(facts.decoder.clone());
            }
        });
    }

    fn access_unit(&self, _bytes: usize) {
        self.write(|pages| pages.units += 1);
    }

    fn alive(&self) {}

    fn frame(&self, frame: Frame) {
        let Pixels::Host(pixels) = &frame.pixels else {
            panic!("frames come in ordinary memory");
        };
        let scaled = pixels.scaled();
        let code = PatternCode::read_luma(pixels.plane(0), scaled.unwrap_or(frame.meta.size));
        self.write(|pages| {
            pages.sightings.push(Sighting {
                decoder: pages.decoders.last().cloned().unwrap_or_default(),
                size: frame.meta.size,
                scaled,
                number: code.map(|code| code.frame_number),
            });
        });
    }
}

impl Session {
    /// A session with a camera that shows the pattern.
    pub(super) fn with_camera(output: Output) -> Self {
        let testcam = Testcam::start(&TestcamOptions {
            cameras: vec![CameraOptions::new(Feed::Pattern(TestPattern {
                size: SIZE,
                fps: FPS,
                objects: 3,
            }))],
            ..TestcamOptions::default()
        })
        .expect("the test camera starts");
        let mut session = Self::of(Location::Rtsp(testcam.url(0)), output);
        session._testcam = Some(testcam);
        session
    }

    pub(super) fn of(location: Location, output: Output) -> Self {
        nvr::media::init().expect("GStreamer starts");
        let settings = stream_settings(location);
        let (told, stop) = (Arc::new(Told::default()), Stop::default());
        let output = OutputControl::new(output);
        let options = OpenOptions {
            output: output.clone(),
            ..OpenOptions::default()
        };
        let (sink, stopped) = (told.clone(), stop.clone());
        let thread = std::thread::spawn(move || {
            let shared: Arc<dyn FrameSink> = sink.clone();
            let mut source = open(SourceId(0), &settings, &Clock::system(), options);
            loop {
                // As a runner does it: a session that was not asked to end is followed by the next one.
                let end = source.run(&shared, &stopped);
                if stopped.is_raised() || end != SessionEnd::Stopped {
                    sink.write(|pages| pages.ended = true);
                    return end;
                }
            }
        });
        Self {
            told,
            output,
            stop,
            thread: Some(thread),
            _testcam: None,
        }
    }

    /// Waits for a frame behind the first `after` ones.
    pub(super) fn frame(
        &self,
        after: usize,
        what: &str,
        wanted: impl Fn(&Sighting) -> bool,
    ) -> Sighting {
        self.told.wait(what, |pages| {
            let mut later = pages.sightings.iter().skip(after);
            later.find(|sighting| wanted(sighting)).cloned()
        })
    }

    pub(super) fn frames(&self) -> usize {
        self.told.lock().sightings.len()
    }

    /// How it ended by itself.
    pub(super) fn end(mut self) -> SessionEnd {
        self.told.wait("end", |pages| pages.ended.then_some(()));
        let thread = self.thread.take().expect("it was not asked before");
        thread.join().expect("it does not panic")
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

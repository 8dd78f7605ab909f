//! The decoder table against elements that only claim to be hardware: registered under its names, each in a process of
//! its own, because what is registered stays.

use std::sync::mpsc;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use gstreamer as gst;
use gstreamer::glib;
use gstreamer::prelude::*;
use gstreamer::subclass::prelude::*;
use nvr::base::{Clock, Frame, Size, SourceId, Stop};
use nvr::config::{Location, SourceTls, StreamSettings, TestPattern, Transport};
use nvr::media::testcam::{CameraOptions, Feed, Testcam, TestcamOptions};
use nvr::media::{Codec, FrameSink, OpenOptions, SessionEnd, StreamFacts, decoder_report, open};

use crate::support::cameras::PATIENCE;

/// A decoder that makes pictures of 320×240, as the built-in clip has them, and of nothing else.
#[derive(Default)]
pub(crate) struct Picky;

#[glib::object_subclass]
impl ObjectSubclass for Picky {
    const NAME: &'static str = "NvrTestPickyDecoder";
    type Type = PickyDecoder;
    type ParentType = gst::Bin;
}

impl ObjectImpl for Picky {
    fn constructed(&self) {
        self.parent_constructed();
        let decoder = gst::ElementFactory::make("avdec_h264")
            .build()
            .expect("libav is installed");
        let bin = self.obj();
        bin.add(&decoder).expect("a new bin takes it");
        let pad = |name| decoder.static_pad(name).expect("decoders have two pads");
        pad("src").add_probe(gst::PadProbeType::BUFFER, |pad, _| {
            let caps = pad.current_caps();
            let width = caps.and_then(|caps| caps.structure(0)?.get::<i32>("width").ok());
            if width == Some(320) {
                gst::PadProbeReturn::Ok
            } else {
                gst::PadProbeReturn::Drop
            }
        });
        for name in ["sink", "src"] {
            let ghost = gst::GhostPad::builder_with_target(&pad(name))
                .expect("a pad to point at")
                .name(name)
                .build();
            bin.add_pad(&ghost).expect("a new pad");
        }
    }
}

impl GstObjectImpl for Picky {}

impl ElementImpl for Picky {
    fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
        static METADATA: std::sync::LazyLock<gst::subclass::ElementMetadata> =
            std::sync::LazyLock::new(|| {
                gst::subclass::ElementMetadata::new("Picky", "Decoder/Video", "A test double", "-")
            });
        Some(&METADATA)
    }
}

impl BinImpl for Picky {}

glib::wrapper! {
    /// Its object.
    pub(crate) struct PickyDecoder(ObjectSubclass<Picky>) @extends gst::Bin, gst::Element, gst::Object;
}

struct Told {
    facts: Mutex<Vec<String>>,
    frame: Mutex<mpsc::Sender<Size>>,
}

impl FrameSink for Told {
    fn described(&self, facts: &StreamFacts) {
        let mut told = self.facts.lock().unwrap_or_else(PoisonError::into_inner);
        if told.last() != Some(&facts.decoder) {
            told.push(facts.decoder.clone());
        }
    }

    fn access_unit(&self, _bytes: usize) {}

    fn alive(&self) {}

    fn frame(&self, frame: Frame) {
        let sender = self.frame.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = sender.send(frame.meta.size);
    }
}

#[test]
#[ignore = "run by a_decoder_that_is_silent_for_one_source_gives_way_for_it"]
fn a_silent_decoder_alone() {
    nvr::media::init().expect("GStreamer starts");
    let register = |name, of| {
        gst::Element::register(None, name, gst::Rank::PRIMARY, of).expect("a new name");
    };
    register("vah264dec", PickyDecoder::static_type());
    let identity = gst::ElementFactory::find("identity").and_then(|factory| factory.load().ok());
    let identity = identity.expect("a core element").element_type();
    // No decoder at all: what goes in comes out, still coded.
    register("nvh264dec", identity);
    let size = Size::new(640, 360);
    let testcam = Testcam::start(&TestcamOptions {
        cameras: vec![CameraOptions::new(Feed::Pattern(TestPattern {
            size,
            fps: 20.0,
            objects: 3,
        }))],
        ..TestcamOptions::default()
    })
    .expect("the test camera starts");
    let settings = StreamSettings {
        location: Location::Rtsp(testcam.url(0)),
        credentials: None,
        transport: Transport::Tcp,
        jitter_buffer: Duration::from_millis(50),
        tls: SourceTls::default(),
        stall_limit: Duration::from_secs(5),
        start_limit: Duration::from_secs(20),
    };
    let (sender, frames) = mpsc::channel();
    let told = Arc::new(Told {
        facts: Mutex::default(),
        frame: Mutex::new(sender),
    });
    let (sink, stop) = (told.clone(), Stop::default());
    let stopped = stop.clone();
    let thread = std::thread::spawn(move || {
        let sink: Arc<dyn FrameSink> = sink;
        open(
            SourceId(0),
            &settings,
            &Clock::system(),
            OpenOptions::default(),
        )
        .run(&sink, &stopped)
    });
    assert_eq!(frames.recv_timeout(PATIENCE), Ok(size));
    stop.raise();
    assert_eq!(
        thread.join().expect("the session ends"),
        SessionEnd::Stopped
    );
    let decoders = told.facts.lock().unwrap_or_else(PoisonError::into_inner);
    assert_eq!(*decoders, ["vah264dec", "avdec_h264"]);
    let probed = |decoder: &str| {
        decoder_report(Codec::H264)
            .into_iter()
            .find(|line| line.decoder == decoder)
            .and_then(|line| line.probed)
    };
    assert!(
        matches!(probed("nvh264dec"), Some(Err(reason)) if reason.contains("nvh264dec")),
        "{:?}",
        probed("nvh264dec")
    );
    assert_eq!(probed("vah264dec"), Some(Ok(())));
    assert_eq!(probed("avdec_h264"), Some(Ok(())));
}

#[test]
fn a_decoder_that_is_silent_for_one_source_gives_way_for_it() {
    crate::support::run_alone("decoders::a_silent_decoder_alone");
}

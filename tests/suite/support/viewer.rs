//! An RTSP client of GStreamer only, independent of the code under test.

use std::time::{Duration, Instant};

use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;
use nvr::base::{PatternCode, Plane, Size};

use super::cameras::PATIENCE;

/// A decoded frame of the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ReceivedFrame {
    pub(crate) pts: Duration,
    pub(crate) size: Size,
    /// RTCP NTP time since 1970; absent before the first sender report.
    pub(crate) ntp_unix: Option<Duration>,
    /// The code of the test pattern, if there is one.
    pub(crate) code: Option<PatternCode>,
}

/// `rtspsrc ! decoder`.
pub(crate) struct Viewer {
    pipeline: gst::Element,
    sink: gst_app::AppSink,
}

impl Viewer {
    /// Starts the client; `extra` are further properties of rtspsrc.
    pub(crate) fn watch(uri: &str, extra: &str) -> Self {
        gst::init().expect("GStreamer starts");
        let pipeline = gst::parse::launch(&format!(
            "rtspsrc location={uri} protocols=tcp latency=50 add-reference-timestamp-meta=true {extra} \
             ! decodebin ! videoconvert ! video/x-raw,format=I420 ! appsink name=sink sync=false wait-on-eos=false"
        ))
        .expect("the pipeline can be built");
        let sink = pipeline
            .downcast_ref::<gst::Bin>()
            .and_then(|bin| bin.by_name("sink"))
            .and_downcast()
            .expect("the sink is there");
        let _ = pipeline.set_state(gst::State::Playing);
        Self { pipeline, sink }
    }

    /// The next frame within `limit`.
    pub(crate) fn next_within(&self, limit: Duration) -> Option<ReceivedFrame> {
        let sample = self
            .sink
            .try_pull_sample(gst::ClockTime::try_from(limit).expect("short"))?;
        let buffer = sample.buffer().expect("a sample has a buffer");
        let info = gstreamer_video::VideoInfo::from_caps(sample.caps().expect("it has caps"))
            .expect("they are video");
        let size = Size::new(info.width(), info.height());
        let map = buffer.map_readable().expect("it is readable");
        let stride = info.stride()[0] as usize;
        let luma = Plane {
            bytes: &map[..],
            stride,
        };
        let unix = Duration::from_secs(2_208_988_800);
        Some(ReceivedFrame {
            pts: buffer.pts().expect("it has a time").into(),
            size,
            ntp_unix: buffer
                .iter_meta::<gst::ReferenceTimestampMeta>()
                .find(|meta| {
                    let caps = meta.reference();
                    caps.structure(0)
                        .is_some_and(|caps| caps.name() == "timestamp/x-ntp")
                })
                .map(|meta| Duration::from(meta.timestamp()) - unix),
            code: PatternCode::read_luma(luma, size),
        })
    }

    /// The next frame. The test fails if there is none.
    pub(crate) fn next(&self) -> ReceivedFrame {
        match self.next_within(PATIENCE) {
            Some(seen) => seen,
            None => panic!("no frame within {PATIENCE:?}: {:?}", self.error()),
        }
    }

    /// The next frame that `wanted` accepts.
    pub(crate) fn next_that(&self, wanted: impl Fn(&ReceivedFrame) -> bool) -> ReceivedFrame {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            let seen = self.next();
            if wanted(&seen) {
                return seen;
            }
        }
        panic!("no such frame within {PATIENCE:?}");
    }

    /// Waits for an error or the end of the session, and describes it.
    pub(crate) fn ending(&self) -> String {
        let message = self
            .pipeline
            .bus()
            .expect("a pipeline has a bus")
            .timed_pop_filtered(
                gst::ClockTime::try_from(PATIENCE).expect("short"),
                &[gst::MessageType::Eos, gst::MessageType::Error],
            )
            .expect("the session ends");
        describe(&message)
    }

    fn error(&self) -> Option<String> {
        let bus = self.pipeline.bus()?;
        let message = bus.pop_filtered(&[gst::MessageType::Error])?;
        Some(describe(&message))
    }
}

impl Drop for Viewer {
    fn drop(&mut self) {
        let _ = self.pipeline.set_state(gst::State::Null);
    }
}

fn describe(message: &gst::Message) -> String {
    match message.view() {
        gst::MessageView::Error(error) => {
            format!("{} {}", error.error(), error.debug().unwrap_or_default())
        }
        _ => "end of stream".to_owned(),
    }
}

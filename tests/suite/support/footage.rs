//! Decodes real footage with GStreamer, faster than real time.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;
use gstreamer_video as gst_video;
use gstreamer_video::prelude::*;
use nvr::base::{
    CaptureClock, ColorMatrix, ColorRange, Colorimetry, Frame, FrameMeta, HostPixels, PixelFormat,
    Pixels, Plane, Size,
};

/// A file that `make setup` fetched, by its path below the cache.
pub(crate) fn asset(name: &str) -> PathBuf {
    let path = nvr::base::cache_dir().join(name);
    assert!(
        path.is_file(),
        "{} is missing: run `make setup`",
        path.display()
    );
    path
}

/// Every `step`-th frame of a video file, from the first one on.
pub(crate) fn frames(path: &Path, step: u64) -> impl Iterator<Item = Frame> {
    gst::init().expect("GStreamer starts");
    let pipeline = gst::parse::launch(
        "filesrc name=file ! decodebin ! videoconvert ! video/x-raw,format=I420 ! \
         appsink name=out sync=false max-buffers=2",
    )
    .expect("the pipeline's elements are installed")
    .downcast::<gst::Pipeline>()
    .expect("a pipeline");
    let file = pipeline.by_name("file").expect("the source");
    file.set_property("location", path.to_str().expect("a path in UTF-8"));
    let out = pipeline.by_name("out").expect("the sink");
    let out = out.downcast::<gst_app::AppSink>().expect("an appsink");
    let playing = Playing(pipeline);
    playing
        .0
        .set_state(gst::State::Playing)
        .expect("the pipeline plays");
    let mut frame_id = 0;
    std::iter::from_fn(move || {
        loop {
            let _keep = &playing;
            let sample = out.pull_sample().ok()?;
            frame_id += 1;
            if (frame_id - 1) % step == 0 {
                return Some(frame(&sample, frame_id - 1));
            }
        }
    })
}

fn frame(sample: &gst::Sample, frame_id: u64) -> Frame {
    let info = gst_video::VideoInfo::from_caps(sample.caps().expect("caps")).expect("video");
    let size = Size::new(info.width(), info.height());
    let color = info.colorimetry();
    let colorimetry = Colorimetry {
        matrix: match color.matrix() {
            gst_video::VideoColorMatrix::Bt709 => ColorMatrix::Bt709,
            _ => ColorMatrix::Bt601,
        },
        range: match color.range() {
            gst_video::VideoColorRange::Range0_255 => ColorRange::Full,
            _ => ColorRange::Limited,
        },
    };
    let buffer = sample.buffer_owned().expect("a buffer");
    let mapped = gst_video::VideoFrame::from_buffer_readable(buffer, &info).expect("it is mapped");
    let meta = FrameMeta {
        frame_id,
        size,
        colorimetry,
        pts: None,
        arrival: Duration::ZERO,
        captured_unix: Duration::ZERO,
        clock: CaptureClock::Arrival,
        ntp_ns: None,
    };
    Frame {
        meta,
        pixels: Pixels::Host(Arc::new(Mapped(mapped))),
    }
}

struct Playing(gst::Pipeline);

impl Drop for Playing {
    fn drop(&mut self) {
        let _ = self.0.set_state(gst::State::Null);
    }
}

struct Mapped(gst_video::VideoFrame<gst_video::video_frame::Readable>);

impl HostPixels for Mapped {
    fn format(&self) -> PixelFormat {
        PixelFormat::I420
    }

    fn plane(&self, index: usize) -> Plane<'_> {
        Plane {
            bytes: self.0.plane_data(index as u32).expect("a plane"),
            stride: self.0.plane_stride()[index] as usize,
        }
    }
}

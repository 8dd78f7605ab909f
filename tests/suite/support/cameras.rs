//! Creates video files for tests, and the settings of cameras.

use std::path::Path;
use std::time::Duration;

use gstreamer as gst;
use gstreamer::prelude::*;
use nvr::base::Size;
use nvr::config::{Location, SourceTls, StreamSettings, Transport};

/// Longest that a test waits for anything.
pub(crate) const PATIENCE: Duration = Duration::from_secs(15);

/// The settings of a camera without a login, with limits for a busy machine.
pub(crate) fn stream_settings(location: Location) -> StreamSettings {
    StreamSettings {
        location,
        credentials: None,
        transport: Transport::Tcp,
        jitter_buffer: Duration::from_millis(50),
        tls: SourceTls::default(),
        stall_limit: Duration::from_secs(5),
        start_limit: Duration::from_secs(20),
    }
}

/// Runs a pipeline that ends by itself.
pub(crate) fn run_to_end(description: &str) {
    gst::init().expect("GStreamer starts");
    let pipeline = gst::parse::launch(description).expect("the pipeline can be built");
    play_to_end(&pipeline);
}

/// Plays a pipeline that ends by itself. It makes what a test needs; beside compilers, an encoder takes its time.
pub(crate) fn play_to_end(pipeline: &gst::Element) {
    pipeline.set_state(gst::State::Playing).expect("it plays");
    let message = pipeline
        .bus()
        .expect("a pipeline has a bus")
        .timed_pop_filtered(
            gst::ClockTime::try_from(4 * PATIENCE).expect("short"),
            &[gst::MessageType::Eos, gst::MessageType::Error],
        );
    pipeline.set_state(gst::State::Null).expect("it stops");
    let message = message.expect("the pipeline ends");
    assert_eq!(message.type_(), gst::MessageType::Eos, "{message:?}");
}

/// Encodes `frames` pictures of a moving ball into an MP4, without reordering.
pub(crate) fn make_clip(path: &Path, codec: &str, size: Size, fps: u32, frames: u32) {
    let encoder = match codec {
        "h264" => format!(
            "x264enc speed-preset=ultrafast bframes=0 key-int-max={fps} threads=1 ! h264parse"
        ),
        "h265" => format!(
            "x265enc speed-preset=ultrafast tune=zerolatency key-int-max={fps} log-level=none ! h265parse"
        ),
        other => panic!("no encoder for {other}"),
    };
    run_to_end(&format!(
        "videotestsrc pattern=ball num-buffers={frames} \
         ! video/x-raw,format=I420,width={},height={},framerate={fps}/1 \
         ! {encoder} ! mp4mux ! filesink location={}",
        size.width,
        size.height,
        path.display()
    ));
}

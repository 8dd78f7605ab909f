//! Proof that a decoder decodes: a small clip has to come out of it as a picture.
//!
//! The clips are a moving ball of 320×240, 12 frames with a key frame at every sixth, made with GStreamer's own elements:
//! `videotestsrc num-buffers=12 pattern=ball ! video/x-raw,format=I420,width=320,height=240,framerate=25/1 ! x264enc
//! bitrate=64 key-int-max=6 bframes=0 speed-preset=medium tune=zerolatency ! video/x-h264,profile=main,
//! stream-format=byte-stream,alignment=au ! filesink`, and with `x265enc bitrate=64 key-int-max=6 tune=zerolatency
//! speed-preset=medium option-string=info=0:repeat-headers=1:bframes=0 ! video/x-h265,profile=main` for H.265.

use std::time::Duration;

use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;

use super::decoder::{self, Codec, Decoder, element};
use super::teardown::teardown;

/// A Jetson's decoder opens in about a second; one that needs more than this is of no use to a camera.
const PROBE_LIMIT: gst::ClockTime = gst::ClockTime::from_seconds(5);
/// How long a refused decoder may take to close.
const CLOSE_LIMIT: Duration = Duration::from_secs(2);

/// Runs the clip of `codec` through `line` up to a first picture. Blocks for at most five seconds and what closing takes.
///
/// # Errors
/// Tells in words what the decoder lacked.
pub(super) fn decodes_clip(codec: Codec, line: &Decoder) -> Result<(), String> {
    let (clip, caps): (&'static [u8], _) = match codec {
        Codec::H264 => (include_bytes!("clips/probe.h264"), "video/x-h264"),
        Codec::H265 => (include_bytes!("clips/probe.h265"), "video/x-h265"),
    };
    let pipeline = gst::Pipeline::new();
    let outcome = run(&pipeline, clip, caps, codec, line);
    teardown(pipeline, &format!("probe of {}", line.element), CLOSE_LIMIT);
    outcome
}

fn run(
    pipeline: &gst::Pipeline,
    clip: &'static [u8],
    caps: &str,
    codec: Codec,
    line: &Decoder,
) -> Result<(), String> {
    let source = gst_app::AppSrc::builder()
        .caps(
            &gst::Caps::builder(caps)
                .field("stream-format", "byte-stream")
                .build(),
        )
        .format(gst::Format::Time)
        .build();
    let (decoder, after) = decoder::make(line)?;
    let sink = gst_app::AppSink::builder()
        .caps(&gst::Caps::new_empty_simple("video/x-raw"))
        .sync(false)
        .build();
    let mut chain = vec![source.clone().upcast(), element(codec.parser())?, decoder];
    chain.extend(after);
    chain.push(sink.clone().upcast());
    let failed = |what: &str| format!("{} {what}", line.element);
    pipeline
        .add_many(&chain)
        .and_then(|()| gst::Element::link_many(&chain))
        .map_err(|_| failed("cannot be linked between a parser and a sink of raw pictures"))?;
    pipeline
        .set_state(gst::State::Playing)
        .map_err(|_| reason(pipeline, &failed("does not start")))?;
    let fed = source
        .push_buffer(gst::Buffer::from_slice(clip))
        .and_then(|_| source.end_of_stream());
    fed.map_err(|_| reason(pipeline, &failed("takes no data")))?;
    match sink.try_pull_sample(PROBE_LIMIT) {
        Some(_) => Ok(()),
        None => Err(reason(
            pipeline,
            &failed(&format!(
                "gave no picture of the built-in clip within {PROBE_LIMIT:.0}"
            )),
        )),
    }
}

/// The pipeline's own word for a failure, where it has one.
fn reason(pipeline: &gst::Pipeline, otherwise: &str) -> String {
    let message = pipeline
        .bus()
        .and_then(|bus| bus.pop_filtered(&[gst::MessageType::Error]));
    match message.as_ref().map(|message| message.view()) {
        Some(gst::MessageView::Error(error)) => format!("{otherwise}: {}", error.error()),
        _ => otherwise.to_owned(),
    }
}

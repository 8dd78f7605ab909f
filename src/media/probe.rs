//! Proof that a decoder decodes: a small clip has to come out of it as pictures, at half its size where a scaler follows.
//!
//! The clips are a moving ball of 320×240, 12 frames with a key frame at every sixth, made with GStreamer's own elements:
//! `videotestsrc num-buffers=12 pattern=ball ! video/x-raw,format=I420,width=320,height=240,framerate=25/1 ! x264enc
//! bitrate=64 key-int-max=6 bframes=0 speed-preset=medium tune=zerolatency ! video/x-h264,profile=main,
//! stream-format=byte-stream,alignment=au ! filesink`, with `x265enc bitrate=64 key-int-max=6 tune=zerolatency
//! speed-preset=medium option-string=info=0:repeat-headers=1:bframes=0 ! video/x-h265,profile=main` for H.265, and with
//! `jpegenc quality=50` for JPEG.
//!
//! A driver may hang where it should answer: each probe has a thread of its own, which is left to itself when its time is over. Loading a
//! plug-in has more time than decoding: libav and all that it links come from a slow card in tens of seconds. What answers too late
//! after all is heard, and counts from then on.

use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;

use super::codec::Codec;
use super::cuda_context;
use super::element::{element, set};
use super::output::{Need, Output};
use super::plan::{Decoder, DecoderPlan, Registry, Shape};
use super::teardown::teardown;
use crate::base::Size;

/// A Jetson's decoder opens in about a second; one that needs more than this for its first picture is of no use to a camera.
const PICTURE_LIMIT: gst::ClockTime = gst::ClockTime::from_seconds(5);
/// Until the elements are made, their plug-ins loaded and their vendors' libraries with them.
const LOAD_LIMIT: Duration = Duration::from_secs(60);
/// From there on, opening, decoding, closing and all of it: more than this is a driver that hangs.
const ANSWER_LIMIT: Duration = Duration::from_secs(12);
/// How long a refused decoder may take to close.
const CLOSE_LIMIT: Duration = Duration::from_secs(2);
/// The clips' size and length.
const CLIP: Size = Size::new(320, 240);
const CLIP_FRAMES: usize = 12;

/// How quick a decoder is with the clip.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct DecodeRate {
    /// From the first picture to the last.
    pub(super) elapsed: Duration,
    /// Pictures after the first.
    pub(super) frames: usize,
}

/// What a probe's thread says.
enum ProbeMessage {
    /// The elements are there.
    Loaded,
    /// How it went.
    Outcome(Result<DecodeRate, String>),
}

/// DeclaredShape of a plan that decodes after all, when nobody waits for it any more.
pub(super) type OnLateSuccess = Arc<dyn Fn(DecoderPlan) + Send + Sync>;

/// The first way of `line` that gives a picture of `codec`'s clip. Blocks: twelve seconds for each way that hangs, and for as long as
/// plug-ins take to load.
///
/// # Errors
/// What each way lacked, in words.
pub(super) fn first_that_decodes(
    codec: Codec,
    line: &'static Decoder,
    late: &OnLateSuccess,
) -> Result<DecoderPlan, String> {
    let candidates = DecoderPlan::candidates(line, &Registry);
    if candidates.is_empty() {
        let wanted: Vec<_> = line.scalers.iter().map(|scaler| scaler.element).collect();
        return Err(format!(
            "{} is of no use without {}, which is not installed",
            line.element,
            wanted.join(" or ")
        ));
    }
    let mut reasons = Vec::new();
    for plan in candidates {
        match decodes(codec, plan, 1, late) {
            Ok(_) => return Ok(plan),
            Err(reason) => {
                if plan.scaler.is_some() && line.bare {
                    tracing::warn!(decoder = %plan, %reason, "a hardware scaler is passed over");
                }
                reasons.push(reason);
            }
        }
    }
    Err(reasons.join("; "))
}

/// Runs `rounds` times the clip of `codec` through `plan`. Blocks, see [`first_that_decodes`].
///
/// # Errors
/// Tells in words what it lacked.
pub(super) fn decodes(
    codec: Codec,
    plan: DecoderPlan,
    rounds: usize,
    late: &OnLateSuccess,
) -> Result<DecodeRate, String> {
    let (answer, answered) = mpsc::channel();
    let name = format!("probe of {plan}");
    let late = late.clone();
    let spawned = std::thread::Builder::new()
        .name("decoder-probe".to_owned())
        .spawn(move || {
            let pipeline = gst::Pipeline::new();
            share_context(&pipeline);
            let outcome = match build(&pipeline, codec, plan) {
                Ok((source, sink)) => {
                    // Whoever asked may have given up already.
                    let _ = answer.send(ProbeMessage::Loaded);
                    run(&pipeline, codec, plan, rounds, &source, &sink)
                }
                Err(reason) => Err(reason),
            };
            teardown(pipeline, &name, CLOSE_LIMIT);
            let works = outcome.is_ok();
            if answer.send(ProbeMessage::Outcome(outcome)).is_err() && works {
                tracing::warn!(decoder = %plan, "a decoder that was taken for hanging works after all");
                late(plan);
            }
        });
    spawned.map_err(|err| format!("the system gives no thread to probe it with: {err}"))?;
    let hangs = |limit: Duration| {
        let (element, seconds) = (plan.decoder.element, limit.as_secs());
        format!("{element} did not answer within {seconds} s; its driver hangs")
    };
    match answered.recv_timeout(LOAD_LIMIT) {
        Ok(ProbeMessage::Outcome(outcome)) => return outcome,
        Ok(ProbeMessage::Loaded) => {}
        Err(_) => return Err(hangs(LOAD_LIMIT)),
    }
    match answered.recv_timeout(ANSWER_LIMIT) {
        Ok(ProbeMessage::Outcome(outcome)) => outcome,
        _ => Err(hangs(ANSWER_LIMIT)),
    }
}

/// A probe is the first to need a GPU: what it makes there is what sessions go on with.
fn share_context(pipeline: &gst::Pipeline) {
    if let Some(bus) = pipeline.bus() {
        bus.set_sync_handler(|_, message| {
            cuda_context::attend(message);
            gst::BusSyncReply::Pass
        });
    }
}

fn clip(codec: Codec) -> (&'static [u8], gst::Caps) {
    let caps = gst::Caps::builder(codec.media_type());
    match codec {
        Codec::H264 => (
            include_bytes!("clips/probe.h264"),
            caps.field("stream-format", "byte-stream").build(),
        ),
        Codec::H265 => (
            include_bytes!("clips/probe.h265"),
            caps.field("stream-format", "byte-stream").build(),
        ),
        Codec::Mjpeg => (include_bytes!("clips/probe.mjpeg"), caps.build()),
    }
}

/// The clip's way from a source to a sink, not started yet.
fn build(
    pipeline: &gst::Pipeline,
    codec: Codec,
    plan: DecoderPlan,
) -> Result<(gst_app::AppSrc, gst_app::AppSink), String> {
    let source = gst_app::AppSrc::builder()
        .caps(&clip(codec).1)
        .format(gst::Format::Time)
        .max_bytes(0)
        .build();
    let decoder = element(plan.decoder.element)?;
    // Of a stream that is known no better: what a session sets before it has seen its camera's stream.
    for (property, value) in
        plan.properties(&Registry, codec, &Shape::default(), &Output::default())
    {
        set(&decoder, property, &value);
    }
    let sink = gst_app::AppSink::builder()
        .caps(&gst::Caps::new_empty_simple("video/x-raw"))
        .sync(false)
        // Decoding waits for whoever counts: what is measured is the decoder and no queue.
        .max_buffers(1)
        .build();
    let mut chain = vec![source.clone().upcast(), element(codec.parser())?, decoder];
    if let Some(hardware) = plan.scaler {
        let half = Output {
            needs: vec![Need::Within(Size::new(CLIP.width / 2, CLIP.height / 2))],
            max_fps: None,
        };
        let (scaler, filter, after) = hardware.elements()?;
        set(&filter, "caps", &hardware.caps(half.size_for(CLIP)));
        chain.extend([scaler, filter]);
        chain.extend(after);
    }
    chain.push(sink.clone().upcast());
    pipeline
        .add_many(&chain)
        .and_then(|()| gst::Element::link_many(&chain))
        .map_err(|_| {
            format!("{plan} cannot be linked between a parser and a sink of raw pictures")
        })?;
    Ok((source, sink))
}

fn run(
    pipeline: &gst::Pipeline,
    codec: Codec,
    plan: DecoderPlan,
    rounds: usize,
    source: &gst_app::AppSrc,
    sink: &gst_app::AppSink,
) -> Result<DecodeRate, String> {
    let clip = clip(codec).0;
    let failed = |what: &str| format!("{plan} {what}");
    pipeline
        .set_state(gst::State::Playing)
        .map_err(|_| reason(pipeline, &failed("does not start")))?;
    let fed = (0..rounds)
        .try_for_each(|_| {
            source
                .push_buffer(gst::Buffer::from_slice(clip))
                .map(|_| ())
        })
        .and_then(|()| source.end_of_stream().map(|_| ()));
    fed.map_err(|_| reason(pipeline, &failed("takes no data")))?;
    if sink.try_pull_sample(PICTURE_LIMIT).is_none() {
        let silent = failed(&format!(
            "gave no picture of the built-in clip within {} s",
            PICTURE_LIMIT.seconds()
        ));
        return Err(reason(pipeline, &silent));
    }
    let begun = Instant::now();
    let mut rate = DecodeRate {
        elapsed: Duration::ZERO,
        frames: 0,
    };
    // Nobody waits for the rest of one round: a first picture is proof enough.
    while rounds > 1 && rate.frames + 1 < rounds * CLIP_FRAMES {
        if sink.try_pull_sample(PICTURE_LIMIT).is_none() {
            break;
        }
        rate.frames += 1;
        rate.elapsed = begun.elapsed();
    }
    Ok(rate)
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

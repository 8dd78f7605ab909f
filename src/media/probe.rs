//! Tests a decoder: it must decode a small built-in clip, at half its size if a scaler follows.
//!
//! The clips are a moving ball of 320×240, 12 frames with a key frame at every sixth, made with GStreamer's own
//! elements: `videotestsrc num-buffers=12 pattern=ball ! video/x-raw,format=I420,width=320,height=240,framerate=25/1 !
//! x264enc bitrate=64 key-int-max=6 bframes=0 speed-preset=medium tune=zerolatency ! video/x-h264,profile=main,
//! stream-format=byte-stream,alignment=au ! filesink`, with `x265enc bitrate=64 key-int-max=6 tune=zerolatency
//! speed-preset=medium option-string=info=0:repeat-headers=1:bframes=0 ! video/x-h265,profile=main` for H.265, and with
//! `jpegenc quality=50` for JPEG.
//!
//! A driver may hang: each probe runs on a separate thread, which is abandoned after its time limit. Loading a plug-in
//! has a longer limit than decoding, because loading libav and its dependencies from a slow card takes tens of seconds.
//! A result that arrives after the limit still counts from then on.

use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;

use super::codec::Codec;
use super::cuda_context;
use super::element::{PipelineError, element, set};
use super::output::{Need, Output};
use super::plan::{DecoderEntry, DecoderPlan, Registry, StreamShape};
use super::teardown::teardown;
use crate::base::Size;

/// A Jetson's decoder opens in about a second. A decoder that needs more than this for its first picture is not usable
/// for a camera.
const PICTURE_LIMIT: gst::ClockTime = gst::ClockTime::from_seconds(5);
/// Limit for making the elements, including their plug-ins and vendor libraries.
const LOAD_LIMIT: Duration = Duration::from_secs(60);
/// Limit for opening, decoding and closing together. A driver that takes longer hangs.
const ANSWER_LIMIT: Duration = Duration::from_secs(12);
/// Limit for closing a decoder that failed.
const CLOSE_LIMIT: Duration = Duration::from_secs(2);
/// The clips' size and length.
const CLIP: Size = Size::new(320, 240);
const CLIP_FRAMES: usize = 12;

/// The decoding speed of a decoder with the clip.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct DecodeRate {
    /// From the first picture to the last.
    pub(super) elapsed: Duration,
    /// Pictures after the first.
    pub(super) frames: usize,
}

/// Why a decoder can't be used on this machine.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecoderFault {
    /// The element is not registered.
    #[error("not installed")]
    NotInstalled,
    /// None of the scalers that it needs is installed.
    #[error("{decoder} can't be used without {scalers}, which is not installed")]
    NoScaler {
        /// The decoder's element.
        decoder: &'static str,
        /// The scalers' elements.
        scalers: String,
    },
    /// The system gives no thread.
    #[error("the system gives no thread for its probe: {0}")]
    NoThread(String),
    /// It did not answer in time.
    #[error("{decoder} did not answer within {} s; its driver hangs", limit.as_secs())]
    Hangs {
        /// The decoder's element.
        decoder: &'static str,
        /// The time limit.
        limit: Duration,
    },
    /// An element can't be made.
    #[error("{0}")]
    Element(String),
    /// Its elements do not link; the decoder and its scaler.
    #[error("{0} cannot be linked between a parser and a sink of raw pictures")]
    Unlinkable(String),
    /// It failed on the clip.
    #[error("{what}{}", error.as_ref().map(|error| format!(": {error}")).unwrap_or_default())]
    Failed {
        /// The step that failed.
        what: String,
        /// GStreamer's own error.
        error: Option<String>,
    },
    /// Each of its plans failed.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    EachPlan(Vec<Self>),
}

impl From<PipelineError> for DecoderFault {
    fn from(error: PipelineError) -> Self {
        Self::Element(error.to_string())
    }
}

/// The messages of a probe's thread.
enum ProbeMessage {
    /// The elements are made.
    Loaded,
    /// The result.
    Outcome(Result<DecodeRate, DecoderFault>),
}

/// Called with a plan that decodes after the time limit of its probe.
pub(super) type OnLateSuccess = Arc<dyn Fn(DecoderPlan) + Send + Sync>;

/// The first plan of `line` that decodes `codec`'s clip. Blocks: up to twelve seconds for each plan that hangs, and as
/// long as plug-ins take to load.
///
/// # Errors
/// The reasons of all plans.
pub(super) fn first_that_decodes(
    codec: Codec,
    line: &'static DecoderEntry,
    late: &OnLateSuccess,
) -> Result<DecoderPlan, DecoderFault> {
    let candidates = DecoderPlan::candidates(line, &Registry);
    if candidates.is_empty() {
        let wanted: Vec<_> = line.scalers.iter().map(|scaler| scaler.element).collect();
        return Err(DecoderFault::NoScaler {
            decoder: line.element,
            scalers: wanted.join(" or "),
        });
    }
    let mut reasons = Vec::new();
    for plan in candidates {
        match decodes(codec, plan, 1, late) {
            Ok(_) => return Ok(plan),
            Err(reason) => {
                if plan.scaler.is_some() && line.bare {
                    tracing::warn!(decoder = %plan, %reason, "a hardware scaler is not used");
                }
                reasons.push(reason);
            }
        }
    }
    Err(DecoderFault::EachPlan(reasons))
}

/// Decodes the clip of `codec` with `plan`, `rounds` times. Blocks, see [`first_that_decodes`].
///
/// # Errors
/// The reason why it failed.
pub(super) fn decodes(
    codec: Codec,
    plan: DecoderPlan,
    rounds: usize,
    late: &OnLateSuccess,
) -> Result<DecodeRate, DecoderFault> {
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
                    // The caller may have given up already.
                    let _ = answer.send(ProbeMessage::Loaded);
                    run(&pipeline, codec, plan, rounds, &source, &sink)
                }
                Err(reason) => Err(reason),
            };
            teardown(pipeline, &name, CLOSE_LIMIT);
            let works = outcome.is_ok();
            if answer.send(ProbeMessage::Outcome(outcome)).is_err() && works {
                tracing::warn!(decoder = %plan, "a decoder that did not answer in time works after all");
                late(plan);
            }
        });
    spawned.map_err(|err| DecoderFault::NoThread(err.to_string()))?;
    let hangs = |limit: Duration| DecoderFault::Hangs {
        decoder: plan.decoder.element,
        limit,
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

/// A probe is the first user of a GPU: sessions continue with the context that it makes.
fn share_context(pipeline: &gst::Pipeline) {
    if let Some(bus) = pipeline.bus() {
        bus.set_sync_handler(|_, message| {
            cuda_context::handle_message(message);
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

/// The pipeline of the clip from a source to a sink, not started yet.
fn build(
    pipeline: &gst::Pipeline,
    codec: Codec,
    plan: DecoderPlan,
) -> Result<(gst_app::AppSrc, gst_app::AppSink), DecoderFault> {
    let source = gst_app::AppSrc::builder()
        .caps(&clip(codec).1)
        .format(gst::Format::Time)
        .max_bytes(0)
        .build();
    let decoder = element(plan.decoder.element)?;
    // The properties that a session sets before it knows its stream.
    for (property, value) in plan.properties(
        &Registry,
        codec,
        &StreamShape::default(),
        &Output::default(),
    ) {
        set(&decoder, property, &value);
    }
    let sink = gst_app::AppSink::builder()
        .caps(&gst::Caps::new_empty_simple("video/x-raw"))
        .sync(false)
        // Decoding waits for the counting loop: the decoder is measured, not a queue.
        .max_buffers(1)
        .build();
    let mut chain = vec![source.clone().upcast(), element(codec.parser())?, decoder];
    if let Some(hardware) = plan.scaler {
        let half = Output {
            needs: vec![Need::Within(Size::new(CLIP.width / 2, CLIP.height / 2))],
            ..Output::default()
        };
        let (scaler, filter, after) = hardware.elements()?;
        let size = hardware.size_for(CLIP, half.size_for(CLIP));
        set(&filter, "caps", &hardware.caps(size));
        chain.extend([scaler, filter]);
        chain.extend(after);
    }
    chain.push(sink.clone().upcast());
    pipeline
        .add_many(&chain)
        .and_then(|()| gst::Element::link_many(&chain))
        .map_err(|_| DecoderFault::Unlinkable(plan.to_string()))?;
    Ok((source, sink))
}

fn run(
    pipeline: &gst::Pipeline,
    codec: Codec,
    plan: DecoderPlan,
    rounds: usize,
    source: &gst_app::AppSrc,
    sink: &gst_app::AppSink,
) -> Result<DecodeRate, DecoderFault> {
    let clip = clip(codec).0;
    let failed = |what: &str| reason(pipeline, format!("{plan} {what}"));
    pipeline
        .set_state(gst::State::Playing)
        .map_err(|_| failed("does not start"))?;
    let fed = (0..rounds)
        .try_for_each(|_| {
            source
                .push_buffer(gst::Buffer::from_slice(clip))
                .map(|_| ())
        })
        .and_then(|()| source.end_of_stream().map(|_| ()));
    fed.map_err(|_| failed("takes no data"))?;
    if sink.try_pull_sample(PICTURE_LIMIT).is_none() {
        return Err(failed(&format!(
            "gave no picture of the built-in clip within {} s",
            PICTURE_LIMIT.seconds()
        )));
    }
    let begun = Instant::now();
    let mut rate = DecodeRate {
        elapsed: Duration::ZERO,
        frames: 0,
    };
    // One round does not wait for the rest: the first picture is sufficient proof.
    while rounds > 1 && rate.frames + 1 < rounds * CLIP_FRAMES {
        if sink.try_pull_sample(PICTURE_LIMIT).is_none() {
            break;
        }
        rate.frames += 1;
        rate.elapsed = begun.elapsed();
    }
    Ok(rate)
}

/// The fault of a plan, with the pipeline's own error if there is one.
fn reason(pipeline: &gst::Pipeline, what: String) -> DecoderFault {
    let message = pipeline
        .bus()
        .and_then(|bus| bus.pop_filtered(&[gst::MessageType::Error]));
    let error = match message.as_ref().map(|message| message.view()) {
        Some(gst::MessageView::Error(error)) => Some(error.error().to_string()),
        _ => None,
    };
    DecoderFault::Failed { what, error }
}

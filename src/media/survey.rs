//! The whole decoder table tried out on this machine, for people: each line with the built-in clip.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;

use super::decoder::{Codec, decoder_report};
use super::teardown::teardown;

/// What became of one line of the table.
#[derive(Debug, Clone, PartialEq)]
pub struct DecoderFinding {
    /// Of what it is a decoder.
    pub codec: Codec,
    /// The element's name.
    pub decoder: &'static str,
    /// The pipeline that was run, as `gst-launch-1.0` takes it; empty where the element is not installed.
    pub launch: String,
    /// How it went.
    pub outcome: DecoderOutcome,
}

/// How a decoder's trial went.
#[derive(Debug, Clone, PartialEq)]
pub enum DecoderOutcome {
    /// GStreamer has no such element.
    NotInstalled,
    /// It is registered, and decodes nothing.
    Failed {
        /// In GStreamer's words and ours.
        reason: String,
    },
    /// It decoded the built-in clip.
    Works {
        /// Pictures a second of the built-in clip, opening the decoder included.
        fps: f64,
    },
}

/// A Jetson's decoder opens in about a second; the clip itself takes less.
const TRIAL_LIMIT: gst::ClockTime = gst::ClockTime::from_seconds(5);
/// How long a decoder that hangs may take to close.
const CLOSE_LIMIT: Duration = Duration::from_secs(2);

/// Tries every decoder of every codec, in the order of their preference. Blocks for a few seconds, more where one hangs.
pub fn survey_decoders() -> Vec<DecoderFinding> {
    [Codec::H264, Codec::H265]
        .into_iter()
        .flat_map(|codec| {
            decoder_report(codec)
                .into_iter()
                .map(move |line| (codec, line))
        })
        .map(|(codec, line)| survey(codec, line.decoder))
        .collect()
}

fn survey(codec: Codec, decoder: &'static str) -> DecoderFinding {
    let (clip, caps): (&'static [u8], _) = match codec {
        Codec::H264 => (include_bytes!("clips/probe.h264"), "video/x-h264"),
        Codec::H265 => (include_bytes!("clips/probe.h265"), "video/x-h265"),
    };
    let chain = format!(
        "{} ! {decoder} ! fakesink name=end sync=false",
        codec.parser()
    );
    let (launch, outcome) = if gst::ElementFactory::find(decoder).is_none() {
        (String::new(), DecoderOutcome::NotInstalled)
    } else {
        let outcome = match run(clip, caps, &chain, decoder) {
            Ok(fps) => DecoderOutcome::Works { fps },
            Err(reason) => DecoderOutcome::Failed { reason },
        };
        (
            format!("filesrc location=clip.{} ! {chain}", codec.name()),
            outcome,
        )
    };
    DecoderFinding {
        codec,
        decoder,
        launch,
        outcome,
    }
}

/// Runs the clip through and gives the pictures a second, the decoder's opening included.
fn run(clip: &'static [u8], caps: &str, chain: &str, decoder: &str) -> Result<f64, String> {
    let text =
        format!("appsrc name=clip format=time caps={caps},stream-format=byte-stream ! {chain}");
    let pipeline = gst::parse::launch(&text)
        .ok()
        .and_then(|element| element.downcast::<gst::Pipeline>().ok())
        .ok_or_else(|| format!("{decoder} cannot be linked behind a parser"))?;
    let outcome = play(&pipeline, clip, decoder);
    teardown(pipeline, &format!("trial of {decoder}"), CLOSE_LIMIT);
    outcome
}

fn play(pipeline: &gst::Pipeline, clip: &'static [u8], decoder: &str) -> Result<f64, String> {
    let failed = |what: &str| format!("{decoder} {what}");
    let pictures = Arc::new(AtomicU32::new(0));
    let source = pipeline.by_name("clip").and_downcast::<gst_app::AppSrc>();
    let end = pipeline
        .by_name("end")
        .and_then(|sink| sink.static_pad("sink"));
    let (Some(source), Some(end)) = (source, end) else {
        return Err(failed("cannot be fed"));
    };
    let counted = pictures.clone();
    end.add_probe(gst::PadProbeType::BUFFER, move |_, _| {
        counted.fetch_add(1, Ordering::Relaxed);
        gst::PadProbeReturn::Ok
    });
    let started = Instant::now();
    // Why it does not start, or takes nothing, comes as a message.
    let _ = pipeline.set_state(gst::State::Playing);
    let _ = source
        .push_buffer(gst::Buffer::from_slice(clip))
        .and_then(|_| source.end_of_stream());
    let wanted = [gst::MessageType::Error, gst::MessageType::Eos];
    let message = pipeline
        .bus()
        .and_then(|bus| bus.timed_pop_filtered(TRIAL_LIMIT, &wanted));
    let took = started.elapsed();
    match message.as_ref().map(|message| message.view()) {
        Some(gst::MessageView::Error(error)) => Err(failed(&format!("fails: {}", error.error()))),
        Some(_) => match pictures.load(Ordering::Relaxed) {
            0 => Err(failed("took the built-in clip and gave no picture")),
            count => Ok(f64::from(count) / took.as_secs_f64().max(1e-6)),
        },
        None => Err(failed(&format!(
            "did not finish the built-in clip within {TRIAL_LIMIT:.0}"
        ))),
    }
}

/// GStreamer's version, `1.22.0`.
pub fn gstreamer_version() -> String {
    let (major, minor, micro, _) = gst::version();
    format!("{major}.{minor}.{micro}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_table_is_tried_and_libav_decodes() {
        super::super::init().expect("gstreamer starts");
        let found = survey_decoders();
        assert_eq!(found.len(), 12);
        assert_eq!(
            (found[0].codec.name(), found[0].decoder),
            ("h264", "nvv4l2decoder")
        );
        let libav: Vec<_> = found
            .iter()
            .filter(|line| line.decoder.starts_with("avdec_"))
            .collect();
        assert_eq!(libav.len(), 2);
        for line in libav {
            assert!(
                matches!(line.outcome, DecoderOutcome::Works { fps } if fps > 1.0),
                "{line:?}"
            );
            assert!(line.launch.contains(" ! avdec_"), "{}", line.launch);
        }
    }
}

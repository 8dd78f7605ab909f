//! Selects a stream of a camera and makes the elements for its packets.
//!
//! The first video section with a supported codec is set up. If it names several payload types, the first packet
//! decides which one is decoded. There is one chain of elements per session; later pads replace a pad that was removed,
//! or are drained. Called on rtspsrc's threads.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use gstreamer as gst;
use gstreamer::prelude::*;

use super::codec::Codec;
use super::coded_unit::UnitSink;
use super::decode::add_coded;
use super::element::{PipelineError, element};
use super::fallback::Fallback;
use super::output::OutputControl;
use super::plan::DecoderPlan;
use super::reference::Reference;
use super::rtp_filter::RtpFilter;
use super::rtp_jpeg;
use super::rtsp_dialogue::Dialogue;
use super::rtsp_sdp::{Media, Payload};
use super::session_state::{Failure, SessionState};
use super::unit_tap::{SharedReference, add_tap};
use crate::base::sync::lock;

/// Connects rtspsrc to the decoder in one session.
pub(super) struct StreamSelector {
    /// `camera 3`.
    pub(super) name: String,
    pub(super) fallback: Fallback,
    pub(super) output: OutputControl,
    pub(super) session: Arc<SessionState>,
    pub(super) dialogue: Arc<Dialogue>,
    pub(super) filter: Arc<RtpFilter>,
    pub(super) reference: Arc<Reference>,
    pub(super) units: Option<Arc<dyn UnitSink>>,
    pub(super) taken: Mutex<Selection>,
}

/// The selection so far.
#[derive(Default)]
pub(super) struct Selection {
    /// The codec that is expected, and later the one that arrived.
    choice: Option<(Codec, DecoderPlan)>,
    /// The pad where packets of that codec enter.
    chain: Option<(Codec, gst::Pad)>,
}

impl StreamSelector {
    /// Selects the stream before SETUP, and its decoder: probing one may take a second, and nothing arrives yet.
    pub(super) fn select_stream(self: &Arc<Self>, source: &gst::Element) {
        let selector = self.clone();
        source.connect("select-stream", false, move |arguments| {
            let number = arguments.get(1).and_then(|value| value.get::<u32>().ok());
            let caps = arguments
                .get(2)
                .and_then(|value| value.get::<gst::Caps>().ok());
            let described = number.and_then(|number| selector.dialogue.media(number as usize));
            let media = described.or_else(|| media_of(caps?.structure(0)?));
            let select = media.is_some_and(|media| selector.selects(&media));
            Some(select.to_value())
        });
    }

    /// Links the pads that `source` adds.
    pub(super) fn link_stream(self: &Arc<Self>, pipeline: &gst::Pipeline, source: &gst::Element) {
        let selector = self.clone();
        let pipeline = pipeline.downgrade();
        source.connect_pad_added(move |_, pad| {
            if let Some(pipeline) = pipeline.upgrade()
                && let Err(failure) = selector.take(&pipeline, pad)
            {
                selector.session.fail(failure);
            }
        });
    }

    /// The codec of the session, and its decoder.
    pub(super) fn choice(&self) -> Option<(Codec, DecoderPlan)> {
        self.taken().choice
    }

    fn selects(&self, media: &Media) -> bool {
        for payload in &media.payloads {
            self.session.offered(&media.kind, named(payload));
        }
        if media.kind != "video" || self.taken().choice.is_some() {
            return false;
        }
        let codecs = media.payloads.iter();
        let codecs: Vec<_> = codecs
            .filter_map(|payload| Codec::of_rtp(&payload.encoding))
            .collect();
        if codecs.is_empty() {
            let encodings: Vec<_> = media.payloads.iter().map(named).collect();
            self.session.refuse_stream(Failure::new(
                "no-decoder",
                format!(
                    "{} sends {}, which is not supported; set it to H.264, H.265 or MJPEG",
                    self.name,
                    encodings.join(" or ")
                ),
            ));
            return false;
        }
        for codec in codecs {
            let choice = self.session.while_choosing(|| self.fallback.choose(codec));
            match choice {
                Ok(plan) => {
                    self.taken().choice = Some((codec, plan));
                    return true;
                }
                Err(failure) => self.session.refuse_stream(failure),
            }
        }
        false
    }

    fn take(&self, pipeline: &gst::Pipeline, pad: &gst::Pad) -> Result<(), Failure> {
        let mut taken = self.taken();
        let Some((expected, plan)) = taken.choice else {
            return Ok(());
        };
        let (codec, number) = match self.described(pad) {
            Some((Some(codec), number)) => (codec, Some(number)),
            // Another payload type beside the video: repairs, metadata.
            Some((None, _)) => return drain(pipeline, pad).map_err(Failure::from),
            None => (expected, None),
        };
        if let Some((of, input)) = &taken.chain {
            if *of == codec && !input.is_linked() {
                tracing::debug!(
                    pad = pad.name().as_str(),
                    "a pad of the stream replaces another one"
                );
                return pad
                    .link(input)
                    .map(|_| ())
                    .map_err(|err| PipelineError::link("a further pad of the stream", err).into());
            }
            return drain(pipeline, pad).map_err(Failure::from);
        }
        let plan = if codec == expected {
            plan
        } else {
            self.fallback.choose(codec)?
        };
        taken.choice = Some((codec, plan));
        let input = self.chain(pipeline, pad, codec, plan)?;
        taken.chain = Some((codec, input));
        if let Some(number) = number {
            self.filter.decodes(number);
        }
        Ok(())
    }

    /// The codec of a pad's payload type, by the description. A pad's name, `recv_rtp_src_0_305419896_96`, has section,
    /// SSRC and type.
    fn described(&self, pad: &gst::Pad) -> Option<(Option<Codec>, u8)> {
        let name = pad.name();
        let mut numbers = name.rsplit('_');
        let number: u8 = numbers.next()?.parse().ok()?;
        let section: usize = numbers.nth(1)?.parse().ok()?;
        let media = self.dialogue.media(section)?;
        Some((Codec::of_rtp(media.encoding(number)?), number))
    }

    /// Makes the chain and links `stream` to it. Returns the input pad of the chain.
    fn chain(
        &self,
        pipeline: &gst::Pipeline,
        stream: &gst::Pad,
        codec: Codec,
        plan: DecoderPlan,
    ) -> Result<gst::Pad, PipelineError> {
        let (reference, filter) = (self.reference.clone(), self.filter.clone());
        let (by_reports, clocks) = (reference.of_units(), AtomicU64::new(0));
        // Between a new RTP clock and its first sender report no time is known.
        let reference: SharedReference = Arc::new(move |unit: &gst::BufferRef| {
            let now = filter.clocks();
            if clocks.swap(now, Ordering::AcqRel) != now {
                reference.forget_report();
            }
            filter.are_times_known().then(|| by_reports(unit)).flatten()
        });
        let of_units = reference.clone();
        let parser = add_coded(
            pipeline,
            &self.session,
            codec,
            plan,
            &self.output,
            Box::new(move |unit| of_units(unit)),
        )?;
        let input = match &self.units {
            Some(units) if codec != Codec::Mjpeg => {
                add_tap(pipeline, &self.session, codec, &parser, reference, units)?
            }
            _ => parser,
        };
        let depayloader = element(codec.depayloader())?;
        self.reference.watch_packets(&depayloader);
        if codec == Codec::Mjpeg {
            rtp_jpeg::watch(&depayloader, &self.name, &self.session);
        }
        pipeline
            .add(&depayloader)
            .and_then(|()| match with_start_codes(codec) {
                Some(units) => depayloader.link_filtered(&input, &units),
                None => depayloader.link(&input),
            })
            .map_err(|err| PipelineError::link("the depayloader", err))?;
        depayloader
            .sync_state_with_parent()
            .map_err(|_| PipelineError::NotStarted(depayloader.name().into()))?;
        let input = depayloader
            .static_pad("sink")
            .ok_or_else(|| PipelineError::NoInput(depayloader.name().into()))?;
        stream
            .link(&input)
            .map_err(|err| PipelineError::link("the camera's stream", err))?;
        Ok(input)
    }

    fn taken(&self) -> MutexGuard<'_, Selection> {
        lock(&self.taken)
    }
}

/// The form in which the parser gets access units of H.264 and H.265. Some cameras (V380) send parameter sets and picture
/// as one NAL unit, with start codes between them; if each unit followed its length, the parser would not look for more
/// in it.
fn with_start_codes(codec: Codec) -> Option<gst::Caps> {
    (codec != Codec::Mjpeg).then(|| {
        gst::Caps::builder(codec.media_type())
            .field("stream-format", "byte-stream")
            .field("alignment", "au")
            .build()
    })
}

fn named(payload: &Payload) -> &str {
    match payload.encoding.as_str() {
        "" => "unknown",
        encoding => encoding,
    }
}

/// A media section, from the caps that rtspsrc states.
fn media_of(caps: &gst::StructureRef) -> Option<Media> {
    let number = caps.get::<i32>("payload").ok();
    Some(Media {
        kind: caps.get::<&str>("media").ok()?.to_owned(),
        payloads: vec![Payload {
            number: number.and_then(|number| u8::try_from(number).ok())?,
            encoding: caps
                .get::<&str>("encoding-name")
                .unwrap_or_default()
                .to_owned(),
        }],
    })
}

/// Discards the packets of `pad`: an unlinked pad of rtspsrc would end the session.
fn drain(pipeline: &gst::Pipeline, pad: &gst::Pad) -> Result<(), PipelineError> {
    let drain = element("fakesink")?;
    drain.set_property("sync", false);
    drain.set_property("async", false);
    drain.set_property("enable-last-sample", false);
    pipeline
        .add(&drain)
        .map_err(|err| PipelineError::discard("a further stream", err))?;
    drain
        .sync_state_with_parent()
        .map_err(|_| PipelineError::NotStarted("the sink of a further stream".to_owned()))?;
    let input = super::element::pad(&drain, "sink")?;
    pad.link(&input)
        .map(|_| ())
        .map_err(|err| PipelineError::discard("a further stream", err))
}

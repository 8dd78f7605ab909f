//! Sets the decoder's properties for its stream: the parser states size, rate and profile just before the decoder
//! opens.
//!
//! Some properties can only be set at that time (`drop-frame-interval`). If the wanted output changes so that they
//! become wrong, the session restarts with the same camera. If they could only be better, the consumer drops the
//! surplus pictures.

use std::sync::{Arc, Mutex, OnceLock, Weak};

use gstreamer as gst;
use gstreamer::prelude::*;

use super::codec::Codec;
use super::declared_shape::size_in;
use super::element::set;
use super::element::{PipelineError, pad};
use super::output::{Listener, Output, OutputControl};
use super::plan::{DecoderPlan, Registry, StreamShape};
use super::session_state::SessionState;
use crate::base::sync::lock;

/// One stream's decoder.
pub(super) struct StreamDecoder {
    codec: Codec,
    plan: DecoderPlan,
    output: OutputControl,
    session: Weak<SessionState>,
    /// The stream's shape and the picture interval for which the decoder was opened.
    opened: Mutex<Option<(StreamShape, u32)>>,
    listener: OnceLock<Arc<Listener>>,
}

impl StreamDecoder {
    pub(super) fn new(
        codec: Codec,
        plan: DecoderPlan,
        output: &OutputControl,
        session: &Arc<SessionState>,
    ) -> Arc<Self> {
        let stream = Arc::new(Self {
            codec,
            plan,
            output: output.clone(),
            session: Arc::downgrade(session),
            opened: Mutex::default(),
            listener: OnceLock::new(),
        });
        let weak = Arc::downgrade(&stream);
        let listener: Arc<Listener> = Arc::new(move |output| {
            if let Some(stream) = weak.upgrade() {
                stream.output_changed(output);
            }
        });
        output.listen(&listener);
        let _ = stream.listener.set(listener);
        stream
    }

    /// Sets the properties that do not depend on the stream, and the others when the parser's caps reach `decoder`,
    /// before it opens.
    pub(super) fn tune_by_caps(
        self: &Arc<Self>,
        decoder: &gst::Element,
    ) -> Result<(), PipelineError> {
        self.tune(decoder, &StreamShape::default());
        let (stream, weak) = (Arc::downgrade(self), decoder.downgrade());
        pad(decoder, "sink")?.add_probe(gst::PadProbeType::EVENT_DOWNSTREAM, move |_, info| {
            if let Some(gst::EventView::Caps(event)) = info.event().map(|event| event.view())
                && let Some(caps) = event.caps().structure(0)
                && let (Some(stream), Some(decoder)) = (stream.upgrade(), weak.upgrade())
            {
                let shape = shape_in(caps);
                if !stream.is_opened_for(&shape) {
                    stream.tune(&decoder, &shape);
                    stream.opened_for(shape);
                }
            }
            gst::PadProbeReturn::Ok
        });
        Ok(())
    }

    fn tune(&self, decoder: &gst::Element, shape: &StreamShape) {
        let output = self.output.wanted();
        for (property, value) in self.plan.properties(&Registry, self.codec, shape, &output) {
            set(decoder, property, &value);
        }
    }

    fn is_opened_for(&self, shape: &StreamShape) -> bool {
        let opened = lock(&self.opened);
        opened.as_ref().is_some_and(|(of, _)| of == shape)
    }

    fn opened_for(&self, shape: StreamShape) {
        let output = self.output.wanted();
        let interval = self.plan.interval(&Registry, &shape, &output);
        tracing::debug!(
            pipeline = self.plan.launch(&Registry, self.codec, &shape, &output),
            "decoder opens"
        );
        if let Some(session) = self.session.upgrade() {
            session.describe(|facts| facts.nominal_fps = shape.fps);
        }
        *lock(&self.opened) = Some((shape, interval));
    }

    /// The decoder gives one of this many pictures; 1 for all.
    pub(super) fn interval(&self) -> u32 {
        lock(&self.opened)
            .as_ref()
            .map_or(1, |(_, interval)| *interval)
    }

    /// Handles a change of the wanted output: more pictures may be wanted than the decoder gives.
    fn output_changed(&self, output: &Output) {
        let opened = lock(&self.opened);
        let Some((shape, interval)) = &*opened else {
            return;
        };
        let wanted = self.plan.interval(&Registry, shape, output);
        if wanted < *interval
            && let Some(session) = self.session.upgrade()
        {
            tracing::info!(
                decoder = self.plan.decoder.element,
                gives_one_of = *interval,
                "more pictures are wanted than the decoder was opened for; it is reopened"
            );
            session.reopen();
        }
    }
}

/// The shape that the parser's caps state.
fn shape_in(caps: &gst::StructureRef) -> StreamShape {
    let rate = caps.get::<gst::Fraction>("framerate").ok();
    let rate = rate.filter(|rate| rate.numer() > 0 && rate.denom() > 0);
    StreamShape {
        size: size_in(caps),
        fps: rate.map(|rate| f64::from(rate.numer()) / f64::from(rate.denom())),
        profile: caps.get::<String>("profile").ok(),
    }
}

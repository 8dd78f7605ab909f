//! Keeps access units from the decoder that the consumer of a stream does not need.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use gstreamer as gst;
use gstreamer::prelude::*;

use super::codec::Codec;
use super::decoder_rest::DecoderRest;
use super::display_orientation::framing_in;
use super::output::OutputControl;
use super::sei::picture_use;
use super::stream_decoder::StreamDecoder;
use super::wanted_units::{UnitChoice, UnitKind};
use crate::base::sync::lock;

/// The filter of one stream, between its parser and its decoder.
pub(super) struct UnitFilter {
    codec: Codec,
    output: OutputControl,
    decoder: Arc<StreamDecoder>,
    /// `None`: the decoder is always open.
    rest: Option<Arc<DecoderRest>>,
    choice: Mutex<UnitChoice>,
    /// The highest temporal sub-layer so far. Pictures of lower ones may be referred to by those of higher ones.
    highest_layer: AtomicU8,
}

impl UnitFilter {
    pub(super) fn new(
        codec: Codec,
        output: &OutputControl,
        decoder: &Arc<StreamDecoder>,
        rest: Option<Arc<DecoderRest>>,
    ) -> Arc<Self> {
        Arc::new(Self {
            codec,
            output: output.clone(),
            decoder: decoder.clone(),
            rest,
            choice: Mutex::default(),
            highest_layer: AtomicU8::new(0),
        })
    }

    /// Whether `unit`, which arrived at `at` and leaves the parser through `pad`, is decoded.
    pub(super) fn admits(&self, pad: &gst::Pad, unit: &gst::BufferRef, at: Duration) -> bool {
        // A decoder that gives one of several pictures counts those that it gets.
        if self.decoder.interval() > 1 {
            return true;
        }
        let wanted = self.output.wanted_rate();
        let mut choice = lock(&self.choice);
        let kind = match unit.flags().contains(gst::BufferFlags::DELTA_UNIT) {
            false => UnitKind::Key,
            true if choice.tells_disposable(wanted) && self.is_disposable(pad, unit) => {
                UnitKind::Disposable
            }
            true => UnitKind::Referred,
        };
        if let Some(rest) = &self.rest {
            rest.set_wanted(!choice.may_rest(at, wanted));
            if !rest.is_open() {
                choice.missed(kind, at);
                return false;
            }
        }
        let pts = unit.pts().map(gst::ClockTime::nseconds);
        choice.admits(kind, pts, at, wanted)
    }

    /// The decoder has given the picture of this media time.
    pub(super) fn picture(&self, pts: Option<gst::ClockTime>) {
        lock(&self.choice).picture(pts.map(gst::ClockTime::nseconds));
    }

    /// Whether no other picture refers to that of `unit`.
    fn is_disposable(&self, pad: &gst::Pad, unit: &gst::BufferRef) -> bool {
        let Some(caps) = pad.current_caps() else {
            return false;
        };
        let (Some(caps), Ok(bytes)) = (caps.structure(0), unit.map_readable()) else {
            return false;
        };
        let Some(used) = picture_use(self.codec, framing_in(self.codec, caps), &bytes) else {
            return false;
        };
        let highest = self
            .highest_layer
            .fetch_max(used.temporal_id, Ordering::Relaxed)
            .max(used.temporal_id);
        !used.is_referred && used.temporal_id == highest
    }
}

//! Closes a decoder while its pictures are hardly wanted.
//!
//! An open decoder keeps the pictures to which the next one may refer, and spare ones: four of 1280×720 are 5.6 MB, most of the memory
//! of a camera that is only recorded. Only decoders of libav are closed. One in hardware might not get its session back.

use std::sync::{Arc, Mutex, mpsc};

use gstreamer as gst;
use gstreamer::prelude::*;

use super::element::{PipelineError, pad};
use crate::base::sync::lock;

/// The way of a stream into its decoder, which is interrupted while the decoder is closed.
pub(super) struct DecoderRest {
    decoder: gst::glib::WeakRef<gst::Element>,
    /// The pad of the parser, which sends its caps and segment again when it is linked again. Weak, because what is called for its units
    /// has this.
    units: gst::glib::WeakRef<gst::Pad>,
    state: Mutex<State>,
}

#[derive(Debug, Clone, Copy)]
struct State {
    is_wanted: bool,
    is_open: bool,
    /// A thread of GStreamer opens or closes the decoder.
    is_changing: bool,
}

impl DecoderRest {
    /// For an open decoder that takes the units of the pad `units`.
    pub(super) fn new(units: &gst::Pad, decoder: &gst::Element) -> Arc<Self> {
        let rest = Arc::new(Self {
            decoder: decoder.downgrade(),
            units: units.downgrade(),
            state: Mutex::new(State {
                is_wanted: true,
                is_open: true,
                is_changing: false,
            }),
        });
        let weak = Arc::downgrade(&rest);
        units.add_probe(gst::PadProbeType::EVENT_DOWNSTREAM, move |_, info| {
            // The end of the stream is not sent again when pads are linked, and must not wait for that.
            if let Some(rest) = weak.upgrade()
                && let Some(event) = info.event()
                && event.type_() == gst::EventType::Eos
                && !rest.is_open()
            {
                rest.end();
            }
            gst::PadProbeReturn::Ok
        });
        rest
    }

    /// Whether the decoder takes units now.
    pub(super) fn is_open(&self) -> bool {
        let state = lock(&self.state);
        state.is_open && !state.is_changing
    }

    /// Opens the decoder, or closes it, soon. Does not wait.
    pub(super) fn set_wanted(self: &Arc<Self>, is_wanted: bool) {
        let mut state = lock(&self.state);
        state.is_wanted = is_wanted;
        if state.is_changing || state.is_open == is_wanted {
            return;
        }
        let Some(decoder) = self.decoder.upgrade() else {
            return;
        };
        state.is_changing = true;
        drop(state);
        // Not on the thread that sends the units: it may be inside the decoder.
        let rest = self.clone();
        decoder.call_async(move |decoder| rest.change(decoder));
    }

    fn change(&self, decoder: &gst::Element) {
        loop {
            let mut state = lock(&self.state);
            if state.is_open == state.is_wanted {
                state.is_changing = false;
                return;
            }
            state.is_open = state.is_wanted;
            let opens = state.is_open;
            drop(state);
            if !opens {
                self.close(decoder);
            } else if let Err(error) = self.open(decoder) {
                // The session ends, and the next one has a new decoder.
                gst::element_error!(decoder, gst::CoreError::StateChange, ("{error}"));
            }
        }
    }

    fn close(&self, decoder: &gst::Element) {
        if let Some(units) = self.units.upgrade() {
            // Between two units: one that is inside the decoder when it is closed would stop the stream.
            let (unlinked, waited) = mpsc::channel();
            units.add_probe(gst::PadProbeType::IDLE, move |units, _| {
                if let Some(input) = units.peer() {
                    let _ = units.unlink(&input);
                }
                let _ = unlinked.send(());
                gst::PadProbeReturn::Remove
            });
            let _ = waited.recv();
        }
        // Otherwise the next change of the pipeline's state would open it.
        decoder.set_locked_state(true);
        // To this state a change never fails.
        let _ = decoder.set_state(gst::State::Null);
        tracing::debug!("the decoder is closed: its pictures are hardly wanted");
    }

    fn open(&self, decoder: &gst::Element) -> Result<(), PipelineError> {
        let Some(units) = self.units.upgrade() else {
            // The session has ended.
            return Ok(());
        };
        decoder.set_locked_state(false);
        decoder
            .sync_state_with_parent()
            .map_err(|_| PipelineError::NotStarted(decoder.name().into()))?;
        units
            .link(&pad(decoder, "sink")?)
            .map_err(|error| PipelineError::link("the decoder", error))?;
        tracing::debug!("the decoder is open again");
        Ok(())
    }

    /// Ends the stream behind the decoder.
    fn end(&self) {
        let behind = self.decoder.upgrade().and_then(|decoder| {
            let pictures = decoder.static_pad("src")?;
            pictures.peer()
        });
        if let Some(behind) = behind {
            behind.send_event(gst::event::Eos::new());
        }
    }
}

#[cfg(test)]
#[path = "decoder_rest_tests.rs"]
mod tests;

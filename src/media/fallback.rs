//! Chooses the decoder of one source from the decoder table.
//!
//! A decoder that works in general may fail on the stream of one camera, at the start or later. Then only this source
//! changes to the next decoder of the table. After the last one it starts again with the first.

use std::sync::OnceLock;

use super::codec::Codec;
use super::plan::DecoderPlan;
use super::session::Ending;
use super::session_progress::Progress;
use super::session_state::Failure;

/// The codec and the decoder of a session, once they are known.
pub(super) type ChosenDecoder = OnceLock<(Codec, DecoderPlan)>;

/// The decoders that have failed for one source.
#[derive(Debug, Clone)]
pub(super) struct Fallback {
    /// `camera 3`.
    name: String,
    refused: Vec<&'static str>,
}

impl Fallback {
    pub(super) fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            refused: Vec::new(),
        }
    }

    /// Chooses the decoder for a stream. Blocks while a decoder is probed for the first time.
    ///
    /// # Errors
    /// If no decoder of this machine works.
    pub(super) fn choose(&self, codec: Codec) -> Result<DecoderPlan, Failure> {
        codec.decoders().choose(&self.refused).ok_or_else(|| {
            Failure::new(
                "no-decoder",
                format!(
                    "no decoder for {}'s {} works on this machine; install {}",
                    self.name,
                    codec.name(),
                    codec.package()
                ),
            )
        })
    }

    /// Whether the decoder caused the end of the session, and another one is worth an immediate attempt.
    pub(super) fn decoder_failed(
        &mut self,
        ending: &Ending,
        progress: &Progress,
        chosen: Option<(Codec, DecoderPlan)>,
    ) -> bool {
        let Some((codec, plan)) = chosen else {
            return false;
        };
        let was_live = progress.first_frame.is_some();
        let at_fault = match ending {
            Ending::DecoderSilent => true,
            // Access units still arrived, but no frames were decoded.
            Ending::NoFrame(_) => was_live,
            Ending::Error(error) => plan.has(&error.element),
            _ => false,
        };
        if !at_fault {
            return false;
        }
        self.refused.push(plan.decoder.element);
        let next = codec.decoders().choose(&self.refused);
        tracing::warn!(
            decoder = plan.decoder.element,
            ?ending,
            was_live,
            next = next.map(|next| next.decoder.element),
            "a decoder fails on this source; the next one is tried"
        );
        if next.is_none() {
            // Start with the first decoder next time: the stream may be another one by then.
            self.refused.clear();
        }
        next.is_some()
    }
}

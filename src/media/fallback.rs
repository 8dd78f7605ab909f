//! One source's way down the decoder table.
//!
//! A decoder that works in general may give nothing of one camera's stream, or fail in the middle of it. Then this source, and no
//! other, goes on with the next one of the table; when none is left it begins at the top again.

use std::sync::OnceLock;

use super::codec::Codec;
use super::plan::DecoderPlan;
use super::session::Ending;
use super::session_state::{Failure, Progress};

/// The stream that a session takes, and its decoder, once they are known.
pub(super) type ChosenDecoder = OnceLock<(Codec, DecoderPlan)>;

/// Which decoders one source is done with.
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

    /// The decoder to be used for a stream. Blocks while a decoder is probed for the first time.
    ///
    /// # Errors
    /// When none of this machine's works.
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

    /// Whether the decoder was at fault when the session ended, and another one is worth a try at once.
    pub(super) fn judge(
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
            // Pictures still came in, and none came out any more.
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
            "a decoder fails this source; it goes on with the next one"
        );
        if next.is_none() {
            // Begin at the top next time: the stream may be another one by then.
            self.refused.clear();
        }
        next.is_some()
    }
}

//! The newest picture of a source, on request.

use std::time::Duration;

use super::run::Processor;
use crate::base::SourceId;
use crate::control::Problem;
use crate::media::jpeg_within;

/// Time limit for the next frame of a source.
const FRAME_LIMIT: Duration = Duration::from_secs(5);

impl Processor {
    /// The next frame of a source as JPEG of at most `most_bytes`, at the size at which it is analysed or larger. Blocks for some
    /// seconds at most.
    ///
    /// # Errors
    /// When it does not run the source, or no frame comes.
    pub(super) fn picture(
        &self,
        source: Option<SourceId>,
        most_bytes: usize,
    ) -> Result<Vec<u8>, Problem> {
        let refused = |message: String| Problem::new("", message);
        let id = source.ok_or_else(|| {
            refused("a processor has no picture of all sources; name a source".to_owned())
        })?;
        let source = self.pipeline.sources.load().get(&id).cloned();
        let source = source.ok_or_else(|| refused(format!("this process runs no source {id}")))?;
        let frame = source.next_frame(FRAME_LIMIT).ok_or_else(|| {
            let limit = FRAME_LIMIT.as_secs();
            refused(format!(
                "no frame of source {id} within {limit} s; see its status for the reason"
            ))
        })?;
        jpeg_within(&frame, most_bytes).map_err(|err| refused(err.to_string()))
    }
}

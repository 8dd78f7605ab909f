//! No detector: finds nothing. A processor with it runs its sources and does not analyse them.

use super::labels::{self, Labels};
use super::{DetectError, Detection, Detector, Picture, Thresholds};
use crate::base::Size;

/// Its name in settings, messages and statuses.
pub(super) const NAME: &str = "none";

/// Nothing looks at the pictures, so they may be small.
const INPUT: Size = Size::new(64, 64);

/// Finds nothing; see the module.
#[derive(Debug)]
pub(super) struct IdleDetector;

impl IdleDetector {
    /// It knows no class.
    pub(super) fn labels() -> Labels {
        labels::shared([])
    }
}

impl Detector for IdleDetector {
    fn input_size(&self) -> Size {
        INPUT
    }

    fn detect(
        &mut self,
        pictures: &[Picture<'_>],
        _: Thresholds,
    ) -> Result<Vec<Vec<Detection>>, DetectError> {
        Ok(pictures.iter().map(|_| Vec::new()).collect())
    }
}

//! Opens the displays of a wall as configured.

use super::{Display, DisplayError, Headless, kms};
use crate::base::Clock;
use crate::config::{HeadSettings, OutputChoice, WallSettings};
use crate::render::layout;

/// Opens a display for each head, for a wall with this number of cameras.
///
/// # Errors
/// With `output = "kms"`, if no card can be used at present.
pub fn open(
    wall: &WallSettings,
    cameras: usize,
    clock: &Clock,
) -> Result<Vec<Box<dyn Display>>, DisplayError> {
    let monitors = || -> Result<Vec<Box<dyn Display>>, DisplayError> {
        let heads = kms::open_heads(wall, clock)?;
        Ok(heads
            .into_iter()
            .map(|head| Box::new(head) as Box<dyn Display>)
            .collect())
    };
    let headless = || {
        let open = |head: &HeadSettings| -> Box<dyn Display> {
            let size = layout::headless_screen(head, cameras, wall.tile);
            Box::new(Headless::new(size, wall.max_fps))
        };
        wall.heads.iter().map(open).collect()
    };
    match wall.output {
        OutputChoice::Headless => Ok(headless()),
        OutputChoice::Kms => monitors(),
        OutputChoice::Auto => {
            let found = kms::available();
            if !found.iter().any(kms::CardReport::has_monitor) {
                tracing::info!(
                    cards = found.len(),
                    "no monitor is connected; the wall is shown in snapshots and on the page only; use --output kms to wait for a monitor"
                );
                return Ok(headless());
            }
            monitors().or_else(|err| {
                tracing::warn!(%err, "the monitor can't be used; the wall is shown in snapshots and on the page only");
                Ok(headless())
            })
        }
    }
}

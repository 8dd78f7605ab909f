//! A wall as its page sees it: the seam between the page and the role.

use std::sync::Arc;
use std::time::Duration;

use crate::control::wall_state::WallState;
use crate::render::Canvas;

/// A wall as its page sees it.
pub trait WallView: Send + Sync {
    /// Names of the heads, in order: at least one.
    fn heads(&self) -> Vec<String>;

    /// The newest composed scene of a head, boxes and all. Blocks at most `limit`; none while nothing was composed or for
    /// an unknown head. The same `Arc` as before while nothing changed: that is how viewers share one encoding.
    fn picture(&self, head: usize, limit: Duration) -> Option<Arc<Canvas>>;

    /// Everything but pixels.
    fn state(&self) -> WallState;
}

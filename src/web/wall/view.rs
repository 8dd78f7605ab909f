//! The interface between the page of a wall and the role.

use std::sync::Arc;
use std::time::Duration;

use crate::control::wall_state::WallState;
use crate::render::Canvas;

/// The data of a wall for its page.
pub trait WallView: Send + Sync {
    /// Names of the heads, in order: at least one.
    fn heads(&self) -> Vec<String>;

    /// The newest composed scene of a head with its overlay. Blocks at most `limit`. Absent before the first scene and for an
    /// unknown head. While nothing changes it returns the same `Arc`, so that viewers share one encoding.
    fn picture(&self, head: usize, limit: Duration) -> Option<Arc<Canvas>>;

    /// The state of the wall.
    fn state(&self) -> WallState;
}

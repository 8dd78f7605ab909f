//! The scene that the composer gives to a display, and the properties of a display that the composer needs.

use std::time::Duration;

use super::{Canvas, Rect};
use crate::base::Size;

/// The present properties of a display.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DisplayInfo {
    /// Pixels to compose, as a viewer sees them: after rotation, without overscan.
    pub size: Size,
    /// Refresh interval of the monitor, the minimum time between scenes.
    pub interval: Duration,
    /// Whether boxes and labels have a separate layer. Otherwise they are blended into the picture.
    pub overlay: bool,
    /// Description for people: `HDMI-A-1, 1920x1080@60`, `no monitor`, `headless`.
    pub description: String,
    /// Whether tiles keep their configured size. On a monitor they fill the screen.
    pub exact_tiles: bool,
    /// Whether presented scenes are visible. Without a monitor nothing needs to be composed for the display.
    pub visible: bool,
}

/// All that one commit shows.
#[derive(Debug)]
pub struct Scene<'a> {
    /// The opaque picture, of [`DisplayInfo::size`].
    pub base: &'a Canvas,
    /// Rectangles of the base that changed since the last presented scene.
    pub base_damage: &'a [Rect],
    /// Boxes and labels on a transparent ground, of the same size. Present if [`DisplayInfo::overlay`] is set.
    pub overlay: Option<&'a Canvas>,
    /// Rectangles of the overlay that changed since the last presented scene.
    pub overlay_damage: &'a [Rect],
    /// Rectangles of the moving pictures in the base, which a display may put on separate planes. Usually the same from
    /// scene to scene.
    pub pictures: &'a [Rect],
}

//! What goes from the composer to a display, and what a display wants of it.

use std::time::Duration;

use super::{Canvas, Rect};
use crate::base::Size;

/// What a display offers at present.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DisplayInfo {
    /// Pixels to compose, as a viewer sees them: after rotation, without overscan.
    pub size: Size,
    /// Time from one picture of the monitor to the next: scenes come no faster.
    pub interval: Duration,
    /// Whether boxes and labels have a layer of their own; else they are blended into the picture.
    pub overlay: bool,
    /// For people: `HDMI-A-1, 1920x1080@60`, `no monitor`, `headless`.
    pub description: String,
    /// Whether tiles keep their configured size; on a monitor they fill the screen.
    pub exact_tiles: bool,
    /// Whether somebody could see what is presented; without a monitor nothing needs to be composed for it.
    pub visible: bool,
}

/// All of one commit.
#[derive(Debug)]
pub struct Scene<'a> {
    /// The opaque picture, of [`DisplayInfo::size`].
    pub base: &'a Canvas,
    /// What changed in it since the last scene that was presented.
    pub base_damage: &'a [Rect],
    /// Boxes and labels, transparent elsewhere; given where [`DisplayInfo::overlay`] asks for it, of the same size.
    pub overlay: Option<&'a Canvas>,
    /// What changed in it.
    pub overlay_damage: &'a [Rect],
    /// Where in the base moving pictures are: what a display may put on planes of its own. Stable from scene to scene.
    pub pictures: &'a [Rect],
}

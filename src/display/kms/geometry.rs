//! Maps the canvas to the monitor: rotation, and the margin that a television cuts off.

use crate::base::Size;
use crate::config::Rotation;
use crate::render::Rect;

/// Converts between three coordinate systems: the canvas as a viewer sees it, a buffer, and the monitor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Geometry {
    monitor: Size,
    rotation: Rotation,
    by_plane: bool,
    canvas: Size,
    margin: (u32, u32),
}

impl Geometry {
    /// `overscan` is the fraction of the screen that is cut off at each edge. With `by_plane`, planes rotate the picture, so that
    /// buffers have the orientation that the viewer sees.
    pub(super) fn new(monitor: Size, rotation: Rotation, overscan: f32, by_plane: bool) -> Self {
        let viewed = turned(monitor, rotation);
        let margin = |side: u32| (f64::from(side) * f64::from(overscan.clamp(0.0, 0.25))) as u32;
        let margin = (margin(viewed.width), margin(viewed.height));
        Self {
            monitor,
            rotation,
            by_plane: by_plane && rotation != Rotation::None,
            canvas: Size::new(viewed.width - 2 * margin.0, viewed.height - 2 * margin.1),
            margin,
        }
    }

    /// Size of the canvas.
    pub(super) fn canvas(&self) -> Size {
        self.canvas
    }

    /// Size of the monitor.
    pub(super) fn monitor(&self) -> Size {
        self.monitor
    }

    /// Rotation by the planes.
    pub(super) fn plane_rotation(&self) -> Rotation {
        if self.by_plane {
            self.rotation
        } else {
            Rotation::None
        }
    }

    /// Rotation while pixels are copied into a buffer.
    pub(super) fn copy_rotation(&self) -> Rotation {
        if self.by_plane {
            Rotation::None
        } else {
            self.rotation
        }
    }

    /// The size of a buffer for a part of the canvas of `size`.
    pub(super) fn buffer_size(&self, size: Size) -> Size {
        turned(size, self.copy_rotation())
    }

    /// The size of a buffer for the whole monitor.
    pub(super) fn full_buffer(&self) -> Size {
        turned(self.monitor, self.plane_rotation())
    }

    /// The position of `rect` of the canvas on the monitor.
    pub(super) fn on_monitor(&self, rect: &Rect) -> Rect {
        turned_rect(
            &self.with_margin(rect),
            turned(self.monitor, self.rotation),
            self.rotation,
        )
    }

    /// The position of `rect` of the canvas in a buffer for the whole monitor.
    pub(super) fn in_full_buffer(&self, rect: &Rect) -> Rect {
        let viewed = turned(self.monitor, self.rotation);
        turned_rect(&self.with_margin(rect), viewed, self.copy_rotation())
    }

    /// The position of `rect` of the canvas in a buffer for the part `picture` of the canvas.
    pub(super) fn in_picture_buffer(&self, rect: &Rect, picture: &Rect) -> Rect {
        let inside = rect.shifted(-picture.x, -picture.y);
        turned_rect(&inside, picture.size(), self.copy_rotation())
    }

    fn with_margin(&self, rect: &Rect) -> Rect {
        rect.shifted(self.margin.0 as i32, self.margin.1 as i32)
    }
}

/// A size after rotation.
fn turned(size: Size, rotation: Rotation) -> Size {
    match rotation {
        Rotation::None | Rotation::Half => size,
        Rotation::Quarter | Rotation::ThreeQuarters => Size::new(size.height, size.width),
    }
}

/// The position of a rectangle of a picture of `size` after the picture was rotated clockwise.
pub(super) fn turned_rect(rect: &Rect, size: Size, rotation: Rotation) -> Rect {
    let (across, down) = (size.width as i32, size.height as i32);
    match rotation {
        Rotation::None => *rect,
        Rotation::Quarter => Rect::new(down - rect.bottom(), rect.x, rect.height, rect.width),
        Rotation::Half => Rect::new(
            across - rect.right(),
            down - rect.bottom(),
            rect.width,
            rect.height,
        ),
        Rotation::ThreeQuarters => {
            Rect::new(rect.y, across - rect.right(), rect.height, rect.width)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MONITOR: Size = Size::new(1920, 1080);

    #[test]
    fn a_portrait_monitor_is_composed_upright() {
        let geometry = Geometry::new(MONITOR, Rotation::Quarter, 0.0, false);
        assert_eq!(geometry.canvas(), Size::new(1080, 1920));
        assert_eq!(geometry.full_buffer(), MONITOR);
        // The viewer's top left corner is the monitor's top right one.
        assert_eq!(
            geometry.on_monitor(&Rect::new(0, 0, 10, 20)),
            Rect::new(1900, 0, 20, 10)
        );
        let other = Geometry::new(MONITOR, Rotation::ThreeQuarters, 0.0, false);
        assert_eq!(
            other.on_monitor(&Rect::new(0, 0, 10, 20)),
            Rect::new(0, 1070, 20, 10)
        );
    }

    #[test]
    fn a_plane_that_turns_gets_an_upright_buffer() {
        let geometry = Geometry::new(MONITOR, Rotation::Quarter, 0.0, true);
        assert_eq!(geometry.full_buffer(), Size::new(1080, 1920));
        let rect = Rect::new(5, 6, 10, 20);
        assert_eq!(geometry.in_full_buffer(&rect), rect);
        assert_eq!(geometry.on_monitor(&rect), Rect::new(1920 - 26, 5, 20, 10));
    }

    #[test]
    fn overscan_shrinks_the_canvas_and_moves_it_inwards() {
        let geometry = Geometry::new(MONITOR, Rotation::None, 0.05, false);
        assert_eq!(geometry.canvas(), Size::new(1920 - 2 * 96, 1080 - 2 * 54));
        assert_eq!(
            geometry.in_full_buffer(&Rect::new(0, 0, 8, 8)),
            Rect::new(96, 54, 8, 8)
        );
        let turned = Geometry::new(MONITOR, Rotation::Half, 0.05, false);
        assert_eq!(
            turned.in_full_buffer(&Rect::new(0, 0, 8, 8)),
            Rect::new(1920 - 96 - 8, 1080 - 54 - 8, 8, 8)
        );
    }

    #[test]
    fn a_pictures_buffer_holds_that_picture_alone() {
        let geometry = Geometry::new(MONITOR, Rotation::Quarter, 0.0, false);
        let picture = Rect::new(100, 200, 40, 30);
        assert_eq!(geometry.buffer_size(picture.size()), Size::new(30, 40));
        assert_eq!(
            geometry.in_picture_buffer(&picture, &picture),
            Rect::new(0, 0, 30, 40)
        );
        assert_eq!(
            geometry.in_picture_buffer(&Rect::new(100, 200, 1, 1), &picture),
            Rect::new(29, 0, 1, 1)
        );
    }
}

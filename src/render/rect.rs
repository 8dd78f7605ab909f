//! Rectangles of whole pixels on the screen.

use crate::base::Size;

/// A rectangle in pixels of a screen or a tile. It is half open, so that neighbours share no pixel. It may reach beyond the
/// screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Rect {
    /// First column.
    pub x: i32,
    /// First row.
    pub y: i32,
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
}

impl Rect {
    /// `width` × `height` pixels with their top left corner at (`x`, `y`).
    pub const fn new(x: i32, y: i32, width: u32, height: u32) -> Self {
        Self {
            x,
            y,
            width,
            height,
        }
    }

    /// The rectangle of a whole screen.
    pub const fn of(size: Size) -> Self {
        Self::new(0, 0, size.width, size.height)
    }

    /// A rectangle from its edges. Empty if they cross.
    pub fn from_edges(left: i32, top: i32, right: i32, bottom: i32) -> Self {
        Self::new(
            left,
            top,
            u32::try_from(i64::from(right) - i64::from(left)).unwrap_or(0),
            u32::try_from(i64::from(bottom) - i64::from(top)).unwrap_or(0),
        )
    }

    /// The column after the last one.
    pub fn right(&self) -> i32 {
        self.x.saturating_add_unsigned(self.width)
    }

    /// The row below the last one.
    pub fn bottom(&self) -> i32 {
        self.y.saturating_add_unsigned(self.height)
    }

    /// Width and height.
    pub fn size(&self) -> Size {
        Size::new(self.width, self.height)
    }

    /// Whether it contains no pixel.
    pub fn is_empty(&self) -> bool {
        self.width == 0 || self.height == 0
    }

    /// The common part of both. Empty if they do not overlap.
    pub fn intersection(&self, other: &Self) -> Self {
        Self::from_edges(
            self.x.max(other.x),
            self.y.max(other.y),
            self.right().min(other.right()),
            self.bottom().min(other.bottom()),
        )
    }

    /// Whether both share a pixel.
    pub fn meets(&self, other: &Self) -> bool {
        !self.intersection(other).is_empty()
    }

    /// Whether every pixel of `other` lies in this rectangle. True for an empty `other`.
    pub fn covers(&self, other: &Self) -> bool {
        other.is_empty() || self.intersection(other) == *other
    }

    /// The smallest rectangle around both. Empty rectangles are ignored.
    pub fn around(&self, other: &Self) -> Self {
        if self.is_empty() {
            return *other;
        }
        if other.is_empty() {
            return *self;
        }
        Self::from_edges(
            self.x.min(other.x),
            self.y.min(other.y),
            self.right().max(other.right()),
            self.bottom().max(other.bottom()),
        )
    }

    /// Moved by whole pixels.
    pub fn shifted(&self, x: i32, y: i32) -> Self {
        Self::new(
            self.x.saturating_add(x),
            self.y.saturating_add(y),
            self.width,
            self.height,
        )
    }

    /// The rectangle without `margin` pixels at each edge.
    pub fn inset(&self, margin: u32) -> Self {
        let margin = i32::try_from(margin).unwrap_or(i32::MAX);
        Self::from_edges(
            self.x.saturating_add(margin),
            self.y.saturating_add(margin),
            self.right().saturating_sub(margin),
            self.bottom().saturating_sub(margin),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_share_no_pixel() {
        let left = Rect::new(0, 0, 10, 10);
        assert!(!left.meets(&Rect::new(10, 0, 10, 10)));
        assert!(left.meets(&Rect::new(9, 9, 1, 1)));
    }

    #[test]
    fn what_lies_apart_has_an_empty_intersection_and_a_common_surrounding() {
        let (one, other) = (Rect::new(0, 0, 4, 4), Rect::new(8, 2, 4, 4));
        assert!(one.intersection(&other).is_empty());
        assert_eq!(one.around(&other), Rect::new(0, 0, 12, 6));
        assert_eq!(one.around(&Rect::default()), one);
    }

    #[test]
    fn an_inset_larger_than_the_rectangle_leaves_nothing() {
        assert!(Rect::new(0, 0, 5, 5).inset(3).is_empty());
        assert_eq!(Rect::new(0, 0, 5, 5).inset(2), Rect::new(2, 2, 1, 1));
    }
}

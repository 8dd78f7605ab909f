//! Sizes, boxes and the letterbox between a source frame and a model's input.

use serde::{Deserialize, Serialize};

/// Width and height in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Size {
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
}

impl Size {
    /// `width` × `height` pixels.
    pub const fn new(width: u32, height: u32) -> Self {
        Self { width, height }
    }
}

impl std::fmt::Display for Size {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}x{}", self.width, self.height)
    }
}

/// An axis-aligned box: centre and full size in pixels, as in the published event schema.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct BBox {
    /// Centre, pixels from the left edge.
    pub x: f32,
    /// Centre, pixels from the top edge.
    pub y: f32,
    /// Full width in pixels.
    pub width: f32,
    /// Full height in pixels.
    pub height: f32,
}

impl BBox {
    /// A box from its left, top, right and bottom edges.
    pub fn from_corners(left: f32, top: f32, right: f32, bottom: f32) -> Self {
        Self {
            x: (left + right) / 2.0,
            y: (top + bottom) / 2.0,
            width: right - left,
            height: bottom - top,
        }
    }

    /// Left, top, right and bottom edges.
    pub fn corners(&self) -> [f32; 4] {
        let (half_width, half_height) = (self.width / 2.0, self.height / 2.0);
        [
            self.x - half_width,
            self.y - half_height,
            self.x + half_width,
            self.y + half_height,
        ]
    }

    /// Area in square pixels; zero for a box without extent.
    pub fn area(&self) -> f32 {
        self.width.max(0.0) * self.height.max(0.0)
    }

    /// Intersection over union, 0–1. Two boxes without extent overlap by 0.
    pub fn iou(&self, other: &Self) -> f32 {
        let [left, top, right, bottom] = self.corners();
        let [other_left, other_top, other_right, other_bottom] = other.corners();
        let width = (right.min(other_right) - left.max(other_left)).max(0.0);
        let height = (bottom.min(other_bottom) - top.max(other_top)).max(0.0);
        let shared = width * height;
        let union = self.area() + other.area() - shared;
        if union > 0.0 { shared / union } else { 0.0 }
    }

    /// The part of the box that lies inside a picture of `size`.
    pub fn clamped(&self, size: Size) -> Self {
        let [left, top, right, bottom] = self.corners();
        let (width, height) = (size.width as f32, size.height as f32);
        Self::from_corners(
            left.clamp(0.0, width),
            top.clamp(0.0, height),
            right.clamp(0.0, width),
            bottom.clamp(0.0, height),
        )
    }
}

/// The position of a source frame in a model's input: scaled by one factor, centred, padded on two sides.
///
/// The content has whole pixels (`content`, at `left`, `top`). Each axis is mapped by the factor that the scaler actually used,
/// so the inverse is exact to a rounding error of `f32`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Letterbox {
    /// The frame.
    pub source: Size,
    /// The model's input.
    pub input: Size,
    /// The scaled frame inside the input.
    pub content: Size,
    /// Padding columns left of the content.
    pub left: u32,
    /// Padding rows above the content.
    pub top: u32,
}

impl Letterbox {
    /// Fits `source` into `input` with its aspect ratio kept. Both must have an extent.
    pub fn fit(source: Size, input: Size) -> Self {
        let scale = (f64::from(input.width) / f64::from(source.width))
            .min(f64::from(input.height) / f64::from(source.height));
        let along = |length: u32, limit: u32| {
            ((f64::from(length) * scale).round() as u32).clamp(1, limit.max(1))
        };
        let content = Size::new(
            along(source.width, input.width),
            along(source.height, input.height),
        );
        Self {
            source,
            input,
            content,
            left: (input.width - content.width) / 2,
            top: (input.height - content.height) / 2,
        }
    }

    /// Stretches `source` over the whole `input`. Both must have an extent.
    pub fn stretched(source: Size, input: Size) -> Self {
        Self {
            source,
            input,
            content: input,
            left: 0,
            top: 0,
        }
    }

    /// From input pixels to source pixels.
    pub fn to_source(&self, bbox: &BBox) -> BBox {
        let (scale_x, scale_y) = self.scale();
        BBox {
            x: (bbox.x - self.left as f32) / scale_x,
            y: (bbox.y - self.top as f32) / scale_y,
            width: bbox.width / scale_x,
            height: bbox.height / scale_y,
        }
    }

    /// From source pixels to input pixels.
    pub fn to_input(&self, bbox: &BBox) -> BBox {
        let (scale_x, scale_y) = self.scale();
        BBox {
            x: bbox.x * scale_x + self.left as f32,
            y: bbox.y * scale_y + self.top as f32,
            width: bbox.width * scale_x,
            height: bbox.height * scale_y,
        }
    }

    fn scale(&self) -> (f32, f32) {
        (
            self.content.width as f32 / self.source.width as f32,
            self.content.height as f32 / self.source.height as f32,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn any_box() -> impl Strategy<Value = BBox> {
        (
            0.0f32..4000.0,
            0.0f32..4000.0,
            0.1f32..2000.0,
            0.1f32..2000.0,
        )
            .prop_map(|(x, y, width, height)| BBox {
                x,
                y,
                width,
                height,
            })
    }

    #[test]
    fn a_720p_frame_fills_the_width_of_a_square_input() {
        let letterbox = Letterbox::fit(Size::new(1280, 720), Size::new(640, 640));
        assert_eq!(letterbox.content, Size::new(640, 360));
        assert_eq!((letterbox.left, letterbox.top), (0, 140));
    }

    #[test]
    fn iou_of_half_overlapping_boxes_is_a_third() {
        let one = BBox::from_corners(0.0, 0.0, 10.0, 10.0);
        let other = BBox::from_corners(5.0, 0.0, 15.0, 10.0);
        assert!((one.iou(&other) - 1.0 / 3.0).abs() < 1e-6);
    }

    #[test]
    fn a_box_beyond_the_picture_is_cut_at_its_edge() {
        let cut = BBox::from_corners(-5.0, 2.0, 8.0, 30.0).clamped(Size::new(10, 20));
        assert_eq!(cut.corners(), [0.0, 2.0, 8.0, 20.0]);
    }

    proptest! {
        #[test]
        fn the_inverse_of_the_letterbox_is_exact_to_half_a_pixel(
            bbox in any_box(), width in 16u32..4096, height in 16u32..4096, side in 32u32..1280,
        ) {
            let letterbox = Letterbox::fit(Size::new(width, height), Size::new(side, side));
            let back = letterbox.to_source(&letterbox.to_input(&bbox));
            for (found, wanted) in back.corners().into_iter().zip(bbox.corners()) {
                prop_assert!((found - wanted).abs() <= 0.5, "{found} is not {wanted}");
            }
        }

        #[test]
        fn the_content_lies_inside_the_input(
            width in 1u32..8192, height in 1u32..8192, side in 1u32..2048,
        ) {
            let fitted = Letterbox::fit(Size::new(width, height), Size::new(side, side));
            prop_assert!(fitted.left + fitted.content.width <= side);
            prop_assert!(fitted.top + fitted.content.height <= side);
            prop_assert!(fitted.content.width == side || fitted.content.height == side);
        }

        #[test]
        fn iou_is_symmetric_and_between_0_and_1(one in any_box(), other in any_box()) {
            let iou = one.iou(&other);
            prop_assert!((0.0..=1.0 + 1e-5).contains(&iou));
            prop_assert!((iou - other.iou(&one)).abs() < 1e-5);
            prop_assert!((one.iou(&one) - 1.0).abs() < 1e-2);
        }
    }
}

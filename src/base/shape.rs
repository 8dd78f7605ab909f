//! The shape of a picture: cropping, orientation and pixel aspect ratio.
//!
//! Streams and containers state all three. A [`super::Frame`] has the size of the cropped, upright picture in square pixels
//! ([`super::FrameMeta::size`]). Its planes are cropped and upright too. Only their pixels may not be square; every scaler corrects
//! that, so consumers of frames need not handle it.

use super::Size;

/// Largest credible pixel aspect ratio. More extreme ratios are errors in the stream.
const PIXEL_RATIO_LIMIT: u64 = 8;

/// The rotation that makes a decoded picture upright: the eight orientations of EXIF and of GStreamer's `image-orientation`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Orientation {
    /// Whether left and right are exchanged before the rotation.
    pub mirrored: bool,
    /// Quarter turns clockwise, 0–3.
    pub quarters: u8,
}

/// A part of a picture, in samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Crop {
    /// First column.
    pub left: u32,
    /// First row.
    pub top: u32,
    /// Columns and rows.
    pub size: Size,
}

/// The shape of a stream's pictures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PictureShape {
    /// The visible part of the decoded samples.
    pub crop: Crop,
    /// Width and height of one pixel, before the rotation.
    pub pixel: (u32, u32),
    /// The rotation of the picture.
    pub orientation: Orientation,
}

impl Orientation {
    /// Parses GStreamer's tag: `rotate-90`, `flip-rotate-270`.
    pub fn of_tag(tag: &str) -> Option<Self> {
        let (mirrored, turned) = match tag.strip_prefix("flip-") {
            Some(turned) => (true, turned),
            None => (false, tag),
        };
        let quarters = match turned.strip_prefix("rotate-")? {
            "0" => 0,
            "90" => 1,
            "180" => 2,
            "270" => 3,
            _ => return None,
        };
        Some(Self { mirrored, quarters })
    }

    /// Whether no rotation is needed.
    pub fn is_upright(self) -> bool {
        self == Self::default()
    }

    /// Whether the rotation exchanges rows and columns.
    pub fn is_sideways(self) -> bool {
        self.quarters % 2 == 1
    }

    /// The size of a picture of `size` after the rotation.
    pub fn turned(self, size: Size) -> Size {
        if self.is_sideways() {
            Size::new(size.height, size.width)
        } else {
            size
        }
    }
}

impl Crop {
    /// The whole picture.
    pub fn whole(size: Size) -> Self {
        Self {
            left: 0,
            top: 0,
            size,
        }
    }

    /// The part inside a picture of `size`. It starts on even columns and rows, as 4:2:0 requires. The whole picture if nothing
    /// would be left.
    pub fn within(self, size: Size) -> Self {
        let (left, top) = (self.left & !1, self.top & !1);
        let crop = Self {
            left,
            top,
            size: Size::new(
                self.size.width.min(size.width.saturating_sub(left)),
                self.size.height.min(size.height.saturating_sub(top)),
            ),
        };
        if crop.size.width == 0 || crop.size.height == 0 {
            Self::whole(size)
        } else {
            crop
        }
    }
}

impl PictureShape {
    /// The shape of a whole, upright picture with square pixels.
    pub fn plain(size: Size) -> Self {
        Self {
            crop: Crop::whole(size),
            pixel: (1, 1),
            orientation: Orientation::default(),
        }
    }

    /// The size of the upright picture in square pixels. The side along which pixels are longer grows, so no detail is lost.
    pub fn picture(&self) -> Size {
        let Size { width, height } = self.crop.size;
        let (across, down) = (u64::from(self.pixel.0), u64::from(self.pixel.1));
        let is_impossible = across == 0
            || down == 0
            || across > PIXEL_RATIO_LIMIT * down
            || down > PIXEL_RATIO_LIMIT * across;
        let stretched = |side: u32, by: u64, over: u64| {
            u32::try_from((u64::from(side) * by + over / 2) / over).unwrap_or(side)
        };
        self.orientation.turned(if is_impossible {
            self.crop.size
        } else if across >= down {
            Size::new(stretched(width, across, down), height)
        } else {
            Size::new(width, stretched(height, down, across))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(width: u32, height: u32, pixel: (u32, u32), tag: &str) -> Size {
        PictureShape {
            pixel,
            orientation: Orientation::of_tag(tag).expect("a tag"),
            ..PictureShape::plain(Size::new(width, height))
        }
        .picture()
    }

    #[test]
    fn pictures_have_square_pixels_and_stand_upright() {
        let upright = "rotate-0";
        assert_eq!(shape(704, 480, (40, 33), upright), Size::new(853, 480));
        assert_eq!(shape(704, 576, (12, 11), upright), Size::new(768, 576));
        // Half the lines, as some recorders send them.
        assert_eq!(shape(704, 240, (10, 22), upright), Size::new(704, 528));
        assert_eq!(shape(1920, 1080, (1, 1), upright), Size::new(1920, 1080));
        assert_eq!(shape(704, 480, (40, 33), "rotate-90"), Size::new(480, 853));
        assert_eq!(
            shape(704, 480, (40, 33), "flip-rotate-180"),
            Size::new(853, 480)
        );
    }

    #[test]
    fn impossible_pixel_ratios_count_as_square() {
        for pixel in [(0, 1), (1, 0), (255, 1), (1, 255), (u32::MAX, 1)] {
            assert_eq!(
                shape(640, 480, pixel, "rotate-0"),
                Size::new(640, 480),
                "{pixel:?}"
            );
        }
    }

    #[test]
    fn unknown_tags_are_refused() {
        for tag in ["", "auto", "rotate-45", "flip-", "rotate--90"] {
            assert_eq!(Orientation::of_tag(tag), None, "{tag:?}");
        }
    }

    #[test]
    fn a_window_stays_inside_and_on_whole_chroma_samples() {
        let size = Size::new(1920, 1088);
        let crop = |left, top, width, height| {
            Crop {
                left,
                top,
                size: Size::new(width, height),
            }
            .within(size)
        };
        assert_eq!(crop(0, 0, 1920, 1080).size, Size::new(1920, 1080));
        assert_eq!((crop(9, 5, 16, 16).left, crop(9, 5, 16, 16).top), (8, 4));
        assert_eq!(crop(1900, 0, 100, 100).size, Size::new(20, 100));
        assert_eq!(crop(5000, 0, 10, 10), Crop::whole(size));
        assert_eq!(crop(0, 0, 0, 0), Crop::whole(size));
    }
}

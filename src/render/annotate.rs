//! Draws detections on a still picture, as a wall draws them on a tile of the same size.

use super::overlay::{self, OverlaySizes};
use super::paint::{Painter, Typeface};
use super::tile_content::ContentBox;
use super::{Canvas, Color, Placement};
use crate::align::DrawnBox;
use crate::base::Size;
use crate::config::WallSettings;
use crate::event::DetectedObject;

/// Draws the boxes and labels of `objects`, which are in pixels of the picture. `rgb` has the picture of `size`: three bytes per
/// pixel, rows without gaps. Pixels without a line or a label are not changed.
pub fn annotate(rgb: &mut [u8], size: Size, objects: &[DetectedObject]) {
    let mut canvas = Canvas::new(size, Color::BLACK);
    let whole = canvas.bounds();
    if whole.is_empty() {
        return;
    }
    let pixels = canvas.from_mut(&whole).as_chunks_mut::<4>().0;
    for (pixel, [red, green, blue]) in pixels.iter_mut().zip(rgb.as_chunks::<3>().0) {
        *pixel = Color::rgb(*red, *green, *blue).0;
    }
    let placement = Placement {
        rect: whole,
        part: [0.0, 0.0, 1.0, 1.0],
    };
    let boxes: Vec<ContentBox> = objects
        .iter()
        .map(|object| ContentBox::of(&drawn(object, size), &placement))
        .filter(|found| !found.rect.is_empty())
        .collect();
    let settings = WallSettings::default();
    let sizes = OverlaySizes::new(
        &whole,
        size.width.min(size.height),
        settings.label_font_scale,
        settings.box_thickness,
    );
    let mut letters = Typeface::default();
    let mut painter = Painter::new(&mut canvas, &mut letters, whole);
    overlay::draw_outlines(&mut painter, &boxes, sizes);
    overlay::draw_labels(&mut painter, &boxes, sizes, Vec::new());
    let pixels = canvas.bytes().as_chunks::<4>().0;
    for (target, [blue, green, red, _]) in rgb.as_chunks_mut::<3>().0.iter_mut().zip(pixels) {
        *target = [*red, *green, *blue];
    }
}

fn drawn(object: &DetectedObject, size: Size) -> DrawnBox {
    let (width, height) = (size.width as f32, size.height as f32);
    let [left, top, right, bottom] = object.bbox.corners();
    DrawnBox {
        corners: [left / width, top / height, right / width, bottom / height],
        class_name: object.class_name.clone(),
        confidence: object.confidence,
        tracker_id: object.tracker_id,
        dashed: false,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::paint::class_color;
    use super::super::{Analysis, Composer, DisplayInfo, Recording, Rect, TileContent, Video};
    use super::*;
    use crate::base::BBox;
    use crate::config::Fit;

    const GREY: [u8; 3] = [90, 90, 90];

    fn object(class_name: &str, corners: [f32; 4]) -> DetectedObject {
        let [left, top, right, bottom] = corners;
        DetectedObject {
            class_name: class_name.into(),
            confidence: 0.5,
            bbox: BBox::from_corners(left, top, right, bottom),
            tracker_id: None,
        }
    }

    #[test]
    fn lines_have_the_colour_of_the_class_and_the_picture_stays_beside_them() {
        // Odd, as pictures may be.
        let size = Size::new(641, 361);
        let mut rgb = GREY.repeat(641 * 361);
        let found = object("person", [100.0, 80.0, 201.0, 301.0]);
        annotate(&mut rgb, size, &[found]);
        let [blue, green, red, _] = class_color("person").0;
        let at = |x: usize, y: usize| {
            let start = 3 * (y * 641 + x);
            [rgb[start], rgb[start + 1], rgb[start + 2]]
        };
        // A line of 2 pixels per 360 rows, rounded up.
        for (x, y, is_line) in [
            (99, 200, false),
            (100, 200, true),
            (102, 200, true),
            (103, 200, false),
            (197, 200, false),
            (198, 200, true),
            (200, 200, true),
            (201, 200, false),
            (150, 80, true),
            (150, 83, false),
            (150, 300, true),
            (150, 301, false),
            (640, 360, false),
        ] {
            let wanted = if is_line { [red, green, blue] } else { GREY };
            assert_eq!(at(x, y), wanted, "({x}, {y})");
        }
        // The label stands above the box.
        assert_eq!(at(101, 79), [red, green, blue]);
    }

    #[test]
    fn the_pixels_are_those_of_a_wall_with_one_tile_of_this_size() {
        let size = Size::new(640, 360);
        let found = [
            object("person", [100.0, 80.0, 200.0, 300.0]),
            object("car", [150.0, 200.0, 420.0, 330.0]),
            object("cup", [610.0, 2.0, 639.0, 30.0]),
        ];
        let info = DisplayInfo {
            size,
            interval: Duration::from_millis(16),
            overlay: false,
            description: String::new(),
            exact_tiles: true,
            visible: true,
        };
        let mut wall = Composer::new(&info, &WallSettings::default());
        wall.lay_out(&[Rect::of(size)]);
        let rgb_of = |canvas: &Canvas| -> Vec<u8> {
            let pixels = canvas.bytes().as_chunks::<4>().0.iter();
            pixels
                .flat_map(|[blue, green, red, _]| [*red, *green, *blue])
                .collect()
        };
        let mut annotated = rgb_of(&wall.flattened());
        annotate(&mut annotated, size, &found);
        let placement = Placement::new(size, size, Fit::Contain);
        let boxes = found
            .iter()
            .map(|object| ContentBox::of(&drawn(object, size), &placement));
        wall.show(
            0,
            TileContent {
                picture: None,
                boxes: boxes.collect(),
                video: Video::Live,
                analysis: Analysis::Ok,
                recording: Recording::Ok,
                title: None,
                number: String::new(),
                rates: None,
                unsynchronised: false,
                corner: None,
            },
        );
        assert!(rgb_of(&wall.flattened()) == annotated);
    }
}

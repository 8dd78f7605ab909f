//! The newest inferred frame of each source with what was found in it, drawn into one grid.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use image::{ImageResult, RgbImage, imageops};

use super::picture::{Pen, class_color, grid, outline};
use crate::base::{BBox, Letterbox, Size, SourceId};
use crate::detect::Picture;
use crate::event::DetectionEvent;
use crate::processor::Observer;

/// Size of a tile.
const TILE: Size = Size::new(640, 480);

/// One picture a source, copied from the detector's input when it comes.
#[derive(Default)]
pub(super) struct Album {
    pages: Mutex<BTreeMap<SourceId, Page>>,
}

struct Page {
    picture: RgbImage,
    letterbox: Letterbox,
    event: DetectionEvent,
}

impl Observer for Album {
    fn inferred(&self, picture: &Picture<'_>, event: &DetectionEvent) {
        let size = picture.letterbox.input;
        if let Some(image) = RgbImage::from_raw(size.width, size.height, picture.rgb.to_vec()) {
            let page = Page {
                picture: image,
                letterbox: picture.letterbox,
                event: event.clone(),
            };
            let mut pages = self.pages.lock().unwrap_or_else(PoisonError::into_inner);
            pages.insert(event.source_id, page);
        }
    }
}

impl Album {
    /// Writes the grid as PNG.
    pub(super) fn save(&self, path: &Path) -> ImageResult<()> {
        let pages = self.pages.lock().unwrap_or_else(PoisonError::into_inner);
        let (columns, rows) = grid(pages.len());
        let mut sheet = RgbImage::new(TILE.width * columns as u32, TILE.height * rows as u32);
        let pen = Pen::new();
        for (index, page) in pages.values().enumerate() {
            let (mut tile, letterbox) = page.tile();
            annotate(&mut tile, &letterbox, &page.event, &pen);
            let (column, row) = (index % columns, index / columns);
            imageops::replace(
                &mut sheet,
                &tile,
                i64::from(TILE.width) * column as i64,
                i64::from(TILE.height) * row as i64,
            );
        }
        sheet.save_with_format(path, image::ImageFormat::Png)
    }
}

impl Page {
    /// What the camera showed, without the detector's padding, in the middle of a tile.
    fn tile(&self) -> (RgbImage, Letterbox) {
        let shown = Letterbox::fit(self.letterbox.source, TILE);
        let Letterbox {
            left, top, content, ..
        } = self.letterbox;
        let content = imageops::crop_imm(&self.picture, left, top, content.width, content.height);
        let scaled = imageops::resize(
            &*content,
            shown.content.width,
            shown.content.height,
            imageops::FilterType::Triangle,
        );
        let mut tile = RgbImage::new(TILE.width, TILE.height);
        imageops::replace(&mut tile, &scaled, shown.left.into(), shown.top.into());
        (tile, shown)
    }
}

fn annotate(tile: &mut RgbImage, letterbox: &Letterbox, event: &DetectionEvent, pen: &Pen) {
    const LABEL_PX: f32 = 16.0;
    const LINE_PX: f32 = 2.0;
    let boxes: Vec<(BBox, &str)> = event
        .detections
        .iter()
        .map(|object| (letterbox.to_input(&object.bbox), &*object.class_name))
        .collect();
    for (bbox, class_name) in &boxes {
        outline(tile, bbox, LINE_PX, class_color(class_name));
    }
    // Labels after all boxes, so that no line crosses one.
    let mut taken = Vec::new();
    let title = format!(
        "camera {}  {}",
        event.source_id,
        event.timestamp.strftime("%H:%M:%S%.3f")
    );
    pen.label(
        tile,
        &mut taken,
        (0.0, TILE.height as f32),
        &title,
        LABEL_PX,
        image::Rgb([0, 0, 0]),
    );
    for ((bbox, class_name), object) in boxes.iter().zip(&event.detections) {
        let track = object
            .tracker_id
            .map_or_else(String::new, |id| format!(" #{id}"));
        let text = format!("{class_name}{track} {:.0}%", object.confidence * 100.0);
        let [left, top, ..] = bbox.corners();
        pen.label(
            tile,
            &mut taken,
            (left, top - LABEL_PX),
            &text,
            LABEL_PX,
            class_color(class_name),
        );
    }
}

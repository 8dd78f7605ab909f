//! The content of a tile: all values that decide its pixels. A tile with equal content is not painted again.

use std::sync::Arc;
use std::time::Duration;

use super::camera::Camera;
use super::frame_cache::{CachedFrame, DueFrame};
use super::state::{Analysis, CameraState, Recording, Video};
use super::{Placement, Rect};
use crate::align::{Basis, DrawnBox};
use crate::config::WallSettings;

/// The content of one tile.
#[derive(Debug, Clone)]
pub(crate) struct TileContent {
    pub(super) picture: Option<CachedFrame>,
    pub(super) boxes: Vec<ContentBox>,
    pub(super) video: Video,
    pub(super) analysis: Analysis,
    pub(super) recording: Recording,
    /// `3 Loading dock`.
    pub(super) title: Option<String>,
    /// The title without the name, used if no installed font can write the name.
    pub(super) number: String,
    /// `25 fps  48 ms`.
    pub(super) rates: Option<String>,
    /// Whether the boxes may belong to another frame.
    pub(super) unsynchronised: bool,
    /// Clock and name of the wall, on one tile of the screen.
    pub(crate) corner: Option<String>,
}

/// A box in pixels of the tile.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ContentBox {
    pub(super) rect: Rect,
    pub(super) class_name: Arc<str>,
    pub(super) label: String,
    pub(super) dashed: bool,
}

impl TileContent {
    /// The content of a tile that shows `camera` in the given state, with the frame that is `due` at `now`.
    pub(crate) fn of(
        camera: &Camera,
        due: DueFrame,
        camera_state: CameraState,
        now: Duration,
        settings: &WallSettings,
    ) -> Self {
        let live = camera_state.is_live();
        let drawing = due
            .picture
            .as_ref()
            .filter(|_| live)
            .map(|frame| camera.drawing(&frame.times, now));
        let (boxes, basis) = drawing.map_or((Vec::new(), Basis::Nothing), |drawing| {
            (drawing.boxes, drawing.basis)
        });
        let boxes = match &due.picture {
            Some(frame) => boxes
                .iter()
                .map(|found| ContentBox::of(found, &frame.placement))
                .filter(|found| !found.rect.is_empty())
                .collect(),
            None => Vec::new(),
        };
        let wants_alignment = settings.sync != crate::config::Sync::Latest;
        Self {
            picture: due.picture,
            boxes,
            title: settings.display_name.then(|| camera.title()),
            number: format!("camera {}", camera.id),
            rates: rates(camera, &camera_state, settings),
            unsynchronised: wants_alignment && matches!(basis, Basis::Latest | Basis::Estimated),
            video: camera_state.video,
            analysis: camera_state.analysis,
            recording: camera_state.recording,
            corner: None,
        }
    }

    /// Whether both have the same pixels in the picture.
    pub(super) fn same_picture(&self, other: &Self) -> bool {
        let number = |content: &Self| content.picture.as_ref().map(|frame| frame.number);
        number(self) == number(other) && self.is_dimmed() == other.is_dimmed()
    }

    /// Whether both have the same pixels in the overlay.
    pub(super) fn same_overlay(&self, other: &Self) -> bool {
        self.boxes == other.boxes
            && self.video.headline() == other.video.headline()
            && self.video.reason() == other.video.reason()
            && self.analysis == other.analysis
            && self.recording == other.recording
            && self.title == other.title
            && self.rates == other.rates
            && self.unsynchronised == other.unsynchronised
            && self.corner == other.corner
    }

    /// Whether an old picture is shown dimmed.
    pub(super) fn is_dimmed(&self) -> bool {
        self.picture.is_some() && !matches!(self.video, Video::Live)
    }
}

/// Tolerance in pixels for rounding errors of fractions, so that an edge on a whole pixel stays there.
const ROUNDING: f32 = 1e-3;

impl ContentBox {
    /// Rounds edges outwards to whole pixels, so that a box encloses its object.
    pub(super) fn of(found: &DrawnBox, placement: &Placement) -> Self {
        let [left, top, right, bottom] = found.corners;
        let (left, top) = placement.to_tile(left, top);
        let (right, bottom) = placement.to_tile(right, bottom);
        let rect = Rect::from_edges(
            (left + ROUNDING).floor() as i32,
            (top + ROUNDING).floor() as i32,
            (right - ROUNDING).ceil() as i32,
            (bottom - ROUNDING).ceil() as i32,
        );
        let track = found
            .tracker_id
            .map_or_else(String::new, |id| format!(" #{id}"));
        Self {
            rect: rect.intersection(&placement.rect),
            label: format!(
                "{}{track} {:.0}%",
                found.class_name,
                found.confidence * 100.0
            ),
            class_name: found.class_name.clone(),
            dashed: found.dashed,
        }
    }
}

fn rates(camera: &Camera, camera_state: &CameraState, settings: &WallSettings) -> Option<String> {
    let fps = camera
        .fps()
        .filter(|_| camera_state.is_live() && settings.display_fps)
        .map(|fps| {
            if fps < 9.5 {
                format!("{fps:.1} fps")
            } else {
                format!("{fps:.0} fps")
            }
        });
    let latency = camera
        .last_event()
        .filter(|_| camera_state.has_latency() && settings.display_latency)
        .and_then(|(_, event)| event.latency_ms)
        // Rounded to 10 ms, because nobody can read digits that change faster.
        .map(|latency_ms| match latency_ms {
            ..10.0 => format!("{latency_ms:.0} ms"),
            _ => format!("{:.0} ms", (latency_ms / 10.0).round() * 10.0),
        });
    let words: Vec<String> = fps.into_iter().chain(latency).collect();
    (!words.is_empty()).then(|| words.join("  "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Size;
    use crate::config::Fit;

    #[test]
    fn a_box_encloses_its_object_and_not_a_pixel_more() {
        let size = Size::new(640, 360);
        let placement = Placement::new(size, size, Fit::Contain);
        let edges = |corners: [f32; 4]| {
            let [left, top, right, bottom] = corners;
            let found = DrawnBox {
                corners: [left / 640.0, top / 360.0, right / 640.0, bottom / 360.0],
                class_name: "person".into(),
                confidence: 0.5,
                tracker_id: None,
                dashed: false,
            };
            ContentBox::of(&found, &placement).rect
        };
        for left in 0..600 {
            let rect = edges([left as f32, 7.0, left as f32 + 13.0, 77.0]);
            assert_eq!(rect, Rect::new(left, 7, 13, 70));
        }
        assert_eq!(
            edges([10.1, 20.9, 30.1, 40.9]),
            Rect::from_edges(10, 20, 31, 41)
        );
    }
}

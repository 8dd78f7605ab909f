//! Footage with the tracked boxes of a detector in every frame.

use std::time::Duration;

use nvr::base::{Size, models_dirs};
use nvr::config::{Backend, ModelChoice, OpenVinoPrecision};
use nvr::detect::{
    Canvas, DetectorRequest, Letterboxer, ModelStore, Parallelism, Thresholds, open,
};
use nvr::track::{Tracker, TrackerSettings};

use crate::film::{Film, Object};
use crate::frames::{asset, frames};

const MODEL: &str = "yolo12n-640";
/// The processor's defaults.
const CONFIDENCE: f32 = 0.5;
const IOU: f32 = 0.45;

/// Detects and tracks every frame of a file that set-up fetched.
pub(crate) fn film(file: &str, fps: u32) -> Film {
    let wanted = DetectorRequest {
        model: ModelChoice::Named(MODEL.to_owned()),
        backend: Backend::Auto,
        openvino_precision: OpenVinoPrecision::F32,
        parallelism: Parallelism {
            threads: None,
            lanes: Some(1),
            ..Parallelism::default()
        },
        scripted_delay: Duration::ZERO,
    };
    let store = ModelStore::new(models_dirs(&[]));
    let mut detector = open(&wanted, &store)
        .expect("a model; run `make setup`")
        .detector;
    let settings = TrackerSettings::for_confidence(CONFIDENCE);
    let thresholds = Thresholds {
        confidence: settings.low_confidence,
        iou: IOU,
    };
    let mut letterboxer = Letterboxer::new(detector.input_size(), detector.padding());
    let (mut canvas, mut tracker) = (Canvas::default(), Tracker::new(settings));
    let mut film = Film {
        size: Size::new(0, 0),
        interval: Duration::from_secs(1) / fps,
        frames: Vec::new(),
    };
    for (number, frame) in (0..).zip(frames(&asset(&format!("footage/{file}")), 1)) {
        film.size = frame.meta.size;
        let picture = letterboxer
            .draw(&frame, &mut canvas)
            .expect("pixels in memory");
        let found = detector
            .detect(&[picture], thresholds)
            .expect("an inference")
            .remove(0);
        let tracks = tracker.update(film.interval * number, &found);
        let published = found.into_iter().zip(tracks);
        let objects = published.filter(|(found, _)| found.confidence >= CONFIDENCE);
        film.frames.push(
            objects
                .filter_map(|(found, track)| {
                    Some(Object {
                        track: track?,
                        class_name: found.class_name,
                        bbox: found.bbox,
                    })
                })
                .collect(),
        );
    }
    film
}

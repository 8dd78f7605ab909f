//! What tiny networks find, frames to find it in, and their installation.

use std::path::Path;

use nvr::base::{BBox, Frame, OwnedPixels, PixelFormat, Size};
use nvr::detect::{Canvas, Detection, Letterboxer, LoadedDetector, Thresholds};

use super::onnx::{TinyNetwork, TinyObject};
use super::process::nvr;

/// A van that is seen in any light, and a person that is seen in good light only.
pub(crate) const OBJECTS: [TinyObject; 2] = [
    TinyObject {
        bbox: BBox {
            x: 24.0,
            y: 32.0,
            width: 16.0,
            height: 24.0,
        },
        class: 1,
        score: [0.875, 0.875],
    },
    TinyObject {
        bbox: BBox {
            x: 72.0,
            y: 40.0,
            width: 12.0,
            height: 16.0,
        },
        class: 0,
        score: [0.0, 0.75],
    },
];

/// Installs `network` as the model `tiny` in `folder`/models, by `nvr model import`.
pub(crate) fn install(network: &TinyNetwork, folder: &Path) {
    let file = folder.join("tiny.onnx");
    std::fs::write(&file, network.onnx()).expect("written");
    let mut import = nvr();
    import.arg("model").arg("--models-dir");
    import.arg(folder.join("models")).arg("import").arg(file);
    import.args(["--id", "tiny", "--labels", "person,van"]);
    assert!(import.status().expect("it runs").success());
}

/// A frame of one brightness, white at 1.
pub(crate) fn lit(size: Size, brightness: f32) -> Frame {
    let (width, pixels) = (size.width as usize, (size.width * size.height) as usize);
    let luma = (16.0 + 219.0 * brightness) as u8;
    let chroma = || (vec![128; pixels / 4], width / 2);
    let planes = vec![(vec![luma; pixels], width), chroma(), chroma()];
    Frame::untimed(size, OwnedPixels::from_planes(PixelFormat::I420, planes))
}

pub(crate) fn see(opened: &mut LoadedDetector, frame: &Frame) -> Vec<Detection> {
    let mut canvas = Canvas::default();
    let mut letterboxer = Letterboxer::new(opened.detector.input_size(), opened.detector.padding());
    let picture = letterboxer.draw(frame, &mut canvas).expect("a picture");
    let thresholds = Thresholds {
        confidence: 0.25,
        iou: 0.45,
    };
    let mut found = opened
        .detector
        .detect(&[picture], thresholds)
        .expect("an inference");
    found.remove(0)
}

pub(crate) fn assert_sees(found: &[Detection], wanted: &[(&str, f32, [f32; 4])]) {
    assert_eq!(found.len(), wanted.len(), "{found:?}");
    for (found, (class_name, confidence, corners)) in found.iter().zip(wanted) {
        assert_eq!(&*found.class_name, *class_name);
        assert!((found.confidence - confidence).abs() < 0.01, "{found:?}");
        for (edge, wanted) in found.bbox.corners().iter().zip(corners) {
            assert!((edge - wanted).abs() < 0.01, "{found:?}");
        }
    }
}

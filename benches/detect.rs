//! The steps from a decoded frame to its detections, each on one thread, and one inference per engine.
//!
//! `cargo bench --bench detect`; the inferences need the weights that `make setup` fetches and are left out without them.

use std::time::Duration;

use divan::Bencher;
use nvr::base::{Frame, Letterbox, OwnedPixels, PixelFormat, Size, models_dirs};
use nvr::config::{Backend, ModelChoice, OpenVinoPrecision};
use nvr::detect::{
    Canvas, ColorOrder, Decoder, DetectorRequest, Input, Layout, Letterboxer, ModelStore,
    Normalize, OutputFormat, OutputTensor, PADDING, Parallelism, Picture, TensorFill, Thresholds,
    open,
};

const INPUT: Size = Size::new(640, 640);

fn main() {
    divan::main();
}

fn noise(format: PixelFormat, size: Size) -> Frame {
    let mut random = fastrand::Rng::with_seed(1);
    let (width, height) = (size.width as usize, size.height as usize);
    let mut plane = |width: usize, height: usize| {
        let mut bytes = vec![0; width * height];
        random.fill(&mut bytes);
        (bytes, width)
    };
    let planes = match format {
        PixelFormat::I420 => [
            plane(width, height),
            plane(width / 2, height / 2),
            plane(width / 2, height / 2),
        ],
        PixelFormat::Nv12 => [plane(width, height), plane(width, height / 2), plane(0, 0)],
        PixelFormat::Rgb => [plane(3 * width, height), plane(0, 0), plane(0, 0)],
    };
    Frame::untimed(size, OwnedPixels::from_planes(format, planes.into()))
}

/// One frame to one picture. Limit: a 1280x720 frame well below 1.5 ms.
#[divan::bench(args = [
    (PixelFormat::I420, Size::new(1280, 720)),
    (PixelFormat::Nv12, Size::new(1280, 720)),
    (PixelFormat::I420, Size::new(1920, 1080)),
    (PixelFormat::I420, Size::new(768, 576)),
    (PixelFormat::I420, Size::new(640, 360)),
    (PixelFormat::Nv12, Size::new(640, 360)),
    (PixelFormat::Rgb, Size::new(1280, 720)),
].map(Named))]
fn letterbox(bencher: Bencher<'_, '_>, Named((format, size)): Named) {
    let frame = noise(format, size);
    let (mut letterboxer, mut canvas) = (Letterboxer::new(INPUT, PADDING), Canvas::default());
    bencher.bench_local(|| {
        let picture = letterboxer.draw(&frame, &mut canvas).expect("host pixels");
        divan::black_box(picture.rgb[0]);
    });
}

#[derive(Clone, Copy)]
struct Named((PixelFormat, Size));

impl std::fmt::Display for Named {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?} {}", self.0.0, self.0.1)
    }
}

fn usual_input() -> Input {
    Input {
        name: None,
        width: INPUT.width,
        height: INPUT.height,
        layout: Layout::Nchw,
        color_order: ColorOrder::Rgb,
        normalize: Normalize::default(),
        resize: Default::default(),
        padding: PADDING,
    }
}

/// 640x640 bytes to floats.
#[divan::bench]
fn tensor_fill(bencher: Bencher<'_, '_>) {
    let fill = TensorFill::new(&usual_input());
    let picture = vec![7; 640 * 640 * 3];
    let mut tensor = vec![0.0; picture.len()];
    bencher.bench_local(|| fill.fill(divan::black_box(&picture), &mut tensor));
}

/// An output of an ordinary scene: 8400 boxes of which some hundred are candidates for 20 objects.
#[divan::bench(args = [OutputFormat::Yolov8, OutputFormat::Yolox])]
fn decode_and_nms(bencher: Bencher<'_, '_>, format: OutputFormat) {
    let mut random = fastrand::Rng::with_seed(1);
    let (boxes, classes) = (8400, 80);
    let shape = match format {
        OutputFormat::Yolov8 => [1, 4 + classes, boxes],
        _ => [1, boxes, 5 + classes],
    };
    let mut data: Vec<f32> = (0..shape[1] * shape[2])
        .map(|_| random.f32() * 0.05)
        .collect();
    for candidate in 0..160 {
        let (index, class) = (random.usize(..boxes), candidate % 2);
        let values = [random.f32(), random.f32(), 40.0, 90.0];
        for (row, value) in values.into_iter().enumerate() {
            match format {
                OutputFormat::Yolov8 => data[row * boxes + index] = value * 600.0,
                _ => data[index * (5 + classes) + row] = value.min(4.0),
            }
        }
        match format {
            OutputFormat::Yolov8 => data[(4 + class) * boxes + index] = 0.3 + random.f32() * 0.6,
            _ => {
                data[index * (5 + classes) + 4] = 0.9;
                data[index * (5 + classes) + 5 + class] = 0.4 + random.f32() * 0.6;
            }
        }
    }
    let mut decoder = Decoder::new(&format.into(), INPUT, classes);
    decoder.check("bench", &[&shape]).expect("the right shape");
    let mut found = Vec::new();
    bencher.bench_local(|| {
        let output = OutputTensor {
            shape: &shape,
            numbers: divan::black_box(&data),
        };
        decoder.decode(&[output], 0.1, 0.45, &mut found);
    });
}

/// YOLO12n at 640x640 and 320x320 with one thread and with two: tensor, network, decoding.
#[divan::bench(sample_count = 20, sample_size = 1, args = [
    (Backend::Onnxruntime, "yolo12n-640", 1),
    (Backend::Onnxruntime, "yolo12n-640", 2),
    (Backend::Onnxruntime, "yolo12n-320", 1),
    (Backend::Rten, "yolo12n-640", 1),
    (Backend::Rten, "yolo12n-640", 2),
    (Backend::Rten, "yolo12n-320", 1),
].map(Engine))]
fn inference(bencher: Bencher<'_, '_>, Engine((backend, model, threads)): Engine) {
    let wanted = DetectorRequest {
        model: ModelChoice::Named(model.to_owned()),
        backend,
        openvino_precision: OpenVinoPrecision::F32,
        parallelism: Parallelism {
            threads: Some(threads),
            lanes: Some(1),
            ..Parallelism::default()
        },
        scripted_delay: Duration::ZERO,
    };
    // Without weights or library there is nothing to measure.
    let Ok(mut opened) = open(&wanted, &ModelStore::new(models_dirs(&[]))) else {
        return;
    };
    let size = opened.detector.input_size();
    let rgb = vec![PADDING; (3 * size.width * size.height) as usize];
    let picture = Picture {
        rgb: &rgb,
        letterbox: Letterbox::fit(size, size),
    };
    let thresholds = Thresholds {
        confidence: 0.1,
        iou: 0.45,
    };
    bencher.bench_local(|| {
        opened
            .detector
            .detect(&[picture], thresholds)
            .expect("an inference")
    });
}

#[derive(Clone, Copy)]
struct Engine((Backend, &'static str, usize));

impl std::fmt::Display for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (backend, model, threads) = self.0;
        write!(f, "{backend:?} {model} {threads}t")
    }
}

//! `nvr model try`: draws what a model finds in a picture.
//!
//! The picture takes the way of a frame in a processor, so that the result is what a processor would find.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{anyhow, bail};
use clap::builder::{PathBufValueParser, TypedValueParser};
use clap::{Args, ValueHint};
use serde::Serialize;

use super::form::Form;
use super::out;
use super::picture_output::{PictureOutput, picture_output};
use crate::base::Frame;
use crate::config::{Backend, ModelChoice, OpenVinoPrecision};
use crate::detect::{
    Canvas, Detection, DetectorRequest, Labels, Letterboxer, LoadedDetector, ModelStore,
    Parallelism, Product, REFERENCE_PICTURE, Thresholds, open,
};
use crate::event::DetectedObject;
use crate::media::StillImage;
use crate::render::annotate;
use crate::role::nearest_class;

/// Options of `nvr model try`.
#[derive(Debug, Args)]
pub(super) struct TryArgs {
    /// Id of the model
    id: String,
    /// The picture, a JPEG or PNG file [default: a built-in one of a person, a cat, a cup and a table]
    #[arg(value_hint = ValueHint::FilePath)]
    picture: Option<PathBuf>,
    /// Draw the detections on the picture and write it to this file; its name ends in .png, .jpg or .jpeg
    #[arg(
        long,
        short,
        value_name = "FILE",
        value_hint = ValueHint::FilePath,
        value_parser = PathBufValueParser::new().try_map(picture_output)
    )]
    output: Option<PictureOutput>,
    /// Minimum confidence of a detection, 0 to 1
    #[arg(long, value_name = "0-1", default_value_t = 0.25, value_parser = fraction)]
    confidence: f32,
    /// Overlap (IoU) above which the weaker of two boxes of a class is dropped, 0 to 1
    #[arg(long, value_name = "0-1", default_value_t = 0.45, value_parser = fraction)]
    iou: f32,
    /// Classes to report, separated by commas [default: all]
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    classes: Vec<String>,
    /// Inference backend
    #[arg(long, value_enum, default_value_t)]
    backend: Backend,
    /// Threads of the CPU backends [default: number of cores]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=256))]
    threads: Option<u32>,
    /// Output format
    #[arg(long, value_enum, default_value_t)]
    format: Form,
}

/// The result, as JSON shows it.
#[derive(Debug, Serialize)]
struct Findings<'a> {
    model: &'a str,
    backend: &'a str,
    width: u32,
    height: u32,
    inference_ms: f64,
    detections: Vec<DetectedObject>,
}

pub(super) fn try_model(store: &ModelStore, args: &TryArgs) -> anyhow::Result<()> {
    if args.backend == Backend::None {
        bail!("--backend none finds nothing; omit the option to use the fastest backend");
    }
    let image = picture(args)?;
    // Before the model is loaded, which takes seconds.
    if let Some(output) = &args.output {
        output.check(args.picture.as_deref())?;
    }
    let mut opened = loaded(store, args)?;
    check_classes(&args.classes, &opened.model_id, &opened.labels)?;
    let thresholds = Thresholds {
        confidence: args.confidence,
        iou: args.iou,
    };
    let (found, took) = detect(&mut opened, &image, thresholds)?;
    let size = image.size;
    let findings = Findings {
        model: &opened.model_id,
        backend: opened.backend,
        width: size.width,
        height: size.height,
        inference_ms: (took.as_secs_f64() * 1e5).round() / 1e2,
        detections: found
            .into_iter()
            .filter(|found| args.is_wanted(&found.class_name))
            .map(|found| DetectedObject {
                class_name: found.class_name,
                confidence: found.confidence,
                bbox: found.bbox,
                tracker_id: None,
            })
            .collect(),
    };
    match args.format {
        Form::Json => out::line(serde_json::to_string_pretty(&findings)?),
        Form::Text => print(&findings, args),
    }
    if let Some(output) = &args.output {
        let mut rgb = image
            .into_square_pixels()
            .map_err(|error| anyhow!("picture {} {error}", args.shown()))?;
        annotate(&mut rgb, size, &findings.detections);
        output.write(&rgb)?;
        if args.format == Form::Text {
            out::line(format_args!("drawn in {}", output.path().display()));
        }
    }
    Ok(())
}

impl TryArgs {
    fn shown(&self) -> String {
        match &self.picture {
            Some(path) => path.display().to_string(),
            None => "built in".to_owned(),
        }
    }

    fn is_wanted(&self, class_name: &str) -> bool {
        self.classes.is_empty() || self.classes.iter().any(|class| class == class_name)
    }
}

/// The picture in which the model is tried.
fn picture(args: &TryArgs) -> anyhow::Result<StillImage> {
    let Some(path) = &args.picture else {
        return StillImage::decode(REFERENCE_PICTURE)
            .map_err(|error| anyhow!("the built-in picture {error}"));
    };
    if path.as_os_str() == "-" {
        bail!("`-` is no picture: standard input is not read; name a JPEG or PNG file");
    }
    StillImage::read(path).map_err(|error| {
        let remedy = match error.code() {
            "not-found" => "; name a JPEG or PNG file that exists",
            "permission" => "; make it readable for this user",
            _ => "",
        };
        anyhow!("picture {}: {error}{remedy}", path.display())
    })
}

fn loaded(store: &ModelStore, args: &TryArgs) -> anyhow::Result<LoadedDetector> {
    let wanted = DetectorRequest {
        model: ModelChoice::Named(args.id.clone()),
        backend: args.backend,
        openvino_precision: OpenVinoPrecision::F32,
        parallelism: Parallelism {
            threads: args.threads.map(|threads| threads as usize),
            lanes: Some(1),
            has_many_sources: false,
        },
        scripted_delay: Duration::ZERO,
    };
    let opened = open(&wanted, store)?;
    // A processor would use another backend until the engine is built.
    if Product::of_backend(args.backend).is_some()
        && let Some(upgrade) = &opened.upgrade
    {
        bail!("{}", upgrade.reason());
    }
    Ok(opened)
}

/// Refuses classes that the model does not have: nothing would ever be reported for them.
fn check_classes(classes: &[String], model: &str, labels: &Labels) -> anyhow::Result<()> {
    for class in classes {
        if labels.iter().any(|label| **label == **class) {
            continue;
        }
        match nearest_class(class, labels.iter().map(|label| &**label)) {
            Some(nearest) => {
                bail!("--classes: {model} has no class `{class}`; did you mean `{nearest}`?")
            }
            None => bail!(
                "--classes: {model} has no class `{class}`; `nvr model show {model}` shows its classes"
            ),
        }
    }
    Ok(())
}

/// Detects as a processor does. Gives the detections and the duration of the inference.
fn detect(
    opened: &mut LoadedDetector,
    image: &StillImage,
    thresholds: Thresholds,
) -> anyhow::Result<(Vec<Detection>, Duration)> {
    let frame = Frame::untimed(image.size, image.pixels());
    let detector = &mut opened.detector;
    let mut canvas = Canvas::default();
    let mut letterboxer = Letterboxer::new(detector.input_size(), detector.padding());
    let picture = letterboxer.draw(&frame, &mut canvas)?;
    let started = Instant::now();
    let found = detector.detect(&[picture], thresholds)?;
    let took = started.elapsed();
    Ok((found.into_iter().flatten().collect(), took))
}

fn print(findings: &Findings<'_>, args: &TryArgs) {
    for object in &findings.detections {
        out::line(described(object));
    }
    let Findings { model, backend, .. } = findings;
    let by = format!(
        "by {model} with {backend} in {:.1} ms",
        findings.inference_ms
    );
    match findings.detections.len() {
        0 => {
            let of_these = match args.classes.is_empty() {
                true => "",
                false => " of these classes",
            };
            out::line(format_args!(
                "nothing{of_these} found with a confidence of {} or more, {by}; lower --confidence, or see with `nvr model show \
                 {model}` which classes it detects",
                args.confidence
            ));
        }
        1 => out::line(format_args!("1 detection {by}")),
        count => out::line(format_args!("{count} detections {by}")),
    }
}

/// `person 0.93 at 120,40 80x200`: the left top corner and the size in whole pixels.
fn described(object: &DetectedObject) -> String {
    let [left, top, ..] = object.bbox.corners();
    let [left, top, width, height] =
        [left, top, object.bbox.width, object.bbox.height].map(|length| length.round() as i32);
    format!(
        "{} {:.2} at {left},{top} {width}x{height}",
        object.class_name, object.confidence
    )
}

fn fraction(text: &str) -> Result<f32, String> {
    let fraction = text
        .parse()
        .ok()
        .filter(|fraction| (0.0..=1.0).contains(fraction));
    fraction.ok_or_else(|| format!("must be a number from 0 to 1, got {text}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::BBox;

    #[test]
    fn a_detection_has_its_corner_and_its_size_in_whole_pixels() {
        let object = |bbox| DetectedObject {
            class_name: "person".into(),
            confidence: 0.926,
            bbox,
            tracker_id: None,
        };
        let bbox = BBox::from_corners(119.6, 40.4, 200.0, 240.2);
        assert_eq!(described(&object(bbox)), "person 0.93 at 120,40 80x200");
        let at_edge = BBox::from_corners(-0.0, 0.0, 9.5, 3.0);
        assert_eq!(described(&object(at_edge)), "person 0.93 at 0,0 10x3");
    }

    #[test]
    fn thresholds_are_fractions() {
        assert_eq!(fraction("0.25"), Ok(0.25));
        for wrong in ["-0.1", "1.5", "NaN", "25%", ""] {
            assert_eq!(
                fraction(wrong),
                Err(format!("must be a number from 0 to 1, got {wrong}"))
            );
        }
    }

    #[test]
    fn a_class_that_the_model_does_not_have_is_refused() {
        let labels: Labels = ["person", "car"].map(Into::into).into();
        let told = |class: &str| check_classes(&[class.to_owned()], "tiny", &labels);
        assert!(told("car").is_ok());
        for (class, message) in [
            (
                "persn",
                "--classes: tiny has no class `persn`; did you mean `person`?",
            ),
            (
                "forklift",
                "--classes: tiny has no class `forklift`; `nvr model show tiny` shows its classes",
            ),
        ] {
            let error = told(class).expect_err("not a class").to_string();
            assert_eq!(error, message);
        }
    }
}

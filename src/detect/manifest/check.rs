//! The checks of a manifest: every problem with its key, in the order of the parts.
//!
//! Runs on the thread that reads the manifest; looks at the text only, not at the files that it names.

use super::{LabelFile, LabelSource, Manifest, Normalize, OutputFormat, is_onnx, plain_path};

/// The largest accepted width and height of an input.
const LARGEST_SIDE: u32 = 8192;

/// The problems so far.
#[derive(Default)]
struct Problems(Vec<String>);

impl Problems {
    fn refuse(&mut self, wrong: bool, problem: String) {
        if wrong {
            self.0.push(problem);
        }
    }
}

impl Manifest {
    /// All problems, each with its key.
    pub(in crate::detect) fn problems(&self) -> Vec<String> {
        let mut problems = Problems::default();
        self.check_files(&mut problems);
        self.check_size(&mut problems);
        self.check_normalize(&mut problems);
        self.check_labels(&mut problems);
        self.check_output(&mut problems);
        problems.0
    }

    fn check_files(&self, problems: &mut Problems) {
        for (index, file) in self.files.iter().enumerate() {
            problems.refuse(
                plain_path(&file.name).as_ref() != Some(&file.name),
                format!(
                    "files[{index}].name: must be a path below the model's directory, without `.` and `..`, got `{}`",
                    file.name
                ),
            );
            problems.refuse(
                file.sha256.len() != 64 || !file.sha256.bytes().all(|b| b.is_ascii_hexdigit()),
                format!(
                    "files[{index}].sha256: must be 64 hexadecimal digits, got `{}`",
                    file.sha256
                ),
            );
            problems.refuse(
                self.files[..index]
                    .iter()
                    .any(|other| other.name == file.name),
                format!("files[{index}].name: `{}` is listed twice", file.name),
            );
        }
        let graphs = self.files.iter().filter(|file| is_onnx(&file.name)).count();
        problems.refuse(
            graphs != 1,
            format!("files: must have exactly one file ending in .onnx, got {graphs}"),
        );
    }

    fn check_size(&self, problems: &mut Problems) {
        for (key, side) in [("width", self.input.width), ("height", self.input.height)] {
            problems.refuse(
                !(1..=LARGEST_SIDE).contains(&side),
                format!("input.{key}: must be 1 to {LARGEST_SIDE}, got {side}"),
            );
        }
        if self.output.format == OutputFormat::Yolox {
            for (key, side) in [("width", self.input.width), ("height", self.input.height)] {
                problems.refuse(
                    side % 32 != 0,
                    format!("input.{key}: must be a multiple of 32 for yolox, got {side}"),
                );
            }
        }
    }

    fn check_normalize(&self, problems: &mut Problems) {
        if let Normalize::Custom(custom) = &self.input.normalize {
            problems.refuse(
                !(custom.scale.is_finite() && custom.scale > 0.0),
                format!(
                    "input.normalize.scale: must be above 0, got {}",
                    custom.scale
                ),
            );
            for channel in 0..3 {
                let (mean, std) = (custom.mean[channel], custom.std[channel]);
                problems.refuse(
                    !mean.is_finite(),
                    format!("input.normalize.mean[{channel}]: must be a number, got {mean}"),
                );
                problems.refuse(
                    !(std.is_finite() && std > 0.0),
                    format!("input.normalize.std[{channel}]: must be above 0, got {std}"),
                );
            }
        }
    }

    fn check_output(&self, problems: &mut Problems) {
        let output = &self.output;
        let is_detr = output.format == OutputFormat::Detr;
        for (key, is_set) in [
            ("scores", output.scores.is_some()),
            ("activation", output.activation.is_some()),
        ] {
            problems.refuse(
                is_set && !is_detr,
                format!(
                    "output.{key}: only the format detr has it, and the format is {}",
                    output.format
                ),
            );
        }
        problems.refuse(
            is_detr && output.scores.is_some() && output.scores == output.name,
            "output.scores: must be another tensor than output.name".to_owned(),
        );
    }

    fn check_labels(&self, problems: &mut Problems) {
        match &self.labels {
            LabelSource::Known(_) => {}
            LabelSource::Inline(names) => {
                problems.refuse(
                    names.is_empty(),
                    "labels: must name at least one class".to_owned(),
                );
                for (index, name) in names.iter().enumerate() {
                    problems.refuse(
                        name.trim().is_empty(),
                        format!("labels[{index}]: must not be empty"),
                    );
                }
            }
            LabelSource::File(LabelFile { file }) => problems.refuse(
                !self.files.iter().any(|known| known.name == *file),
                format!("labels.file: `{file}` must be in files too, with its sha256"),
            ),
        }
    }
}

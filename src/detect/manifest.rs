//! The description of a model: its files and their hashes, its input, the format of its output, its labels.
//!
//! A manifest is `models/<id>/model.toml`. Unknown keys are refused; every problem is reported at once (`check`).
//! Read on the thread that loads the model; nothing is kept of a manifest with problems.

mod check;

use std::path::{Component, Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::labels::coco91;
use super::types::PADDING;
use super::{COCO80, DetectError};
use crate::base::Size;

/// A model's manifest, checked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// A description for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The licence of its weights.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub license: Option<String>,
    /// The origin of its weights: a URL, or a package and file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// Names of its classes.
    pub labels: LabelSource,
    /// Its files; exactly one of them is an ONNX graph, the others are its labels and its weights.
    pub files: Vec<ModelFile>,
    /// Its input tensor.
    pub input: Input,
    /// Its output tensor.
    pub output: Output,
}

/// Where class names are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    untagged,
    expecting = "expected \"coco80\", \"coco91\", a list of names, or { file = \"labels.txt\" }"
)]
pub enum LabelSource {
    /// A list that the program knows: `coco80` or `coco91`.
    Known(KnownLabels),
    /// In the manifest.
    Inline(Vec<String>),
    /// In a file beside the weights, one name per line; it must be in `files`, too.
    File(LabelFile),
}

/// Known lists of labels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KnownLabels {
    /// [`COCO80`].
    Coco80,
    /// The same classes by COCO's own numbers, which begin at 1 and have gaps, with `n/a` in these.
    Coco91,
}

impl KnownLabels {
    /// The names.
    pub fn names(self) -> Vec<String> {
        match self {
            Self::Coco80 => COCO80.map(str::to_owned).to_vec(),
            Self::Coco91 => coco91(),
        }
    }
}

/// A file of labels.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LabelFile {
    /// Its name, beside the weights.
    pub file: String,
}

/// One of a model's files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelFile {
    /// Its name; with folders below the model's directory if it is in one.
    pub name: String,
    /// SHA-256 of its content, 64 hexadecimal digits.
    pub sha256: String,
    /// Its length.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
}

/// A model's input tensor.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// Its name in the graph; the graph's only input if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// Order of its axes; `nchw` by default.
    #[serde(default)]
    pub layout: Layout,
    /// Order of its channels; `rgb` by default.
    #[serde(default)]
    pub color_order: ColorOrder,
    /// The conversion of a byte; `0-1` by default.
    #[serde(default)]
    pub normalize: Normalize,
    /// How a frame of another shape is scaled; `letterbox` by default.
    #[serde(default, skip_serializing_if = "Resize::is_letterbox")]
    pub resize: Resize,
    /// The grey around a letterboxed frame, 0–255; 114 by default.
    #[serde(default = "padding")]
    pub padding: u8,
}

impl Input {
    /// The grey around a frame; none if frames are stretched.
    pub fn frame_padding(&self) -> Option<u8> {
        self.resize.is_letterbox().then_some(self.padding)
    }
}

/// How a frame is scaled to the input: as the model was trained.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Resize {
    /// With its shape kept, and grey around it.
    #[default]
    Letterbox,
    /// Over the whole input.
    Stretch,
}

impl Resize {
    fn is_letterbox(&self) -> bool {
        *self == Self::Letterbox
    }
}

/// Order of the input's axes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Layout {
    /// 1 × 3 × height × width.
    #[default]
    Nchw,
    /// 1 × height × width × 3.
    Nhwc,
}

/// Order of the input's channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum ColorOrder {
    /// Red first.
    #[default]
    Rgb,
    /// Blue first.
    Bgr,
}

/// The conversion of a byte of a picture to a number of the input tensor.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(
    untagged,
    expecting = "expected \"0-1\", \"0-255\", \"imagenet\" or { scale, mean, std }"
)]
pub enum Normalize {
    /// A usual range.
    Range(Range),
    /// (byte × scale − mean) ÷ std.
    Custom(Custom),
}

/// Usual ranges of input numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
pub enum Range {
    /// Divided by 255.
    #[serde(rename = "0-1")]
    #[value(name = "0-1")]
    Unit,
    /// As it is.
    #[serde(rename = "0-255")]
    #[value(name = "0-255")]
    Bytes,
    /// Divided by 255, then by the mean and the deviation of each colour in the pictures of ImageNet.
    #[serde(rename = "imagenet")]
    #[value(name = "imagenet")]
    ImageNet,
}

/// Mean and deviation of red, green and blue in ImageNet, between 0 and 1; torchvision's numbers, which others took over.
const IMAGENET: [(f32, f32); 3] = [(0.485, 0.229), (0.456, 0.224), (0.406, 0.225)];

impl std::fmt::Display for Range {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Unit => "0-1",
            Self::Bytes => "0-255",
            Self::ImageNet => "imagenet",
        })
    }
}

/// An input with its own statistics.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Custom {
    /// The factor of a byte; 1/255 by default.
    #[serde(default = "per_byte")]
    pub scale: f32,
    /// Subtracted from each channel, in the order of `color_order`.
    pub mean: [f32; 3],
    /// The divisor of each channel, in the order of `color_order`.
    pub std: [f32; 3],
}

/// A model's output tensor or tensors.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Output {
    /// The name in the graph of the tensor with the boxes; the graph's first output if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The format of its numbers.
    pub format: OutputFormat,
    /// For `detr`: the name of the tensor with the scores; if absent, they are behind each box.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scores: Option<String>,
    /// For `detr`: what makes a probability of a score; nothing by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub activation: Option<Activation>,
}

impl From<OutputFormat> for Output {
    fn from(format: OutputFormat) -> Self {
        Self {
            name: None,
            format,
            scores: None,
            activation: None,
        }
    }
}

/// What makes a probability of a network's score.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Activation {
    /// Each score by itself.
    Sigmoid,
    /// The scores of a box together. The last one stands for "no object" and is no class.
    Softmax,
}

/// The format of an output tensor; boxes are in pixels of the input, unless something else is stated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum OutputFormat {
    /// YOLOv5 and its relatives (v6, v7, YOLOX with `decode_in_inference`): 1 × boxes × (5 + classes), or with these axes
    /// exchanged; x, y, width, height, objectness, then one score per class.
    #[value(name = "yolov5")]
    Yolov5,
    /// YOLOv8 and its relatives (v9, 11, 12): 1 × (4 + classes) × boxes, or with these axes exchanged; x, y, width,
    /// height, then one score per class.
    #[value(name = "yolov8")]
    Yolov8,
    /// YOLOX: 1 × boxes × (5 + classes); centre relative to its cell in grids of strides 8, 16 and 32, logarithm of the
    /// size in strides, objectness, then one score per class.
    #[value(name = "yolox")]
    Yolox,
    /// Networks that remove duplicates themselves (YOLOv10, 26): 1 × boxes × 6; left, top, right, bottom, score, class.
    #[value(name = "end2end")]
    End2end,
    /// YOLOv7 with its duplicates removed in the graph: boxes × 7 or 1 × boxes × 7; number of the picture, left, top,
    /// right, bottom, class, score.
    #[value(name = "end2end7")]
    End2end7,
    /// Networks of queries (DETR, RF-DETR, RT-DETR, D-FINE): 1 × queries × 4, centre and size as shares of the picture,
    /// and 1 × queries × classes in another tensor or behind each box.
    #[value(name = "detr")]
    Detr,
    /// RT-DETR and D-FINE as their own repositories export them: `labels` 1 × boxes, `boxes` 1 × boxes × 4 (left, top,
    /// right, bottom) and `scores` 1 × boxes, in pixels of a second input with the picture's width and height.
    #[value(name = "dfine")]
    Dfine,
}

impl OutputFormat {
    /// Whether the network itself proposes an object only once.
    pub(super) fn removes_duplicates(self) -> bool {
        match self {
            Self::Yolov5 | Self::Yolov8 | Self::Yolox => false,
            Self::End2end | Self::End2end7 | Self::Detr | Self::Dfine => true,
        }
    }
}

impl std::fmt::Display for OutputFormat {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Yolov5 => "yolov5",
            Self::Yolov8 => "yolov8",
            Self::Yolox => "yolox",
            Self::End2end => "end2end",
            Self::End2end7 => "end2end7",
            Self::Detr => "detr",
            Self::Dfine => "dfine",
        })
    }
}

impl Manifest {
    /// Reads and checks the text of the manifest at `path`.
    ///
    /// # Errors
    /// With all problems.
    pub fn parse(text: &str, path: &Path) -> Result<Self, DetectError> {
        let refuse = |problems| DetectError::Manifest {
            path: path.to_owned(),
            problems,
        };
        let raw: Self = toml::Deserializer::parse(text)
            .map_err(|error| refuse(vec![error.message().to_owned()]))
            .and_then(|raw| {
                serde_path_to_error::deserialize(raw).map_err(|error| {
                    refuse(vec![problem_at(
                        &error.path().to_string(),
                        error.inner().message(),
                    )])
                })
            })?;
        let problems = raw.problems();
        if problems.is_empty() {
            Ok(raw)
        } else {
            Err(refuse(problems))
        }
    }

    /// Reads and checks the manifest at `path`.
    ///
    /// # Errors
    /// If it can't be read, or with all problems.
    pub fn read(path: &Path) -> Result<Self, DetectError> {
        let text = std::fs::read_to_string(path).map_err(|error| DetectError::Io {
            action: "read",
            path: path.to_owned(),
            error,
            hint: "",
        })?;
        Self::parse(text.trim_start_matches('\u{feff}'), path)
    }

    /// The size of its input.
    pub fn input_size(&self) -> Size {
        Size::new(self.input.width, self.input.height)
    }

    /// The file that holds the graph.
    pub fn onnx(&self) -> &str {
        self.files
            .iter()
            .map(|file| file.name.as_str())
            .find(|name| is_onnx(name))
            .unwrap_or_default()
    }
}

impl Normalize {
    /// Factor and offset of each channel, in the order of the input's channels, which is `order`: byte × factor +
    /// offset.
    pub fn factors(&self, order: ColorOrder) -> [(f32, f32); 3] {
        match self {
            Self::Range(Range::Unit) => [(per_byte(), 0.0); 3],
            Self::Range(Range::Bytes) => [(1.0, 0.0); 3],
            Self::Range(Range::ImageNet) => {
                let mut channels = IMAGENET.map(|(mean, std)| (per_byte() / std, -mean / std));
                if order == ColorOrder::Bgr {
                    channels.reverse();
                }
                channels
            }
            Self::Custom(Custom { scale, mean, std }) => {
                std::array::from_fn(|channel| (scale / std[channel], -mean[channel] / std[channel]))
            }
        }
    }
}

impl Default for Normalize {
    fn default() -> Self {
        Self::Range(Range::Unit)
    }
}

impl LabelSource {
    /// These names, by the name of a list that the program knows.
    pub(super) fn of(names: &[String]) -> Self {
        [KnownLabels::Coco80, KnownLabels::Coco91]
            .into_iter()
            .find(|known| known.names() == names)
            .map_or_else(|| Self::Inline(names.to_vec()), Self::Known)
    }

    /// The names, or the file that has them.
    pub(super) fn names(&self) -> Result<Vec<String>, PathBuf> {
        match self {
            Self::Known(known) => Ok(known.names()),
            Self::Inline(names) => Ok(names.clone()),
            Self::File(LabelFile { file }) => Err(file.into()),
        }
    }
}

/// A parse error with its key; a missing format is not guessed.
fn problem_at(path: &str, message: &str) -> String {
    let message = message.trim_end();
    if path == "output" && message == "missing field `format`" {
        format!(
            "{path}: {message}; it is yolov5, yolov8, yolox, end2end, end2end7, detr or dfine, and the tensor's shape alone \
             does not tell"
        )
    } else {
        format!("{path}: {message}")
    }
}

fn is_onnx(name: &str) -> bool {
    Path::new(name)
        .extension()
        .is_some_and(|extension| extension.eq_ignore_ascii_case("onnx"))
}

fn padding() -> u8 {
    PADDING
}

fn per_byte() -> f32 {
    1.0 / 255.0
}

/// `location` without redundant steps; none if it leads out of its directory.
pub(super) fn plain_path(location: &str) -> Option<String> {
    if location.chars().any(char::is_control) {
        return None;
    }
    let mut parts = Vec::new();
    for part in Path::new(location).components() {
        match part {
            Component::Normal(part) => parts.push(part.to_str()?),
            Component::CurDir => {}
            Component::ParentDir | Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    (!parts.is_empty()).then(|| parts.join("/"))
}

#[cfg(test)]
#[path = "manifest_tests.rs"]
mod tests;

//! The part of a manifest about the output tensors: what their numbers are.

use serde::{Deserialize, Serialize};

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
    pub(in crate::detect) fn removes_duplicates(self) -> bool {
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

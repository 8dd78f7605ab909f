//! The part of a manifest about the input tensor: how a frame becomes numbers.

use serde::{Deserialize, Serialize};

use super::super::types::PADDING;

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

fn padding() -> u8 {
    PADDING
}

fn per_byte() -> f32 {
    1.0 / 255.0
}

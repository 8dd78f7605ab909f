//! Converts bytes to the floats of a network's input, in a buffer that is reused for every frame.

use nvr_pixels::{Normalization, rgb_to_interleaved, rgb_to_planes};

use super::manifest::{ColorOrder, Input, Layout};

/// Fills input tensors as a manifest describes.
#[derive(Debug)]
pub struct TensorFill {
    layout: Layout,
    color_order: ColorOrder,
    /// Of red, green and blue.
    colors: [Normalization; 3],
}

impl TensorFill {
    /// For inputs as described by `input`.
    pub fn new(input: &Input) -> Self {
        let factors = input.normalize.factors(input.color_order);
        let colors = std::array::from_fn(|color| {
            // The factors are in the order of the tensor's channels.
            let (factor, offset) = match input.color_order {
                ColorOrder::Rgb => factors[color],
                ColorOrder::Bgr => factors[2 - color],
            };
            Normalization { factor, offset }
        });
        Self {
            layout: input.layout,
            color_order: input.color_order,
            colors,
        }
    }

    /// Writes the RGB picture `rgb` into `tensor`, which has one number for each byte of the picture.
    pub fn fill(&self, rgb: &[u8], tensor: &mut [f32]) {
        match self.layout {
            Layout::Nchw => self.planes(rgb, tensor),
            Layout::Nhwc => {
                let is_bgr = self.color_order == ColorOrder::Bgr;
                rgb_to_interleaved(rgb, tensor, self.colors, is_bgr);
            }
        }
    }

    fn planes(&self, rgb: &[u8], tensor: &mut [f32]) {
        let (first, rest) = tensor.split_at_mut(rgb.len() / 3);
        let (second, third) = rest.split_at_mut(rgb.len() / 3);
        let mut planes = [first, second, third];
        if self.color_order == ColorOrder::Bgr {
            planes.swap(0, 2);
        }
        rgb_to_planes(rgb, planes, self.colors);
    }
}

/// An output of a run.
#[derive(Debug, Clone, Copy)]
pub struct OutputTensor<'a> {
    /// Its dimensions.
    pub shape: &'a [usize],
    /// Its numbers, the last axis first. Whole numbers are converted; class numbers stay exact.
    pub numbers: &'a [f32],
}

/// A tensor of a graph, as its file describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TensorInfo {
    /// Its name.
    pub(super) name: String,
    /// Its element type, as the engine names it.
    pub(super) element: String,
    /// Whether it is fed or read as 32-bit floats, also if the engine converts them to 16 bits. True if the engine does
    /// not know.
    pub(super) is_f32: bool,
    /// Whether it has whole numbers of 32 or 64 bits.
    pub(super) is_integer: bool,
    /// Its dimensions, `None` for those that only a run gives. None at all if their number is not known.
    pub(super) dims: Option<Vec<Option<usize>>>,
}

impl TensorInfo {
    /// Its dimensions, if all are known.
    pub(super) fn shape(&self) -> Option<Vec<usize>> {
        self.dims.as_ref()?.iter().copied().collect()
    }

    /// Whether it is the second input of some networks: the picture's width and height.
    pub(super) fn takes_size(&self) -> bool {
        let fits = |dims: &[Option<usize>]| matches!(dims, [None | Some(1), None | Some(2)]);
        self.is_integer && self.dims.as_deref().is_none_or(fits)
    }
}

#[cfg(test)]
mod tests {
    use super::super::manifest::{Custom, Normalize, Range};
    use super::*;

    const TWO_PIXELS: [u8; 6] = [255, 0, 51, 10, 20, 30];

    fn filled(layout: Layout, color_order: ColorOrder, normalize: Normalize) -> [f32; 6] {
        let input = Input {
            name: None,
            width: 2,
            height: 1,
            layout,
            color_order,
            normalize,
            resize: Default::default(),
            padding: 114,
        };
        let mut tensor = [0.0; 6];
        TensorFill::new(&input).fill(&TWO_PIXELS, &mut tensor);
        tensor
    }

    #[test]
    fn planes_of_red_green_and_blue_between_0_and_1() {
        let tensor = filled(Layout::Nchw, ColorOrder::Rgb, Normalize::default());
        let wanted = [255.0, 10.0, 0.0, 20.0, 51.0, 30.0].map(|byte: f32| byte / 255.0);
        for (found, wanted) in tensor.iter().zip(wanted) {
            assert!((found - wanted).abs() < 1e-6, "{tensor:?}");
        }
    }

    #[test]
    fn blue_first_as_bytes() {
        let bytes = Normalize::Range(Range::Bytes);
        assert_eq!(
            filled(Layout::Nchw, ColorOrder::Bgr, bytes.clone()),
            [51.0, 30.0, 0.0, 20.0, 255.0, 10.0]
        );
        assert_eq!(
            filled(Layout::Nhwc, ColorOrder::Bgr, bytes),
            [51.0, 0.0, 255.0, 30.0, 20.0, 10.0]
        );
    }

    #[test]
    fn statistics_are_in_the_order_of_the_models_channels() {
        let custom = Normalize::Custom(Custom {
            scale: 1.0,
            mean: [1.0, 2.0, 3.0],
            std: [1.0, 2.0, 4.0],
        });
        assert_eq!(
            filled(Layout::Nhwc, ColorOrder::Bgr, custom),
            [50.0, -1.0, 63.0, 29.0, 9.0, 1.75]
        );
    }
}

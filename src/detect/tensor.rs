//! Converts bytes to the floats of a network's input, in a buffer that is reused for every frame.

use super::manifest::{ColorOrder, Input, Layout};

/// Fills input tensors as a manifest describes.
#[derive(Debug)]
pub struct TensorFill {
    layout: Layout,
    /// The target, factor and offset of red, green and blue.
    channels: [Channel; 3],
}

#[derive(Debug, Clone, Copy)]
struct Channel {
    /// Its index among the tensor's channels.
    place: usize,
    factor: f32,
    offset: f32,
}

impl TensorFill {
    /// For inputs as described by `input`.
    pub fn new(input: &Input) -> Self {
        let factors = input.normalize.factors();
        let channels = std::array::from_fn(|color| {
            let place = match input.color_order {
                ColorOrder::Rgb => color,
                ColorOrder::Bgr => 2 - color,
            };
            let (factor, offset) = factors[place];
            Channel {
                place,
                factor,
                offset,
            }
        });
        Self {
            layout: input.layout,
            channels,
        }
    }

    /// Writes the RGB picture `rgb` into `tensor`, which has one number for each byte of the picture.
    pub fn fill(&self, rgb: &[u8], tensor: &mut [f32]) {
        match self.layout {
            Layout::Nchw => self.planes(rgb, tensor),
            Layout::Nhwc => self.interleaved(rgb, tensor),
        }
    }

    fn planes(&self, rgb: &[u8], tensor: &mut [f32]) {
        let (first, rest) = tensor.split_at_mut(rgb.len() / 3);
        let (second, third) = rest.split_at_mut(rgb.len() / 3);
        let mut planes = [first, second, third];
        if self.channels[0].place == 2 {
            planes.swap(0, 2);
        }
        let [red, green, blue] = planes;
        let [r, g, b] = self.channels;
        // One pass over the bytes with three streams of output: the compiler turns this into wide shuffles.
        for (((pixel, red), green), blue) in
            rgb.as_chunks::<3>().0.iter().zip(red).zip(green).zip(blue)
        {
            *red = f32::from(pixel[0]) * r.factor + r.offset;
            *green = f32::from(pixel[1]) * g.factor + g.offset;
            *blue = f32::from(pixel[2]) * b.factor + b.offset;
        }
    }

    fn interleaved(&self, rgb: &[u8], tensor: &mut [f32]) {
        let (pixels, places) = (rgb.as_chunks::<3>().0, tensor.as_chunks_mut::<3>().0);
        for (pixel, place) in pixels.iter().zip(places) {
            for (byte, channel) in pixel.iter().zip(&self.channels) {
                place[channel.place] = f32::from(*byte) * channel.factor + channel.offset;
            }
        }
    }
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
    /// Its dimensions, `None` for those that only a run gives. None at all if their number is not known.
    pub(super) dims: Option<Vec<Option<usize>>>,
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

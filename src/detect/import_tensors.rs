//! The tensors of a network that is being imported: which input takes the picture, and the shapes of all outputs.

use super::contract::{described, input_dims};
use super::import_request::ImportRequest;
use super::manifest::Layout;
use super::network::{Feed, Network};
use super::tensor::TensorInfo;
use crate::base::Size;

/// The input that takes the picture.
#[derive(Debug, Clone)]
pub(super) struct PictureInput {
    pub(super) index: usize,
    pub(super) name: String,
    pub(super) layout: Layout,
    pub(super) size: Size,
}

impl PictureInput {
    /// Its dimensions for one picture.
    pub(super) fn dims(&self) -> [usize; 4] {
        input_dims(self.layout, self.size)
    }

    /// Numbers of noise for it, from 0 to `most`, the same in each process.
    pub(super) fn noise(&self, most: f32) -> Vec<f32> {
        let mut rng = fastrand::Rng::with_seed(1);
        std::iter::repeat_with(|| rng.f32() * most)
            .take(self.dims().iter().product())
            .collect()
    }

    /// A run on `picture`, which has [`PictureInput::dims`].
    pub(super) fn feed<'a>(&self, picture: &'a [f32]) -> Feed<'a> {
        Feed {
            input: self.index,
            picture,
            dims: self.dims(),
            size: self.size,
        }
    }
}

/// An output whose dimensions are known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct KnownOutput {
    pub(super) index: usize,
    pub(super) name: String,
    pub(super) shape: Vec<usize>,
    pub(super) is_f32: bool,
}

/// The input for the picture.
///
/// # Errors
/// If there is none, if it is not for one picture, or if its size is not known; with the remedy.
pub(super) fn picture_input(
    request: &ImportRequest,
    inputs: &[TensorInfo],
) -> Result<PictureInput, String> {
    let wanted = "one input, 1x3xHxW or 1xHxWx3 of f32";
    let (index, input) = match inputs {
        [input] => (0, input),
        [input, other] if other.takes_size() => (0, input),
        [other, input] if other.takes_size() => (1, input),
        _ => {
            let found: Vec<String> = inputs.iter().map(shown).collect();
            return Err(format!(
                "it should have {wanted}, but has {}: {}",
                inputs.len(),
                found.join(", ")
            ));
        }
    };
    let unfit = || {
        let remedy = match input.dims.as_deref() {
            _ if !input.is_f32 => "; export it with an input of 32-bit or 16-bit floats",
            Some([Some(2..), _, _, _]) => {
                "; export it for one picture a run (batch 1), or with an open batch"
            }
            _ => "",
        };
        format!("it should have {wanted}, but has {}{remedy}", shown(input))
    };
    let Some(&[batch, second, third, last]) = input.dims.as_deref() else {
        return Err(unfit());
    };
    let (layout, height, width) = match (second, last) {
        (Some(3), _) => (Layout::Nchw, third, last),
        (_, Some(3)) => (Layout::Nhwc, second, third),
        _ => return Err(unfit()),
    };
    if !input.is_f32 || batch.is_some_and(|batch| batch != 1) {
        return Err(unfit());
    }
    let side = |side: Option<usize>, asked: Option<u32>| match (side, asked) {
        (Some(side), None) => u32::try_from(side).map_err(|_| unfit()),
        (Some(side), Some(asked)) if side == asked as usize => Ok(asked),
        (None, Some(asked)) => Ok(asked),
        (Some(side), Some(asked)) => Err(format!(
            "its input has a side of {side}, and not of {asked} as --size says"
        )),
        (None, None) => Err(format!(
            "its input {} leaves its size open; name it with --size WxH",
            shown(input)
        )),
    };
    let size = Size::new(
        side(width, request.size.map(|size| size.width))?,
        side(height, request.size.map(|size| size.height))?,
    );
    Ok(PictureInput {
        index,
        name: input.name.clone(),
        layout,
        size,
    })
}

/// All outputs. A run on zeros gives dimensions that the file leaves open.
///
/// # Errors
/// If that run fails.
pub(super) fn known_outputs(
    network: &mut dyn Network,
    input: &PictureInput,
) -> Result<Vec<KnownOutput>, String> {
    let tensors = network.outputs().to_vec();
    let mut shapes: Vec<Option<Vec<usize>>> = tensors.iter().map(TensorInfo::shape).collect();
    // Outputs of other types can't be read, and are not.
    let open: Vec<usize> = (0..tensors.len())
        .filter(|index| shapes[*index].is_none())
        .filter(|index| tensors[*index].is_f32 || tensors[*index].is_integer)
        .collect();
    if !open.is_empty() {
        let zeros = vec![0.0; input.dims().iter().product()];
        network
            .run(&input.feed(&zeros), &open, &mut |outputs| {
                for (index, output) in open.iter().zip(outputs) {
                    shapes[*index] = Some(output.shape.to_vec());
                }
                Ok(())
            })
            .map_err(|message| format!("a run on a black picture failed: {message}"))?
            .map_err(|error| error.to_string())?;
    }
    let known = tensors.into_iter().zip(shapes).enumerate();
    Ok(known
        .filter_map(|(index, (tensor, shape))| {
            Some(KnownOutput {
                index,
                name: tensor.name,
                shape: shape?,
                is_f32: tensor.is_f32,
            })
        })
        .collect())
}

/// The output that has everything, if one has: the first with three dimensions, or rows of seven numbers.
pub(super) fn whole_output(outputs: &[KnownOutput]) -> Option<&KnownOutput> {
    let usual =
        |output: &&KnownOutput| output.is_f32 && output.shape.len() == 3 && output.shape[0] == 1;
    let rows = |output: &&KnownOutput| output.is_f32 && matches!(output.shape[..], [_, 7]);
    outputs
        .iter()
        .find(usual)
        .or_else(|| outputs.iter().find(rows))
}

/// `` `images` 1x3x640x640 of f32``.
pub(super) fn shown(tensor: &TensorInfo) -> String {
    format!(
        "`{}` {} of {}",
        tensor.name,
        described(&tensor.dims),
        tensor.element
    )
}

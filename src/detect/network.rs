//! A neural network as a detector: the interface to the engines, and the part that is the same for all engines.

use super::contract::Contract;
use super::labels::Labels;
use super::tensor::{OutputTensor, TensorInfo};
use super::{DetectError, Detection, Detector, InstalledModel, Picture, Thresholds};
use crate::base::Size;

/// Reads the outputs of a run.
pub(super) type ReadOutputs<'a> = dyn FnMut(&[OutputTensor<'_>]) -> Result<(), DetectError> + 'a;

/// What a graph is run on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Feed<'a> {
    /// The index of the input that takes the picture.
    pub(super) input: usize,
    /// The picture's numbers.
    pub(super) picture: &'a [f32],
    /// Their dimensions.
    pub(super) dims: [usize; 4],
    /// The picture's size, for a graph that has a second input for it: 1 × 2 whole numbers, the width first.
    pub(super) size: Size,
}

impl Feed<'_> {
    /// The numbers of the second input.
    pub(super) fn sides(&self) -> [i64; 2] {
        [self.size.width.into(), self.size.height.into()]
    }

    /// The same, for engines and graphs that have 32 bits. A manifest's sides are much smaller.
    pub(super) fn sides_in_32_bits(&self) -> [i32; 2] {
        self.sides().map(|side| side as i32)
    }
}

/// A graph loaded by an engine. Owned by one thread.
pub(super) trait Network: Send {
    /// The engine's name, as in `--backend`.
    fn backend(&self) -> &'static str;

    /// The graph's inputs.
    fn inputs(&self) -> &[TensorInfo];

    /// The graph's outputs.
    fn outputs(&self) -> &[TensorInfo];

    /// Runs the graph on `feed` and passes the outputs of the indexes `wanted`, in this order, to `read`. Blocks for the
    /// time of the inference.
    ///
    /// # Errors
    /// The engine's own error, or that of `read`.
    fn run(
        &mut self,
        feed: &Feed<'_>,
        wanted: &[usize],
        read: &mut ReadOutputs<'_>,
    ) -> Result<Result<(), DetectError>, String>;
}

/// A network with its manifest.
pub(super) struct NetworkDetector {
    network: Box<dyn Network>,
    contract: Contract,
    tensor: Vec<f32>,
}

impl NetworkDetector {
    /// Joins a loaded network with its manifest.
    ///
    /// # Errors
    /// If the graph does not have the input and output of the manifest, as far as its file states them.
    pub(super) fn new(
        network: Box<dyn Network>,
        model: &InstalledModel,
        labels: Labels,
    ) -> Result<Self, DetectError> {
        let contract = Contract::new(network.inputs(), network.outputs(), model, labels)?;
        Ok(Self {
            tensor: vec![0.0; contract.numbers()],
            contract,
            network,
        })
    }

    fn detect_one(
        &mut self,
        picture: &Picture<'_>,
        thresholds: Thresholds,
    ) -> Result<Vec<Detection>, DetectError> {
        detect_once(
            self.network.as_mut(),
            &mut self.contract,
            &mut self.tensor,
            picture,
            thresholds,
        )
    }
}

/// The detections of `network` in one picture. `tensor` has [`Contract::numbers`] values.
///
/// # Errors
/// The engine's own error, or that of another shape than in the manifest.
pub(super) fn detect_once(
    network: &mut dyn Network,
    contract: &mut Contract,
    tensor: &mut [f32],
    picture: &Picture<'_>,
    thresholds: Thresholds,
) -> Result<Vec<Detection>, DetectError> {
    contract.fill(picture, tensor)?;
    let feed = Feed {
        input: contract.input,
        picture: tensor,
        dims: contract.dims,
        size: contract.size,
    };
    let wanted = contract.outputs.clone();
    let mut found = Vec::new();
    network
        .run(&feed, &wanted, &mut |outputs| {
            found = contract.read(outputs, picture, thresholds)?;
            Ok(())
        })
        .map_err(|message| DetectError::Inference {
            backend: network.backend(),
            model: contract.model.clone(),
            message,
        })??;
    Ok(found)
}

impl Detector for NetworkDetector {
    fn input_size(&self) -> Size {
        self.contract.size
    }

    fn padding(&self) -> Option<u8> {
        self.contract.padding
    }

    fn detect(
        &mut self,
        pictures: &[Picture<'_>],
        thresholds: Thresholds,
    ) -> Result<Vec<Vec<Detection>>, DetectError> {
        pictures
            .iter()
            .map(|picture| self.detect_one(picture, thresholds))
            .collect()
    }
}

//! A neural network as a detector: the interface to the engines, and the part that is the same for all engines.

use super::contract::Contract;
use super::labels::Labels;
use super::tensor::TensorInfo;
use super::{DetectError, Detection, Detector, InstalledModel, Picture, Thresholds};
use crate::base::Size;

/// Reads an output tensor: its dimensions and numbers.
pub(super) type ReadOutput<'a> = dyn FnMut(&[usize], &[f32]) -> Result<(), DetectError> + 'a;

/// A graph loaded by an engine. Owned by one thread.
pub(super) trait Network: Send {
    /// The engine's name, as in `--backend`.
    fn backend(&self) -> &'static str;

    /// The graph's inputs.
    fn inputs(&self) -> &[TensorInfo];

    /// The graph's outputs.
    fn outputs(&self) -> &[TensorInfo];

    /// Runs the graph on `input`, which has dimensions `dims`, and passes output number `output` to `read`. Blocks for
    /// the time of the inference.
    ///
    /// # Errors
    /// The engine's own error, or that of `read`.
    fn run(
        &mut self,
        input: &[f32],
        dims: [usize; 4],
        output: usize,
        read: &mut ReadOutput<'_>,
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
        self.contract.fill(picture, &mut self.tensor)?;
        let contract = &mut self.contract;
        let mut found = Vec::new();
        self.network
            .run(
                &self.tensor,
                contract.dims,
                contract.output,
                &mut |shape, numbers| {
                    found = contract.read(shape, numbers, picture, thresholds)?;
                    Ok(())
                },
            )
            .map_err(|message| DetectError::Inference {
                backend: self.network.backend(),
                model: self.contract.model.clone(),
                message,
            })??;
        Ok(found)
    }
}

impl Detector for NetworkDetector {
    fn input_size(&self) -> Size {
        self.contract.size
    }

    fn padding(&self) -> u8 {
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

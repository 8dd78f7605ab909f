//! An engine as detectors, one for each lane. If there is one alone, several inference requests take turns in it, so that one is
//! filled while another infers.

use std::path::Path;
use std::sync::Arc;

use super::super::contract::Contract;
use super::super::labels::Labels;
use super::super::{DetectError, Detection, Detector, InstalledModel, Picture, Thresholds};
use super::context::Contexts;
use super::error::TensorRtError;
use super::infer_request::{InferRequest, StartError};
use super::library::Libraries;
use super::plan::Plan;
use super::runtime::Runtime;
use crate::base::Size;

/// The number of inference requests of a detector that is alone. While one infers, the next picture is drawn into the other's
/// tensor and copied. A third one would need the memory of another context and would not make the GPU faster. Of several
/// detectors each has one request: they overlap each other.
const REQUESTS: usize = 2;

/// A loaded engine.
pub(super) struct TensorRtDetector {
    /// Its backend's name, for messages.
    backend: &'static str,
    requests: Vec<InferRequest>,
    plan: Plan,
    contract: Contract,
}

impl TensorRtDetector {
    /// Loads the engine `bytes`, the content of `path`, which was built for DLA core `dla` or for the GPU, and makes `lanes`
    /// detectors of it: at least one, and fewer than wanted if the GPU has not enough memory. Blocks.
    ///
    /// # Errors
    /// If TensorRT refuses it, or its tensors do not match the model's manifest.
    pub(super) fn load(
        libraries: &Arc<Libraries>,
        (path, bytes): (&Path, &[u8]),
        dla: Option<u32>,
        model: &InstalledModel,
        labels: Labels,
        lanes: usize,
    ) -> Result<Vec<Self>, DetectError> {
        libraries.cuda.choose_gpu()?;
        let mut runtime = Runtime::new(libraries)?;
        if let Some(core) = dla {
            choose_dla(&mut runtime, core)?;
        }
        let contexts = Contexts::of(runtime.engine(bytes, path)?, path);
        let (plan, contract) = Plan::new(contexts.engine(), model, labels.clone())?;
        let may_overlap = !plan.dynamic || libraries.vtables.contexts_share_profile;
        let lanes = if may_overlap { lanes } else { 1 };
        let requests = match (may_overlap, lanes) {
            (true, 1) => REQUESTS,
            _ => 1,
        };
        let backend = libraries.version.product.name();
        let mut made = vec![Self {
            backend,
            requests: Self::requests(libraries, &contexts, &plan, requests)?,
            plan,
            contract,
        }];
        while made.len() < lanes {
            let (plan, contract) = Plan::new(contexts.engine(), model, labels.clone())?;
            match Self::requests(libraries, &contexts, &plan, 1) {
                Ok(requests) => made.push(Self {
                    backend,
                    requests,
                    plan,
                    contract,
                }),
                // The GPU may not have enough memory.
                Err(err) => {
                    tracing::warn!(%err, lanes = made.len(), wanted = lanes, "there are fewer lanes");
                    break;
                }
            }
        }
        contexts.keep_kernels();
        tracing::info!(
            tensorrt = %libraries.version,
            gpu = %libraries.gpu,
            batch = made[0].plan.most,
            requests = made[0].requests.len(),
            lanes = made.len(),
            "the engine is loaded"
        );
        Ok(made)
    }

    /// One inference request, and up to `wanted` of them if the GPU has enough memory.
    fn requests(
        libraries: &Libraries,
        contexts: &Contexts,
        plan: &Plan,
        wanted: usize,
    ) -> Result<Vec<InferRequest>, TensorRtError> {
        let mut requests = vec![InferRequest::new(&libraries.cuda, contexts, plan)?];
        while requests.len() < wanted {
            match InferRequest::new(&libraries.cuda, contexts, plan) {
                Ok(request) => requests.push(request),
                Err(err) => {
                    tracing::warn!(%err, requests = requests.len(), "inferences will not overlap");
                    break;
                }
            }
        }
        Ok(requests)
    }

    fn run(
        &mut self,
        pictures: &[Picture<'_>],
        thresholds: Thresholds,
    ) -> Result<Vec<Vec<Detection>>, DetectError> {
        let (plan, contract) = (&self.plan, &mut self.contract);
        let mut found = Vec::with_capacity(pictures.len());
        let mut finish =
            |request: &mut InferRequest, contract: &mut Contract, batch: &[Picture<'_>]| {
                request.finish(plan, |index, outputs| {
                    found.push(contract.read(outputs, &batch[index], thresholds)?);
                    Ok(())
                })
            };
        let backend = self.backend;
        let batches = pictures.len().div_ceil(plan.most);
        let batch_of = |number: usize| {
            let first = number * plan.most;
            &pictures[first..pictures.len().min(first + plan.most)]
        };
        let requests = self.requests.len();
        for number in 0..batches {
            let request = &mut self.requests[number % requests];
            if request.is_busy() {
                finish(request, contract, batch_of(number - requests))?;
            }
            let batch = batch_of(number);
            request
                .start(plan, batch.len(), |index, tensor| {
                    contract.fill(&batch[index], tensor)
                })
                .map_err(|error| match error {
                    StartError::Detect(error) => error,
                    StartError::Refused(message) => DetectError::Inference {
                        backend,
                        model: contract.model.clone(),
                        message,
                    },
                })?;
        }
        for number in batches.saturating_sub(requests)..batches {
            let request = &mut self.requests[number % requests];
            finish(request, contract, batch_of(number))?;
        }
        Ok(found)
    }
}

impl Detector for TensorRtDetector {
    fn input_size(&self) -> Size {
        self.contract.size
    }

    fn padding(&self) -> Option<u8> {
        self.contract.padding
    }

    fn max_batch(&self) -> usize {
        self.plan.most * self.requests.len()
    }

    fn detect(
        &mut self,
        pictures: &[Picture<'_>],
        thresholds: Thresholds,
    ) -> Result<Vec<Vec<Detection>>, DetectError> {
        let found = self.run(pictures, thresholds);
        if found.is_err() {
            // Work of other requests belongs to the failed call.
            self.requests.iter_mut().for_each(InferRequest::wait_idle);
        }
        found
    }
}

fn choose_dla(runtime: &mut Runtime, core: u32) -> Result<(), TensorRtError> {
    let cores = runtime.dla_cores();
    match i32::try_from(core) {
        Ok(core) if core < cores => runtime.set_dla_core(core),
        _ => {
            return Err(TensorRtError::Ask(format!(
                "the engine is for DLA core {core}, this board has {cores}; build it again with `nvr model build ID`"
            )));
        }
    }
    Ok(())
}

//! An inference request: a stream with its execution context, GPU memory and pinned memory. All are made once and
//! reused.
#![expect(
    unsafe_code,
    reason = "the GPU reads and writes memory behind the compiler's back"
)]

use std::sync::Arc;

use half::f16;
use half::slice::HalfFloatSliceExt;

use super::super::DetectError;
use super::super::tensor::OutputTensor;
use super::buffers::{DeviceBuffer, PinnedBuffer};
use super::context::{Contexts, ExecutionContext};
use super::cuda::{Cuda, Stream};
use super::error::TensorRtError;
use super::plan::{ElementType, Plan, Port};

/// Why an inference could not be started.
pub(super) enum StartError {
    /// An error of the picture, of CUDA, or of a shape.
    Detect(DetectError),
    /// TensorRT refused this run.
    Refused(String),
}

/// A stream and all resources of its work. Nothing is allocated after [`InferRequest::new`].
pub(super) struct InferRequest {
    // Fields are dropped in this order, after `drop` has waited for the stream.
    context: ExecutionContext,
    stream: Stream,
    fed: PinnedBuffer,
    input: DeviceBuffer,
    /// Of each output that is read.
    reads: Vec<PinnedBuffer>,
    outputs: Vec<DeviceBuffer>,
    /// The values of one picture's input, if the engine uses another type.
    scratch: Vec<f32>,
    /// The same for each output that is read; empty if its type is the same.
    read_scratch: Vec<Vec<f32>>,
    /// The number of pictures that the context is set to.
    shaped: usize,
    /// The number of pictures in progress.
    pictures: usize,
    /// Whether the stream may still be working.
    busy: bool,
}

impl InferRequest {
    /// Makes a context and all memory for `plan`'s largest batch.
    ///
    /// # Errors
    /// If the GPU has no memory left, or the context can't be made.
    pub(super) fn new(
        cuda: &Arc<Cuda>,
        contexts: &Contexts,
        plan: &Plan,
    ) -> Result<Self, TensorRtError> {
        let device = |port: &Port| DeviceBuffer::new(cuda, port.bytes * plan.most);
        let scratch = |element: ElementType, port: &Port| match element {
            ElementType::F32 => Vec::new(),
            ElementType::F16 => vec![0.0; port.bytes / element.bytes()],
        };
        let read = |(index, _): &(usize, ElementType)| {
            PinnedBuffer::new(cuda, plan.outputs[*index].bytes * plan.most)
        };
        let mut request = Self {
            context: contexts.make()?,
            stream: Stream::new(cuda)?,
            fed: PinnedBuffer::new(cuda, plan.input.bytes * plan.most)?,
            input: device(&plan.input)?,
            reads: plan.reads.iter().map(read).collect::<Result<_, _>>()?,
            outputs: plan.outputs.iter().map(device).collect::<Result<_, _>>()?,
            scratch: scratch(plan.input_element, &plan.input),
            read_scratch: plan
                .reads
                .iter()
                .map(|(index, element)| scratch(*element, &plan.outputs[*index]))
                .collect(),
            shaped: 0,
            pictures: 0,
            busy: false,
        };
        let addresses = plan.outputs.iter().zip(&request.outputs);
        // SAFETY: each buffer holds the largest batch of its tensor and is dropped after the stream was waited for.
        unsafe {
            request
                .context
                .set_address(&plan.input.name, request.input.address())?;
            for (port, buffer) in addresses {
                request.context.set_address(&port.name, buffer.address())?;
            }
        }
        // Done now, not at the first picture: it shows whether the context supports the shape.
        request.shape(plan, plan.most)?;
        Ok(request)
    }

    /// Whether pictures are in progress, whose results [`InferRequest::finish`] returns.
    pub(super) fn is_busy(&self) -> bool {
        self.busy
    }

    /// Puts `pictures` pictures, which `fill` writes one by one, into the stream. Does not wait for them.
    ///
    /// # Errors
    /// If `fill`, CUDA or TensorRT fails.
    pub(super) fn start(
        &mut self,
        plan: &Plan,
        pictures: usize,
        mut fill: impl FnMut(usize, &mut [f32]) -> Result<(), DetectError>,
    ) -> Result<(), StartError> {
        self.wait_idle();
        let numbers = plan.input.bytes / plan.input_element.bytes();
        for index in 0..pictures {
            let place = index * numbers..(index + 1) * numbers;
            match plan.input_element {
                ElementType::F32 => fill(index, &mut self.fed.floats_mut()[place])?,
                ElementType::F16 => {
                    let scratch = &mut self.scratch[..numbers];
                    fill(index, scratch)?;
                    self.fed.halves_mut()[place].convert_from_f32_slice(scratch);
                }
            }
        }
        let run = pictures.max(plan.least);
        self.shape(plan, run)?;
        self.pictures = pictures;
        self.busy = true;
        // SAFETY: the buffers hold `plan.most` pictures, `run` is not more, and `busy` keeps them from being touched or
        // freed before the stream was waited for: `start`, `finish` and `drop` do that first.
        unsafe {
            self.stream.upload(
                self.fed.address(),
                self.input.address(),
                plan.input.bytes * run,
            )?;
            self.context
                .enqueue(&self.stream)
                .map_err(StartError::Refused)?;
            for ((index, _), read) in plan.reads.iter().zip(&self.reads) {
                self.stream.download(
                    self.outputs[*index].address(),
                    read.address(),
                    plan.outputs[*index].bytes * pictures,
                )?;
            }
        }
        Ok(())
    }

    /// Waits for the started pictures and passes each picture's outputs to `take`. Blocks.
    ///
    /// # Errors
    /// If the inference or `take` fails.
    pub(super) fn finish(
        &mut self,
        plan: &Plan,
        mut take: impl FnMut(usize, &[OutputTensor<'_>]) -> Result<(), DetectError>,
    ) -> Result<(), DetectError> {
        // Before the question mark: also after a failure the stream is finished.
        self.busy = false;
        self.stream.synchronize()?;
        let reads = &self.reads;
        for index in 0..self.pictures {
            let place = |(output, element): (usize, ElementType)| {
                let numbers = plan.outputs[output].bytes / element.bytes();
                index * numbers..(index + 1) * numbers
            };
            let converted = plan.reads.iter().zip(reads).zip(&mut self.read_scratch);
            for ((of_output, read), scratch) in converted {
                if of_output.1 == ElementType::F16 {
                    let halves: &[f16] = &read.halves()[place(*of_output)];
                    halves.convert_to_f32_slice(scratch);
                }
            }
            let all = plan.reads.iter().zip(reads).zip(&self.read_scratch);
            let outputs: Vec<OutputTensor<'_>> = all
                .map(|((of_output, read), scratch)| OutputTensor {
                    shape: &plan.outputs[of_output.0].dims,
                    numbers: match of_output.1 {
                        ElementType::F32 => &read.floats()[place(*of_output)],
                        ElementType::F16 => scratch,
                    },
                })
                .collect();
            take(index, &outputs)?;
        }
        Ok(())
    }

    /// Waits for pictures in progress and discards their results.
    pub(super) fn wait_idle(&mut self) {
        if std::mem::take(&mut self.busy)
            && let Err(err) = self.stream.synchronize()
        {
            tracing::debug!(%err, "an abandoned inference failed");
        }
    }

    fn shape(&mut self, plan: &Plan, run: usize) -> Result<(), TensorRtError> {
        if !plan.dynamic || self.shaped == run {
            return Ok(());
        }
        let mut dims = [0; 8];
        let rank = plan.input.dims.len().min(dims.len());
        dims[..rank].copy_from_slice(&plan.input.dims[..rank]);
        dims[0] = run;
        self.context
            .set_input_shape(&plan.input.name, &dims[..rank])?;
        self.shaped = run;
        Ok(())
    }
}

impl Drop for InferRequest {
    fn drop(&mut self) {
        self.wait_idle();
    }
}

impl<E: Into<DetectError>> From<E> for StartError {
    fn from(error: E) -> Self {
        Self::Detect(error.into())
    }
}

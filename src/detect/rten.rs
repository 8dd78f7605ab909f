//! The engine that is always available: rten, in pure Rust, on the CPU.

use std::borrow::Cow;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::{Arc, Mutex, Weak};

use rten::{
    DataType, Dimension, LoadError, Model, NodeId, RunOptions, ThreadPool, Value, ValueOrView,
    ValueType,
};
use rten_tensor::NdTensorView;
use rten_tensor::prelude::*;

use super::DetectError;
use super::manifest::plain_path;
use super::network::{Feed, Network, ReadOutputs};
use super::onnx_file::{External, ExternalFile, ExternalFiles};
use super::onnx_inline::inlined;
use super::tensor::{OutputTensor, TensorInfo};
use crate::base::sync::lock;

/// Its name in settings and messages.
pub(super) const NAME: &str = "rten";

/// A graph with its weights, which all networks that run it at the same time share.
#[derive(Default)]
pub(super) struct SharedModel(Mutex<Weak<Model>>);

impl SharedModel {
    /// The loaded graph, or else that of the file at `path`.
    fn get(&self, path: &Path, external: &ExternalFiles) -> Result<Arc<Model>, String> {
        let mut held = lock(&self.0);
        if let Some(model) = held.upgrade() {
            return Ok(model);
        }
        let model = Arc::new(open(path, external)?);
        *held = Arc::downgrade(&model);
        Ok(model)
    }
}

/// A graph in rten, with a pool of threads.
pub(super) struct RtenNetwork {
    model: Arc<Model>,
    options: RunOptions,
    inputs: Vec<TensorInfo>,
    outputs: Vec<TensorInfo>,
}

impl RtenNetwork {
    /// Loads the ONNX file at `path`, which names the weight files `external`, unless `shared` has it, to be run by `threads` threads of
    /// a separate pool. Blocks.
    ///
    /// # Errors
    /// rten's own error.
    pub(super) fn load(
        path: &Path,
        external: &ExternalFiles,
        threads: usize,
        shared: &SharedModel,
    ) -> Result<Self, DetectError> {
        let model = shared
            .get(path, external)
            .map_err(|message| DetectError::Load {
                backend: NAME,
                path: path.to_owned(),
                message,
            })?;
        // Not the crate's global pool: its first user fixes its size, and a model that is swapped in may need another
        // number.
        let pool = ThreadPool::with_num_threads(threads);
        let all = |ids: &[NodeId]| ids.iter().map(|id| info(&model, *id)).collect();
        Ok(Self {
            inputs: all(model.input_ids()),
            outputs: all(model.output_ids()),
            options: RunOptions::default().with_thread_pool(Some(Arc::new(pool))),
            model,
        })
    }
}

impl Network for RtenNetwork {
    fn backend(&self) -> &'static str {
        NAME
    }

    fn inputs(&self) -> &[TensorInfo] {
        &self.inputs
    }

    fn outputs(&self) -> &[TensorInfo] {
        &self.outputs
    }

    fn run(
        &mut self,
        feed: &Feed<'_>,
        wanted: &[usize],
        read: &mut ReadOutputs<'_>,
    ) -> Result<Result<(), DetectError>, String> {
        let picture = NdTensorView::try_from_data(feed.dims, feed.picture)
            .map_err(|error| error.to_string())?;
        // rten has whole numbers of 32 bits also where the file has 64.
        let sides = feed.sides_in_32_bits();
        let size =
            NdTensorView::try_from_data([1, 2], &sides[..]).map_err(|error| error.to_string())?;
        let fed: Vec<(NodeId, ValueOrView<'_>)> = self
            .model
            .input_ids()
            .iter()
            .enumerate()
            .map(|(index, id)| match index == feed.input {
                true => (*id, picture.into()),
                false => (*id, size.into()),
            })
            .collect();
        let ids = self.model.output_ids();
        let wanted: Vec<NodeId> = wanted.iter().map(|index| ids[*index]).collect();
        let outputs = self
            .model
            .run(fed, &wanted, Some(self.options.clone()))
            .map_err(|error| error.to_string())?;
        let extracted: Vec<(Vec<usize>, Cow<'_, [f32]>)> =
            outputs.iter().map(extracted).collect::<Result<_, _>>()?;
        let tensors: Vec<OutputTensor<'_>> = extracted
            .iter()
            .map(|(shape, numbers)| OutputTensor { shape, numbers })
            .collect();
        Ok(read(&tensors))
    }
}

/// Dimensions and numbers of an output.
fn extracted(value: &Value) -> Result<(Vec<usize>, Cow<'_, [f32]>), String> {
    match value {
        Value::FloatTensor(tensor) => Ok((tensor.shape().to_vec(), tensor.to_slice())),
        Value::Int32Tensor(tensor) => {
            let numbers = tensor.iter().map(|number| *number as f32).collect();
            Ok((tensor.shape().to_vec(), numbers))
        }
        _ => Err("its output is not a tensor of f32 or of whole numbers".to_owned()),
    }
}

/// Loads a graph with the weights beside it.
///
/// rten reads external weights only from files named `….data` and `….onnx_data` in the graph's directory, and only if
/// each tensor states its offset. Others are put into the graph first.
fn open(path: &Path, external: &ExternalFiles) -> Result<Model, String> {
    let words = |error: LoadError| error.to_string();
    let is_usual = |(location, file): (&String, &ExternalFile)| {
        let extension = Path::new(location).extension().and_then(|end| end.to_str());
        file.is_explicit
            && plain_path(location).as_ref() == Some(location)
            && !location.contains('/')
            && extension.is_some_and(|end| end.starts_with("data") || end.starts_with("onnx_data"))
    };
    if external.iter().all(is_usual) {
        return Model::load_file(path).map_err(words);
    }
    let dir = path.parent().unwrap_or(Path::new(""));
    let graph = std::fs::read(path).map_err(|error| error.to_string())?;
    let whole = inlined(&graph, |external| weights_of(dir, external))?;
    Model::load(whole).map_err(words)
}

/// The bytes of a tensor in a file below `dir`.
fn weights_of(dir: &Path, external: &External) -> Result<Vec<u8>, String> {
    let External {
        name,
        location,
        offset,
        length,
    } = external;
    let below = plain_path(location)
        .ok_or_else(|| format!("its weights in `{location}` lie outside of its directory"))?;
    let read = || {
        let mut file = File::open(dir.join(below))?;
        file.seek(SeekFrom::Start(offset.unwrap_or_default()))?;
        let mut bytes = Vec::new();
        file.take(length.unwrap_or(u64::MAX))
            .read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let bytes = read().map_err(|error: std::io::Error| {
        format!("its weights in `{location}` can't be read: {error}")
    })?;
    match length {
        Some(length) if bytes.len() as u64 != *length => Err(format!(
            "`{location}` has {} bytes for tensor `{name}`, which has {length}",
            bytes.len()
        )),
        _ => Ok(bytes),
    }
}

fn info(model: &Model, id: NodeId) -> TensorInfo {
    let node = model.node_info(id);
    let element = node.as_ref().and_then(|node| node.dtype());
    TensorInfo {
        name: node
            .as_ref()
            .and_then(|node| node.name())
            .unwrap_or_default()
            .to_owned(),
        is_f32: matches!(element, None | Some(ValueType::Tensor(DataType::Float))),
        is_integer: matches!(element, Some(ValueType::Tensor(DataType::Int32))),
        element: match element {
            Some(ValueType::Tensor(element)) => element.to_string(),
            Some(other) => other.to_string(),
            None => "unknown type".to_owned(),
        },
        dims: node.and_then(|node| node.shape()).map(|dims| {
            dims.into_iter()
                .map(|dim| match dim {
                    Dimension::Fixed(length) => Some(length),
                    Dimension::Symbolic(_) => None,
                })
                .collect()
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::SMOKE_ONNX;

    #[test]
    fn lanes_share_the_weights_as_long_as_one_is_there() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("model.onnx");
        std::fs::write(&path, SMOKE_ONNX).expect("a file");
        let shared = SharedModel::default();
        let lane = |threads| {
            RtenNetwork::load(&path, &ExternalFiles::default(), threads, &shared)
                .expect("rten loads it")
        };
        let (first, second) = (lane(1), lane(2));
        assert!(Arc::ptr_eq(&first.model, &second.model));
        drop((first, second));
        assert_eq!(
            lock(&shared.0).strong_count(),
            0,
            "nothing keeps the weights"
        );
        std::fs::remove_file(&path).expect("the file is there");
        let gone = RtenNetwork::load(&path, &ExternalFiles::default(), 1, &shared);
        assert!(gone.is_err(), "the file is read again");
    }
}

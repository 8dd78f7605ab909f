//! Builds the engine of a model's ONNX file into the cache, on the machine that will run it: engines depend on TensorRT
//! and the GPU.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use super::super::contract::input_dims;
use super::super::{DetectError, InstalledModel};
use super::build_command::BuildCommand;
use super::cache::{EngineCache, EngineKey};
use super::compute;
use super::error::TensorRtError;
use super::flags::BuildFlags;
use super::library::Libraries;
use super::product::Product;
use super::trtexec::{Progress, Tool};
use crate::base::Stop;

/// An engine in the cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuiltEngine {
    /// The path of the engine.
    pub path: PathBuf,
    /// Whether it was in the cache already, with the same key and complete.
    pub was_there: bool,
}

/// Builds `model`'s engine if the cache does not have it, or in any case with `rebuild`. Without `flags`, it is the engine that a
/// processor builds. Blocks for minutes; calls `progress` four times per second; ends early when `stop` is raised.
///
/// # Errors
/// If the GPU, the product or what builds its engines is missing, or the build fails.
pub fn build_engine(
    product: Product,
    model: &InstalledModel,
    flags: Option<BuildFlags>,
    rebuild: bool,
    progress: &mut dyn FnMut(Progress<'_>),
    stop: &Stop,
) -> Result<BuiltEngine, DetectError> {
    build_in(
        (&EngineCache::of_program(), product),
        model,
        flags,
        rebuild,
        progress,
        stop,
    )
}

/// As [`build_engine`], with the given cache.
pub(super) fn build_in(
    (cache, product): (&EngineCache, Product),
    model: &InstalledModel,
    flags: Option<BuildFlags>,
    rebuild: bool,
    progress: &mut dyn FnMut(Progress<'_>),
    stop: &Stop,
) -> Result<BuiltEngine, DetectError> {
    if let Some(flags) = flags {
        check(flags)?;
    }
    model.verify()?;
    let onnx = model.onnx();
    let libraries = Libraries::open(product)?;
    let flags = match flags {
        Some(flags) => flags,
        None => BuildFlags::usual(libraries.vtables.precision_of_file),
    };
    check_precision(flags, &libraries, &onnx)?;
    let key = EngineKey::new(model, &libraries, flags)?;
    if !rebuild
        && let Some(file) = cache.exactly(&model.id, &key)
        && file.read().is_ok()
    {
        return Ok(BuiltEngine {
            path: file.path,
            was_there: true,
        });
    }
    let tool = Tool::find(product)?;
    let dir = cache.dir()?;
    let partial = PartialFile(
        cache
            .place(&model.id, &key)
            .with_extension(format!("partial-{}", std::process::id())),
    );
    let input = &model.manifest.input;
    let command = BuildCommand {
        model: &model.id,
        onnx: &onnx,
        input: (
            input.name.as_deref(),
            input_dims(input.layout, model.manifest.input_size()),
        ),
        engine: &partial.0,
        timing_cache: &dir.join(format!("timing-{}.cache", key.tensorrt.replace(' ', "-"))),
        flags,
        compute: match product {
            Product::TensorRt => None,
            Product::Rtx => compute::target(libraries.version, &libraries.gpu)?,
        },
    };
    tool.build(&command, libraries.version, progress, stop)?;
    let file = cache.keep(&model.id, key, &partial.0)?;
    Ok(BuiltEngine {
        path: file.path,
        was_there: false,
    })
}

/// Refuses options that no build takes.
fn check(flags: BuildFlags) -> Result<(), DetectError> {
    if !(1..=8).contains(&flags.batch) {
        return Err(ask(format!(
            "a batch is 1 to 8 pictures, not {}",
            flags.batch
        )));
    }
    if flags.dla.is_some() && !flags.fp16 && !flags.int8 {
        return Err(ask(
            "a DLA computes with --fp16 or --int8 only: ask for one of them".to_owned(),
        ));
    }
    Ok(())
}

/// Refuses a precision that this version or this file does not have.
fn check_precision(flags: BuildFlags, here: &Libraries, onnx: &Path) -> Result<(), DetectError> {
    let version = here.version;
    if here.vtables.precision_of_file && flags.int8 {
        return Err(ask(format!(
            "TensorRT {version} computes in the precision of the ONNX file, so it has no --int8: a file with quantising nodes \
             is computed with 8 bits; build without --int8"
        )));
    }
    if here.vtables.precision_of_file && flags.fp16 {
        return Err(ask(format!(
            "TensorRT {version} computes in the precision of the ONNX file, so it has no --fp16: for 16 bits, convert {} (in \
             Python: `onnxconverter_common.float16.convert_float_to_float16(model, keep_io_types=True)`), install the result \
             with `nvr model import`, and build that without --fp16",
            onnx.display()
        )));
    }
    if flags.int8 && !is_quantised(onnx)? {
        return Err(ask(format!(
            "--int8 needs an ONNX file with quantising nodes (QuantizeLinear, DequantizeLinear), and {} has none: export \
             it quantised, or build without --int8",
            onnx.display()
        )));
    }
    Ok(())
}

/// A file that is removed at the end if it still exists.
struct PartialFile(PathBuf);

impl Drop for PartialFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

fn ask(message: String) -> DetectError {
    DetectError::TensorRt(TensorRtError::Ask(message))
}

/// Whether the graph has quantising nodes: an ONNX file has the names of operators as plain text.
fn is_quantised(onnx: &Path) -> Result<bool, DetectError> {
    const NODE: &[u8] = b"DequantizeLinear";
    let io = |error| DetectError::Io {
        action: "read",
        path: onnx.to_owned(),
        error,
        hint: "",
    };
    let mut file = BufReader::new(File::open(onnx).map_err(io)?);
    let (mut window, mut piece) = (Vec::new(), vec![0; 1 << 20]);
    loop {
        let length = file.read(&mut piece).map_err(io)?;
        if length == 0 {
            return Ok(false);
        }
        // The end of one part may be the start of a name, so it is kept for the next part.
        window.extend_from_slice(&piece[..length]);
        if window.windows(NODE.len()).any(|bytes| bytes == NODE) {
            return Ok(true);
        }
        window.drain(..window.len().saturating_sub(NODE.len() - 1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantised_graph_is_told_from_another_wherever_the_node_stands() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        for (before, text, wanted) in [
            (0, "QuantizeLinearDequantizeLinear", true),
            // Across the boundary of two parts.
            ((1 << 20) - 7, "DequantizeLinear", true),
            (100, "Dequantize", false),
        ] {
            let mut content = vec![b' '; before];
            content.extend_from_slice(text.as_bytes());
            std::fs::write(file.path(), content).expect("written");
            assert_eq!(is_quantised(file.path()).expect("read"), wanted, "{before}");
        }
    }
}

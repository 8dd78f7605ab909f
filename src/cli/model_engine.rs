//! `nvr model build` and `nvr model bench`: a model's TensorRT engine, and its speed in each backend. `nvr engine-builder`, which
//! `build` starts where there is no trtexec.

use std::path::PathBuf;

use anyhow::{Context, bail};
use clap::Args;

use super::out;
use crate::base::Stop;
use crate::config::{Backend, ModelChoice, OpenVinoPrecision};
use crate::detect::{
    BuildFlags, CheckedModel, DetectorRequest, ModelStore, Parallelism, Product, Recipe,
    build_engine, build_here, builder_options, measure, open, present_product,
};

/// Options of `nvr model build`.
#[derive(Debug, Args)]
pub(super) struct BuildArgs {
    /// Id of the model
    id: String,
    /// Build what a processor builds: 16-bit, or the ONNX file's precision where TensorRT has no other (11, for RTX)
    #[arg(long, conflicts_with_all = ["fp16", "int8", "dla", "batch", "workspace_mb"])]
    usual: bool,
    /// The product whose engine is built: tensorrt or tensorrt-rtx [default: the one that a processor uses here]
    #[arg(long, value_name = "BACKEND")]
    backend: Option<Backend>,
    /// Allow 16-bit floating point in layers; about twice as fast
    #[arg(long)]
    fp16: bool,
    /// Use 8-bit integers; the ONNX file needs QuantizeLinear and DequantizeLinear nodes
    #[arg(long)]
    int8: bool,
    /// Use this deep learning accelerator of the board; layers that it does not support run on the GPU
    #[arg(long, value_name = "N")]
    dla: Option<u32>,
    /// Maximum batch size; more than 1 needs an ONNX file with a dynamic batch dimension
    #[arg(long, value_name = "1-8", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=8))]
    batch: u32,
    /// Maximum scratch memory of a layer, in MB [default: TensorRT's]
    #[arg(long, value_name = "MB")]
    workspace_mb: Option<u32>,
    /// Build the engine again even if it exists
    #[arg(long)]
    anew: bool,
}

/// Options of `nvr model bench`.
#[derive(Debug, Args)]
pub(super) struct BenchArgs {
    /// Id of the model
    id: String,
    /// Backend to measure; repeatable [default: tensorrt, tensorrt-rtx, openvino, onnxruntime and rten]
    #[arg(long, value_name = "BACKEND")]
    backend: Vec<Backend>,
    /// Precision in which the backend openvino computes
    #[arg(long, value_name = "PRECISION", default_value = "f32")]
    openvino_precision: OpenVinoPrecision,
    /// Number of calls per backend
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    calls: u32,
    /// Threads of the CPU backends [default: number of cores]
    #[arg(long)]
    threads: Option<usize>,
}

/// Options of `nvr engine-builder`, in trtexec's words where it has them.
#[derive(Debug, Args)]
pub(super) struct BuilderArgs {
    /// tensorrt or tensorrt-rtx
    backend: Backend,
    /// Print the options that serve here
    #[arg(long)]
    flags: bool,
    /// The graph
    #[arg(long, required_unless_present = "flags", value_name = "FILE")]
    onnx: Option<PathBuf>,
    /// The path of the engine
    #[arg(
        long = "saveEngine",
        required_unless_present = "flags",
        value_name = "FILE"
    )]
    save_engine: Option<PathBuf>,
    #[arg(long)]
    fp16: bool,
    #[arg(long)]
    int8: bool,
    /// `workspace:MB`
    #[arg(long = "memPoolSize", value_parser = workspace_mb)]
    mem_pool_size: Option<u32>,
    /// Batch, and the other dimensions of the input, where the graph leaves them open: `1x3x640x640`
    #[arg(long = "pictureShape", value_parser = picture_shape, default_value = "1x3x640x640")]
    picture_shape: Shape,
    /// `86` is 8.6
    #[arg(long = "computeCapability")]
    compute_capability: Option<i32>,
}

/// A batch and the other dimensions of an input. clap takes an array by a name only.
type Shape = [i64; 4];

fn workspace_mb(text: &str) -> Result<u32, String> {
    let number = text.strip_prefix("workspace:").unwrap_or_default();
    number.parse().map_err(|_| "it is workspace:MB".to_owned())
}

fn picture_shape(text: &str) -> Result<Shape, String> {
    let sides: Result<Vec<u32>, _> = text.split('x').map(str::parse).collect();
    let sides = sides
        .ok()
        .and_then(|sides| <[u32; 4]>::try_from(sides).ok());
    sides
        .map(|sides| sides.map(i64::from))
        .ok_or_else(|| "it is four numbers: 1x3x640x640".to_owned())
}

fn product_of(backend: Backend) -> anyhow::Result<Product> {
    Product::of_backend(backend).with_context(|| {
        format!(
            "{} builds no engines; tensorrt and tensorrt-rtx do",
            name(backend)
        )
    })
}

/// Builds an engine in this process. What starts it reads its output as trtexec's.
pub(super) fn builder(args: BuilderArgs) -> anyhow::Result<()> {
    let product = product_of(args.backend)?;
    let (Some(onnx), Some(engine)) = (args.onnx, args.save_engine) else {
        let options = builder_options(product)?;
        out::line(format_args!("--onnx --saveEngine {}", options.join(" ")));
        return Ok(());
    };
    let recipe = Recipe {
        product,
        onnx,
        engine,
        fp16: args.fp16,
        int8: args.int8,
        workspace_mb: args.mem_pool_size,
        shape: args.picture_shape,
        compute: args.compute_capability,
    };
    build_here(&recipe, &|line| out::line(line))?;
    Ok(())
}

pub(super) fn build(store: &ModelStore, args: &BuildArgs) -> anyhow::Result<()> {
    let model = store.find(&args.id)?;
    let product = match args.backend {
        None | Some(Backend::Auto) => present_product(),
        Some(backend) => product_of(backend)?,
    };
    let flags = (!args.usual).then_some(BuildFlags {
        fp16: args.fp16,
        int8: args.int8,
        dla: args.dla,
        batch: args.batch,
        workspace_mb: args.workspace_mb,
    });
    let mut line = out::ProgressLine::default();
    let mut progress = |progress: crate::detect::Progress<'_>| {
        let seconds = progress.elapsed.as_secs();
        line.show(format_args!(
            "building {}, {}:{:02}: {}",
            args.id,
            seconds / 60,
            seconds % 60,
            progress.words
        ));
    };
    let stop = Stop::default();
    let built = build_engine(product, &model, flags, args.anew, &mut progress, &stop)?;
    drop(line);
    let path = built.path.display();
    if built.was_there {
        out::line(format_args!(
            "{} has that engine already: {path}; --anew builds it again",
            args.id
        ));
    } else {
        out::line(format_args!("{} has a new engine: {path}", args.id));
    }
    Ok(())
}

pub(super) fn bench(store: &ModelStore, args: &BenchArgs) -> anyhow::Result<()> {
    let backends = if args.backend.is_empty() {
        vec![
            Backend::Tensorrt,
            Backend::TensorrtRtx,
            Backend::Openvino,
            Backend::Onnxruntime,
            Backend::Rten,
        ]
    } else {
        args.backend.clone()
    };
    let model = CheckedModel::find(&ModelChoice::Named(args.id.clone()), store)?;
    out::line("backend       median ms    p99 ms  pictures/s    batch   cores");
    let mut measured = 0;
    for backend in backends {
        let name = name(backend);
        match bench_one(&model, store, args, backend) {
            Ok(line) => {
                measured += 1;
                out::line(line);
            }
            Err(reason) => out::line(format_args!("{name:<12}  {reason}")),
        }
    }
    if measured == 0 {
        bail!("no backend could run {}", args.id);
    }
    Ok(())
}

fn bench_one(
    model: &CheckedModel,
    store: &ModelStore,
    args: &BenchArgs,
    backend: Backend,
) -> anyhow::Result<String> {
    // One alone: the latency of a call is measured, too.
    let parallelism = Parallelism {
        threads: args.threads,
        lanes: Some(1),
        has_many_sources: false,
    };
    let mut opened = match backend {
        Backend::Scripted | Backend::None => open(
            &DetectorRequest {
                model: ModelChoice::Named(args.id.clone()),
                backend,
                openvino_precision: args.openvino_precision,
                parallelism,
                scripted_delay: std::time::Duration::ZERO,
            },
            store,
        )?,
        _ => model.open(backend, parallelism, args.openvino_precision)?,
    };
    if Product::of_backend(backend).is_some()
        && let Some(upgrade) = &opened.upgrade
    {
        bail!("{}", upgrade.reason());
    }
    let figures = measure(&mut opened, args.calls as usize)?;
    let ms = |time: std::time::Duration| time.as_secs_f64() * 1e3;
    Ok(format!(
        "{:<12} {:>10.2}{:>10.2}{:>12.1}{:>9}{:>8.2}",
        opened.backend,
        ms(figures.median),
        ms(figures.p99),
        figures.per_second,
        figures.batch,
        figures.cores
    ))
}

fn name(backend: Backend) -> String {
    use clap::ValueEnum;
    backend
        .to_possible_value()
        .map_or_else(String::new, |value| value.get_name().to_owned())
}

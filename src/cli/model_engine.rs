//! `nvr model build` and `nvr model bench`: a model's TensorRT engine, and its speed in each backend.

use anyhow::bail;
use clap::Args;

use super::out;
use crate::base::Stop;
use crate::config::{Backend, ModelChoice};
use crate::detect::{
    BuildFlags, CheckedModel, DetectorRequest, ModelStore, Parallelism, build_engine, measure, open,
};

/// Options of `nvr model build`.
#[derive(Debug, Args)]
pub(super) struct BuildArgs {
    /// Id of the model
    id: String,
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
    /// Backend to measure; repeatable [default: tensorrt, onnxruntime and rten]
    #[arg(long, value_name = "BACKEND")]
    backend: Vec<Backend>,
    /// Number of calls per backend
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    calls: u32,
    /// Threads of the CPU backends [default: number of cores]
    #[arg(long)]
    threads: Option<usize>,
}

pub(super) fn build(store: &ModelStore, args: &BuildArgs) -> anyhow::Result<()> {
    let model = store.find(&args.id)?;
    let flags = BuildFlags {
        fp16: args.fp16,
        int8: args.int8,
        dla: args.dla,
        batch: args.batch,
        workspace_mb: args.workspace_mb,
    };
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
    let built = build_engine(&model, flags, args.anew, &mut progress, &Stop::default())?;
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
        vec![Backend::Tensorrt, Backend::Onnxruntime, Backend::Rten]
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
    };
    let mut opened = match backend {
        Backend::Scripted | Backend::None => open(
            &DetectorRequest {
                model: ModelChoice::Named(args.id.clone()),
                backend,
                parallelism,
                scripted_delay: std::time::Duration::ZERO,
            },
            store,
        )?,
        _ => model.open(backend, parallelism)?,
    };
    if backend == Backend::Tensorrt && opened.upgrade.is_some() {
        bail!(
            "the model has no engine on this machine; build it with `nvr model build {}`",
            args.id
        );
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

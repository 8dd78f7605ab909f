//! CUDA, the GPU and TensorRT, one by one; with `--tensorrt` also a small engine that uses all of them.

use super::report::without_remedy;
use super::{Emit, Kind, Line, Machine, State};
use crate::detect::{Product, SmokeStep, TensorRtError, TensorRtReport, smoke_test};

const JETPACK: &str = "install JetPack's runtime (`sudo apt install nvidia-jetpack-runtime`), and start a container with --runtime nvidia";

pub(super) fn check(machine: &Machine, emit: Emit<'_>) {
    let kind = Kind::of(&machine.tree);
    let report = TensorRtReport::new();
    let has_gpu = matches!(report.gpu, Some(Ok(_)));
    let mut products = vec![
        (Product::TensorRt, report.tensorrt.is_ok()),
        (Product::Rtx, matches!(report.rtx, Some(Ok(_)))),
    ];
    products.retain(|(_, is_here)| *is_here);
    for (what, part) in [
        ("CUDA", Some(report.cuda)),
        ("GPU", report.gpu),
        ("TensorRT", Some(report.tensorrt)),
        ("TensorRT runtime", report.runtime),
        ("engine builder", Some(report.tool)),
        ("TensorRT for RTX", report.rtx),
    ] {
        if let Some(part) = part {
            emit(part_line(what, part, kind, has_gpu));
        }
    }
    let what = "small engine";
    match (machine.tensorrt, has_gpu) {
        (false, _) => emit(Line::ok(
            what,
            "not tested; `nvr doctor --tensorrt` builds one, runs it and compares its output",
        )),
        (true, true) => {
            for (product, _) in products {
                smoke_test(product, &mut |step| emit(step_line(product, &step)));
            }
        }
        (true, false) => emit(Line::new(
            State::of(kind == Kind::Jetson, false),
            what,
            "not tested: there is no GPU to run it",
            JETPACK,
        )),
    }
}

/// Each part belongs to a Jetson. A PC without a GPU needs none.
fn part_line(what: &str, part: Result<String, TensorRtError>, kind: Kind, has_gpu: bool) -> Line {
    match part {
        Ok(words) => Line::ok(what, words),
        Err(error) if kind == Kind::Jetson => Line::of_error(State::Fault, what, error, JETPACK),
        Err(error) if has_gpu => {
            let remedy = "install TensorRT to use the GPU, or use --backend onnxruntime";
            Line::of_error(State::Warning, what, error, remedy)
        }
        Err(error) => {
            let found = without_remedy(&error);
            Line::ok(what, format!("{found}; this machine works without it"))
        }
    }
}

fn step_line(product: Product, step: &SmokeStep) -> Line {
    let what = match product {
        Product::TensorRt => format!("small engine: {}", step.what),
        Product::Rtx => format!("small RTX engine: {}", step.what),
    };
    let took = step.took.as_secs_f64();
    match &step.outcome {
        Ok(words) => Line::ok(what, format!("{words}, {took:.1} s")),
        Err(reason) => Line::of_error(State::Fault, what, reason, JETPACK),
    }
    .with_figure("took_s", (took * 10.0).round() / 10.0)
}

#[cfg(test)]
mod tests {
    use super::super::fixture::short;
    use super::*;

    #[test]
    fn a_missing_part_is_a_fault_on_a_jetson_and_none_on_a_pc() {
        let missing = |what: &str, kind, has_gpu| {
            let tried = vec!["no libcudart.so".to_owned()];
            let absent = TensorRtError::CudaAbsent { tried };
            short(&part_line(what, Err(absent), kind, has_gpu))
        };
        let absent = "CUDA's runtime library could not be opened (no libcudart.so)";
        let on_jetson = missing("CUDA", Kind::Jetson, false);
        assert_eq!(on_jetson, format!("Fault | CUDA | {absent}"));
        let on_pc = missing("CUDA", Kind::Other, false);
        let expected = format!("Ok | CUDA | {absent}; this machine works without it");
        assert_eq!(on_pc, expected);
        let idle_gpu = missing("engine builder", Kind::Other, true);
        assert!(idle_gpu.starts_with("Warning |"), "{idle_gpu}");
    }
}

//! CUDA, the GPU and TensorRT, piece by piece; with `--tensorrt` a small engine through all of them.

use super::board::Kind;
use super::check::Emit;
use super::machine::Machine;
use super::report::{Line, State, split};
use crate::detect::{SmokeStep, TensorRtError, TensorRtReport, smoke_test};

pub(super) fn check(machine: &Machine, emit: Emit<'_>) {
    let kind = Kind::of(&machine.tree);
    let report = TensorRtReport::new();
    let has_gpu = matches!(report.gpu, Some(Ok(_)));
    let mut piece = |what: &str, outcome: Result<String, TensorRtError>| {
        emit(of_piece(what, outcome, kind, has_gpu));
    };
    piece("CUDA", report.cuda);
    if let Some(gpu) = report.gpu {
        piece("GPU", gpu);
    }
    piece("TensorRT", report.tensorrt);
    if let Some(runtime) = report.runtime {
        piece("TensorRT runtime", runtime);
    }
    piece(
        "trtexec",
        report.tool.map(|path| path.display().to_string()),
    );
    if !machine.tensorrt {
        emit(Line::ok(
            "small engine",
            "not tried; `nvr doctor --tensorrt` builds one, runs it and compares its numbers",
        ));
    } else if has_gpu {
        smoke_test(&mut |step| emit(of_step(&step)));
    } else {
        emit(absent(
            "small engine",
            "not tried: there is no GPU that could run it".to_owned(),
            kind,
        ));
    }
}

/// On a Jetson each piece belongs to the board; on a PC without a GPU none does.
fn of_piece(what: &str, outcome: Result<String, TensorRtError>, kind: Kind, has_gpu: bool) -> Line {
    match outcome {
        Ok(words) => Line::ok(what, words),
        Err(error) if kind == Kind::Jetson => Line::of_error(State::Fault, what, &error, JETSON),
        // The GPU is here and lies idle.
        Err(error) if has_gpu => Line::of_error(
            State::Warning,
            what,
            &error,
            "install TensorRT, or use --backend onnxruntime",
        ),
        Err(error) => {
            let words = error.to_string();
            let (found, _) = split(&words);
            absent(what, format!("{found}; this machine does without"), kind)
        }
    }
}

const JETSON: &str = "install JetPack's runtime (`sudo apt install nvidia-jetpack-runtime`), and start a container with --runtime nvidia";

fn absent(what: &str, found: String, kind: Kind) -> Line {
    if kind == Kind::Jetson {
        Line::fault(what, found, JETSON)
    } else {
        Line::ok(what, found)
    }
}

fn of_step(step: &SmokeStep) -> Line {
    let what = format!("small engine: {}", step.what);
    let took = step.took.as_secs_f64();
    match &step.outcome {
        Ok(words) => Line::ok(what, format!("{words}, {took:.1} s")),
        Err(reason) => Line::of_error(State::Fault, what, reason, JETSON),
    }
    .with_figure("took_s", (took * 10.0).round() / 10.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn missing() -> Result<String, TensorRtError> {
        Err(TensorRtError::CudaAbsent {
            tried: vec!["no libcudart.so".to_owned()],
        })
    }

    #[test]
    fn a_missing_piece_is_a_fault_on_a_jetson_and_nothing_on_a_pc() {
        let line = of_piece("CUDA", missing(), Kind::Jetson, false);
        assert_eq!(line.state, State::Fault);
        assert_eq!(
            line.found,
            "CUDA's runtime library could not be opened (no libcudart.so)"
        );
        let line = of_piece("CUDA", missing(), Kind::Other, false);
        assert_eq!(
            line,
            Line::ok(
                "CUDA",
                "CUDA's runtime library could not be opened (no libcudart.so); this machine does without"
            )
        );
        let line = of_piece("trtexec", missing(), Kind::Other, true);
        assert_eq!(line.state, State::Warning);
    }
}

//! Installed models, the model that is used, the backends, and whether the engines of the cache still fit.

use super::report::without_remedy;
use super::{Emit, Line, Machine, State};
use crate::config::ModelChoice;
use crate::detect::{
    DetectError, EngineReport, EngineVerdict, ModelEntry, ModelStore, available_backends, engines,
};

pub(super) fn check(machine: &Machine, emit: Emit<'_>) {
    let store = ModelStore::new(machine.models_dirs());
    let listed = store.list();
    listed.iter().map(model_line).for_each(&mut *emit);
    emit(if listed.is_empty() {
        Line::warning(
            "models",
            "none is installed: a processor can't detect objects",
            "install one with `make setup` or `nvr model import FILE.onnx --id ID`",
        )
    } else {
        used_model_line(&store, machine)
    });
    for (backend, words) in available_backends() {
        // TensorRT has its own section.
        if !["tensorrt", "tensorrt-rtx", "scripted"].contains(&backend) {
            emit(backend_line(backend, &words));
        }
    }
    let engines = engines(&store);
    if engines.is_empty() {
        let found = "none in the cache; a processor with TensorRT builds its own";
        emit(Line::ok("engines", found));
    }
    engines.iter().map(engine_line).for_each(emit);
}

fn model_line(listed: &ModelEntry) -> Line {
    let what = format!("model {}", listed.id);
    let (error, remedy) = match &listed.model {
        Ok(model) => match model.verify() {
            Ok(()) => {
                let folder = model.weights_dir.display();
                return Line::ok(what, format!("complete, in {folder}"));
            }
            Err(error) => (error.to_string(), "install it again"),
        },
        Err(DetectError::NotInstalled { missing, .. }) => {
            let found = format!("its manifest exists, but its weights are missing: {missing}");
            return Line::ok(what, found);
        }
        Err(error) => (error.to_string(), "correct its manifest"),
    };
    Line::of_error(State::Warning, what, error, remedy)
}

/// The model that a processor would use.
fn used_model_line(store: &ModelStore, machine: &Machine) -> Line {
    let mut loaded = machine.config.loaded();
    let choice = loaded.next().map(|loaded| &loaded.settings.processor.model);
    let what = "model: used";
    match store.choose(choice.unwrap_or(&ModelChoice::Default)) {
        Ok(chosen) => match (chosen.model.id, chosen.named_by) {
            (id, Some(file)) => Line::ok(what, format!("{id}, set in {}", file.display())),
            (id, None) => Line::ok(what, id),
        },
        Err(error) => {
            let remedy = "choose an installed one: `nvr model default ID`, or --model ID";
            Line::of_error(State::Fault, what, error, remedy)
        }
    }
}

fn backend_line(backend: &str, words: &str) -> Line {
    let what = format!("backend {backend}");
    if words.starts_with("ready") {
        return Line::ok(what, words);
    }
    // A processor then uses the other CPU backend. Of an engine that most machines lack, the line says how to get it.
    let reason = match backend {
        "openvino" => words.to_owned(),
        _ => without_remedy(&words),
    };
    Line::ok(what, format!("not available: {reason}"))
}

fn engine_line(engine: &EngineReport) -> Line {
    let (path, model) = (engine.path.display(), &engine.model);
    let (name, remedy) = if model.is_empty() {
        let name = engine.path.file_name().unwrap_or_default();
        (name.to_string_lossy(), format!("delete {path}"))
    } else {
        let build = format!("`nvr model build {model}` builds it again");
        let remedy = format!("{build}; this one can be deleted: {path}");
        (model.into(), remedy)
    };
    let key = match engine.key.as_str() {
        "" => String::new(),
        key => format!(" (for {key})"),
    };
    let what = format!("engine {name}");
    let found = match &engine.verdict {
        EngineVerdict::Fits => return Line::ok(what, format!("fits this machine{key}")),
        EngineVerdict::Untold(reason) => {
            let reason = without_remedy(reason);
            return Line::ok(what, format!("not compared{key}: {reason}"));
        }
        EngineVerdict::Stale(reason) => format!("will not be loaded: {reason}{key}"),
        EngineVerdict::Damaged(reason) => format!("is damaged: {}", without_remedy(reason)),
    };
    Line::warning(what, found, remedy)
}

#[cfg(test)]
mod tests {
    use super::super::fixture::full;
    use super::*;

    #[test]
    fn an_absent_backend_is_no_warning_and_openvino_has_its_remedy() {
        let line = |backend, words| full(&backend_line(backend, words));
        assert_eq!(
            [
                line("openvino", "ready: OpenVINO 2025.4.1 in /c/o.so"),
                line(
                    "openvino",
                    "OpenVINO can't be used (/c/p.so has no OpenVINO); install it"
                ),
                line(
                    "onnxruntime",
                    "its library could not be opened (/c/p.so: no); install it"
                ),
            ],
            [
                "Ok | backend openvino | ready: OpenVINO 2025.4.1 in /c/o.so",
                "Ok | backend openvino | not available: OpenVINO can't be used (/c/p.so has no OpenVINO); install it",
                "Ok | backend onnxruntime | not available: its library could not be opened (/c/p.so: no)",
            ]
        );
    }

    #[test]
    fn an_engine_that_is_not_loaded_is_a_warning_with_the_command_that_builds_it() {
        let line = |verdict| {
            full(&engine_line(&EngineReport {
                path: "/c/tiny-1.engine".into(),
                model: "tiny".to_owned(),
                key: "TensorRT 10.3.0, Orin".to_owned(),
                verdict,
            }))
        };
        assert_eq!(
            [
                line(EngineVerdict::Fits),
                line(EngineVerdict::Untold("no GPU; buy one".to_owned())),
                line(EngineVerdict::Stale("it is for TensorRT 8.5.2".to_owned())),
                line(EngineVerdict::Damaged("short".to_owned())),
            ],
            [
                "Ok | engine tiny | fits this machine (for TensorRT 10.3.0, Orin)",
                "Ok | engine tiny | not compared (for TensorRT 10.3.0, Orin): no GPU",
                "Warning | engine tiny | will not be loaded: it is for TensorRT 8.5.2 (for TensorRT 10.3.0, Orin) | `nvr model build tiny` builds it again; this one can be deleted: /c/tiny-1.engine",
                "Warning | engine tiny | is damaged: short | `nvr model build tiny` builds it again; this one can be deleted: /c/tiny-1.engine",
            ]
        );
    }
}

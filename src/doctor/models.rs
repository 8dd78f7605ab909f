//! Installed models, the model that is used, the backends, and whether the engines of the cache still fit.

use super::check::Emit;
use super::machine::Machine;
use super::report::{Line, State, split_remedy};
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
        if !["tensorrt", "scripted"].contains(&backend) {
            emit(backend_line(backend, &words));
        }
    }
    let engines = engines(&store);
    if engines.is_empty() {
        emit(Line::ok(
            "engines",
            "none in the cache; a processor with TensorRT builds its own",
        ));
    }
    engines.iter().map(engine_line).for_each(emit);
}

fn model_line(listed: &ModelEntry) -> Line {
    let what = format!("model {}", listed.id);
    match &listed.model {
        Ok(model) => match model.verify() {
            Ok(()) => Line::ok(
                what,
                format!("complete, in {}", model.weights_dir.display()),
            ),
            Err(error) => Line::of_error(State::Warning, what, &error, "install it again"),
        },
        Err(DetectError::NotInstalled { missing, .. }) => Line::ok(
            what,
            format!("its manifest exists, but its weights are missing: {missing}"),
        ),
        Err(error) => Line::of_error(State::Warning, what, error, "correct its manifest"),
    }
}

/// The model that a processor would use.
fn used_model_line(store: &ModelStore, machine: &Machine) -> Line {
    let choice = machine.config.any().map_or(ModelChoice::Default, |loaded| {
        loaded.settings.processor.model.clone()
    });
    match store.choose(&choice) {
        Ok(chosen) => Line::ok(
            "model: used",
            match chosen.named_by {
                Some(file) => format!("{}, set in {}", chosen.model.id, file.display()),
                None => chosen.model.id,
            },
        ),
        Err(error) => Line::of_error(
            State::Fault,
            "model: used",
            &error,
            "choose an installed one: `nvr model default ID`, or --model ID",
        ),
    }
}

fn backend_line(backend: &str, words: &str) -> Line {
    let what = format!("backend {backend}");
    if words.starts_with("ready") {
        return Line::ok(what, words);
    }
    // A processor then uses the other CPU backend.
    let (found, _) = split_remedy(words);
    Line::ok(what, format!("not available: {found}"))
}

fn engine_line(engine: &EngineReport) -> Line {
    let path = engine.path.display();
    let (name, remedy) = match engine.model.as_str() {
        "" => {
            let name = engine.path.file_name().unwrap_or_default();
            (
                name.to_string_lossy().into_owned(),
                format!("delete {path}"),
            )
        }
        model => (
            model.to_owned(),
            format!("`nvr model build {model}` builds it again; this one can be deleted: {path}"),
        ),
    };
    let key = match engine.key.as_str() {
        "" => String::new(),
        key => format!(" (for {key})"),
    };
    let (state, found) = match &engine.verdict {
        EngineVerdict::Fits => (State::Ok, format!("fits this machine{key}")),
        EngineVerdict::Untold(reason) => (
            State::Ok,
            format!("not compared{key}: {}", split_remedy(reason).0),
        ),
        EngineVerdict::Stale(reason) => {
            (State::Warning, format!("will not be loaded: {reason}{key}"))
        }
        EngineVerdict::Damaged(reason) => (
            State::Warning,
            format!("is damaged: {}", split_remedy(reason).0),
        ),
    };
    Line::new(state, format!("engine {name}"), found, remedy)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn engine(verdict: EngineVerdict) -> Line {
        engine_line(&EngineReport {
            path: "/c/tiny-1.engine".into(),
            model: "tiny".to_owned(),
            key: "TensorRT 10.3.0, Orin".to_owned(),
            verdict,
        })
    }

    #[test]
    fn an_engine_that_is_not_loaded_is_a_warning_with_the_command_that_builds_it() {
        let found = "fits this machine (for TensorRT 10.3.0, Orin)";
        assert_eq!(engine(EngineVerdict::Fits), Line::ok("engine tiny", found));
        assert_eq!(
            engine(EngineVerdict::Stale("it is for TensorRT 8.5.2".to_owned())),
            Line::warning(
                "engine tiny",
                "will not be loaded: it is for TensorRT 8.5.2 (for TensorRT 10.3.0, Orin)",
                "`nvr model build tiny` builds it again; this one can be deleted: /c/tiny-1.engine"
            )
        );
        let damaged = engine(EngineVerdict::Damaged("short".to_owned()));
        assert_eq!(damaged.state, State::Warning);
        let unknown = engine(EngineVerdict::Untold("no GPU; buy one".to_owned()));
        assert_eq!(unknown.state, State::Ok);
    }
}

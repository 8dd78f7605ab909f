//! Installed models, the default among them, what runs them, and whether the engines of the cache still fit.

use super::check::Tell;
use super::patient::Patient;
use super::report::{Line, State, split};
use crate::config::ModelChoice;
use crate::detect::{
    DetectError, EngineReport, EngineVerdict, ModelEntry, ModelStore, available_backends, engines,
};

pub(super) fn look(patient: &Patient, tell: Tell<'_>) {
    let store = ModelStore::new(patient.models_dirs());
    let listed = store.list();
    if listed.is_empty() {
        tell(Line::warning(
            "models",
            "none is installed: a processor can't look at anything",
            "`make setup` installs one, `nvr model import FILE.onnx --id ID` another",
        ));
    }
    listed.iter().map(of_model).for_each(&mut *tell);
    if !listed.is_empty() {
        tell(chosen(&store, patient));
    }
    for (backend, words) in available_backends() {
        // Its pieces have a section of their own.
        if !["tensorrt", "scripted"].contains(&backend) {
            tell(of_backend(backend, &words));
        }
    }
    let engines = engines(&store);
    if engines.is_empty() {
        tell(Line::ok(
            "engines",
            "none in the cache; a processor with TensorRT builds its own",
        ));
    }
    engines.iter().map(of_engine).for_each(tell);
}

fn of_model(listed: &ModelEntry) -> Line {
    let what = format!("model {}", listed.id);
    match &listed.model {
        Ok(model) => match model.verify() {
            Ok(()) => Line::ok(what, format!("whole, in {}", model.weights_dir.display())),
            Err(error) => Line::of_error(State::Warning, what, &error, "install it anew"),
        },
        Err(DetectError::NotInstalled { missing, .. }) => Line::ok(
            what,
            format!("its manifest is here, its weights are not: {missing}"),
        ),
        Err(error) => Line::of_error(State::Warning, what, error, "correct its manifest"),
    }
}

/// What a processor would take.
fn chosen(store: &ModelStore, patient: &Patient) -> Line {
    let choice = patient.config.any().map_or(ModelChoice::Default, |loaded| {
        loaded.settings.processor.model.clone()
    });
    match store.choose(&choice) {
        Ok(chosen) => Line::ok(
            "model: used",
            match chosen.named_by {
                Some(file) => format!("{}, by {}", chosen.model.id, file.display()),
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

fn of_backend(backend: &str, words: &str) -> Line {
    let what = format!("backend {backend}");
    if words.starts_with("ready") {
        return Line::ok(what, words);
    }
    // The other one of the processor takes over.
    let (found, _) = split(words);
    Line::ok(what, format!("not here: {found}"))
}

fn of_engine(engine: &EngineReport) -> Line {
    let name = engine
        .path
        .file_name()
        .unwrap_or_default()
        .to_string_lossy();
    let what = format!(
        "engine {}",
        if engine.model.is_empty() {
            &*name
        } else {
            &engine.model
        }
    );
    let key = if engine.key.is_empty() {
        String::new()
    } else {
        format!(" (for {})", engine.key)
    };
    let again = match engine.model.as_str() {
        "" => format!("delete {}", engine.path.display()),
        model => format!(
            "`nvr model build {model}` builds it again; this one can be deleted: {}",
            engine.path.display()
        ),
    };
    match &engine.verdict {
        EngineVerdict::Fits => Line::ok(what, format!("fits what is here{key}")),
        EngineVerdict::Untold(reason) => {
            let (reason, _) = split(reason);
            Line::ok(what, format!("not compared{key}: {reason}"))
        }
        EngineVerdict::Stale(reason) => {
            Line::warning(what, format!("will not be loaded: {reason}{key}"), again)
        }
        EngineVerdict::Damaged(reason) => {
            let (reason, _) = split(reason);
            Line::warning(what, format!("is damaged: {reason}"), again)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn engine(verdict: EngineVerdict) -> Line {
        of_engine(&EngineReport {
            path: "/c/tiny-1.engine".into(),
            model: "tiny".to_owned(),
            key: "TensorRT 10.3.0, Orin".to_owned(),
            verdict,
        })
    }

    #[test]
    fn an_engine_that_is_not_loaded_is_a_warning_with_the_command_that_builds_it() {
        assert_eq!(
            engine(EngineVerdict::Fits),
            Line::ok(
                "engine tiny",
                "fits what is here (for TensorRT 10.3.0, Orin)"
            )
        );
        assert_eq!(
            engine(EngineVerdict::Stale("it is for TensorRT 8.5.2".to_owned())),
            Line::warning(
                "engine tiny",
                "will not be loaded: it is for TensorRT 8.5.2 (for TensorRT 10.3.0, Orin)",
                "`nvr model build tiny` builds it again; this one can be deleted: /c/tiny-1.engine"
            )
        );
        assert_eq!(
            engine(EngineVerdict::Damaged("short".to_owned())).state,
            State::Warning
        );
        assert_eq!(
            engine(EngineVerdict::Untold("no GPU; buy one".to_owned())).state,
            State::Ok
        );
    }
}

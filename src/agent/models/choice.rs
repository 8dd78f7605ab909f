//! Which model a processor runs: that of its document, or another one until that is there. Pure.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::version::Version;
use crate::detect::PUBLISHED_DEFAULT;
use crate::fleet::Desired;

/// The backend without a detector, with which a processor runs until a first model is there.
const NO_DETECTOR: &str = "none";
/// Backends that run no model.
const WITHOUT_MODEL: [&str; 2] = ["scripted", NO_DETECTOR];

/// The model of a processor's configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub(in crate::agent) struct Choice {
    /// The fetched version whose folder is searched first.
    pub(in crate::agent) version: Option<Version>,
    /// `processor.model`; absent: the default model.
    pub(in crate::agent) model: Option<String>,
    /// `processor.backend`; absent: the default.
    pub(in crate::agent) backend: Option<String>,
}

/// What a box has.
pub(super) trait Stock {
    /// Whether a fetched version can be used.
    fn has(&self, version: &Version) -> bool;

    /// A fetched version of a model.
    fn any_of(&self, id: &str) -> Option<Version>;

    /// Whether a model is installed that the agent has not fetched; without an id, the default one.
    fn has_by_hand(&self, id: Option<&str>) -> bool;
}

impl Choice {
    /// The model for the processor of `desired`. While its own one is not there: another version of it, else the model `in_use`,
    /// else none.
    pub(super) fn of(desired: &Desired, stock: &dyn Stock, in_use: Option<&Self>) -> Self {
        let text = |key: &str| {
            let table = desired.processor.as_ref()?.get("processor")?;
            Some(table.get(key)?.as_str()?.to_owned())
        };
        let as_written = |version| Self {
            version,
            model: text("model"),
            backend: text("backend"),
        };
        let Some(wanted) = wanted(desired) else {
            return as_written(None);
        };
        if stock.has(&wanted) {
            return as_written(Some(wanted));
        }
        let in_use = in_use.filter(|in_use| in_use.is_there(stock));
        let same = in_use.filter(|in_use| in_use.model == text("model"));
        if let Some(version) = same.and_then(|same| same.version.clone()) {
            return as_written(Some(version));
        }
        if let Some(version) = stock.any_of(&wanted.id) {
            return as_written(Some(version));
        }
        if stock.has_by_hand(text("model").as_deref()) {
            return as_written(None);
        }
        in_use.cloned().unwrap_or(Self {
            backend: Some(NO_DETECTOR.to_owned()),
            ..as_written(None)
        })
    }

    /// Whether the model is still on the box.
    fn is_there(&self, stock: &dyn Stock) -> bool {
        match &self.version {
            Some(version) => stock.has(version),
            None => !self.runs_a_model() || stock.has_by_hand(self.model.as_deref()),
        }
    }

    /// Whether it has a detector of any kind, so that it can stand in for a model.
    pub(super) fn detects(&self) -> bool {
        self.backend.as_deref() != Some(NO_DETECTOR)
    }

    fn runs_a_model(&self) -> bool {
        let backend = self.backend.as_deref();
        !backend.is_some_and(|backend| WITHOUT_MODEL.contains(&backend))
    }

    /// Puts it into a processor's configuration. `dirs` are searched for models, that of the version first.
    pub(super) fn put_into(&self, config: &mut Value, dirs: Vec<String>) {
        let Some(config) = config.as_object_mut() else {
            return;
        };
        if !dirs.is_empty() {
            config.insert("models_dirs".to_owned(), dirs.into());
        }
        let table = config
            .entry("processor")
            .or_insert_with(|| Value::Object(Map::new()));
        let Some(table) = table.as_object_mut() else {
            return;
        };
        for (key, value) in [("model", &self.model), ("backend", &self.backend)] {
            match value {
                Some(value) => table.insert(key.to_owned(), value.as_str().into()),
                None => table.remove(key),
            };
        }
    }
}

impl std::fmt::Display for Choice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (&self.version, &self.model) {
            _ if !self.detects() => f.write_str("no detector"),
            (Some(version), _) => version.fmt(f),
            (None, _) if !self.runs_a_model() => {
                let backend = self.backend.as_deref().unwrap_or_default();
                write!(f, "the backend {backend}")
            }
            (None, Some(model)) => f.write_str(model),
            (None, None) => f.write_str("the default model"),
        }
    }
}

/// The version that the processor of a document is to run, if the document names one.
pub(super) fn wanted(desired: &Desired) -> Option<Version> {
    let table = desired
        .processor
        .as_ref()
        .filter(|_| desired.role.has_processor())?
        .get("processor");
    let text = |key: &str| table?.get(key)?.as_str();
    if text("backend").is_some_and(|backend| WITHOUT_MODEL.contains(&backend)) {
        return None;
    }
    let id = text("model").unwrap_or(PUBLISHED_DEFAULT);
    let model = desired.models.iter().find(|model| model.id == id)?;
    Some(Version::of(model))
}

/// Whether the processor of a document may use an engine of TensorRT.
pub(super) fn uses_engines(desired: &Desired) -> bool {
    let table = |body: &Value| {
        body.get("processor")?
            .get("backend")?
            .as_str()
            .map(str::to_owned)
    };
    let backend = desired.processor.as_ref().and_then(table);
    let backend = backend.as_deref().unwrap_or("auto");
    desired.role.has_processor() && ["auto", "tensorrt", "tensorrt-rtx"].contains(&backend)
}

/// `models_dirs` of the body.
pub(super) fn written_dirs(desired: &Desired) -> Vec<String> {
    let dirs = desired
        .processor
        .as_ref()
        .and_then(|body| body.get("models_dirs"));
    let dirs = dirs.and_then(Value::as_array).into_iter().flatten();
    dirs.filter_map(|dir| dir.as_str().map(str::to_owned))
        .collect()
}

#[cfg(test)]
#[path = "choice_tests.rs"]
mod tests;

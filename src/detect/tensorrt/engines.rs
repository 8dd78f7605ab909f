//! The engines of the cache, each held against the models that are installed and the libraries that are here.

use std::path::PathBuf;

use super::super::ModelStore;
use super::cache::{EngineCache, EngineFile, onnx_sha256, read};
use super::library::Libraries;

/// An engine in the cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineReport {
    /// Its file.
    pub path: PathBuf,
    /// The model that it was built of; empty where nothing says so.
    pub model: String,
    /// For what and how it was built.
    pub key: String,
    /// Whether it serves.
    pub verdict: EngineVerdict,
}

/// Whether an engine serves here and now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EngineVerdict {
    /// It will be loaded.
    Fits,
    /// There is nothing here to hold it against: why TensorRT can't be used.
    Untold(String),
    /// It is for something else, or of another ONNX file: what differs.
    Stale(String),
    /// It is not whole: what is missing.
    Damaged(String),
}

/// Every engine of the program's cache. Opens NVIDIA's libraries and reads whole engines: blocks for seconds.
pub fn engines(store: &ModelStore) -> Vec<EngineReport> {
    let cache = EngineCache::of_program();
    let sidecars = cache.sidecars();
    let orphans = cache.orphans();
    if sidecars.is_empty() && orphans.is_empty() {
        return Vec::new();
    }
    let here = Libraries::open().map_err(|error| error.to_string());
    let mut found: Vec<EngineReport> = sidecars
        .into_iter()
        .map(|path| {
            let engine = path.with_extension("engine");
            match read(&path) {
                Err(reason) => EngineReport {
                    path: engine,
                    model: String::new(),
                    key: String::new(),
                    verdict: EngineVerdict::Damaged(format!("its key can't be read: {reason}")),
                },
                Ok(sidecar) => {
                    let (model, key) = (sidecar.model.clone(), sidecar.key.clone());
                    let stale = match store.find(&model) {
                        Err(_) => Some(format!("its model {model} is not installed")),
                        Ok(installed) => match onnx_sha256(&installed) {
                            Ok(sha256) if sha256 != key.onnx_sha256 => {
                                Some("it is of another ONNX file of that model".to_owned())
                            }
                            _ => None,
                        },
                    };
                    let file = EngineFile::of(&path, sidecar);
                    let verdict = match (stale, &here) {
                        (Some(reason), _) => EngineVerdict::Stale(reason),
                        (None, Err(reason)) => EngineVerdict::Untold(reason.clone()),
                        (None, Ok(here)) => match (key.differs(here), file.read()) {
                            (Some(reason), _) => EngineVerdict::Stale(reason),
                            (None, Err(error)) => EngineVerdict::Damaged(error.to_string()),
                            (None, Ok(_)) => EngineVerdict::Fits,
                        },
                    };
                    EngineReport {
                        path: engine,
                        model,
                        key: key.to_string(),
                        verdict,
                    }
                }
            }
        })
        .collect();
    found.extend(orphans.into_iter().map(|path| EngineReport {
        path,
        model: String::new(),
        key: String::new(),
        verdict: EngineVerdict::Damaged("it has no key: a build was cut off".to_owned()),
    }));
    found
}

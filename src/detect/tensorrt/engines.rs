//! The engines of the cache, each compared with the installed models and the libraries of this machine.

use std::path::PathBuf;

use super::super::ModelStore;
use super::cache::{EngineCache, EngineFile, read};
use super::library::Libraries;
use super::product::Product;

/// An engine in the cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineReport {
    /// Its path.
    pub path: PathBuf,
    /// The id of its model; empty if it is unknown.
    pub model: String,
    /// Its key and build options.
    pub key: String,
    /// Whether it can be used.
    pub verdict: EngineVerdict,
}

/// Whether an engine can be used on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EngineVerdict {
    /// It will be loaded.
    Fits,
    /// It can't be checked; the reason why TensorRT can't be used.
    Untold(String),
    /// It is for another machine, version or ONNX file; the difference.
    Stale(String),
    /// It is incomplete; the missing part.
    Damaged(String),
}

/// All engines of the program's cache. Opens NVIDIA's libraries and reads whole engines: blocks for seconds.
pub fn engines(store: &ModelStore) -> Vec<EngineReport> {
    let cache = EngineCache::of_program();
    let sidecars = cache.sidecars();
    let orphans = cache.orphans();
    if sidecars.is_empty() && orphans.is_empty() {
        return Vec::new();
    }
    let here =
        Product::ALL.map(|product| Libraries::open(product).map_err(|error| error.to_string()));
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
                        Ok(installed) => match installed.network_sha256() {
                            Ok(sha256) if sha256 != key.onnx_sha256 => {
                                Some("it is of another ONNX file of that model".to_owned())
                            }
                            _ => None,
                        },
                    };
                    let file = EngineFile::of(&path, sidecar);
                    let here = match key.product() {
                        Product::TensorRt => &here[0],
                        Product::Rtx => &here[1],
                    };
                    let verdict = match (stale, here) {
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

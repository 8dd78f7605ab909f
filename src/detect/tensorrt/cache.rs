//! The cache of built engines and their keys. An engine with another key is never loaded.
//!
//! An engine is `NAME.engine` in the cache's folder `engines`. Its key is in the sidecar `NAME.json`, which is written
//! last: an engine without a sidecar is incomplete.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::super::installed_model::sha256_of;
use super::super::store::write_whole;
use super::super::{DetectError, InstalledModel};
use super::error::TensorRtError;
use super::flags::BuildFlags;
use super::library::Libraries;
use super::product::Product;
use crate::base;

/// The key of an engine: a difference in any field needs another engine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EngineKey {
    /// SHA-256 of the ONNX file, or of the list of its files.
    pub(super) onnx_sha256: String,
    /// TensorRT's version; of TensorRT for RTX, with these words before it.
    pub(super) tensorrt: String,
    /// The GPU.
    pub(super) gpu: String,
    /// The build options.
    pub(super) flags: BuildFlags,
}

/// The sidecar of an engine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Sidecar {
    /// The id of its model.
    pub(super) model: String,
    /// Its key.
    pub(super) key: EngineKey,
    engine_sha256: String,
    engine_bytes: u64,
    built_unix: u64,
}

/// An engine with a matching key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct EngineFile {
    /// The path.
    pub(super) path: PathBuf,
    /// The build options.
    pub(super) flags: BuildFlags,
    sha256: String,
    bytes: u64,
    built_unix: u64,
}

/// The folder of engines.
#[derive(Debug, Clone)]
pub(super) struct EngineCache {
    dir: PathBuf,
}

impl EngineKey {
    /// The key of `model` with the given libraries.
    pub(super) fn new(
        model: &InstalledModel,
        libraries: &Libraries,
        flags: BuildFlags,
    ) -> Result<Self, DetectError> {
        Ok(Self {
            onnx_sha256: model.network_sha256()?,
            tensorrt: libraries.version.to_string(),
            gpu: libraries.gpu.to_string(),
            flags,
        })
    }

    /// The product that it is for.
    pub(super) fn product(&self) -> Product {
        if self.tensorrt.starts_with("for RTX") {
            Product::Rtx
        } else {
            Product::TensorRt
        }
    }

    /// The difference between an engine's key and the given libraries; none if it matches.
    pub(super) fn differs(&self, here: &Libraries) -> Option<String> {
        let (version, gpu) = (here.version.to_string(), here.gpu.to_string());
        if self.tensorrt != version {
            Some(format!("it is for TensorRT {}", self.tensorrt))
        } else if self.gpu != gpu {
            Some(format!("it is for {}", self.gpu))
        } else {
            None
        }
    }
}

impl std::fmt::Display for EngineKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let BuildFlags {
            fp16,
            int8,
            dla,
            batch,
            ..
        } = self.flags;
        let precision = match (fp16, int8) {
            (_, true) => "8-bit",
            (true, false) => "16-bit",
            (false, false) => "32-bit",
        };
        write!(
            f,
            "TensorRT {}, {}, {precision}, batch {batch}",
            self.tensorrt, self.gpu
        )?;
        match dla {
            Some(core) => write!(f, ", DLA {core}"),
            None => Ok(()),
        }
    }
}

impl EngineCache {
    /// A cache in the given folder.
    pub(super) fn in_dir(dir: PathBuf) -> Self {
        Self { dir }
    }

    /// The engines in the program's cache.
    pub(super) fn of_program() -> Self {
        Self {
            dir: base::cache_dir().join("engines"),
        }
    }

    /// Its folder, which is created if it does not exist.
    pub(super) fn dir(&self) -> Result<&Path, DetectError> {
        std::fs::create_dir_all(&self.dir).map_err(|error| DetectError::Io {
            action: "create",
            path: self.dir.clone(),
            error,
            hint: "set NVR_CACHE to a directory that can be written",
        })?;
        Ok(&self.dir)
    }

    /// The newest matching engine of `model`.
    ///
    /// # Errors
    /// If there is none; with the keys of the existing ones.
    pub(super) fn find(
        &self,
        model: &InstalledModel,
        here: &Libraries,
    ) -> Result<EngineFile, DetectError> {
        let onnx = model.network_sha256()?;
        let mut others = Vec::new();
        let mut newest: Option<EngineFile> = None;
        for path in self.sidecars() {
            let sidecar = match read(&path) {
                Ok(sidecar) => sidecar,
                Err(reason) => {
                    others.push(reason);
                    continue;
                }
            };
            if sidecar.key.onnx_sha256 != onnx {
                if sidecar.model == model.id {
                    others.push(format!("{}: it is of another ONNX file", name(&path)));
                }
                continue;
            }
            if let Some(difference) = sidecar.key.differs(here) {
                others.push(format!("{}: {difference}", name(&path)));
                continue;
            }
            let file = EngineFile::of(&path, sidecar);
            if newest
                .as_ref()
                .is_none_or(|newest| newest.built_unix <= file.built_unix)
            {
                newest = Some(file);
            }
        }
        newest.ok_or_else(|| {
            DetectError::TensorRt(TensorRtError::NoEngine {
                model: model.id.clone(),
                version: here.version,
                gpu: here.gpu.to_string(),
                dir: self.dir.clone(),
                others,
            })
        })
    }

    /// The engine with exactly this key.
    pub(super) fn exactly(&self, model: &str, key: &EngineKey) -> Option<EngineFile> {
        let path = self.dir.join(file_name(model, key)).with_extension("json");
        let sidecar = read(&path).ok()?;
        (sidecar.key == *key).then(|| EngineFile::of(&path, sidecar))
    }

    /// The path for the engine of this key.
    pub(super) fn place(&self, model: &str, key: &EngineKey) -> PathBuf {
        self.dir.join(file_name(model, key))
    }

    /// Adds the finished file `built` as the engine of this key.
    pub(super) fn keep(
        &self,
        model: &str,
        key: EngineKey,
        built: &Path,
    ) -> Result<EngineFile, DetectError> {
        let path = self.place(model, &key);
        let io = |error| DetectError::Io {
            action: "write",
            path: path.clone(),
            error,
            hint: "free disk space, or set NVR_CACHE to another directory",
        };
        let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let sidecar = Sidecar {
            model: model.to_owned(),
            key,
            engine_sha256: sha256_of(built)?,
            engine_bytes: std::fs::metadata(built).map_err(io)?.len(),
            built_unix: since_epoch.map_or(0, |time| time.as_secs()),
        };
        let json = path.with_extension("json");
        // The old key is removed before the old engine; the new key is written after the new engine.
        if json.exists() {
            std::fs::remove_file(&json).map_err(io)?;
        }
        std::fs::rename(built, &path).map_err(io)?;
        let text = serde_json::to_string_pretty(&sidecar)
            .expect("invariant: a struct of numbers and texts is JSON");
        write_whole(&json, text.as_bytes())?;
        Ok(EngineFile::of(&json, sidecar))
    }

    /// The keys of all engines.
    pub(super) fn sidecars(&self) -> Vec<PathBuf> {
        self.files("json")
    }

    /// Engines without a key, from interrupted builds.
    pub(super) fn orphans(&self) -> Vec<PathBuf> {
        let mut paths = self.files("engine");
        paths.retain(|path| !path.with_extension("json").exists());
        paths
    }

    fn files(&self, wanted: &str) -> Vec<PathBuf> {
        let mut paths: Vec<PathBuf> = std::fs::read_dir(&self.dir)
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.path())
            .filter(|path| {
                path.extension()
                    .is_some_and(|extension| extension == wanted)
            })
            .collect();
        paths.sort_unstable();
        paths
    }
}

impl EngineFile {
    /// The engine beside its sidecar.
    pub(super) fn of(sidecar_path: &Path, sidecar: Sidecar) -> Self {
        Self {
            path: sidecar_path.with_extension("engine"),
            flags: sidecar.key.flags,
            sha256: sidecar.engine_sha256,
            bytes: sidecar.engine_bytes,
            built_unix: sidecar.built_unix,
        }
    }

    /// Its content, after checking it. Blocks.
    ///
    /// # Errors
    /// If it is incomplete or was changed.
    pub(super) fn read(&self) -> Result<Vec<u8>, DetectError> {
        let bytes = std::fs::read(&self.path).map_err(|error| DetectError::Io {
            action: "read",
            path: self.path.clone(),
            error,
            hint: "build it again with `nvr model build ID`",
        })?;
        let damaged = |words| {
            DetectError::TensorRt(TensorRtError::EngineDamaged {
                path: self.path.clone(),
                words,
            })
        };
        if bytes.len() as u64 != self.bytes {
            return Err(damaged(format!(
                "{} bytes instead of {}",
                bytes.len(),
                self.bytes
            )));
        }
        let found = format!("{:x}", Sha256::digest(&bytes));
        if found != self.sha256 {
            return Err(damaged(format!(
                "SHA-256 {found} instead of {}",
                self.sha256
            )));
        }
        Ok(bytes)
    }
}

/// Reads a sidecar. Its errors contain its name.
pub(super) fn read(path: &Path) -> Result<Sidecar, String> {
    std::fs::read(path)
        .map_err(|error| format!("{}: {error}", name(path)))
        .and_then(|text| {
            serde_json::from_slice(&text).map_err(|error| format!("{}: {error}", name(path)))
        })
}

fn name(path: &Path) -> String {
    let name = path.file_stem().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

/// The model's id for people, and enough of the key's hash to distinguish keys.
fn file_name(model: &str, key: &EngineKey) -> String {
    let text =
        serde_json::to_string(key).expect("invariant: a struct of numbers and texts is JSON");
    let hash = format!("{:x}", Sha256::digest(text));
    format!("{model}-{}.engine", &hash[..16])
}

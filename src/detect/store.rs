//! The store of models: finds manifests and weights, and selects the default model.

use std::fs::File;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::{DetectError, InstalledModel, Manifest};
use crate::base;
use crate::config::ModelChoice;

/// The default model of the published command line.
pub const PUBLISHED_DEFAULT: &str = "yolov8x-640";

/// The file in a models directory that names the substitute for [`PUBLISHED_DEFAULT`].
const DEFAULT_FILE: &str = "default";

/// The directories of models, in search order.
#[derive(Debug, Clone)]
pub struct ModelStore {
    dirs: Vec<PathBuf>,
}

/// A directory entry with a manifest.
#[derive(Debug)]
pub struct ModelEntry {
    /// Its id.
    pub id: String,
    /// The model, or the reason why it can't be used.
    pub model: Result<InstalledModel, DetectError>,
}

/// The result of choosing a model.
#[derive(Debug)]
pub struct ModelSelection {
    /// The model.
    pub model: InstalledModel,
    /// The file that named it, if it is a substitute for [`PUBLISHED_DEFAULT`].
    pub named_by: Option<PathBuf>,
}

impl ModelStore {
    /// A store of the models in `dirs`; the first directory that has a model wins.
    pub fn new(dirs: Vec<PathBuf>) -> Self {
        Self { dirs }
    }

    /// The model with this id.
    ///
    /// # Errors
    /// If it is not installed, with a list of installed models; or if its manifest is not valid.
    pub fn find(&self, id: &str) -> Result<InstalledModel, DetectError> {
        self.locate(id).map_err(|error| match error {
            DetectError::NotInstalled {
                id, missing, note, ..
            } => DetectError::NotInstalled {
                installed: self.installed(),
                id,
                missing,
                note,
            },
            other => other,
        })
    }

    /// The model for a setting.
    ///
    /// # Errors
    /// As [`ModelStore::find`]; also if neither the published default nor a substitute is installed.
    pub fn choose(&self, choice: &ModelChoice) -> Result<ModelSelection, DetectError> {
        if let ModelChoice::Named(id) = choice {
            return self.find(id).map(|model| ModelSelection {
                model,
                named_by: None,
            });
        }
        let missing = match self.locate(PUBLISHED_DEFAULT) {
            Ok(model) => {
                return Ok(ModelSelection {
                    model,
                    named_by: None,
                });
            }
            Err(DetectError::NotInstalled { missing, .. }) => missing,
            Err(other) => return Err(other),
        };
        match self.default_model()? {
            Some((id, named_by)) => {
                let model = self.find(&id)?;
                tracing::warn!(
                    wanted = PUBLISHED_DEFAULT,
                    taken = id,
                    named_by = %named_by.display(),
                    "the published default model is not installed; a substitute is used"
                );
                Ok(ModelSelection {
                    model,
                    named_by: Some(named_by),
                })
            }
            None => Err(DetectError::NotInstalled {
                id: PUBLISHED_DEFAULT.to_owned(),
                missing,
                installed: self.installed(),
                note: "or name another one with --model ID, or once for all with `nvr model default ID`",
            }),
        }
    }

    /// The id of the substitute for the published default, and the file that names it.
    ///
    /// # Errors
    /// If such a file can't be read or does not have a valid id.
    pub fn default_model(&self) -> Result<Option<(String, PathBuf)>, DetectError> {
        for dir in &self.dirs {
            let path = dir.join(DEFAULT_FILE);
            match std::fs::read_to_string(&path) {
                Ok(text) => {
                    let id = text.trim_start_matches('\u{feff}').trim().to_owned();
                    check_id(&id)?;
                    return Ok(Some((id, path)));
                }
                Err(error) if is_absence(&error) => {}
                Err(error) => {
                    return Err(DetectError::Io {
                        action: "read",
                        path,
                        error,
                        hint: "",
                    });
                }
            }
        }
        Ok(None)
    }

    /// Makes `id` the substitute for the published default, in the first of `dirs` that can be written. Returns the
    /// file.
    ///
    /// # Errors
    /// If `id` is not installed, or no directory can be written.
    pub fn set_default(&self, id: &str, dirs: &[PathBuf]) -> Result<PathBuf, DetectError> {
        self.find(id)?;
        let dir = writable(dirs)?;
        let path = dir.join(DEFAULT_FILE);
        write_whole(&path, format!("{id}\n").as_bytes())?;
        Ok(path)
    }

    /// All models with a manifest, by id. If two directories have the same id, the first one counts.
    pub fn list(&self) -> Vec<ModelEntry> {
        let mut ids = std::collections::BTreeSet::new();
        for dir in &self.dirs {
            for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
                if let Ok(id) = entry.file_name().into_string()
                    && check_id(&id).is_ok()
                    && entry.path().join("model.toml").is_file()
                {
                    ids.insert(id);
                }
            }
        }
        ids.into_iter()
            .map(|id| ModelEntry {
                model: self.locate(&id),
                id,
            })
            .collect()
    }

    fn locate(&self, id: &str) -> Result<InstalledModel, DetectError> {
        check_id(id)?;
        let absent = |missing| DetectError::NotInstalled {
            id: id.to_owned(),
            missing,
            installed: String::new(),
            note: "",
        };
        let manifest_path = self
            .dirs
            .iter()
            .map(|dir| dir.join(id).join("model.toml"))
            .find(|path| path.is_file())
            .ok_or_else(|| {
                absent(format!(
                    "no manifest {id}/model.toml in {}",
                    paths(&self.dirs)
                ))
            })?;
        let manifest = Manifest::read(&manifest_path)?;
        // Manifests may be part of the program and weights of the set-up: they may be in different directories.
        let beside = manifest_path.parent().map(Path::to_owned);
        let sought: Vec<PathBuf> = beside
            .into_iter()
            .chain(self.dirs.iter().map(|dir| dir.join(id)))
            .collect();
        let has = |dir: &Path, name: &str| dir.join(name).is_file();
        let lacks = |dir: &Path| {
            let mut files = manifest.files.iter().map(|file| file.name.as_str());
            files.find(|name| !has(dir, name))
        };
        // The directory of the graph should have the other files, too.
        let missing = sought
            .iter()
            .find(|dir| has(dir, manifest.onnx()))
            .and_then(|dir| lacks(dir))
            .unwrap_or(manifest.onnx());
        match sought.iter().find(|dir| lacks(dir).is_none()) {
            Some(dir) => Ok(InstalledModel {
                id: id.to_owned(),
                weights_dir: dir.clone(),
                manifest,
                manifest_path,
            }),
            None => Err(absent(format!(
                "its manifest is {}, but {} is in none of {}",
                manifest_path.display(),
                missing,
                paths(&sought[1..])
            ))),
        }
    }

    fn installed(&self) -> String {
        let ids: Vec<String> = self
            .list()
            .into_iter()
            .filter(|listed| listed.model.is_ok())
            .map(|listed| listed.id)
            .collect();
        if ids.is_empty() {
            "nothing is installed".to_owned()
        } else {
            format!("installed are {}", ids.join(", "))
        }
    }
}

/// The directories for installing models: only the one that the operator names (`named`, or `$NVR_CACHE`); otherwise
/// the cache, then `/var/lib/nvr/models`.
pub fn install_dirs(named: Option<&Path>) -> Vec<PathBuf> {
    match named {
        Some(dir) => vec![dir.to_owned()],
        None if std::env::var_os("NVR_CACHE").is_some_and(|set| !set.is_empty()) => {
            vec![base::cache_dir().join("models")]
        }
        None => vec![
            base::cache_dir().join("models"),
            "/var/lib/nvr/models".into(),
        ],
    }
}

/// The first of `dirs` in which files can be created. It is created if it does not exist.
///
/// # Errors
/// Why the first one can't be written, if none can.
pub fn writable(dirs: &[PathBuf]) -> Result<&Path, DetectError> {
    let mut first_error = None;
    for dir in dirs {
        let probe = dir.join(format!(".probe-{}", std::process::id()));
        match std::fs::create_dir_all(dir)
            .and_then(|()| File::create(&probe))
            .and_then(|_| std::fs::remove_file(&probe))
        {
            Ok(()) => return Ok(dir),
            Err(error) => {
                first_error.get_or_insert(DetectError::write(dir, error));
            }
        }
    }
    Err(first_error.unwrap_or_else(|| DetectError::Io {
        action: "write",
        path: PathBuf::new(),
        error: ErrorKind::NotFound.into(),
        hint: "name a directory with --models-dir DIR",
    }))
}

/// Writes a file atomically: a reader gets either the old or the new content.
pub(super) fn write_whole(path: &Path, content: &[u8]) -> Result<(), DetectError> {
    let partial = path.with_extension("partial");
    std::fs::write(&partial, content)
        .and_then(|()| std::fs::rename(&partial, path))
        .map_err(|error| {
            // A partial file is useless, especially on a full disk.
            let _ = std::fs::remove_file(&partial);
            DetectError::write(path, error)
        })
}

/// An id becomes the name of a directory and part of a topic: it must not change the path.
pub(super) fn check_id(id: &str) -> Result<(), DetectError> {
    let good = (1..=64).contains(&id.len())
        && id.starts_with(|first: char| first.is_ascii_alphanumeric())
        && id
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
    if good {
        Ok(())
    } else {
        Err(DetectError::Id { id: id.to_owned() })
    }
}

fn is_absence(error: &std::io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::NotFound | ErrorKind::NotADirectory | ErrorKind::IsADirectory
    )
}

fn paths(dirs: &[PathBuf]) -> String {
    let dirs: Vec<String> = dirs.iter().map(|dir| dir.display().to_string()).collect();
    dirs.join(", ")
}

#[cfg(test)]
#[path = "store_tests.rs"]
mod tests;

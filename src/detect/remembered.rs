//! Choices that were made by measurement: files in the cache, so that later starts need not measure.

use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::path::PathBuf;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::DetectError;
use super::store::write_whole;
use crate::base::{cache_dir, value_of};

/// What a choice is for. It holds for the same key only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ChoiceKey {
    /// The model's id, and the hash of its network.
    pub(super) model: String,
    /// The engine, with its version or file.
    pub(super) engine: String,
    /// The threads that are chosen for.
    pub(super) threads: usize,
}

impl ChoiceKey {
    /// As one line, with the processor of this machine.
    fn line(&self) -> String {
        format!(
            "{} | {} | {} threads | {}",
            self.model,
            self.engine,
            self.threads,
            processor()
        )
    }
}

/// The choices of earlier starts: a file of lines in the cache. It is read and written whole; a choice that is lost is made again.
pub(super) struct Remembered<T> {
    path: PathBuf,
    choices: PhantomData<T>,
}

impl<T: Copy + Serialize + DeserializeOwned> Remembered<T> {
    /// Those in the file `name` of the cache.
    pub(super) fn in_cache(name: &str) -> Self {
        Self::at(cache_dir().join(name))
    }

    /// Those in the file at `path`.
    pub(super) fn at(path: PathBuf) -> Self {
        Self {
            path,
            choices: PhantomData,
        }
    }

    /// All of them, by the line of the key. Empty if the file is missing or damaged.
    pub(super) fn all(&self) -> BTreeMap<String, T> {
        let text = std::fs::read(&self.path).unwrap_or_default();
        serde_json::from_slice(&text).unwrap_or_default()
    }

    /// The choice for `key`.
    pub(super) fn get(&self, key: &ChoiceKey) -> Option<T> {
        self.all().get(&key.line()).copied()
    }

    /// Remembers `choice` for `key`. Logs why, if it can't.
    pub(super) fn keep(&self, key: &ChoiceKey, choice: T) {
        let mut all = self.all();
        all.insert(key.line(), choice);
        let text = serde_json::to_string_pretty(&all)
            .expect("invariant: a map of texts to plain values is JSON");
        let folder = self.path.parent().map_or(Ok(()), std::fs::create_dir_all);
        let written = folder
            .map_err(|error| DetectError::write(&self.path, error))
            .and_then(|()| write_whole(&self.path, text.as_bytes()));
        if let Err(error) = written {
            tracing::warn!(%error, "it will be measured again at the next start");
        }
    }
}

/// The processor's name. 64-bit ARM kernels give numbers instead: those of the maker and of the part.
fn processor() -> String {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let value = |name: &str| {
        let value = value_of(&text, name)?.strip_prefix(':')?;
        Some(value.trim_start())
    };
    match (
        value("model name"),
        value("CPU implementer"),
        value("CPU part"),
    ) {
        (Some(name), _, _) => name.to_owned(),
        (None, Some(maker), Some(part)) => format!("{maker} {part}"),
        _ => std::env::consts::ARCH.to_owned(),
    }
}

//! A version of a model: its id, and the hash of the archive that it comes from.

use serde::{Deserialize, Serialize};

use crate::fleet::{DocumentHash, ModelRef};

/// A version of a model. The same id with another hash is another version.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(in crate::agent) struct Version {
    /// The id of the model.
    pub(in crate::agent) id: String,
    /// SHA-256 of its archive.
    pub(in crate::agent) sha256: DocumentHash,
}

impl Version {
    /// The version that a document names.
    pub(in crate::agent) fn of(model: &ModelRef) -> Self {
        Self {
            id: model.id.clone(),
            sha256: model.sha256.clone(),
        }
    }

    /// Its name as a file. `@` is in no id.
    pub(super) fn file_name(&self) -> String {
        format!("{}@{}", self.id, self.sha256)
    }
}

impl std::fmt::Display for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({})", self.id, self.sha256.short())
    }
}

#[cfg(test)]
impl Version {
    /// A version for tests.
    pub(super) fn for_tests(id: &str, content: &str) -> Self {
        Self {
            id: id.to_owned(),
            sha256: DocumentHash::of(content.as_bytes()),
        }
    }
}

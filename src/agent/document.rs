//! What the store and the cycle know of a desired document: its received bytes, and the generation and hash that name it.

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::fleet::DocumentHash;

/// The name of a document. Two documents with the same generation and different hashes are in conflict.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct DocumentId {
    /// The operator's number. Each newer document has a higher one.
    pub generation: u64,
    /// SHA-256 of its payload.
    pub sha256: DocumentHash,
}

impl fmt::Display for DocumentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { generation, sha256 } = self;
        write!(f, "generation {generation} ({})", sha256.short())
    }
}

/// A document as it was received. It is kept byte for byte, so that a signature can be verified again at the next start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredDocument {
    /// Its name.
    pub id: DocumentId,
    /// When it was received; `None` if the clock was not synchronised.
    pub received: Option<Timestamp>,
    /// The received bytes: a bare document or an envelope.
    pub bytes: Arc<[u8]>,
}

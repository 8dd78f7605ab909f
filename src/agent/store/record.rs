//! The format of a record: a header, metadata, and the bytes of a document as they were received.
//!
//! | offset | bytes | field |
//! |---|---|---|
//! | 0 | 8 | `NVRSTORE` |
//! | 8 | 1 | major version, 1 |
//! | 9 | 1 | minor version, 0 |
//! | 10 | 2 | reserved, written as 0, ignored by readers |
//! | 12 | 4 | length of the metadata in bytes, little endian |
//! | 16 | 4 | length of the document in bytes, little endian |
//! | 20 | 4 | CRC32 (IEEE) of everything else in the file, little endian |
//! | 24 | | metadata, a JSON object |
//! | | | the document, exactly as received |
//!
//! After the rollback of an image, older firmware must read what newer firmware has written. Therefore:
//!
//! - A reader accepts every minor version of its major version. It ignores unknown keys of the metadata and the reserved bytes.
//! - A newer minor version may only add keys, each of which an older reader can do without. It never removes a key, changes the
//!   meaning of one, or moves a field of the header.
//! - A newer major version has file names of its own, and its firmware goes on writing the files of the former one. A reader
//!   that meets another major version in its own files reports it and treats the file like a damaged one.
//!
//! `golden/` has files of each published version, and of a minor version of the future; a test reads them all.

use std::sync::Arc;

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::super::attempts::Attempts;
use super::super::document::{DocumentId, StoredDocument};
use crate::base::Checksum;

const MAGIC: &[u8; 8] = b"NVRSTORE";
const MAJOR: u8 = 1;
const MINOR: u8 = 0;
const CRC_AT: usize = 20;
const HEADER_BYTES: usize = 24;

/// Maximum length of a document in bytes. Above the 64 KiB of a received message, so that a later limit stays readable.
pub const LONGEST_DOCUMENT: usize = 256 * 1024;
/// Maximum length of a record in bytes. A longer file is not read.
pub(super) const LONGEST_RECORD: usize = LONGEST_DOCUMENT + 256 * 1024;

/// Why a record can't be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// The end is missing.
    #[error("it has {found} bytes instead of {expected}")]
    Length {
        /// Bytes that are there.
        found: usize,
        /// Bytes by the header.
        expected: usize,
    },
    /// Other contents.
    #[error("it does not begin like a record of this store")]
    Magic,
    /// Another major version.
    #[error(
        "it has format {found}, and this firmware reads format {MAJOR}; newer firmware wrote it"
    )]
    Version {
        /// The major version.
        found: u8,
    },
    /// A bit has changed.
    #[error("its CRC32 is {found:08x} instead of {expected:08x}: its contents have changed")]
    Checksum {
        /// CRC32 of the contents.
        found: u32,
        /// CRC32 by the header.
        expected: u32,
    },
    /// The metadata are not those of this kind of record.
    #[error("its metadata can't be read: {0}")]
    Metadata(String),
}

/// The metadata of a document.
#[derive(Serialize, Deserialize)]
struct DocumentMetadata {
    #[serde(flatten)]
    id: DocumentId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    received: Option<Timestamp>,
}

/// The record of a document.
pub(super) fn of_document(document: &StoredDocument) -> Vec<u8> {
    let metadata = DocumentMetadata {
        id: document.id.clone(),
        received: document.received,
    };
    encode(&metadata, &document.bytes)
}

/// The document of a record.
pub(super) fn document(record: &[u8]) -> Result<StoredDocument, RecordError> {
    let (metadata, bytes): (DocumentMetadata, _) = decode(record)?;
    Ok(StoredDocument {
        id: metadata.id,
        received: metadata.received,
        bytes: Arc::from(bytes),
    })
}

/// The record of the attempts.
pub(super) fn of_attempts(attempts: &Attempts) -> Vec<u8> {
    encode(attempts, &[])
}

/// The attempts of a record.
pub(super) fn attempts(record: &[u8]) -> Result<Attempts, RecordError> {
    decode(record).map(|(attempts, _)| attempts)
}

fn encode(metadata: &impl Serialize, body: &[u8]) -> Vec<u8> {
    let metadata = serde_json::to_vec(metadata).expect("invariant: maps with text keys are JSON");
    let length = |bytes: &[u8]| {
        let length = u32::try_from(bytes.len()).expect("invariant: a record is below 1 MiB");
        length.to_le_bytes()
    };
    let mut record = Vec::with_capacity(HEADER_BYTES + metadata.len() + body.len());
    record.extend_from_slice(MAGIC);
    record.extend_from_slice(&[MAJOR, MINOR, 0, 0]);
    record.extend_from_slice(&length(&metadata));
    record.extend_from_slice(&length(body));
    record.extend_from_slice(&[0; 4]);
    record.extend_from_slice(&metadata);
    record.extend_from_slice(body);
    let crc = checksum(&record);
    record[CRC_AT..HEADER_BYTES].copy_from_slice(&crc.to_le_bytes());
    record
}

fn decode<M: DeserializeOwned>(record: &[u8]) -> Result<(M, &[u8]), RecordError> {
    let length = |expected| RecordError::Length {
        found: record.len(),
        expected,
    };
    let header = record.get(..HEADER_BYTES).ok_or(length(HEADER_BYTES))?;
    if &header[..MAGIC.len()] != MAGIC {
        return Err(RecordError::Magic);
    }
    let word = |at: usize| u32::from_le_bytes([0, 1, 2, 3].map(|byte| header[at + byte]));
    let (metadata, body, expected_crc) = (word(12) as usize, word(16) as usize, word(CRC_AT));
    let expected = HEADER_BYTES.saturating_add(metadata).saturating_add(body);
    // Before the lengths: another major version may place them elsewhere.
    if header[8] != MAJOR && (record.len() != expected || checksum(record) == expected_crc) {
        return Err(RecordError::Version { found: header[8] });
    }
    if record.len() != expected {
        return Err(length(expected));
    }
    let found = checksum(record);
    if found != expected_crc {
        return Err(RecordError::Checksum {
            found,
            expected: expected_crc,
        });
    }
    let (metadata, body) = record[HEADER_BYTES..].split_at(metadata);
    let metadata = serde_json::from_slice(metadata)
        .map_err(|error| RecordError::Metadata(error.to_string()))?;
    Ok((metadata, body))
}

/// CRC32 of a record without the field that holds it.
fn checksum(record: &[u8]) -> u32 {
    let mut checksum = Checksum::default();
    checksum.update(&record[..CRC_AT]);
    checksum.update(&record[HEADER_BYTES..]);
    checksum.value()
}

#[cfg(test)]
#[path = "record_tests.rs"]
mod tests;

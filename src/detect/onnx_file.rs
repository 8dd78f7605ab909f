//! Reads the parts of an ONNX file besides its graph, without an engine: the metadata that exporters write, and the
//! names of external weight files.
//!
//! An ONNX file is a protobuf `ModelProto`; the field numbers below are those of `onnx.proto`. Contents are skipped by
//! seeking, so a file of gigabytes costs a few reads.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Read, Seek};
use std::path::Path;

/// Maximum length of a text: thousands of class names fit.
const LONGEST_TEXT: u64 = 1 << 20;
/// Maximum depth of nested messages: five graphs.
pub(super) const DEEPEST: u32 = 16;
/// Maximum number of weight files: at worst exporters write one per tensor.
const MOST_FILES: usize = 4096;

/// The start of the reason if a file ends within a field.
pub(super) const CUT_OFF: &str = "it is cut off";

/// Fields of `ModelProto` and `TensorProto`.
const METADATA: u64 = 14;
const TENSOR_NAME: u64 = 8;
pub(super) const EXTERNAL_DATA: u64 = 13;
pub(super) const DATA_LOCATION: u64 = 14;
/// `TensorProto.DataLocation.EXTERNAL`.
const EXTERNAL: u64 = 1;

/// Weight files, as the graph names them, relative to its directory.
pub(super) type ExternalFiles = BTreeMap<String, ExternalFile>;

/// The facts about an ONNX file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct OnnxFile {
    /// Its metadata (`metadata_props`); an error if a value is not text or too long.
    pub(super) metadata: BTreeMap<String, Result<String, String>>,
    /// The weight files.
    pub(super) external: ExternalFiles,
}

/// A weight file, as the tensors of the graph describe it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct ExternalFile {
    /// Its minimum length in bytes.
    pub(super) least_bytes: u64,
    /// The tensor that needs the last of them.
    pub(super) tensor: String,
    /// Whether every tensor states the offset and length of its numbers.
    pub(super) is_explicit: bool,
}

impl OnnxFile {
    /// Reads the file at `path`.
    ///
    /// # Errors
    /// The reason if it can't be read as a protobuf.
    pub(super) fn read(path: &Path) -> Result<Self, String> {
        let file = File::open(path).map_err(|error| error.to_string())?;
        let length = file.metadata().map_err(|error| error.to_string())?.len();
        Self::scan(BufReader::new(file), length)
    }

    /// Reads `length` bytes of `source`.
    pub(super) fn scan(source: impl Read + Seek, length: u64) -> Result<Self, String> {
        let mut scan = Scan::new(source);
        scan.message(Message::Model, length, 0)?;
        Ok(scan.found)
    }

    /// The text under `key`, if it is present and valid.
    pub(super) fn text(&self, key: &str) -> Option<&str> {
        self.metadata.get(key)?.as_deref().ok()
    }
}

/// The messages that can contain tensors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Message {
    Model,
    Graph,
    Function,
    Node,
    Attribute,
    SparseTensor,
    Tensor,
}

impl Message {
    /// The message type of a field.
    pub(super) fn child(self, field: u64) -> Option<Self> {
        match (self, field) {
            (Self::Model, 7) | (Self::Attribute, 6 | 11) => Some(Self::Graph),
            (Self::Model, 25) => Some(Self::Function),
            (Self::Graph, 1) | (Self::Function, 7) => Some(Self::Node),
            (Self::Node, 5) => Some(Self::Attribute),
            (Self::Graph, 15) | (Self::Attribute, 22 | 23) => Some(Self::SparseTensor),
            (Self::Graph, 5) | (Self::Attribute, 5 | 10) | (Self::SparseTensor, 1 | 2) => {
                Some(Self::Tensor)
            }
            _ => None,
        }
    }
}

/// Reads a protobuf from start to end.
pub(super) struct Scan<S> {
    source: S,
    /// The number of bytes read so far.
    pub(super) at: u64,
    found: OnnxFile,
}

/// A field of a message.
pub(super) struct Field {
    pub(super) number: u64,
    /// The value of a number; 0 for other types.
    pub(super) value: u64,
    /// The end of its content.
    pub(super) end: u64,
    pub(super) is_message: bool,
}

/// The external file of a tensor's numbers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct External {
    pub(super) name: String,
    pub(super) location: String,
    pub(super) offset: Option<u64>,
    pub(super) length: Option<u64>,
}

impl<S: Read + Seek> Scan<S> {
    pub(super) fn new(source: S) -> Self {
        Self {
            source,
            at: 0,
            found: OnnxFile::default(),
        }
    }

    fn message(&mut self, kind: Message, end: u64, depth: u32) -> Result<(), String> {
        if depth > DEEPEST {
            return Err("its graphs are nested too deeply".to_owned());
        }
        if kind == Message::Tensor {
            return match self.tensor(end)? {
                Some(external) => self.external(external),
                None => Ok(()),
            };
        }
        while let Some(field) = self.next(end)? {
            if field.is_message {
                if let Some(child) = kind.child(field.number) {
                    self.message(child, field.end, depth + 1)?;
                } else if (kind, field.number) == (Message::Model, METADATA) {
                    let (key, value) = self.entry(field.end)?;
                    self.found.metadata.insert(key, value);
                }
            }
            self.skip_to(field.end)?;
        }
        Ok(())
    }

    /// The location of the numbers of the tensor up to `end`; none if they are in the tensor itself.
    pub(super) fn tensor(&mut self, end: u64) -> Result<Option<External>, String> {
        let (mut name, mut is_external) = (String::new(), false);
        let mut place = BTreeMap::new();
        while let Some(field) = self.next(end)? {
            match (field.number, field.is_message) {
                (TENSOR_NAME, true) => {
                    name = self.text(field.end)?.unwrap_or_else(|reason| reason);
                }
                (EXTERNAL_DATA, true) => {
                    let (key, value) = self.entry(field.end)?;
                    place.insert(key, value);
                }
                (DATA_LOCATION, false) => is_external = field.value == EXTERNAL,
                _ => {}
            }
            self.skip_to(field.end)?;
        }
        if !is_external {
            return Ok(None);
        }
        let said = |key: &str| match place.get(key) {
            None => Ok(None),
            Some(Ok(text)) => Ok(Some(text.as_str())),
            Some(Err(reason)) => Err(format!("{key} of the weights of tensor `{name}`: {reason}")),
        };
        let number = |key: &str| {
            let parse = |text: &str| {
                text.parse::<u64>().map_err(|_| {
                    format!("{key} of the weights of tensor `{name}` is `{text}`, not a number")
                })
            };
            said(key)?.map(parse).transpose()
        };
        Ok(Some(External {
            location: said("location")?.unwrap_or_default().to_owned(),
            offset: number("offset")?,
            length: number("length")?,
            name: name.clone(),
        }))
    }

    fn external(&mut self, external: External) -> Result<(), String> {
        let (offset, length) = (external.offset, external.length);
        let least_bytes = offset.unwrap_or(0).saturating_add(length.unwrap_or(0));
        let entry = self.found.external.entry(external.location);
        let file = entry.or_insert_with(|| ExternalFile {
            least_bytes: 0,
            tensor: external.name.clone(),
            is_explicit: true,
        });
        file.is_explicit &= offset.is_some() && length.is_some();
        if file.least_bytes < least_bytes {
            file.least_bytes = least_bytes;
            file.tensor = external.name;
        }
        if self.found.external.len() > MOST_FILES {
            return Err(format!("its weights lie in more than {MOST_FILES} files"));
        }
        Ok(())
    }

    /// A `StringStringEntryProto`.
    fn entry(&mut self, end: u64) -> Result<(String, Result<String, String>), String> {
        let (mut key, mut value) = (String::new(), Ok(String::new()));
        while let Some(field) = self.next(end)? {
            match (field.number, field.is_message) {
                (1, true) => key = self.text(field.end)?.unwrap_or_else(|reason| reason),
                (2, true) => value = self.text(field.end)?,
                _ => {}
            }
            self.skip_to(field.end)?;
        }
        Ok((key, value))
    }

    /// The text up to `end`; the inner error if it is not valid.
    fn text(&mut self, end: u64) -> Result<Result<String, String>, String> {
        let length = end - self.at;
        if length > LONGEST_TEXT {
            return Ok(Err(format!(
                "it has {length} bytes (limit {LONGEST_TEXT} bytes)"
            )));
        }
        let mut bytes = vec![0; usize::try_from(length).unwrap_or_default()];
        self.source
            .read_exact(&mut bytes)
            .map_err(|error| error.to_string())?;
        self.at = end;
        Ok(String::from_utf8(bytes).map_err(|_| "it is not UTF-8".to_owned()))
    }

    /// The next field; its content follows.
    pub(super) fn next(&mut self, end: u64) -> Result<Option<Field>, String> {
        if self.at >= end {
            return Ok(None);
        }
        let tag = self.varint()?;
        let (mut value, mut bytes, mut is_message) = (0, 0, false);
        match tag & 7 {
            0 => value = self.varint()?,
            1 => bytes = 8,
            2 => {
                bytes = self.varint()?;
                is_message = true;
            }
            5 => bytes = 4,
            kind => return Err(format!("a field of kind {kind} at byte {}", self.at)),
        }
        let content_end = self.at.checked_add(bytes).filter(|after| *after <= end);
        let content_end =
            content_end.ok_or_else(|| format!("{CUT_OFF} in the field at byte {}", self.at))?;
        Ok(Some(Field {
            number: tag >> 3,
            value,
            end: content_end,
            is_message,
        }))
    }

    pub(super) fn skip_to(&mut self, end: u64) -> Result<(), String> {
        let ahead =
            i64::try_from(end.saturating_sub(self.at)).map_err(|error| error.to_string())?;
        if ahead > 0 {
            self.source
                .seek_relative(ahead)
                .map_err(|error| error.to_string())?;
            self.at = end;
        }
        Ok(())
    }

    pub(super) fn varint(&mut self) -> Result<u64, String> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let mut byte = [0];
            self.source
                .read_exact(&mut byte)
                .map_err(|_| CUT_OFF.to_owned())?;
            self.at += 1;
            value |= u64::from(byte[0] & 0x7f) << shift;
            if byte[0] & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(format!("a number without an end at byte {}", self.at))
    }
}

#[cfg(test)]
#[path = "onnx_file_tests.rs"]
mod tests;

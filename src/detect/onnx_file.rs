//! What an ONNX file says beside its graph, read without an engine: the metadata that exporters leave, and the files that
//! hold its weights where they lie beside it.
//!
//! An ONNX file is a protobuf `ModelProto`; the field numbers below are those of `onnx.proto`. Contents are skipped by
//! seeking, so that a file of gigabytes costs a few reads.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Read, Seek};
use std::path::Path;

/// Longest text that is read: thousands of class names fit.
const LONGEST_TEXT: u64 = 1 << 20;
/// How deep graphs may lie within graphs.
const DEEPEST: u32 = 16;
/// Most files of weights: exporters write one for each tensor at worst.
const MOST_FILES: usize = 4096;

/// `TensorProto.DataLocation.EXTERNAL`.
const EXTERNAL: u64 = 1;

/// What is known of an ONNX file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct OnnxFile {
    /// Its metadata (`metadata_props`); an error where a value is no text or too long.
    pub(super) metadata: BTreeMap<String, Result<String, String>>,
    /// The files that hold weights, as the graph names them, relative to its own directory.
    pub(super) external: BTreeMap<String, ExternalFile>,
}

/// A file of weights, as tensors of the graph speak of it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct ExternalFile {
    /// The bytes that it needs to have at least.
    pub(super) least_bytes: u64,
    /// The tensor that needs the last of them.
    pub(super) tensor: String,
}

impl OnnxFile {
    /// Reads the file at `path`.
    ///
    /// # Errors
    /// Why it can't be read as a protobuf.
    pub(super) fn read(path: &Path) -> Result<Self, String> {
        let file = File::open(path).map_err(|error| error.to_string())?;
        let length = file.metadata().map_err(|error| error.to_string())?.len();
        Self::scan(BufReader::new(file), length)
    }

    /// Reads `length` bytes of `source`.
    pub(super) fn scan(source: impl Read + Seek, length: u64) -> Result<Self, String> {
        let mut scan = Scan {
            source,
            at: 0,
            found: Self::default(),
        };
        scan.model(length)?;
        Ok(scan.found)
    }

    /// The text under `key`, where it is there and can be read.
    pub(super) fn text(&self, key: &str) -> Option<&str> {
        self.metadata.get(key)?.as_deref().ok()
    }
}

struct Scan<S> {
    source: S,
    at: u64,
    found: OnnxFile,
}

/// A field of a message.
struct Field {
    number: u64,
    /// A number's value; 0 for others.
    value: u64,
    /// Where its content ends.
    end: u64,
    is_message: bool,
}

impl<S: Read + Seek> Scan<S> {
    fn model(&mut self, end: u64) -> Result<(), String> {
        self.each(end, |scan, field| match field.number {
            7 => scan.graph(field.end, 0),
            14 => {
                let (key, value) = scan.entry(field.end)?;
                scan.found.metadata.insert(key, value);
                Ok(())
            }
            // A local function's nodes.
            25 => scan.each(field.end, |scan, field| match field.number {
                7 => scan.node(field.end, 0),
                _ => Ok(()),
            }),
            _ => Ok(()),
        })
    }

    fn graph(&mut self, end: u64, depth: u32) -> Result<(), String> {
        if depth > DEEPEST {
            return Err(format!("graphs lie more than {DEEPEST} deep in graphs"));
        }
        self.each(end, |scan, field| match field.number {
            1 => scan.node(field.end, depth),
            5 => scan.tensor(field.end),
            15 => scan.sparse_tensor(field.end),
            _ => Ok(()),
        })
    }

    fn node(&mut self, end: u64, depth: u32) -> Result<(), String> {
        self.each(end, |scan, field| match field.number {
            5 => scan.each(field.end, |scan, field| match field.number {
                5 | 10 => scan.tensor(field.end),
                6 | 11 => scan.graph(field.end, depth + 1),
                22 | 23 => scan.sparse_tensor(field.end),
                _ => Ok(()),
            }),
            _ => Ok(()),
        })
    }

    fn sparse_tensor(&mut self, end: u64) -> Result<(), String> {
        self.each(end, |scan, field| match field.number {
            1 | 2 => scan.tensor(field.end),
            _ => Ok(()),
        })
    }

    fn tensor(&mut self, end: u64) -> Result<(), String> {
        let (mut name, mut is_external) = (String::new(), false);
        let mut place = BTreeMap::new();
        // Numbers are no messages: they are told apart here and not in `each`.
        while let Some(field) = self.next(end)? {
            match (field.number, field.is_message) {
                (8, true) => name = self.text(field.end)?.unwrap_or_else(|reason| reason),
                (13, true) => {
                    let (key, value) = self.entry(field.end)?;
                    place.insert(key, value);
                }
                (14, false) => is_external = field.value == EXTERNAL,
                _ => {}
            }
            self.skip_to(field.end)?;
        }
        if !is_external {
            return Ok(());
        }
        let said = |key: &str| match place.get(key) {
            None => Ok(None),
            Some(Ok(text)) => Ok(Some(text.as_str())),
            Some(Err(reason)) => Err(format!("{key} of the weights of tensor `{name}`: {reason}")),
        };
        let number = |key: &str| {
            said(key)?.map_or(Ok(0), |text| {
                text.parse::<u64>().map_err(|_| {
                    format!("{key} of the weights of tensor `{name}` is `{text}` and no number")
                })
            })
        };
        let location = said("location")?.unwrap_or_default().to_owned();
        let least_bytes = number("offset")?.saturating_add(number("length")?);
        let file = self.found.external.entry(location).or_default();
        if file.tensor.is_empty() || file.least_bytes < least_bytes {
            *file = ExternalFile {
                least_bytes,
                tensor: name,
            };
        }
        if self.found.external.len() > MOST_FILES {
            return Err(format!("its weights lie in more than {MOST_FILES} files"));
        }
        Ok(())
    }

    /// A `StringStringEntryProto`.
    fn entry(&mut self, end: u64) -> Result<(String, Result<String, String>), String> {
        let (mut key, mut value) = (String::new(), Ok(String::new()));
        self.each(end, |scan, field| {
            match field.number {
                1 => key = scan.text(field.end)?.unwrap_or_else(|reason| reason),
                2 => value = scan.text(field.end)?,
                _ => {}
            }
            Ok(())
        })?;
        Ok((key, value))
    }

    /// The text up to `end`; the inner error where it is none.
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

    /// Calls `visit` at the content of each field that has one, up to `end`.
    fn each(
        &mut self,
        end: u64,
        mut visit: impl FnMut(&mut Self, &Field) -> Result<(), String>,
    ) -> Result<(), String> {
        while let Some(field) = self.next(end)? {
            if field.is_message {
                visit(self, &field)?;
            }
            self.skip_to(field.end)?;
        }
        Ok(())
    }

    /// The next field; its content follows.
    fn next(&mut self, end: u64) -> Result<Option<Field>, String> {
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
            content_end.ok_or_else(|| format!("it is cut off in the field at byte {}", self.at))?;
        Ok(Some(Field {
            number: tag >> 3,
            value,
            end: content_end,
            is_message,
        }))
    }

    fn skip_to(&mut self, end: u64) -> Result<(), String> {
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

    fn varint(&mut self) -> Result<u64, String> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let mut byte = [0];
            self.source
                .read_exact(&mut byte)
                .map_err(|_| "it is cut off".to_owned())?;
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
mod tests {
    use std::io::Cursor;

    use super::*;
    use proptest::prelude::*;

    fn varint(mut value: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        while value >= 0x80 {
            bytes.push(value as u8 | 0x80);
            value >>= 7;
        }
        bytes.push(value as u8);
        bytes
    }

    fn field(number: u8, content: &[u8]) -> Vec<u8> {
        let tag = usize::from(number) << 3 | 2;
        [varint(tag), varint(content.len()), content.to_vec()].concat()
    }

    fn entry(number: u8, key: &str, value: &str) -> Vec<u8> {
        field(
            number,
            &[field(1, key.as_bytes()), field(2, value.as_bytes())].concat(),
        )
    }

    fn scanned(file: Vec<u8>) -> Result<OnnxFile, String> {
        let length = file.len() as u64;
        OnnxFile::scan(Cursor::new(file), length)
    }

    #[test]
    fn metadata_is_found_behind_other_fields() {
        let file = [
            vec![1 << 3, 0x88, 0x01],
            entry(14, "stride", "32"),
            entry(14, "names", "{0: 'person'}"),
            field(14, &[field(1, b"broken"), field(2, &[0xff])].concat()),
        ]
        .concat();
        let found = scanned(file).expect("a protobuf");
        assert_eq!(found.text("names"), Some("{0: 'person'}"));
        assert_eq!(found.text("stride"), Some("32"));
        assert_eq!(found.metadata["broken"], Err("it is not UTF-8".to_owned()));
        assert_eq!(found.text("absent"), None);
    }

    #[test]
    fn weights_are_found_wherever_a_tensor_can_stand() {
        let tensor = |name: &str, location: &str, offset: &str| {
            [
                field(8, name.as_bytes()),
                entry(13, "location", location),
                entry(13, "offset", offset),
                entry(13, "length", "16"),
                vec![14 << 3, 1],
            ]
            .concat()
        };
        let inside = field(9, b"raw");
        let attribute = |content: &[u8]| field(1, &field(5, content));
        let graph = [
            field(5, &tensor("a", "x.data", "64")),
            field(5, &tensor("b", "x.data", "0")),
            field(5, &inside),
            attribute(&field(5, &tensor("c", "sub/y.data", "0"))),
            attribute(&field(6, &field(5, &tensor("d", "z", "0")))),
            field(15, &field(1, &tensor("e", "sparse", "0"))),
        ]
        .concat();
        let found = scanned(
            [
                field(7, &graph),
                field(
                    25,
                    &field(7, &field(5, &field(5, &tensor("f", "local", "0")))),
                ),
            ]
            .concat(),
        )
        .expect("a protobuf");
        let names: Vec<&str> = found.external.keys().map(String::as_str).collect();
        assert_eq!(names, ["local", "sparse", "sub/y.data", "x.data", "z"]);
        assert_eq!(
            found.external["x.data"],
            ExternalFile {
                least_bytes: 80,
                tensor: "a".to_owned()
            }
        );
    }

    #[test]
    fn what_is_cut_off_is_an_error() {
        assert_eq!(
            scanned(vec![7 << 3 | 2, 100, 0]),
            Err("it is cut off in the field at byte 2".to_owned())
        );
        assert!(scanned(b"no ONNX at all".to_vec()).is_err());
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>) {
            let _ = scanned(bytes.clone());
            let _ = scanned(field(7, &field(5, &bytes)));
        }
    }
}

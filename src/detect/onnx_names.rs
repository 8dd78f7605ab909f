//! The class names that Ultralytics' exporter writes into an ONNX file's metadata, read without an engine.
//!
//! An ONNX file is a protobuf `ModelProto`; its field 14 is a list of `StringStringEntryProto` (field 1 key, field 2
//! value). The names stand under the key `names` as a Python dictionary, `{0: 'person', 1: 'car'}`.

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::Path;

/// Field numbers of the two messages.
const METADATA_PROPS: u64 = 14;
const KEY: u64 = 1;
const VALUE: u64 = 2;

/// Longest entry that is read: hundreds of names fit.
const LONGEST_ENTRY: u64 = 1 << 20;

/// The names in the file's metadata, by class index; nothing where there are none, or the file is no ONNX.
pub(super) fn names(path: &Path) -> Option<Vec<String>> {
    let file = File::open(path).ok()?;
    let length = file.metadata().ok()?.len();
    python_names(&entry(&mut BufReader::new(file), length, "names")?)
}

fn entry(file: &mut (impl Read + Seek), length: u64, wanted: &str) -> Option<String> {
    while file.stream_position().ok()? < length {
        let (field, bytes) = next_field(file)?;
        if field == METADATA_PROPS && bytes <= LONGEST_ENTRY {
            let mut message = vec![0; usize::try_from(bytes).ok()?];
            file.read_exact(&mut message).ok()?;
            let (key, value) = key_and_value(&message)?;
            if key == wanted {
                return Some(value);
            }
        } else {
            file.seek(SeekFrom::Current(i64::try_from(bytes).ok()?))
                .ok()?;
        }
    }
    None
}

fn key_and_value(message: &[u8]) -> Option<(String, String)> {
    let (mut key, mut value) = (String::new(), String::new());
    let mut rest = message;
    while !rest.is_empty() {
        let (field, bytes) = next_field(&mut rest)?;
        let (text, after) = rest.split_at_checked(usize::try_from(bytes).ok()?)?;
        rest = after;
        match field {
            KEY => key = String::from_utf8(text.to_vec()).ok()?,
            VALUE => value = String::from_utf8(text.to_vec()).ok()?,
            _ => {}
        }
    }
    Some((key, value))
}

/// The next field's number, and how many bytes of content follow; numbers are read over.
fn next_field(from: &mut impl Read) -> Option<(u64, u64)> {
    let tag = varint(from)?;
    let bytes = match tag & 7 {
        0 => varint(from).map(|_| 0)?,
        1 => 8,
        2 => varint(from)?,
        5 => 4,
        _ => return None,
    };
    Some((tag >> 3, bytes))
}

fn varint(from: &mut impl Read) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let mut byte = [0];
        from.read_exact(&mut byte).ok()?;
        value |= u64::from(byte[0] & 0x7f) << shift;
        if byte[0] & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

/// `{0: 'person', 1: "driver's cab"}` to its names; nothing where the numbers do not run from 0 on.
fn python_names(text: &str) -> Option<Vec<String>> {
    let mut rest = text
        .trim()
        .strip_prefix('{')?
        .strip_suffix('}')?
        .trim_start();
    let mut names = Vec::new();
    while !rest.is_empty() {
        let (index, after) = rest.split_once(':')?;
        if index.trim().parse() != Ok(names.len()) {
            return None;
        }
        let after = after.trim_start();
        let quote = after
            .chars()
            .next()
            .filter(|quote| "'\"".contains(*quote))?;
        let (name, after) = after[1..].split_once(quote)?;
        names.push(name.to_owned());
        rest = after.trim_start().trim_start_matches(',').trim_start();
    }
    (!names.is_empty()).then_some(names)
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;
    use proptest::prelude::*;

    fn field(number: u8, content: &[u8]) -> Vec<u8> {
        let mut bytes = vec![number << 3 | 2, content.len() as u8];
        bytes.extend_from_slice(content);
        bytes
    }

    #[test]
    fn names_are_found_behind_other_fields() {
        let prop = |key: &[u8], value: &[u8]| field(14, &[field(1, key), field(2, value)].concat());
        let file = [
            vec![1 << 3, 0x88, 0x01],
            field(7, b"a graph, of which nothing is looked at"),
            prop(b"stride", b"32"),
            prop(b"names", b"{0: 'person', 1: \"driver's cab\"}"),
        ]
        .concat();
        let length = file.len() as u64;
        let found = entry(&mut Cursor::new(file), length, "names").expect("it is there");
        assert_eq!(
            python_names(&found).expect("names"),
            ["person", "driver's cab"]
        );
    }

    #[test]
    fn numbers_that_do_not_run_are_no_names() {
        assert_eq!(python_names("{1: 'car'}"), None);
        assert_eq!(python_names("{}"), None);
        assert_eq!(python_names("{0: person}"), None);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>, text in "\\PC*") {
            let length = bytes.len() as u64;
            let _ = entry(&mut Cursor::new(bytes), length, "names");
            let _ = python_names(&text);
        }
    }
}

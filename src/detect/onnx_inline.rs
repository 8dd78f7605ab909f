//! Puts the weights of external files into an ONNX graph in memory, for engines that do not read such files.

use std::io::Cursor;

use super::onnx_file::{DATA_LOCATION, DEEPEST, EXTERNAL_DATA, External, Message, Scan};

/// Fields of `TensorProto`.
const DIMS: u64 = 1;
const DATA_TYPE: u64 = 2;
const RAW_DATA: u64 = 9;

/// `graph` with the bytes that `read` returns for each external tensor. The length in `read`'s argument is the length
/// that the tensor needs, if it is known.
///
/// # Errors
/// If `graph` is not an ONNX file, or `read` fails.
pub(super) fn inlined(
    graph: &[u8],
    mut read: impl FnMut(&External) -> Result<Vec<u8>, String>,
) -> Result<Vec<u8>, String> {
    rewritten(graph, Message::Model, 0, &mut read)
}

fn rewritten(
    message: &[u8],
    kind: Message,
    depth: u32,
    read: &mut dyn FnMut(&External) -> Result<Vec<u8>, String>,
) -> Result<Vec<u8>, String> {
    if depth > DEEPEST {
        return Err("its graphs are nested too deeply".to_owned());
    }
    if kind == Message::Tensor {
        return tensor(message, read);
    }
    let mut written = Vec::with_capacity(message.len());
    each(message, |number, is_message, whole, content| {
        match kind.child(number).filter(|_| is_message) {
            Some(child) => {
                let content = rewritten(content, child, depth + 1, read)?;
                put(&mut written, number, &content);
            }
            None => written.extend_from_slice(whole),
        }
        Ok(())
    })?;
    Ok(written)
}

fn tensor(
    message: &[u8],
    read: &mut dyn FnMut(&External) -> Result<Vec<u8>, String>,
) -> Result<Vec<u8>, String> {
    let length = message.len() as u64;
    let Some(mut external) = Scan::new(Cursor::new(message)).tensor(length)? else {
        return Ok(message.to_vec());
    };
    external.length = external.length.or(needed_bytes(message)?);
    let mut written = Vec::new();
    each(message, |number, _, whole, _| {
        if !matches!(number, EXTERNAL_DATA | DATA_LOCATION | RAW_DATA) {
            written.extend_from_slice(whole);
        }
        Ok(())
    })?;
    put(&mut written, RAW_DATA, &read(&external)?);
    Ok(written)
}

/// The length of a tensor's numbers in bytes, by its dimensions and type.
fn needed_bytes(message: &[u8]) -> Result<Option<u64>, String> {
    let (mut count, mut element) = (Some(1u64), None);
    let mut scan = Scan::new(Cursor::new(message));
    while let Some(field) = scan.next(message.len() as u64)? {
        match (field.number, field.is_message) {
            (DIMS, false) => count = count.and_then(|count| count.checked_mul(field.value)),
            // Packed, as newer writers do.
            (DIMS, true) => {
                let end = field.end;
                while scan.at < end {
                    let dim = scan.varint()?;
                    count = count.and_then(|count| count.checked_mul(dim));
                }
            }
            (DATA_TYPE, false) => element = element_bytes(field.value),
            _ => {}
        }
        scan.skip_to(field.end)?;
    }
    Ok(count
        .zip(element)
        .and_then(|(count, element)| count.checked_mul(element)))
}

/// `TensorProto.DataType`.
fn element_bytes(data_type: u64) -> Option<u64> {
    match data_type {
        2 | 3 | 9 => Some(1),
        4 | 5 | 10 | 16 => Some(2),
        1 | 6 | 12 => Some(4),
        7 | 11 | 13 => Some(8),
        _ => None,
    }
}

/// Calls `visit` with each field: its number, whether it is a message, the whole field, and its content.
fn each(
    message: &[u8],
    mut visit: impl FnMut(u64, bool, &[u8], &[u8]) -> Result<(), String>,
) -> Result<(), String> {
    let mut scan = Scan::new(Cursor::new(message));
    let place = |at: u64| usize::try_from(at).map_err(|error| error.to_string());
    loop {
        let start = place(scan.at)?;
        let Some(field) = scan.next(message.len() as u64)? else {
            return Ok(());
        };
        let (content, end) = (place(scan.at)?, place(field.end)?);
        visit(
            field.number,
            field.is_message,
            &message[start..end],
            &message[content..end],
        )?;
        scan.skip_to(field.end)?;
    }
}

fn put(written: &mut Vec<u8>, number: u64, content: &[u8]) {
    put_varint(written, number << 3 | 2);
    put_varint(written, content.len() as u64);
    written.extend_from_slice(content);
}

fn put_varint(written: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        written.push(value as u8 | 0x80);
        value >>= 7;
    }
    written.push(value as u8);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn field(number: u64, content: &[u8]) -> Vec<u8> {
        let mut written = Vec::new();
        put(&mut written, number, content);
        written
    }

    fn entry(key: &str, value: &str) -> Vec<u8> {
        let pair = [field(1, key.as_bytes()), field(2, value.as_bytes())].concat();
        field(EXTERNAL_DATA, &pair)
    }

    #[test]
    fn weights_are_inlined_and_the_rest_is_unchanged() {
        let head = [vec![1 << 3, 2, 1 << 3, 3, 2 << 3, 1], field(8, b"w")].concat();
        let outside = [
            head.clone(),
            entry("location", "a/b"),
            entry("offset", "4"),
            vec![14 << 3, 1],
        ]
        .concat();
        let inside = [head, field(RAW_DATA, b"the weights")].concat();
        let model = |tensor: &[u8]| {
            let node = field(1, &field(5, &field(6, &field(5, tensor))));
            let graph = [field(2, b"name"), field(5, tensor), node].concat();
            [vec![1 << 3, 8], field(7, &graph), field(14, b"")].concat()
        };
        let mut asked = Vec::new();
        let written = inlined(&model(&outside), |external| {
            asked.push(external.clone());
            Ok(b"the weights".to_vec())
        });
        assert_eq!(written, Ok(model(&inside)));
        let external = External {
            name: "w".to_owned(),
            location: "a/b".to_owned(),
            offset: Some(4),
            // 2 x 3 numbers of 32 bits.
            length: Some(24),
        };
        assert_eq!(asked, [external.clone(), external]);
        assert_eq!(
            inlined(&model(&inside), |_| Err(String::new())),
            Ok(model(&inside))
        );
        let failed = inlined(&model(&outside), |_| Err("no such file".to_owned()));
        assert_eq!(failed, Err("no such file".to_owned()));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>) {
            let _ = inlined(&bytes, |_| Ok(Vec::new()));
            let _ = inlined(&field(7, &field(5, &bytes)), |_| Ok(Vec::new()));
        }
    }
}

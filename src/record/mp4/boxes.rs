//! Boxes of MP4 in memory.

use mp4_atom::{BufMut, Encode};

/// Writes a box by `body`.
pub(super) fn write_box(out: &mut Vec<u8>, kind: &[u8; 4], body: impl FnOnce(&mut Vec<u8>)) {
    let written = out.encode_atom(kind, |out| {
        body(out);
        Ok(())
    });
    written.expect("invariant: memory takes all bytes, and no box here reaches 4 GiB");
}

/// Writes a value of `mp4_atom`. None of those that are written here has a field that can be out of range.
pub(super) fn write(out: &mut Vec<u8>, atom: &impl Encode) {
    atom.encode(out)
        .expect("invariant: memory takes all bytes, and every field fits");
}

/// The body of the first box of this kind among boxes that follow one another.
pub(super) fn find<'a>(mut boxes: &'a [u8], kind: &[u8; 4]) -> Option<&'a [u8]> {
    while let Some((found, body, rest)) = split_box(boxes) {
        if found == kind {
            return Some(body);
        }
        boxes = rest;
    }
    None
}

/// The kind and the body of the first box, and the bytes after it.
pub(super) fn split_box(bytes: &[u8]) -> Option<(&[u8; 4], &[u8], &[u8])> {
    let (size, after_size) = bytes.split_first_chunk::<4>()?;
    let (kind, after_header) = after_size.split_first_chunk::<4>()?;
    let size = usize::try_from(u32::from_be_bytes(*size)).ok()?;
    let (body, rest) = after_header.split_at_checked(size.checked_sub(8)?)?;
    Some((kind, body, rest))
}

//! The box of scenes: a `uuid` box between `mdat` and the seal of a fragment, which is there only if there are scenes. The seal's
//! checksum covers it, and players skip it.
//!
//! | bytes | |
//! |---|---|
//! | 16 | [`UUID`] |
//! | … | the scenes in the encoding of [`crate::record::scene`] |

use super::boxes::write_box;
use super::parts::ReadError;
use super::source::BoxHeader;
use crate::record::scene::{LARGEST_SCENES_BYTES, Scene, decode, encode};

/// The extended type of the box. Random.
pub(super) const UUID: [u8; 16] = [
    0x8a, 0x4d, 0xe5, 0xd8, 0x84, 0x5d, 0x4e, 0x46, 0xb2, 0xb3, 0xd2, 0x58, 0xe9, 0x1c, 0x67, 0x41,
];
/// Length of the box without its scenes.
const EMPTY_BYTES: usize = 8 + UUID.len();
/// Length of the largest box.
pub(super) const LARGEST_BOX_BYTES: usize = EMPTY_BYTES + LARGEST_SCENES_BYTES;

/// Writes the box if there are scenes and it has at most `room` bytes. Whether it is written.
pub(super) fn write_scenes(out: &mut Vec<u8>, scenes: &[Scene], room: usize) -> bool {
    if scenes.is_empty() {
        return false;
    }
    let fits = |content: &Vec<u8>| EMPTY_BYTES + content.len() <= room;
    let Some(content) = encode(scenes).filter(fits) else {
        return false;
    };
    write_box(out, b"uuid", |out| {
        out.extend(UUID);
        out.extend(content);
    });
    true
}

/// Refuses a box that is larger than any that is written, before it is read.
pub(super) fn check_size(header: &BoxHeader) -> Result<(), ReadError> {
    let limit = UUID.len() + LARGEST_SCENES_BYTES;
    if header.body_bytes <= limit as u64 {
        return Ok(());
    }
    let reason = format!("{} bytes of scenes (limit {limit})", header.body_bytes);
    Err(ReadError::damaged(header.at, reason))
}

/// The scenes of a box, of which `content` is what follows its extended type.
pub(super) fn parse_scenes(header: &BoxHeader, content: &[u8]) -> Result<Vec<Scene>, ReadError> {
    decode(content).map_err(|error| ReadError::damaged(header.at, error.to_string()))
}

#[cfg(test)]
#[path = "scenes_tests.rs"]
mod tests;

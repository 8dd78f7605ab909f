//! The seal at the end of each block of a file: a `uuid` box with a checksum over the block.
//!
//! All numbers are big-endian. After the size and the type of the box:
//!
//! | bytes | |
//! |---|---|
//! | 16 | [`UUID`] |
//! | 1 | version of the format, 1 |
//! | 1 | kind of the block: 0 head, 1 fragment, 2 tail |
//! | 2 | 0 |
//! | 8 | id of the file |
//! | 4 | sequence: number of the block in the file, from 0 |
//! | 8 | bytes of the block before the seal |
//! | … | content, by the kind |
//! | 4 | CRC-32 (IEEE) over the block and the seal up to here |

use mp4_atom::Decode;

use super::boxes::write_box;
use crate::base::Checksum;

/// The extended type of the box. Random.
pub(super) const UUID: [u8; 16] = [
    0xd1, 0x1a, 0x7d, 0xda, 0xb7, 0x9b, 0x4f, 0xcd, 0x98, 0xaf, 0x22, 0x45, 0xdf, 0xfd, 0x10, 0xa4,
];
/// The version of the format. Whatever programs of this version would call damaged needs the next one: they cut off damaged blocks, and
/// leave alone what has another version.
const VERSION: u8 = 1;
/// Length of the checksum.
pub(super) const CRC_BYTES: usize = 4;
/// Length of the body of a seal without content.
pub(super) const SMALLEST_BODY: usize = 16 + 4 + 8 + 4 + 8 + CRC_BYTES;

/// The kinds of blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BlockKind {
    /// The beginning.
    Head = 0,
    /// A fragment.
    Fragment = 1,
    /// The end.
    Tail = 2,
}

/// A seal without its checksum.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Seal {
    pub(super) kind: BlockKind,
    pub(super) id: u64,
    pub(super) sequence: u32,
    /// Bytes of the block before the seal.
    pub(super) sealed_bytes: u64,
    /// Of a head, a fragment or a tail.
    pub(super) content: Vec<u8>,
}

/// Ends a block. `block` is all of it.
pub(super) fn seal(
    block: &mut Vec<u8>,
    kind: BlockKind,
    id: u64,
    sequence: u32,
    content: impl FnOnce(&mut Vec<u8>),
) {
    let sealed_bytes = block.len() as u64;
    write_box(block, b"uuid", |out| {
        out.extend(UUID);
        out.extend([VERSION, kind as u8, 0, 0]);
        out.extend(id.to_be_bytes());
        out.extend(sequence.to_be_bytes());
        out.extend(sealed_bytes.to_be_bytes());
        content(out);
        out.extend([0; CRC_BYTES]);
    });
    write_checksum(block);
}

/// Writes the checksum of a block that ends with room for it. A tail has it again after its other sizes are known.
pub(super) fn write_checksum(block: &mut [u8]) {
    let (sealed, crc) = block.split_at_mut(block.len() - CRC_BYTES);
    crc.copy_from_slice(&Checksum::of(sealed).to_be_bytes());
}

impl Seal {
    /// Reads the body of the box without the checksum.
    ///
    /// # Errors
    /// The reason for which this is no seal of this version.
    pub(super) fn parse(body: &[u8]) -> Result<Self, String> {
        let mut rest = body
            .strip_prefix(&UUID)
            .ok_or("a `uuid` box that is no seal")?;
        let mut fields = || -> mp4_atom::Result<_> {
            let start = <[u8; 4]>::decode(&mut rest)?;
            let id = u64::decode(&mut rest)?;
            let sequence = u32::decode(&mut rest)?;
            Ok((start, id, sequence, u64::decode(&mut rest)?))
        };
        let (start, id, sequence, sealed_bytes) = fields().map_err(|_| "the seal is too short")?;
        let kind = match start {
            [VERSION, 0, 0, 0] => BlockKind::Head,
            [VERSION, 1, 0, 0] => BlockKind::Fragment,
            [VERSION, 2, 0, 0] => BlockKind::Tail,
            [VERSION, ..] => return Err("the seal is of an unknown kind".to_owned()),
            [version, ..] => {
                return Err(format!(
                    "the seal has version {version}; this program reads {VERSION}"
                ));
            }
        };
        Ok(Self {
            kind,
            id,
            sequence,
            sealed_bytes,
            content: rest.to_vec(),
        })
    }
}

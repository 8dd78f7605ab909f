//! Reads boxes one after the other, with the checksum of the block so far, unless parts of the block are left out.

use std::io::{BufRead, ErrorKind};

use super::parts::{LARGEST_BYTES, ReadError};
use super::seal::{BlockKind, CRC_BYTES, SMALLEST_BODY, Seal};
use crate::base::Checksum;

/// Length of the size and the type of a box.
pub(super) const HEADER_BYTES: u64 = 8;

/// The header of a box.
#[derive(Debug, Clone, Copy)]
pub(super) struct BoxHeader {
    /// Its first byte in the file.
    pub(super) at: u64,
    kind: [u8; 4],
    /// Length of its body.
    pub(super) body_bytes: u64,
}

impl BoxHeader {
    /// Its kind must be this one.
    pub(super) fn expect(&self, kind: &[u8; 4]) -> Result<(), ReadError> {
        if self.is(kind) {
            return Ok(());
        }
        let reason = format!(
            "`{}` in the place of `{}`",
            self.kind.escape_ascii(),
            kind.escape_ascii()
        );
        Err(ReadError::damaged(self.at, reason))
    }

    pub(super) fn is(&self, kind: &[u8; 4]) -> bool {
        self.kind == *kind
    }

    /// The first byte after it.
    pub(super) fn end(&self) -> u64 {
        self.body_at() + self.body_bytes
    }

    /// The first byte of its body.
    pub(super) fn body_at(&self) -> u64 {
        self.at + HEADER_BYTES
    }
}

/// Untrusted bytes. Memory is allocated only for bytes that were read.
pub(super) struct Source<R> {
    input: R,
    /// The next byte in the file.
    pub(super) at: u64,
    /// The first byte of the block.
    pub(super) block_at: u64,
    /// `None` where not all of the block is read: then its checksum is not checked.
    crc: Option<Checksum>,
}

impl<R: BufRead> Source<R> {
    /// Bytes of a file from `at` on, where a block begins.
    pub(super) fn new(input: R, at: u64) -> Self {
        Self {
            input,
            at,
            block_at: at,
            crc: Some(Checksum::default()),
        }
    }

    /// Bytes of a file from `at` on, in the block that begins at `block_at` and of which other bytes are not read.
    pub(super) fn of_part(input: R, at: u64, block_at: u64) -> Self {
        Self {
            input,
            at,
            block_at,
            crc: None,
        }
    }

    /// Reads `bytes` bytes, or those that there are, and passes them on in pieces.
    fn pass(&mut self, bytes: u64, mut take: impl FnMut(&[u8])) -> Result<u64, ReadError> {
        let mut left = bytes;
        while left > 0 {
            let available = match self.input.fill_buf() {
                Ok(available) => available,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(error.into()),
            };
            if available.is_empty() {
                break;
            }
            let taken = available
                .len()
                .min(usize::try_from(left).unwrap_or(usize::MAX));
            if let Some(crc) = &mut self.crc {
                crc.update(&available[..taken]);
            }
            take(&available[..taken]);
            self.input.consume(taken);
            left -= taken as u64;
            self.at += taken as u64;
        }
        Ok(bytes - left)
    }

    fn pass_all(
        &mut self,
        of: &BoxHeader,
        bytes: u64,
        take: impl FnMut(&[u8]),
    ) -> Result<(), ReadError> {
        if self.pass(bytes, take)? == bytes {
            return Ok(());
        }
        let reason = format!(
            "the file ends within `{}`, at byte {} of {}",
            of.kind.escape_ascii(),
            self.at - of.at,
            of.end() - of.at
        );
        Err(ReadError::damaged(of.at, reason))
    }

    /// The header of the next box, or nothing at the end of the file.
    ///
    /// # Errors
    /// If it is cut off, has no possible size, or the system can't read it.
    pub(super) fn next_box(&mut self) -> Result<Option<BoxHeader>, ReadError> {
        let at = self.at;
        let mut header = [0; HEADER_BYTES as usize];
        let mut filled = 0;
        self.pass(HEADER_BYTES, |piece| {
            header[filled..][..piece.len()].copy_from_slice(piece);
            filled += piece.len();
        })?;
        if filled == 0 {
            return Ok(None);
        }
        if filled < header.len() {
            let reason = "the file ends within the header of a box";
            return Err(ReadError::damaged(at, reason));
        }
        let [s0, s1, s2, s3, kind @ ..] = header;
        let size = u64::from(u32::from_be_bytes([s0, s1, s2, s3]));
        match size.checked_sub(HEADER_BYTES) {
            Some(body_bytes) if size <= LARGEST_BYTES => Ok(Some(BoxHeader {
                at,
                kind,
                body_bytes,
            })),
            _ if header == [0; HEADER_BYTES as usize] => {
                Err(ReadError::damaged(at, "zeros in the place of a box"))
            }
            _ => {
                let reason = format!(
                    "`{}` claims {size} bytes (8 to {LARGEST_BYTES} are possible)",
                    kind.escape_ascii()
                );
                Err(ReadError::damaged(at, reason))
            }
        }
    }

    /// The header of the next box, which must be of this kind.
    pub(super) fn required(&mut self, kind: &[u8; 4]) -> Result<BoxHeader, ReadError> {
        let at = self.at;
        let ends = || {
            let reason = format!("the file ends before `{}`", kind.escape_ascii());
            ReadError::damaged(at, reason)
        };
        let found = self.next_box()?.ok_or_else(ends)?;
        found.expect(kind)?;
        Ok(found)
    }

    /// Reads the first bytes of the body of a box: `bytes`, or all if there are fewer.
    pub(super) fn begin(&mut self, header: &BoxHeader, bytes: usize) -> Result<Vec<u8>, ReadError> {
        let mut begun = Vec::new();
        self.pass_all(header, header.body_bytes.min(bytes as u64), |piece| {
            begun.extend_from_slice(piece);
        })?;
        Ok(begun)
    }

    /// Reads the body of a box, or what is left of one that was begun.
    pub(super) fn keep(&mut self, header: &BoxHeader) -> Result<Vec<u8>, ReadError> {
        let mut body = Vec::new();
        let left = header.end().saturating_sub(self.at);
        self.pass_all(header, left, |piece| {
            body.extend_from_slice(piece);
        })?;
        Ok(body)
    }

    /// Reads over the body of a box.
    pub(super) fn skip(&mut self, header: &BoxHeader) -> Result<(), ReadError> {
        self.pass_all(header, header.body_bytes, |_| ())
    }

    /// Reads a seal and checks it: its checksum if all of the block was read, its kind, the length of the block, and the id and the sequence if they are known.
    /// The next block begins after it.
    pub(super) fn seal(
        &mut self,
        header: &BoxHeader,
        kind: BlockKind,
        expected: Option<(u64, u32)>,
    ) -> Result<Seal, ReadError> {
        self.seal_begun(header, Vec::new(), kind, expected)
    }

    /// The same for a seal whose body was begun: `body` is what was read of it, at most an extended type.
    pub(super) fn seal_begun(
        &mut self,
        header: &BoxHeader,
        body: Vec<u8>,
        kind: BlockKind,
        expected: Option<(u64, u32)>,
    ) -> Result<Seal, ReadError> {
        let block_at = self.block_at;
        let body = self.sealed(header, body)?;
        let seal = Seal::parse(&body).map_err(|reason| ReadError::damaged(header.at, reason))?;
        let differs = |reason: String| Err(ReadError::damaged(block_at, reason));
        if let Some((id, sequence)) = expected {
            if seal.id != id {
                return differs("a block of another file".to_owned());
            }
            if seal.sequence != sequence {
                let found = seal.sequence;
                return differs(format!("block {found} in the place of block {sequence}"));
            }
        }
        if seal.kind != kind {
            return differs(format!(
                "the seal of another kind of block: {:?}",
                seal.kind
            ));
        }
        if seal.sealed_bytes != header.at - block_at {
            return differs(format!("the seal is for {} bytes", seal.sealed_bytes));
        }
        Ok(seal)
    }

    /// Reads the body of a seal, of any version, without its checksum, and checks that if all of the block was read. `body` is what was
    /// read of it. The next block begins after it.
    pub(super) fn sealed(
        &mut self,
        header: &BoxHeader,
        mut body: Vec<u8>,
    ) -> Result<Vec<u8>, ReadError> {
        let block_at = self.block_at;
        if header.body_bytes < SMALLEST_BODY as u64 {
            return Err(ReadError::damaged(header.at, "the seal is too short"));
        }
        let sealed_bytes = header.body_bytes - (CRC_BYTES + body.len()) as u64;
        self.pass_all(header, sealed_bytes, |piece| {
            body.extend_from_slice(piece);
        })?;
        let computed = self.crc.take().map(|crc| crc.value().to_be_bytes());
        let mut written = Vec::with_capacity(CRC_BYTES);
        self.pass_all(header, CRC_BYTES as u64, |piece| {
            written.extend_from_slice(piece);
        })?;
        self.block_at = self.at;
        if let Some(computed) = computed {
            self.crc = Some(Checksum::default());
            if written != computed {
                let reason = format!("wrong checksum of bytes {block_at} to {}", header.end());
                return Err(ReadError::damaged(block_at, reason));
            }
        }
        Ok(body)
    }
}

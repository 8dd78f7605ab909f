//! The format of recordings: fragmented MP4, in which every part is sealed. Bytes in, bytes out; it knows nothing of disks.
//!
//! A file is a sequence of blocks, each written by one append:
//!
//! ```text
//! head       ftyp moov                uuid      seal 0
//! fragment   prft moof mdat [uuid]    uuid      scenes if there are any; seal 1, 2, 3 …
//! tail       mfra { tfra              uuid      the last seal
//!                   mfro }
//! ```
//!
//! The seal has the id of the file, the number of the block, and a checksum over the block ([`seal`]). So a torn, reordered,
//! zero-filled or foreign block is always seen, and all blocks before it are known to be sound. Players skip `uuid` boxes: a file
//! plays after each whole append.
//!
//! Times of the media count in ticks of `TIMESCALE` since the file's first frame. The capture time of each frame is in the seals.

mod boxes;
mod fragment;
mod head;
mod parts;
mod plain;
mod reader;
mod scenes;
mod seal;
mod skim;
mod source;
mod tail;
mod times;

pub(super) use fragment::fragment_with_scenes;
pub(super) use head::{begins_sealed, head, read_head};
pub use parts::time_of_ticks;
pub(super) use parts::{
    FileEnding, FileHead, FragmentContent, FragmentPlace, FrameAt, ReadError, Reading,
};
pub(super) use plain::{PlainFrame, PlainMovie, count_plain_frames};
pub(super) use reader::{read, read_fragment};
pub(super) use skim::skim_fragment;
pub(super) use tail::{closed_fragments, tail};

#[cfg(test)]
mod testing;
#[cfg(test)]
pub(super) use testing::{PlainSample, fragment, frames, mutate, plain_samples};

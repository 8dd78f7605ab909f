//! Tar archives: support bundles are packed, and models are unpacked.

mod pack;
mod unpack;

pub use pack::pack;
pub use unpack::{ArchiveKind, UnpackError, UnpackLimits, unpack};

//! Archives: support bundles are packed and models unpacked as tar, exports of recordings are ZIP.

mod pack;
mod unpack;
mod zip;

pub use pack::pack;
pub use unpack::{ArchiveKind, UnpackError, UnpackLimits, unpack};
pub use zip::ZipWriter;

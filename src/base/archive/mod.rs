//! Archives: support bundles are packed and models unpacked as tar, exports of recordings are ZIP, and files of the program are gzip.

mod gzip;
mod pack;
mod unpack;
mod zip;

pub use gzip::unzipped;
pub use pack::pack;
pub use unpack::{ArchiveKind, UnpackError, UnpackLimits, unpack};
pub use zip::ZipWriter;

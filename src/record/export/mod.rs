//! Exports recordings as evidence: videos that every player plays, with a signed manifest, and verifies them.
//!
//! The recordings of the range are found by their names (`find`), opened by their tails (`recording`), checked and laid out in videos
//! (`plan`, `timeline`), and copied (`copy`). Frames stay as the camera sent them. Beside the videos are the objects of the analysed
//! frames (`boxes`), the manifest (`manifest`), its Ed25519 signature and the public key (`key`). All go to a `sink`: to files, which are
//! written under other names and renamed when all are complete (`new_file`), or into an archive, which has its directory at the end.
//! So an export is there in whole or not at all.
//!
//! No thread is its own, and no recorder is asked: what is in the files counts.

mod boxes;
mod compose;
mod copy;
mod error;
mod find;
mod key;
mod manifest;
mod moments;
mod names;
mod new_file;
mod plan;
mod progress;
mod recording;
mod run;
mod sink;
mod timeline;
mod verify;

#[cfg(test)]
mod clips;
#[cfg(test)]
mod testing;

pub use error::{ExportError, VerifyError};
pub use progress::ExportProgress;
pub use run::{ExportRequest, Exported, check_export, export, export_zip};
pub use verify::{ExportProblem, ExportSaid, Verified, verify};

//! Exports recordings as evidence: videos that every player plays, with a signed manifest, and verifies them.
//!
//! The recordings of the range are found by their names (`find`), opened by their tails (`recording`), checked and laid out in videos
//! (`plan`, `timeline`), and copied (`copy`). Frames stay as the camera sent them. Beside the videos are the objects of the analysed
//! frames (`boxes`), the manifest (`manifest`), its Ed25519 signature and the public key (`key`). Everything is written under other
//! names and renamed when it is complete (`new_file`): an export is there in whole or not at all.
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
mod timeline;
mod verify;

#[cfg(test)]
mod clips;
#[cfg(test)]
mod testing;

pub use error::{ExportError, VerifyError};
pub use progress::ExportProgress;
pub use run::{ExportRequest, Exported, export};
pub use verify::{ExportProblem, ExportSaid, Verified, verify};

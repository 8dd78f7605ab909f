//! Checks the file of a source before it is played, so that a wrong path is reported with its remedy.

use std::path::Path;

/// Checks that there is a file at `path`, that it is not empty, and that it can be opened. To open a pipe would block,
/// without an end.
///
/// # Errors
/// A code of [`super::SessionEnd`] and the reason.
pub(super) fn check_file(path: &Path) -> Result<(), (&'static str, String)> {
    let failed = |error: std::io::Error| (file_code(&error), error.to_string());
    let metadata = std::fs::metadata(path).map_err(failed)?;
    if metadata.is_dir() {
        let reason = "is a directory; name a file in it";
        return Err(("garbage", reason.to_owned()));
    }
    if !metadata.is_file() {
        let reason = "is a pipe or a device, which can't be played; name a regular file";
        return Err(("garbage", reason.to_owned()));
    }
    if metadata.len() == 0 {
        return Err(("garbage", "is empty; copy or download it again".to_owned()));
    }
    std::fs::File::open(path).map(|_| ()).map_err(failed)
}

/// The code of [`super::SessionEnd`] for a file that can't be read.
pub(super) fn file_code(error: &std::io::Error) -> &'static str {
    match error.kind() {
        std::io::ErrorKind::NotFound => "not-found",
        std::io::ErrorKind::PermissionDenied => "permission",
        _ => "unreachable",
    }
}

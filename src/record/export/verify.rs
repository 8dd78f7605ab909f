//! Verifies an export by its manifest: the signature, and each file by its hash.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::super::mp4::count_plain_frames;
use super::error::VerifyError;
use super::manifest::{FileEntry, Manifest};
use super::names::{Names, file_name, signature};
use super::new_file::hash_of;
use super::recording::reason;
use crate::base::{KeyId, PublicKey, SourceId, public_key_pem, read_public_key};

/// The largest manifest that is read.
const LARGEST_BYTES: u64 = 256 << 20;
/// Length of a signature.
const SIGNATURE_BYTES: usize = 64;

/// What an export says of itself, and what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// What is wrong. Without any the export is as it was signed.
    pub problems: Vec<ExportProblem>,
    /// What the manifest says. Nothing, if it can't be read as one.
    pub said: Option<ExportSaid>,
    /// Whether the key of the signature was compared with a known one. Otherwise anybody may have made the export.
    pub is_key_known: bool,
}

/// What a manifest says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExportSaid {
    /// The id of the key of the signature.
    pub key: KeyId,
    /// The host name of the machine that made it.
    pub host: String,
    /// The source.
    pub source: SourceId,
    /// Capture time of the first frame, RFC 3339.
    pub first_captured: String,
    /// Capture time of the last frame.
    pub last_captured: String,
    /// Number of videos.
    pub videos: u64,
    /// Number of frames of all videos.
    pub frames: u64,
    /// Number of gaps in the range.
    pub gaps: u64,
    /// Number of damaged parts of recordings, which are not in it.
    pub damage: u64,
}

/// A file of an export that is not as it was signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExportProblem {
    /// The file.
    pub path: PathBuf,
    /// What is wrong.
    pub reason: String,
}

/// Verifies the export with this manifest. The files must be beside it. `public_key` is a file with the key of the box that should
/// have made it, in PEM. Blocks, and reads all files in whole.
///
/// # Errors
/// If the manifest or the public key can't be read. All else is a problem.
pub fn verify(manifest: &Path, public_key: Option<&Path>) -> Result<Verified, VerifyError> {
    let known = public_key.map(read_public_key).transpose()?;
    let bytes = read_at_most(manifest, LARGEST_BYTES).map_err(|cause| VerifyError::Manifest {
        path: manifest.to_owned(),
        cause,
    })?;
    let mut verification = Verification {
        manifest,
        problems: Vec::new(),
    };
    let parsed = Manifest::parse(&bytes);
    match &parsed {
        Err(reason) => verification.problem(manifest, reason.clone()),
        Ok(parsed) => {
            verification.signature(&bytes, &parsed.key);
            verification.keys(&parsed.key, known.as_ref());
            for file in parsed.files() {
                let is_video = *file != parsed.boxes;
                verification.file(file, is_video);
            }
        }
    }
    Ok(Verified {
        problems: verification.problems,
        said: parsed.ok().map(said),
        is_key_known: known.is_some(),
    })
}

fn said(manifest: Manifest) -> ExportSaid {
    let videos = manifest.videos.as_slice();
    let time = |time: Option<&String>| time.cloned().unwrap_or_default();
    ExportSaid {
        key: manifest.key.id(),
        host: manifest.host,
        source: manifest.source_id,
        first_captured: time(videos.first().map(|video| &video.first_captured)),
        last_captured: time(videos.last().map(|video| &video.last_captured)),
        videos: videos.len() as u64,
        frames: videos.iter().map(|video| video.file.frames).sum(),
        gaps: manifest.gaps.len() as u64,
        damage: manifest.damage.len() as u64,
    }
}

struct Verification<'a> {
    manifest: &'a Path,
    problems: Vec<ExportProblem>,
}

impl Verification<'_> {
    fn problem(&mut self, path: &Path, reason: impl Into<String>) {
        self.problems.push(ExportProblem {
            path: path.to_owned(),
            reason: reason.into(),
        });
    }

    /// The content of a file, if it can be read.
    fn read(&mut self, path: &Path, largest: usize) -> Option<Vec<u8>> {
        match read_at_most(path, largest as u64) {
            Ok(bytes) => Some(bytes),
            Err(error) => {
                self.problem(path, format!("can't be read: {error}"));
                None
            }
        }
    }

    fn signature(&mut self, manifest: &[u8], key: &PublicKey) {
        let path = signature(self.manifest);
        let Some(bytes) = self.read(&path, SIGNATURE_BYTES) else {
            return;
        };
        if bytes.len() != SIGNATURE_BYTES {
            let reason = format!(
                "has {} bytes; a signature has {SIGNATURE_BYTES}",
                bytes.len()
            );
            return self.problem(&path, reason);
        }
        if !key.verifies(manifest, &bytes) {
            let reason = format!(
                "does not fit its signature {}: one of the two was changed",
                file_name(&path)
            );
            self.problem(self.manifest, reason);
        }
    }

    fn keys(&mut self, key: &PublicKey, known: Option<&PublicKey>) {
        let path = Names::of_manifest(self.manifest).public_key();
        let enclosed = public_key_pem(key);
        if let Some(bytes) = self.read(&path, enclosed.len() + 1)
            && bytes != enclosed.as_bytes()
        {
            let reason = format!("is not the file of the key {} of the manifest", key.id());
            self.problem(&path, reason);
        }
        if let Some(known) = known
            && known != key
        {
            let (key, known) = (key.id(), known.id());
            let reason = format!("is signed with the key {key}, not with the given key {known}");
            self.problem(self.manifest, reason);
        }
    }

    fn file(&mut self, entry: &FileEntry, is_video: bool) {
        let name = Path::new(&entry.file);
        if name.file_name() != Some(name.as_os_str()) {
            let reason = format!("lists `{}`, which is not a name in its folder", entry.file);
            return self.problem(self.manifest, reason);
        }
        let path = self.manifest.with_file_name(name);
        if let Err(reason) = check_file(&path, entry, is_video) {
            self.problem(&path, reason);
        }
    }
}

/// Checks one file of an export.
///
/// # Errors
/// What is wrong with it.
fn check_file(path: &Path, entry: &FileEntry, is_video: bool) -> Result<(), String> {
    let unread = |error: io::Error| format!("can't be read: {error}");
    let mut file = File::open(path).map_err(unread)?;
    let (bytes, sha256) = hash_of(&mut file).map_err(unread)?;
    if bytes != entry.bytes {
        return Err(format!("has {bytes} bytes, not {}", entry.bytes));
    }
    if sha256 != entry.sha256 {
        return Err(format!(
            "was changed: its SHA-256 is {sha256}, not {}",
            entry.sha256
        ));
    }
    if !is_video {
        return Ok(());
    }
    match count_plain_frames(&mut file) {
        Ok(frames) if frames == entry.frames => Ok(()),
        Ok(frames) => Err(format!("has {frames} frames, not {}", entry.frames)),
        Err(error) => Err(format!("is no whole video: {}", reason(&error))),
    }
}

/// The content of a file. Longer ones are cut after one more byte.
fn read_at_most(path: &Path, largest: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?
        .take(largest + 1)
        .read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
#[path = "verify_tests.rs"]
mod tests;

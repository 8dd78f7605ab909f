//! Exports a range of recordings.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::compose::manifest;
use super::copy::copy;
use super::error::ExportError;
use super::key::signing_key;
use super::names::{Names, signature};
use super::new_file::{NewFile, finish_all, is_free};
use super::plan::{Plan, plan};
use super::progress::{ExportProgress, Watch};
use crate::base::{KeyId, PrivateKey, SourceId, Stop, free_bytes, public_key_pem, unix_now};

/// The most bytes of tables for each frame.
const TABLE_BYTES: u64 = 32;
/// Room for the manifest and the boxes.
const OTHER_BYTES: u64 = 4 << 20;

/// What is to be exported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExportRequest {
    /// The folder of recordings.
    pub dir: PathBuf,
    /// The source.
    pub source: SourceId,
    /// The beginning, since the Unix epoch. The export begins at the last key frame that is not later.
    pub from: Duration,
    /// The end. The export ends before the first key frame that is not earlier.
    pub until: Duration,
    /// The first video, which must end in `.mp4`. The other files get their names from it.
    pub output: PathBuf,
    /// The signing key. Default: that of the folder of recordings, which is made at its first use.
    pub key: Option<PathBuf>,
}

/// A finished export.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exported {
    /// The manifest.
    pub manifest: PathBuf,
    /// All files, also the manifest.
    pub files: Vec<PathBuf>,
    /// Number of videos.
    pub videos: u64,
    /// Number of frames of all videos.
    pub frames: u64,
    /// Number of frames with known objects.
    pub analysed: u64,
    /// Length of all media in bytes.
    pub bytes: u64,
    /// Capture time of the first frame since the Unix epoch.
    pub first_captured: Duration,
    /// Capture time of the last frame.
    pub last_captured: Duration,
    /// Beginning and end of each time of the range without frames.
    pub gaps: Vec<(Duration, Duration)>,
    /// What was not sound and is not exported: the recording and the reason.
    pub damage: Vec<(String, String)>,
    /// The key of the signature.
    pub key: KeyId,
}

/// Exports a range of the recordings of a source: videos, boxes, and a signed manifest. Blocks. The recordings are read twice: first
/// they are checked, then copied. A recorder may write to the folder meanwhile.
///
/// # Errors
/// If there is nothing to export, a file exists already, a recording changes meanwhile, the system refuses something, or `stop` is
/// raised. No file is left then.
pub fn export(
    request: &ExportRequest,
    report: &mut dyn FnMut(ExportProgress),
    stop: &Stop,
) -> Result<Exported, ExportError> {
    let (from, until) = (request.from, request.until);
    if until <= from {
        return Err(ExportError::Range { from, until });
    }
    let names = Names::of_video(&request.output);
    let names = names.ok_or_else(|| ExportError::Name(request.output.clone()))?;
    let manifest_path = names.manifest();
    for path in [
        names.video(0),
        names.boxes(),
        manifest_path.clone(),
        signature(&manifest_path),
        names.public_key(),
    ] {
        is_free(&path)?;
    }
    let mut watch = Watch { report, stop };
    let plan = plan(&request.dir, request.source, (from, until), &mut watch)?;
    for number in 1..plan.videos.len() {
        is_free(&names.video(number))?;
    }
    has_room(&plan, &names)?;
    let key = signing_key(&request.dir, request.key.as_deref())?;
    let copied = copy(&plan, &names, &mut watch)?;
    let range = (request.source, from, until);
    let manifest = manifest(range, &plan, &copied, key.public(), unix_now()).bytes();
    watch.check()?;

    let mut files: Vec<NewFile> = copied.videos.into_iter().map(|(file, _)| file).collect();
    files.push(copied.boxes);
    files.push(whole(&signature(&manifest_path), &key.sign(&manifest))?);
    let public = public_key_pem(&key.public());
    files.push(whole(&names.public_key(), public.as_bytes())?);
    // Last, so that its files are there if it is.
    files.push(whole(&manifest_path, &manifest)?);
    let files = finish_all(files)?;
    Ok(exported(plan, files, manifest_path, copied.analysed, &key))
}

fn exported(
    plan: Plan,
    files: Vec<PathBuf>,
    manifest: PathBuf,
    analysed: u64,
    key: &PrivateKey,
) -> Exported {
    let videos = &plan.videos;
    let firsts = videos.iter().map(|video| video.first_captured);
    let lasts = videos.iter().map(|video| video.last_captured);
    Exported {
        manifest,
        files,
        videos: videos.len() as u64,
        frames: videos.iter().map(|video| video.movie.frames()).sum(),
        analysed,
        bytes: plan.media_bytes(),
        first_captured: firsts.min().unwrap_or_default(),
        last_captured: lasts.max().unwrap_or_default(),
        gaps: plan.gaps,
        damage: plan
            .damage
            .into_iter()
            .map(|damage| (damage.recording, damage.reason))
            .collect(),
        key: key.public().id(),
    }
}

/// Checks that the disk has room for the export.
fn has_room(plan: &Plan, names: &Names) -> Result<(), ExportError> {
    let frames: u64 = plan.videos.iter().map(|video| video.movie.frames()).sum();
    let needed_bytes = plan.media_bytes() + frames * TABLE_BYTES + OTHER_BYTES;
    let video = names.video(0);
    let dir = match video.parent() {
        Some(dir) if !dir.as_os_str().is_empty() => dir,
        _ => Path::new("."),
    };
    match free_bytes(dir) {
        Some(free_bytes) if free_bytes < needed_bytes => Err(ExportError::NoRoom {
            dir: dir.to_owned(),
            free_bytes,
            needed_bytes,
        }),
        _ => Ok(()),
    }
}

/// A file with this content.
fn whole(path: &Path, content: &[u8]) -> Result<NewFile, ExportError> {
    let mut file = NewFile::create(path)?;
    file.write(content)?;
    Ok(file)
}

#[cfg(test)]
#[path = "run_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "refusal_tests.rs"]
mod refusal_tests;

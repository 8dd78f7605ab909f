//! Exports a range of recordings.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::compose::manifest;
use super::copy::copy;
use super::error::ExportError;
use super::key::{check_key, signing_key};
use super::names::{Names, signature};
use super::new_file::{NewFiles, is_free};
use super::plan::{Plan, look, plan};
use super::progress::{ExportProgress, Watch};
use super::sink::{Sink, ZipSink};
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
    let names = checked_names(request)?;
    let manifest = names.manifest();
    for path in [
        names.video(0),
        names.boxes(),
        manifest.clone(),
        signature(&manifest),
        names.public_key(),
    ] {
        is_free(&path)?;
    }
    let mut watch = Watch {
        report,
        stop,
        is_gentle: false,
    };
    let range = (request.from, request.until);
    let plan = plan(&request.dir, request.source, range, &mut watch)?;
    for number in 1..plan.videos.len() {
        is_free(&names.video(number))?;
    }
    has_room(&plan, &names)?;
    write(request, &names, plan, NewFiles::default(), &mut watch)
}

/// As [`export`], but the files go into a ZIP archive, under the names of [`ExportRequest::output`] and beside it. Nothing goes to `out`
/// before all recordings are checked. Each read is followed by a pause as long, so that a recorder has at least half of the disk.
///
/// # Errors
/// If there is nothing to export, a recording changes meanwhile, `out` or the system refuses something, or `stop` is raised. What
/// went to `out` is no whole archive then.
pub fn export_zip(
    request: &ExportRequest,
    out: impl Write,
    stop: &Stop,
) -> Result<Exported, ExportError> {
    let names = checked_names(request)?;
    let mut watch = Watch {
        report: &mut |_| (),
        stop,
        is_gentle: true,
    };
    let range = (request.from, request.until);
    let plan = plan(&request.dir, request.source, range, &mut watch)?;
    write(request, &names, plan, ZipSink::new(out), &mut watch)
}

/// Checks whether an export can begin, as far as that is known without reading the recordings: whether there are some, and whether
/// the key can be read. Blocks.
///
/// # Errors
/// If it can't.
pub fn check_export(request: &ExportRequest) -> Result<(), ExportError> {
    checked_names(request)?;
    let range = (request.from, request.until);
    look(&request.dir, request.source, range)?;
    match &request.key {
        Some(_) => signing_key(&request.dir, request.key.as_deref()).map(drop),
        None => check_key(&request.dir),
    }
}

fn checked_names(request: &ExportRequest) -> Result<Names, ExportError> {
    let (from, until) = (request.from, request.until);
    if until <= from {
        return Err(ExportError::Range { from, until });
    }
    let names = Names::of_video(&request.output);
    names.ok_or_else(|| ExportError::Name(request.output.clone()))
}

/// Writes all files of an export. The manifest is the last one, so that its files are there if it is.
fn write<S: Sink>(
    request: &ExportRequest,
    names: &Names,
    plan: Plan,
    mut sink: S,
    watch: &mut Watch<'_>,
) -> Result<Exported, ExportError> {
    let key = signing_key(&request.dir, request.key.as_deref())?;
    let copied = copy(&plan, names, &mut sink, watch)?;
    let range = (request.source, request.from, request.until);
    let manifest = manifest(range, &plan, &copied, key.public(), unix_now()).bytes();
    watch.check()?;
    let signed = key.sign(&manifest);
    let public = public_key_pem(&key.public());
    let manifest_path = names.manifest();
    let small: [(PathBuf, &[u8]); 3] = [
        (signature(&manifest_path), &signed[..]),
        (names.public_key(), public.as_bytes()),
        (manifest_path.clone(), &manifest[..]),
    ];
    for (path, content) in &small {
        sink.begin(path, content.len() as u64)?;
        sink.write(content)?;
    }
    sink.finish()?;
    let videos = (0..plan.videos.len()).map(|number| names.video(number));
    let files = videos.chain([names.boxes()]);
    let files = files.chain(small.into_iter().map(|(path, _)| path));
    let files = files.collect();
    Ok(exported(
        plan,
        files,
        manifest_path,
        copied.boxes.frames,
        &key,
    ))
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
        frames: plan.frames(),
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
    let needed_bytes = plan.media_bytes() + plan.frames() * TABLE_BYTES + OTHER_BYTES;
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

#[cfg(test)]
#[path = "run_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "refusal_tests.rs"]
mod refusal_tests;

#[cfg(test)]
#[path = "zip_tests.rs"]
mod zip_tests;

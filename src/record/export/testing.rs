//! Folders of recordings for the tests of exports.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;

use super::error::ExportError;
use super::manifest::Manifest;
use super::run::{ExportRequest, Exported, export};
use crate::base::{SourceId, Stop};
use crate::media::CodedUnit;
use crate::record::layout::Place;
use crate::record::mp4::{self, FileHead, PlainSample};
use crate::record::scene::Scene;
use crate::record::testing::{Camera, format};

/// The source of all recordings here.
pub(super) const SOURCE: SourceId = SourceId(3);

/// The files of an export with one video.
pub(super) const FILES: [&str; 5] = [
    "gate.boxes.jsonl",
    "gate.json",
    "gate.json.sig",
    "gate.mp4",
    "gate.pub.pem",
];

/// A folder of recordings, and one for exports.
pub(super) struct Folder {
    pub recordings: TempDir,
    pub exports: TempDir,
}

/// The blocks of a recording of these fragments: head, fragments, tail. The second one has the scenes.
pub(super) fn blocks(fragments: &[Vec<CodedUnit>], scenes: &[Scene]) -> Vec<Vec<u8>> {
    let first = &fragments[0][0];
    let id = 7 + first.captured_unix.as_millis() as u64;
    let mut blocks = vec![mp4::head(&FileHead {
        id,
        source: SOURCE,
        started_unix: first.captured_unix,
        format: (*first.format).clone(),
    })];
    let base = fragments[0].iter().map(|unit| unit.pts_ns).min();
    for (sequence, units) in (1..).zip(fragments) {
        let next = fragments.get(sequence as usize);
        let next = next.and_then(|units| units.iter().map(|unit| unit.pts_ns).min());
        let scenes = if sequence == 2 { scenes } else { &[] };
        let base = base.expect("a unit");
        let fragment = mp4::fragment_with_scenes(id, sequence, base, units, next, scenes);
        blocks.push(fragment.expect("a fragment").bytes);
    }
    let places = mp4::read(&mut &*blocks.concat()).expect("a head").fragments;
    blocks.push(mp4::tail(id, places.len() as u32 + 1, &places));
    blocks
}

impl Folder {
    pub(super) fn new() -> Self {
        Self {
            recordings: tempfile::tempdir().expect("a folder"),
            exports: tempfile::tempdir().expect("a folder"),
        }
    }

    pub(super) fn dir(&self) -> &Path {
        self.recordings.path()
    }

    /// Writes a file with the name of this first unit. Returns its path.
    pub(super) fn write(&self, first: &CodedUnit, bytes: &[u8]) -> PathBuf {
        let place = Place::new(SOURCE, first.captured_unix, 0);
        let path = place.path(self.dir());
        fs::create_dir_all(path.parent().expect("a parent")).expect("folders");
        fs::write(&path, bytes).expect("a file");
        path
    }

    /// Writes a closed recording.
    pub(super) fn record(&self, fragments: &[Vec<CodedUnit>]) -> PathBuf {
        self.write(&fragments[0][0], &blocks(fragments, &[]).concat())
    }

    /// Marks the recording with this first unit as open.
    pub(super) fn mark(&self, first: &CodedUnit) {
        let mark = Place::new(SOURCE, first.captured_unix, 0).mark(self.dir());
        fs::create_dir_all(mark.parent().expect("a parent")).expect("a folder");
        fs::write(mark, "").expect("a mark");
    }

    pub(super) fn request(&self, from: Duration, until: Duration) -> ExportRequest {
        ExportRequest {
            dir: self.dir().to_owned(),
            source: SOURCE,
            from,
            until,
            output: self.exports.path().join("gate.mp4"),
            key: None,
        }
    }

    pub(super) fn export(&self, from: Duration, until: Duration) -> Result<Exported, ExportError> {
        export(&self.request(from, until), &mut |_| (), &Stop::default())
    }

    /// The content of a file of the export.
    pub(super) fn exported(&self, name: &str) -> Vec<u8> {
        fs::read(self.exports.path().join(name)).expect("a file")
    }

    /// The frames of a video.
    pub(super) fn samples(&self, name: &str) -> Vec<PlainSample> {
        mp4::plain_samples(&self.exported(name))
    }

    pub(super) fn manifest(&self) -> Manifest {
        Manifest::parse(&self.exported("gate.json")).expect("a manifest")
    }

    /// The names in the folder of exports, in order.
    pub(super) fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.exports.path()).expect("a folder");
        let names = entries.map(|entry| entry.expect("an entry").file_name().into_string());
        let mut names: Vec<String> = names.map(|name| name.expect("UTF-8")).collect();
        names.sort();
        names
    }
}

/// The media of units.
pub(super) fn media<'a>(units: impl IntoIterator<Item = &'a CodedUnit>) -> Vec<Vec<u8>> {
    let units = units.into_iter();
    units.map(|unit| unit.data.to_vec()).collect()
}

/// The capture time of a unit.
pub(super) fn captured(unit: &CodedUnit) -> Duration {
    unit.captured_unix
}

/// A time.
pub(super) fn milliseconds(count: u64) -> Duration {
    Duration::from_millis(count)
}

/// A recording of groups of a second.
pub(super) fn groups(camera: &mut Camera, count: usize) -> Vec<Vec<CodedUnit>> {
    (0..count).map(|_| camera.group(5)).collect()
}

/// Writes two recordings, the second in another format, and returns their groups.
pub(super) fn two_formats(folder: &Folder) -> [Vec<Vec<CodedUnit>>; 2] {
    let mut camera = Camera::new();
    let first = groups(&mut camera, 2);
    camera.format = format(1280);
    let second = groups(&mut camera, 2);
    folder.record(&first);
    folder.record(&second);
    [first, second]
}

//! A set of recordings in memory, and the rows of an index, for the tests of the index.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use rusqlite::types::Value;

use super::database;
use super::files::{ListedPart, Listing, Outline, Part, RecordingFile, RecordingFiles};
use super::listener::{EventListener, SeenEvent};
use crate::base::sync::lock;
use crate::base::{BBox, CaptureClock, Size, Stop};
use crate::media::{Codec, CodedFormat, CodedUnit};
use crate::record::file_key::FileKey;
use crate::record::mp4::{self, FileHead, FragmentPlace, ReadError};
use crate::record::scene::{Scene, SceneObject};

/// The length of a head.
pub(super) const HEAD_BYTES: u64 = 700;
/// The length of a tail.
const TAIL_BYTES: u64 = 300;

/// A scene with objects: class, track, confidence.
pub(super) fn scene(at_ms: u64, objects: &[(&str, Option<u64>, f32)]) -> Scene {
    let object = |&(class, track, confidence): &(&str, Option<u64>, f32)| SceneObject {
        class_name: class.into(),
        confidence,
        bbox: BBox::from_corners(0.0, 0.0, 10.0, 10.0),
        track,
    };
    Scene {
        captured_unix: Duration::from_millis(at_ms),
        ntp_ns: None,
        frame_size: Size::new(640, 480),
        objects: objects.iter().map(object).collect(),
    }
}

/// The recordings. Clones are the same set.
#[derive(Debug, Clone, Default)]
pub(super) struct FakeFiles {
    files: Arc<Mutex<BTreeMap<FileKey, FakeFile>>>,
    /// The folder has a part that can't be read.
    pub(super) fault: Option<String>,
}

/// A recording.
#[derive(Debug, Clone, Default)]
pub(super) struct FakeFile {
    pub(super) id: u64,
    pub(super) has_damaged_head: bool,
    /// The disk refuses to read it.
    pub(super) is_unreadable: bool,
    pub(super) fragments: Vec<FakeFragment>,
    pub(super) has_tail: bool,
}

/// A fragment of 2 s and 50 frames.
#[derive(Debug, Clone, Default)]
pub(super) struct FakeFragment {
    pub(super) bytes: u64,
    pub(super) is_damaged: bool,
    pub(super) scenes: Vec<Scene>,
}

const FRAGMENT_TICKS: u64 = 180_000;
const FRAGMENT_FRAMES: u32 = 50;

impl FakeFiles {
    /// Changes the set.
    pub(super) fn change<T>(
        &self,
        change: impl FnOnce(&mut BTreeMap<FileKey, FakeFile>) -> T,
    ) -> T {
        change(&mut lock(&self.files))
    }

    /// Changes a recording of the set.
    pub(super) fn edit(&self, key: FileKey, edit: impl FnOnce(&mut FakeFile)) {
        self.change(|files| edit(files.get_mut(&key).expect("a recording")));
    }
}

impl FakeFile {
    fn places(&self) -> Vec<FragmentPlace> {
        let mut offset = HEAD_BYTES;
        let place = |(index, fragment): (usize, &FakeFragment)| {
            let at = offset;
            offset += fragment.bytes;
            FragmentPlace {
                offset: at,
                bytes: fragment.bytes,
                sequence: index as u32 + 1,
                first_tick: index as u64 * FRAGMENT_TICKS,
                ticks: FRAGMENT_TICKS,
                captured_unix: Duration::ZERO,
                frames: FRAGMENT_FRAMES,
                begins_with_key: true,
            }
        };
        self.fragments.iter().enumerate().map(place).collect()
    }
}

impl RecordingFiles for FakeFiles {
    type File = FakeFile;

    fn list(&self, stop: &Stop) -> Option<Listing> {
        let keys = lock(&self.files).keys().copied().collect();
        let fault = self.fault.clone();
        (!stop.is_raised()).then_some(Listing { keys, fault })
    }

    fn open(&self, key: FileKey) -> io::Result<FakeFile> {
        let found = lock(&self.files).get(&key).cloned();
        let found = found.ok_or(ErrorKind::NotFound)?;
        match found.is_unreadable {
            // EIO.
            true => Err(io::Error::from_raw_os_error(5)),
            false => Ok(found),
        }
    }

    fn path(&self, key: FileKey) -> PathBuf {
        key.path(Path::new("/rec"))
    }
}

impl RecordingFile for FakeFile {
    fn outline(&mut self) -> Result<Outline, ReadError> {
        if self.has_damaged_head {
            return Err(damaged(0));
        }
        let fragments: u64 = self.fragments.iter().map(|fragment| fragment.bytes).sum();
        let tail = if self.has_tail { TAIL_BYTES } else { 0 };
        Ok(Outline {
            id: self.id,
            codec: Codec::H264,
            size: Size::new(640, 480),
            bytes: HEAD_BYTES + fragments + tail,
            head_bytes: HEAD_BYTES,
            fragments: self.has_tail.then(|| self.places()),
        })
    }

    fn fragment(&mut self, id: u64, at: u64, sequence: u32) -> Result<Part, ReadError> {
        let places = self.places().into_iter().zip(&self.fragments);
        let mut found = places.filter(|(place, fragment)| {
            place.offset == at && place.sequence == sequence && !fragment.is_damaged
        });
        let found = found.next().filter(|_| self.id == id);
        let (place, fragment) = found.ok_or_else(|| damaged(at))?;
        Ok(Part {
            bytes: place.bytes,
            frames: place.frames.into(),
            end_tick: place.first_tick + place.ticks,
            scenes: fragment.scenes.clone(),
        })
    }

    fn listed(&mut self, id: u64, place: &FragmentPlace) -> Result<ListedPart, ReadError> {
        let part = self.fragment(id, place.offset, place.sequence)?;
        Ok(ListedPart {
            scenes: part.scenes,
            cost_bytes: part.bytes,
        })
    }
}

fn damaged(at: u64) -> ReadError {
    let reason = "it is damaged".to_owned();
    ReadError::Damaged { at, reason }
}

/// What the index told.
#[derive(Debug, Default)]
pub(super) struct Heard {
    pub(super) seen: Mutex<Vec<SeenEvent>>,
    pub(super) read: Mutex<Vec<FileKey>>,
    /// How often it told that all is read.
    pub(super) reads: AtomicUsize,
}

impl EventListener for Heard {
    fn seen(&self, events: &[SeenEvent]) {
        lock(&self.seen).extend_from_slice(events);
    }

    fn read(&self, closed: &[FileKey]) {
        lock(&self.read).extend_from_slice(closed);
        self.reads.fetch_add(1, Ordering::Relaxed);
    }
}

/// All rows of the index in a folder.
pub(super) fn rows(dir: &Path) -> BTreeMap<&'static str, Vec<Vec<Value>>> {
    let database = database::open_reader(dir).expect("an index");
    let mut tables = BTreeMap::new();
    for table in ["recording", "sighting", "event"] {
        let text = format!("SELECT * FROM {table}");
        let mut query = database.prepare(&text).expect("a table");
        let columns = query.column_count();
        let row = |row: &rusqlite::Row<'_>| (0..columns).map(|index| row.get(index)).collect();
        let rows = query.query_map([], row).expect("rows");
        let rows: Result<Vec<Vec<Value>>, _> = rows.collect();
        tables.insert(table, rows.expect("rows"));
    }
    tables
}

/// Writes a recording with fragments of 2 s and two frames. At the start of each, track `number` is seen.
pub(super) fn write_recording(dir: &Path, key: FileKey, fragments: u32, has_tail: bool) {
    let scenes = (0..u64::from(fragments)).map(|index| {
        let at_ms = key.start_ms() + index * 2_000;
        vec![scene(at_ms, &[("person", Some(key.number().into()), 0.5)])]
    });
    write_file(
        dir,
        key,
        &recording(key, &scenes.collect::<Vec<_>>(), has_tail),
    );
}

/// Writes a file with the name of a recording.
pub(super) fn write_file(dir: &Path, key: FileKey, bytes: &[u8]) {
    let path = key.path(dir);
    fs::create_dir_all(path.parent().expect("its hour")).expect("folders");
    fs::write(path, bytes).expect("a file");
}

/// A recording with a fragment of 2 s and two frames for each of these lists of scenes.
pub(super) fn recording(key: FileKey, scenes: &[Vec<Scene>], has_tail: bool) -> Vec<u8> {
    let format = CodedFormat {
        codec: Codec::H265,
        record: Bytes::from_static(b"record"),
        size: Size::new(1280, 720),
    };
    let id = key.start_ms();
    let started_unix = Duration::from_millis(key.start_ms());
    let mut file = mp4::head(&FileHead {
        id,
        source: key.source(),
        started_unix,
        format: format.clone(),
    });
    let unit = |frame: u32| {
        let at = Duration::from_secs(frame.into());
        CodedUnit {
            format: Arc::new(format.clone()),
            data: Bytes::from_static(b"\0\0\0\x04unit"),
            is_key: frame.is_multiple_of(2),
            session: 1,
            pts_ns: at.as_nanos() as u64,
            arrival: at,
            captured_unix: started_unix + at,
            clock: CaptureClock::Arrival,
            ntp_ns: None,
        }
    };
    let mut places = Vec::new();
    for (index, scenes) in (0..).zip(scenes) {
        let units = [unit(2 * index), unit(2 * index + 1)];
        let next_pts_ns = Some(unit(2 * index + 2).pts_ns);
        let fragment = mp4::fragment_with_scenes(id, index + 1, 0, &units, next_pts_ns, scenes);
        let fragment = fragment.expect("a fragment");
        places.push(FragmentPlace {
            offset: file.len() as u64,
            bytes: fragment.bytes.len() as u64,
            sequence: index + 1,
            first_tick: fragment.first_tick,
            ticks: fragment.ticks,
            captured_unix: units[0].captured_unix,
            frames: 2,
            begins_with_key: true,
        });
        file.extend(fragment.bytes);
    }
    if has_tail {
        file.extend(mp4::tail(id, places.len() as u32 + 1, &places));
    }
    file
}

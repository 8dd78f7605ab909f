//! The installed versions on the disk, and since when no document names each.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tracing::{info, warn};

use super::places::{Places, RECORD, VALIDATOR, put_away, sync_parent, write_whole};
use super::version::Version;

/// What `record.json` of an installed version says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Record {
    #[serde(flatten)]
    pub(super) version: Version,
    /// Since when no document names it. None while one does, and while the clock was not synchronised.
    #[serde(default)]
    pub(super) unnamed_since: Option<Timestamp>,
}

impl Record {
    /// A version that a document names.
    pub(super) fn new(version: Version) -> Self {
        Self {
            version,
            unnamed_since: None,
        }
    }
}

/// The installed versions.
#[derive(Debug)]
pub(super) struct Library {
    places: Places,
    installed: BTreeMap<Version, Record>,
}

impl Library {
    /// Reads the folder. What an interrupted installation has left is put away.
    pub(super) fn open(places: Places) -> Self {
        let mut library = Self {
            installed: BTreeMap::new(),
            places,
        };
        library.put_away(&library.places.staging());
        for folder in entries(&library.places.installed()) {
            match read_record(&folder) {
                Some(record) if library.places.version(&record.version) == folder => {
                    library.installed.insert(record.version.clone(), record);
                }
                _ => {
                    info!(path = %folder.display(), "removing what is left of a model");
                    library.put_away(&folder);
                }
            }
        }
        library
    }

    /// Whether a version is installed.
    pub(super) fn has(&self, version: &Version) -> bool {
        self.installed.contains_key(version)
    }

    /// An installed version of a model.
    pub(super) fn any_of(&self, id: &str) -> Option<&Version> {
        self.installed.keys().find(|version| version.id == id)
    }

    /// A version was installed.
    pub(super) fn add(&mut self, version: &Version) {
        let record = Record::new(version.clone());
        self.installed.insert(version.clone(), record);
    }

    /// A version was removed by another thread.
    pub(super) fn forget(&mut self, version: &Version) {
        self.installed.remove(version);
    }

    /// Puts a version away. It is not found any more, and the thread of the models removes its files.
    pub(super) fn remove(&mut self, version: &Version) {
        self.forget(version);
        info!(%version, "removing a model");
        self.put_away(&self.places.version(version));
    }

    /// Whether something is put away and not removed yet.
    pub(super) fn has_removed(&self) -> bool {
        !entries(&self.places.removed()).is_empty()
    }

    fn put_away(&self, path: &Path) {
        if let Err(err) = put_away(&self.places, path) {
            warn!(path = %path.display(), %err, "files of a model can't be moved away to be removed");
        }
    }

    /// Notes which versions are named. `now` is none while the clock is not synchronised: then no time is noted.
    pub(super) fn note_names(
        &mut self,
        is_named: &dyn Fn(&Version) -> bool,
        now: Option<Timestamp>,
    ) {
        for record in self.installed.values_mut() {
            let since = match (is_named(&record.version), record.unnamed_since) {
                (true, _) => None,
                (false, Some(since)) => Some(since),
                (false, None) => now,
            };
            if since != record.unnamed_since {
                record.unnamed_since = since;
                if let Err(err) = write_record(&self.places, record) {
                    warn!(version = %record.version, %err, "the age of a model can't be saved");
                }
            }
        }
    }

    /// The versions that no document has named for `age`.
    pub(super) fn old(&self, age: Duration, now: Timestamp) -> Vec<Version> {
        let is_old = |record: &&Record| {
            let since = record.unnamed_since;
            since.is_some_and(|since| is_over(since, age, now))
        };
        let old = self.installed.values().filter(is_old);
        old.map(|record| record.version.clone()).collect()
    }

    /// The versions that may be removed when space is needed, oldest first. Their age may be unknown.
    pub(super) fn spare(&self, is_kept: &dyn Fn(&Version) -> bool) -> Vec<Version> {
        let free = |record: &&Record| !is_kept(&record.version);
        let mut spare: Vec<&Record> = self.installed.values().filter(free).collect();
        spare.sort_by_key(|record| record.unnamed_since);
        let versions = spare.into_iter().map(|record| record.version.clone());
        versions.collect()
    }

    /// Puts the parts of files of other versions than `wanted` away.
    pub(super) fn sweep_partials(&self, wanted: &BTreeSet<Version>) {
        let names: BTreeSet<String> = wanted.iter().map(Version::file_name).collect();
        for path in entries(&self.places.partials()) {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let name = name.strip_suffix(VALIDATOR).unwrap_or(&name);
            if !names.contains(name) {
                self.put_away(&path);
            }
        }
    }
}

fn is_over(since: Timestamp, age: Duration, now: Timestamp) -> bool {
    let passed = now.duration_since(since);
    Duration::try_from(passed).is_ok_and(|passed| passed >= age)
}

/// Makes the folder `staged` the installed version of `record`.
pub(super) fn install(places: &Places, staged: &Path, record: &Record) -> io::Result<()> {
    let text = serde_json::to_vec(record)?;
    write_whole(&staged.join(RECORD), &text)?;
    let folder = places.version(&record.version);
    super::places::make(&places.installed())?;
    remove_all(&folder)?;
    fs::rename(staged, &folder)?;
    sync_parent(&folder)
}

/// Removes the files of a version. The record goes first: without it a start removes the rest.
pub(super) fn remove_version(places: &Places, version: &Version) -> io::Result<()> {
    match fs::remove_file(places.record(version)) {
        Err(err) if err.kind() != ErrorKind::NotFound => return Err(err),
        _ => {}
    }
    remove_all(&places.version(version))
}

/// Removes everything that was put away.
pub(super) fn empty_removed(places: &Places) {
    for path in entries(&places.removed()) {
        let removed = match path.is_dir() {
            true => remove_all(&path),
            false => fs::remove_file(&path),
        };
        if let Err(err) = removed {
            warn!(path = %path.display(), %err, "files of a model can't be removed");
        }
    }
}

/// Removes a folder; a missing one is no error.
pub(super) fn remove_all(folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(err) if err.kind() != ErrorKind::NotFound => Err(err),
        _ => Ok(()),
    }
}

fn write_record(places: &Places, record: &Record) -> io::Result<()> {
    let text = serde_json::to_vec(record)?;
    write_whole(&places.record(&record.version), &text)
}

fn read_record(folder: &Path) -> Option<Record> {
    let bytes = fs::read(folder.join(RECORD)).ok()?;
    serde_json::from_slice(&bytes).ok()
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(day: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + day * 86_400).expect("a time")
    }

    const DAY: Duration = Duration::from_secs(86_400);

    fn installed(places: &Places, id: &str) -> Version {
        let version = Version::for_tests(id, id);
        let staged = places.staging();
        fs::create_dir_all(staged.join(id)).expect("made");
        fs::write(staged.join(id).join("model.toml"), "").expect("written");
        install(places, &staged, &Record::new(version.clone())).expect("installed");
        version
    }

    #[test]
    fn versions_are_found_again_and_remains_are_removed() {
        let dir = tempfile::tempdir().expect("a folder");
        let places = Places::new(dir.path());
        let version = installed(&places, "a");
        let cut = places.installed().join("b@1");
        fs::create_dir_all(&cut).expect("made");
        fs::create_dir_all(places.staging()).expect("made");
        let mut library = Library::open(places.clone());
        assert!(library.has(&version) && !cut.exists() && !places.staging().exists());
        assert_eq!(library.any_of("a"), Some(&version));
        library.remove(&version);
        assert!(!library.has(&version) && !places.version(&version).exists());
        // No file is removed on this thread, which is the agent's: a large model would block it.
        let away = |name: &str| places.removed().join(name).exists();
        let model = format!("{}.0/a/model.toml", version.file_name());
        assert!(away(&model) && away("b@1.0") && away("staging.0"));
        // The same version again, before the files of the first one are removed.
        installed(&places, "a");
        library.remove(&version);
        assert!(library.has_removed());
        empty_removed(&places);
        assert!(!library.has_removed());
    }

    #[test]
    fn age_counts_from_the_last_document_that_named_it_and_only_with_a_clock() {
        let dir = tempfile::tempdir().expect("a folder");
        let places = Places::new(dir.path());
        let (a, b) = (installed(&places, "a"), installed(&places, "b"));
        let mut library = Library::open(places.clone());
        let only_a = |version: &Version| *version == a;
        library.note_names(&only_a, None);
        assert_eq!(library.old(DAY, at(900)), []);
        library.note_names(&only_a, Some(at(0)));
        library.note_names(&only_a, Some(at(5)));
        assert_eq!(library.old(7 * DAY, at(6)), []);
        // The age outlasts a restart.
        let mut library = Library::open(places);
        assert_eq!(library.old(7 * DAY, at(7)), std::slice::from_ref(&b));
        assert_eq!(library.spare(&only_a), std::slice::from_ref(&b));
        library.note_names(&|_| true, Some(at(8)));
        assert_eq!(library.old(7 * DAY, at(90)), []);
        assert_eq!(library.spare(&|_| false), [a, b]);
    }

    #[test]
    fn parts_of_files_that_nobody_wants_are_removed() {
        let dir = tempfile::tempdir().expect("a folder");
        let places = Places::new(dir.path());
        let (a, b) = (Version::for_tests("a", "1"), Version::for_tests("a", "2"));
        super::super::places::make(&places.partials()).expect("made");
        for version in [&a, &b] {
            fs::write(places.partial(version), "part").expect("written");
            fs::write(places.validator(version), "tag").expect("written");
        }
        let library = Library::open(places.clone());
        library.sweep_partials(&BTreeSet::from([a.clone()]));
        assert!(places.partial(&a).exists() && places.validator(&a).exists());
        assert!(!places.partial(&b).exists() && !places.validator(&b).exists());
    }
}

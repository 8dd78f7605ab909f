//! The folder of the fetched models.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::version::Version;
pub(super) use crate::agent::state_dir::{save as write_whole, sync_parent};
pub(super) use crate::base::private_folder as make;
use crate::fetch::Part;

/// The folder of the fetched models.
///
/// | path | |
/// |---|---|
/// | `installed/ID@SHA256/` | a version: `record.json`, and the folder `ID` of the model. It is searched for models by itself |
/// | `partial/ID@SHA256` | the part of an archive that was received, and with `.validator` what tells whether the server has changed it |
/// | `staging/` | a version that is being installed |
/// | `removed/` | versions and parts of files that are not used any more, until the thread of the models has removed them |
/// | `in-use.json` | the model that the processor runs |
#[derive(Debug, Clone)]
pub(super) struct Places {
    root: PathBuf,
}

impl Places {
    /// In the folder of the agent's state.
    pub(super) fn new(state_dir: &Path) -> Self {
        Self {
            root: state_dir.join("models"),
        }
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    pub(super) fn installed(&self) -> PathBuf {
        self.root.join("installed")
    }

    /// The folder of a version, in which a processor finds the model.
    pub(super) fn version(&self, version: &Version) -> PathBuf {
        self.installed().join(version.file_name())
    }

    pub(super) fn record(&self, version: &Version) -> PathBuf {
        self.version(version).join(RECORD)
    }

    pub(super) fn partials(&self) -> PathBuf {
        self.root.join("partial")
    }

    pub(super) fn partial(&self, version: &Version) -> PathBuf {
        self.partials().join(version.file_name())
    }

    pub(super) fn validator(&self, version: &Version) -> PathBuf {
        self.partials()
            .join(format!("{}{VALIDATOR}", version.file_name()))
    }

    /// Where the received part of an archive is kept.
    pub(super) fn part(&self, version: &Version) -> Part {
        Part {
            file: self.partial(version),
            validator: self.validator(version),
        }
    }

    pub(super) fn staging(&self) -> PathBuf {
        self.root.join("staging")
    }

    pub(super) fn removed(&self) -> PathBuf {
        self.root.join("removed")
    }

    pub(super) fn in_use(&self) -> PathBuf {
        self.root.join("in-use.json")
    }
}

/// Puts a file or folder away to be removed by another thread: a large one takes seconds on slow flash. A missing one is no error.
pub(super) fn put_away(places: &Places, path: &Path) -> io::Result<()> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let removed = places.removed();
    make(&removed)?;
    let mut free = (0..).map(|number: u32| removed.join(format!("{name}.{number}")));
    let to = free.find(|path| !path.exists()).unwrap_or_default();
    match fs::rename(path, to) {
        Err(err) if err.kind() != io::ErrorKind::NotFound => Err(err),
        _ => Ok(()),
    }
}

/// The name of the file that makes a folder an installed version.
pub(super) const RECORD: &str = "record.json";
/// What follows the name of a partial file.
pub(super) const VALIDATOR: &str = ".validator";

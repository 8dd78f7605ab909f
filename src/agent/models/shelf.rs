//! What the box has, as a choice asks for it. Looks at the folders of models.

use std::path::PathBuf;

use super::choice::Stock;
use super::library::Library;
use super::version::Version;
use crate::config::ModelChoice;
use crate::detect::ModelStore;

/// The fetched models without the one that is doubted, and the others.
pub(super) struct Shelf<'a> {
    library: &'a Library,
    doubted: Option<&'a Version>,
    store: ModelStore,
}

impl<'a> Shelf<'a> {
    /// `dirs` are searched for models that were not fetched.
    pub(super) fn new(
        library: &'a Library,
        doubted: Option<&'a Version>,
        dirs: Vec<PathBuf>,
    ) -> Self {
        let store = ModelStore::new(dirs);
        Self {
            library,
            doubted,
            store,
        }
    }
}

impl Stock for Shelf<'_> {
    fn has(&self, version: &Version) -> bool {
        self.library.has(version) && self.doubted != Some(version)
    }

    fn any_of(&self, id: &str) -> Option<Version> {
        let found = self.library.any_of(id);
        found.filter(|version| self.has(version)).cloned()
    }

    fn has_by_hand(&self, id: Option<&str>) -> bool {
        let choice = id.map_or(ModelChoice::Default, |id| ModelChoice::Named(id.to_owned()));
        self.store.choose(&choice).is_ok()
    }
}

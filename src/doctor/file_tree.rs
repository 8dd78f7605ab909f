//! The examined file tree: that of this machine, or one that describes another machine; and the folders in it.

use std::path::{Path, PathBuf};

use crate::base::value_of;

/// The root of a file tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FileTree {
    root: PathBuf,
}

impl FileTree {
    /// The tree below `root`; `/` is this machine.
    pub(super) fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// Whether this is the tree of this machine, so that its programs report on the same tree.
    pub(crate) fn is_machine(&self) -> bool {
        self.root == Path::new("/")
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// The absolute path `path` in this tree.
    pub(super) fn at(&self, path: &str) -> PathBuf {
        self.root.join(path.trim_start_matches('/'))
    }

    /// The tree below a folder of this tree.
    pub(super) fn folder(&self, path: &str) -> Self {
        Self::new(self.at(path))
    }

    /// The folders of `path` whose names begin with `prefix`: name and tree of each.
    pub(super) fn folders(&self, path: &str, prefix: &str) -> Vec<(String, Self)> {
        let (all, names) = (self.folder(path), self.names(path, prefix));
        let named = |name: String| (name.clone(), all.folder(&name));
        names.into_iter().map(named).collect()
    }

    pub(super) fn has(&self, path: &str) -> bool {
        self.at(path).exists()
    }

    /// The name beside the first of these paths that exists.
    pub(super) fn first<'a>(&self, named: &[(&str, &'a str)]) -> Option<&'a str> {
        let found = named.iter().find(|(path, _)| self.has(path));
        found.map(|(_, name)| *name)
    }

    /// The text of a file without white space and zeros at its ends (device trees end texts with a zero). None if the file is
    /// empty or can't be read, which is normal for many files of `/sys`.
    pub(super) fn read(&self, path: &str) -> Option<String> {
        let bytes = std::fs::read(self.at(path)).ok()?;
        let text = String::from_utf8_lossy(&bytes);
        let text = text.trim_matches(|c: char| c == '\0' || c.is_whitespace());
        (!text.is_empty()).then(|| text.to_owned())
    }

    /// The text of a file, or nothing.
    pub(super) fn text(&self, path: &str) -> String {
        self.read(path).unwrap_or_default()
    }

    /// The text after `key`, of the first line of a file that begins with it.
    pub(super) fn value(&self, path: &str, key: &str) -> Option<String> {
        value_of(&self.read(path)?, key).map(str::to_owned)
    }

    pub(super) fn number(&self, path: &str) -> Option<i64> {
        self.read(path)?.parse().ok()
    }

    /// The hexadecimal numbers in a file, with or without `0x`.
    pub(super) fn hex(&self, path: &str) -> Vec<u64> {
        let text = self.text(path);
        let number = |word: &str| u64::from_str_radix(word.trim_start_matches("0x"), 16).ok();
        text.split_whitespace().filter_map(number).collect()
    }

    /// The names in a folder that begin with `prefix`. Names with numbers are in the order of the numbers.
    pub(super) fn names(&self, folder: &str, prefix: &str) -> Vec<String> {
        let entries = std::fs::read_dir(self.at(folder)).into_iter().flatten();
        let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        let mut names: Vec<String> = names.filter(|name| name.starts_with(prefix)).collect();
        // `zone10` belongs after `zone9`.
        names.sort_unstable_by_key(|name| (name.len(), name.clone()));
        names
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::machine_with;
    use super::*;

    #[test]
    fn texts_have_no_zeros_of_device_trees_and_names_are_ordered_by_number() {
        let files = r"
/model NVIDIA Jetson\0
/hex 0x0b\n
/keys a: 1\nab:  2\n
/zone10 \n
/zone9 \n";
        let (_dir, machine) = machine_with(files);
        let tree = machine.tree;
        assert_eq!(tree.read("/model").as_deref(), Some("NVIDIA Jetson"));
        assert_eq!(tree.hex("/hex"), [11]);
        assert_eq!(tree.value("/keys", "ab:").as_deref(), Some("2"));
        assert_eq!((tree.read("/zone9"), tree.read("/absent")), (None, None));
        assert_eq!(tree.names("/", "zone"), ["zone9", "zone10"]);
        assert!(!tree.is_machine() && FileTree::new("/").is_machine());
    }
}

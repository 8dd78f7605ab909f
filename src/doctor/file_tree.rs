//! A file tree that is looked at: this machine's, or one that somebody laid out to look like another machine.

use std::path::{Path, PathBuf};

/// The root of a file tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FileTree {
    root: PathBuf,
}

impl FileTree {
    /// The tree below `root`; `/` is this machine.
    pub(super) fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// Whether programs of this machine would tell of the same tree.
    pub(super) fn is_machine(&self) -> bool {
        self.root == Path::new("/")
    }

    /// Its root.
    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// `path`, absolute by itself, in this tree.
    pub(super) fn at(&self, path: &str) -> PathBuf {
        self.root.join(path.trim_start_matches('/'))
    }

    /// Whether there is something at `path`.
    pub(super) fn has(&self, path: &str) -> bool {
        self.at(path).exists()
    }

    /// The text of a file without white space and zeros at its ends (device trees end texts with one); nothing where it
    /// can't be read, which for many files of `/sys` is an answer of its own.
    pub(super) fn read(&self, path: &str) -> Option<String> {
        let bytes = std::fs::read(self.at(path)).ok()?;
        let text = String::from_utf8_lossy(&bytes);
        let text = text.trim_matches(|c: char| c == '\0' || c.is_whitespace());
        (!text.is_empty()).then(|| text.to_owned())
    }

    /// The number in a file.
    pub(super) fn number(&self, path: &str) -> Option<i64> {
        self.read(path)?.parse().ok()
    }

    /// The number in a file, in hexadecimal with or without `0x`.
    pub(super) fn hex(&self, path: &str) -> Option<u64> {
        let text = self.read(path)?;
        u64::from_str_radix(text.trim_start_matches("0x"), 16).ok()
    }

    /// Names in a folder that begin with `prefix`, those with numbers by their numbers.
    pub(super) fn names(&self, folder: &str, prefix: &str) -> Vec<String> {
        let mut names: Vec<String> = std::fs::read_dir(self.at(folder))
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|entry| entry.file_name().into_string().ok())
            .filter(|name| name.starts_with(prefix))
            .collect();
        // `zone10` belongs behind `zone9`.
        names.sort_by_key(|name| (name.len(), name.clone()));
        names
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_lose_the_zeros_of_device_trees_and_names_come_by_number() {
        let dir = tempfile::tempdir().expect("a folder");
        let tree = FileTree::new(dir.path());
        std::fs::write(dir.path().join("model"), "NVIDIA Jetson\0").expect("written");
        std::fs::write(dir.path().join("hex"), "0x0b\n").expect("written");
        for name in ["zone10", "zone9", "other"] {
            std::fs::write(dir.path().join(name), "\n").expect("written");
        }
        assert_eq!(tree.read("/model").as_deref(), Some("NVIDIA Jetson"));
        assert_eq!(tree.hex("/hex"), Some(11));
        assert_eq!((tree.read("/zone9"), tree.read("/absent")), (None, None));
        assert_eq!(tree.names("/", "zone"), ["zone9", "zone10"]);
        assert!(!tree.is_machine() && FileTree::new("/").is_machine());
    }
}

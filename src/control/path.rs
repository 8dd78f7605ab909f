//! Finds control sockets in their folders.

use std::path::{Path, PathBuf};

use super::connect::reach;
use crate::base::folder::{FolderError, folders, trusted_owner, user};

/// The sockets that were found.
#[derive(Debug, Default)]
pub struct Found {
    /// Sockets, sorted.
    pub sockets: Vec<PathBuf>,
    /// Folders that were skipped, because other users could have created sockets in them.
    pub skipped: Vec<FolderError>,
}

/// The socket of one role in `dir`.
pub fn socket_path(dir: &Path, role: &str, instance_id: &str) -> PathBuf {
    dir.join(format!("{role}-{instance_id}.sock"))
}

/// The sockets of `role`, or of one instance of it, that accept connections. A killed process leaves a socket behind that does
/// not.
pub fn find(role: &str, instance_id: Option<&str>) -> Found {
    let prefix = format!("{role}-");
    let mut found = sockets_in(folders().into_iter().map(|folder| folder.path));
    found.sockets.retain(|path| {
        let name = path.file_stem().and_then(|name| name.to_str());
        let instance = name.and_then(|name| name.strip_prefix(&prefix));
        instance.is_some_and(|instance| instance_id.is_none_or(|wanted| wanted == instance))
            && reach(path).is_ok()
    });
    found
}

/// All control sockets in these folders, also those of killed processes.
pub fn sockets_in(folders: impl IntoIterator<Item = PathBuf>) -> Found {
    let mut found = Found::default();
    for folder in folders {
        let listed = trusted_owner(&folder, user()).and_then(|_| {
            let entries = std::fs::read_dir(&folder);
            entries.map_err(|source| FolderError::System {
                path: folder.clone(),
                source,
            })
        });
        match listed {
            Ok(entries) => {
                let paths = entries.flatten().map(|entry| entry.path());
                let is_socket = |path: &PathBuf| path.extension().is_some_and(|end| end == "sock");
                found.sockets.extend(paths.filter(is_socket));
            }
            Err(error) if error.is_absence() => {}
            Err(error) => found.skipped.push(error),
        }
    }
    found.sockets.sort_unstable();
    found.sockets.dedup();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_are_listed_and_folders_of_others_are_named() {
        let dir = tempfile::tempdir().expect("a folder");
        let (here, link) = (dir.path().join("here"), dir.path().join("link"));
        std::fs::create_dir(&here).expect("a folder");
        for name in ["wall-b.sock", "processor-a.sock", "notes.txt"] {
            std::fs::write(here.join(name), "").expect("written");
        }
        std::os::unix::fs::symlink(&here, &link).expect("a link");
        let found = sockets_in([here.clone(), link, dir.path().join("absent")]);
        assert_eq!(
            found.sockets,
            [here.join("processor-a.sock"), here.join("wall-b.sock")]
        );
        assert_eq!(found.skipped.len(), 1, "{found:?}");
    }
}

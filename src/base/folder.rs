//! Folders for control sockets and the checks whether they can be trusted.
//!
//! An applied configuration contains passwords of cameras. A process of another user that answers in place of a role could read
//! them. Therefore a folder is used only if no other user can create or remove sockets in it: it belongs to this user, has mode
//! 0700, is not a symbolic link, and others can't rename it.

use std::fs::{DirBuilder, Metadata, Permissions};
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// A folder that may hold control sockets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folder {
    /// Its path.
    pub path: PathBuf,
    origin: Origin,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Origin {
    /// `RuntimeDirectory=` of a unit. systemd creates and removes it.
    Unit,
    /// A private folder in a shared one. Created if missing; its mode is corrected.
    Ours,
    /// `NVR_RUNTIME_DIR`. Created if missing. Its mode is not changed, because it may be any folder.
    Named,
}

/// Why a folder can't be used.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// It is a symbolic link.
    #[error("{path} is a symbolic link")]
    Link {
        /// The folder.
        path: PathBuf,
    },
    /// It is not a folder.
    #[error("{path} is not a folder")]
    Kind {
        /// The folder.
        path: PathBuf,
    },
    /// It belongs to another user.
    #[error("{path} belongs to user {owner}, not to user {user}")]
    Owner {
        /// The folder.
        path: PathBuf,
        /// Its owner.
        owner: u32,
        /// The user of this process.
        user: u32,
    },
    /// Other users may read or write it.
    #[error("{path} is open to other users (mode {mode:04o} instead of 0700)")]
    Mode {
        /// The folder.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// Other users may replace it.
    #[error(
        "{path} can be replaced by other users: they may write to {parent} (user {owner}, mode {mode:04o})"
    )]
    Parent {
        /// The folder.
        path: PathBuf,
        /// Its parent folder.
        parent: PathBuf,
        /// The owner of the parent.
        owner: u32,
        /// Its permissions.
        mode: u32,
    },
    /// It can't be read or created.
    #[error("{path}: {source}")]
    System {
        /// The folder.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
}

impl FolderError {
    /// Whether the folder is missing.
    pub fn is_absence(&self) -> bool {
        matches!(self, Self::System { source, .. } if source.kind() == ErrorKind::NotFound)
    }
}

/// All folders in the order in which they are tried. If `NVR_RUNTIME_DIR` is set, only that one; else those of the units, that of
/// the system for root, that of the user, and one in the temporary folder.
pub fn folders() -> Vec<Folder> {
    let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    folders_by(
        variable("NVR_RUNTIME_DIR").map(PathBuf::from),
        variable("XDG_RUNTIME_DIR").map(PathBuf::from),
        &std::env::temp_dir(),
        user(),
    )
}

fn folders_by(
    named: Option<PathBuf>,
    of_user: Option<PathBuf>,
    temporary: &Path,
    user: u32,
) -> Vec<Folder> {
    let folder = |path: PathBuf, origin| Folder { path, origin };
    if let Some(path) = named {
        return vec![folder(path, Origin::Named)];
    }
    let system = if user == 0 {
        Origin::Ours
    } else {
        Origin::Unit
    };
    let mut folders = vec![
        folder("/run/nvr-processor".into(), Origin::Unit),
        folder("/run/nvr-wall".into(), Origin::Unit),
        folder("/run/nvr".into(), system),
    ];
    // The XDG base directory specification requires that relative paths are ignored.
    let of_user = of_user.filter(|path| path.is_absolute());
    folders.extend(of_user.map(|path| folder(path.join("nvr"), Origin::Ours)));
    folders.push(folder(temporary.join(format!("nvr-{user}")), Origin::Ours));
    folders
}

/// The first folder that `role` can use, prepared for its files besides the socket.
pub fn ready_folder(role: &str) -> Option<PathBuf> {
    let is_ready = |folder: &Folder| folder.is_for(role) && folder.prepare(user()).is_ok();
    folders()
        .into_iter()
        .find(is_ready)
        .map(|folder| folder.path)
}

/// The effective user id of this process.
pub(crate) fn user() -> u32 {
    rustix::process::geteuid().as_raw()
}

impl Folder {
    /// Whether `role` may use it. The folder of a unit belongs to that unit's role.
    pub(crate) fn is_for(&self, role: &str) -> bool {
        self.origin != Origin::Unit
            || self.path == Path::new("/run/nvr")
            || self.path.ends_with(format!("nvr-{role}"))
    }

    /// Prepares it for a socket of `user`.
    ///
    /// # Errors
    /// When it can't be created, or other users could change it.
    pub(crate) fn prepare(&self, user: u32) -> Result<(), FolderError> {
        let path = &self.path;
        if self.origin != Origin::Unit {
            match DirBuilder::new().mode(0o700).create(path) {
                Err(source) if source.kind() != ErrorKind::AlreadyExists => {
                    return Err(system(path, source));
                }
                _ => {}
            }
        }
        let found = folder_at(path)?;
        if found.uid() != user {
            return Err(owner(path, &found, user));
        }
        check_parent(path, user)?;
        let mode = found.mode() & 0o7777;
        if mode & 0o077 == 0 {
            return Ok(());
        }
        if self.origin == Origin::Named {
            let path = path.clone();
            return Err(FolderError::Mode { path, mode });
        }
        std::fs::set_permissions(path, Permissions::from_mode(0o700))
            .map_err(|source| system(path, source))
    }
}

/// The owner of `path`, if `user` may connect to that owner's sockets in it.
///
/// # Errors
/// When it is missing, or an untrusted user could have created a socket in it.
pub(crate) fn trusted_owner(path: &Path, user: u32) -> Result<u32, FolderError> {
    let found = folder_at(path)?;
    // Root trusts the owner if only root can write to the parent: then root has assigned the folder, for example of a unit.
    let is_given = user == 0 && is_closed_to_others(path, 0);
    if found.uid() != user && found.uid() != 0 && !is_given {
        return Err(owner(path, &found, user));
    }
    let mode = found.mode() & 0o7777;
    if mode & 0o022 != 0 {
        let path = path.to_owned();
        return Err(FolderError::Mode { path, mode });
    }
    check_parent(path, user)?;
    Ok(found.uid())
}

fn folder_at(path: &Path) -> Result<Metadata, FolderError> {
    let found = std::fs::symlink_metadata(path).map_err(|source| system(path, source))?;
    let path = || path.to_owned();
    if found.is_symlink() {
        return Err(FolderError::Link { path: path() });
    }
    if !found.is_dir() {
        return Err(FolderError::Kind { path: path() });
    }
    Ok(found)
}

fn parent_of(path: &Path) -> PathBuf {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    absolute.parent().unwrap_or(&absolute).to_owned()
}

/// Whether only `owner` can write to the parent folder of `path`.
fn is_closed_to_others(path: &Path, owner: u32) -> bool {
    std::fs::metadata(parent_of(path))
        .is_ok_and(|parent| parent.uid() == owner && parent.mode() & 0o022 == 0)
}

/// Checks the parent. A sticky folder such as /tmp is safe: only its owner may rename the entries of others.
fn check_parent(path: &Path, user: u32) -> Result<(), FolderError> {
    let parent = parent_of(path);
    let found = std::fs::metadata(&parent).map_err(|source| system(path, source))?;
    let mode = found.mode() & 0o7777;
    let is_safe = mode & 0o022 == 0 || mode & 0o1000 != 0;
    if is_safe && [user, 0].contains(&found.uid()) {
        return Ok(());
    }
    Err(FolderError::Parent {
        path: path.to_owned(),
        parent,
        owner: found.uid(),
        mode,
    })
}

fn owner(path: &Path, found: &Metadata, user: u32) -> FolderError {
    FolderError::Owner {
        path: path.to_owned(),
        owner: found.uid(),
        user,
    }
}

fn system(path: &Path, source: std::io::Error) -> FolderError {
    FolderError::System {
        path: path.to_owned(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set_mode(path: &Path, mode: u32) {
        std::fs::set_permissions(path, Permissions::from_mode(mode)).expect("set");
    }

    fn mode(path: &Path) -> u32 {
        std::fs::metadata(path).expect("it is there").mode() & 0o7777
    }

    fn at(path: PathBuf, origin: Origin) -> Folder {
        Folder { path, origin }
    }

    #[test]
    fn the_named_folder_stands_alone() {
        let paths = |folders: Vec<Folder>| -> Vec<String> {
            let shown = folders.iter().map(|folder| folder.path.display());
            shown.map(|path| path.to_string()).collect()
        };
        let (xdg, tmp) = (Some(PathBuf::from("/run/user/7")), Path::new("/tmp"));
        let named = folders_by(Some("/srv/run".into()), xdg.clone(), tmp, 7);
        assert_eq!(paths(named), ["/srv/run"]);
        let usual = folders_by(None, xdg, tmp, 7);
        let units = ["/run/nvr-processor", "/run/nvr-wall", "/run/nvr"];
        assert_eq!(
            paths(usual),
            [&units[..], &["/run/user/7/nvr", "/tmp/nvr-7"]].concat()
        );
        let relative = folders_by(None, Some("run".into()), tmp, 7);
        assert_eq!(paths(relative), [&units[..], &["/tmp/nvr-7"]].concat());
        assert!(at(units[1].into(), Origin::Unit).is_for("wall"));
        assert!(!at(units[1].into(), Origin::Unit).is_for("processor"));
    }

    #[test]
    fn a_folder_is_made_closed_and_an_open_one_of_ours_is_closed() {
        let dir = tempfile::tempdir().expect("a folder");
        let folder = at(dir.path().join("nvr"), Origin::Ours);
        folder.prepare(user()).expect("it is made");
        assert_eq!(mode(&folder.path), 0o700);
        set_mode(&folder.path, 0o777);
        folder.prepare(user()).expect("it is closed");
        assert_eq!(mode(&folder.path), 0o700);
        let unit = at(dir.path().join("unit"), Origin::Unit);
        assert!(
            unit.prepare(user())
                .expect_err("not ours to make")
                .is_absence()
        );
    }

    #[test]
    fn a_named_folder_that_is_open_is_refused_and_left_alone() {
        let dir = tempfile::tempdir().expect("a folder");
        let folder = at(dir.path().join("named"), Origin::Named);
        folder.prepare(user()).expect("it is made");
        set_mode(&folder.path, 0o755);
        let refused = folder.prepare(user()).expect_err("it is open");
        assert!(
            matches!(refused, FolderError::Mode { mode: 0o755, .. }),
            "{refused}"
        );
        assert_eq!(mode(&folder.path), 0o755);
    }

    #[test]
    fn another_user_s_folder_a_link_and_a_file_are_neither_served_in_nor_asked() {
        let dir = tempfile::tempdir().expect("a folder");
        let ours = dir.path().join("ours");
        std::fs::create_dir(&ours).expect("a folder");
        set_mode(&ours, 0o700);
        let other = user() + 1;
        for refused in [
            at(ours.clone(), Origin::Ours)
                .prepare(other)
                .expect_err("it is not theirs"),
            // The superuser's folders are to be trusted by everybody.
            if user() == 0 {
                owner(&ours, &std::fs::metadata(&ours).expect("a folder"), other)
            } else {
                trusted_owner(&ours, other).expect_err("it is not theirs")
            },
        ] {
            assert!(matches!(refused, FolderError::Owner { .. }), "{refused}");
        }
        let (link, file) = (dir.path().join("link"), dir.path().join("file"));
        std::os::unix::fs::symlink(&ours, &link).expect("a link");
        std::fs::write(&file, "").expect("a file");
        for path in [link, file] {
            let served = at(path.clone(), Origin::Ours).prepare(user());
            let asked = trusted_owner(&path, user()).map(drop);
            for refused in [served, asked] {
                assert!(
                    matches!(
                        refused,
                        Err(FolderError::Link { .. } | FolderError::Kind { .. })
                    ),
                    "{refused:?}"
                );
            }
        }
        assert_eq!(trusted_owner(&ours, user()).ok(), Some(user()));
    }

    #[test]
    fn a_folder_that_others_can_write_in_or_replace_is_not_asked() {
        let dir = tempfile::tempdir().expect("a folder");
        let folder = dir.path().join("nvr");
        std::fs::create_dir(&folder).expect("a folder");
        set_mode(&folder, 0o770);
        let refused = trusted_owner(&folder, user()).expect_err("a group may write");
        assert!(matches!(refused, FolderError::Mode { .. }), "{refused}");
        set_mode(&folder, 0o700);
        set_mode(dir.path(), 0o777);
        let refused = trusted_owner(&folder, user()).expect_err("it can be replaced");
        assert!(matches!(refused, FolderError::Parent { .. }), "{refused}");
        let refused = at(folder.clone(), Origin::Ours).prepare(user());
        assert!(
            matches!(refused, Err(FolderError::Parent { .. })),
            "{refused:?}"
        );
        // As /tmp is.
        set_mode(dir.path(), 0o1777);
        assert_eq!(trusted_owner(&folder, user()).ok(), Some(user()));
    }
}

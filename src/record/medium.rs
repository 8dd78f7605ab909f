//! The medium of a folder: the disk below it, with its model, its size, its cache and its wear, by `/proc` and `/sys`. Nothing is asked
//! of the disk itself.

mod disk;
mod mount;

use std::fmt::{self, Display, Formatter};
use std::path::{Path, PathBuf};

use crate::base::shown_bytes;

pub use disk::{Disk, MediumKind, SpareBlocks, Wear};

use disk::{backing_file, whole_disks};
use mount::Mount;

/// File systems that lie in another: the upper folder of an overlay, the file of a loop device.
const MAX_NESTED: usize = 4;

/// What a folder lies on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Medium {
    /// The folder.
    pub dir: PathBuf,
    /// The kind of the disk, or of the file system if it is not on a disk.
    pub kind: MediumKind,
    /// The disks below it; several for RAID and for volumes over several disks. The first one is that which wears out first.
    pub disks: Vec<Disk>,
    /// The kind of the file system, such as `ext4`; empty if it is not known.
    pub file_system: String,
    /// What is mounted, such as `/dev/mmcblk0p1` or `nas:/export`; empty if it is not known.
    pub source: String,
}

impl Medium {
    /// The medium of `dir`, or of its nearest parent that exists. Blocks, for long if the file system does not answer.
    pub fn of(dir: &Path) -> Self {
        Self::in_tree(Path::new("/"), dir)
    }

    /// [`Medium::of`] on a machine whose file tree lies below `root`. `dir` is a path in this tree.
    pub fn in_tree(root: &Path, dir: &Path) -> Self {
        Self::nested(root, dir, MAX_NESTED)
    }

    /// The disk that wears out first.
    pub fn disk(&self) -> Option<&Disk> {
        self.disks.first()
    }

    fn nested(root: &Path, dir: &Path, levels: usize) -> Self {
        let mut medium = Self {
            dir: dir.to_owned(),
            kind: MediumKind::Unknown,
            disks: Vec::new(),
            file_system: String::new(),
            source: String::new(),
        };
        let Some(mount) = Mount::around(root, &existing(root, dir)) else {
            return medium;
        };
        let mut without_disk = kind_without_disk(&mount.file_system);
        if let (Some(upper), 1..) = (upper_folder(&mount), levels) {
            let of_upper = Self::nested(root, &upper, levels - 1);
            (medium.disks, without_disk) = (of_upper.disks, of_upper.kind);
        }
        for folder in devices(root, &mount).iter().flat_map(|it| whole_disks(it)) {
            match backing_file(&folder) {
                Some(file) if levels > 0 => {
                    let of_file = Self::nested(root, &file, levels - 1);
                    medium.disks.extend(of_file.disks);
                }
                _ => medium.disks.push(Disk::read(&folder)),
            }
        }
        medium.disks.sort_by_key(|disk| !disk.kind.wears_out());
        let of_disk = medium.disks.first().map(|disk| disk.kind);
        medium.kind = of_disk.unwrap_or(without_disk);
        medium.file_system = mount.file_system;
        medium.source = mount.source;
        medium
    }
}

impl Display for Medium {
    /// `eMMC G1M15L, 63.7 GB, ext4 on /dev/mmcblk0p1`.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match &self.disks[..] {
            [] => f.write_str(self.kind.name())?,
            [disk] => write!(f, "{disk}")?,
            [first, others @ ..] => write!(f, "{first} and {} more", others.len())?,
        }
        if !self.file_system.is_empty() {
            write!(f, ", {} on {}", self.file_system, self.source)?;
        }
        Ok(())
    }
}

impl Display for Disk {
    /// `eMMC G1M15L, 63.7 GB`.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind.name())?;
        if let Some(model) = &self.model {
            write!(f, " {model}")?;
        }
        match self.size_bytes {
            Some(bytes) => write!(f, ", {}", shown_bytes(bytes)),
            None => Ok(()),
        }
    }
}

/// The absolute path of `dir` in the tree without links, or of its nearest parent that exists.
fn existing(root: &Path, dir: &Path) -> PathBuf {
    let Ok(root) = root.canonicalize() else {
        return dir.to_owned();
    };
    let inside = dir.strip_prefix("/").unwrap_or(dir);
    let real = inside.ancestors().find_map(|parent| {
        let real = root.join(parent).canonicalize().ok()?;
        Some(real.strip_prefix(&root).ok()?.to_owned())
    });
    Path::new("/").join(real.unwrap_or_default())
}

/// The folder in which an overlay writes.
fn upper_folder(mount: &Mount) -> Option<PathBuf> {
    let is_overlay = mount.file_system == "overlay";
    let upper = is_overlay.then(|| mount.option("upperdir")).flatten()?;
    Some(PathBuf::from(upper))
}

/// The block devices of a file system, as folders of `/sys`.
fn devices(root: &Path, mount: &Mount) -> Vec<PathBuf> {
    if mount.has_device() {
        return vec![root.join("sys/dev/block").join(&mount.device)];
    }
    // Without a device number of its own: btrfs has a number for each subvolume, bcachefs names all its devices.
    let of_source = mount.source.split(':').filter_map(|part| {
        let path = root.join(part.strip_prefix('/')?);
        // `/dev/mapper/recordings` is a link to `/dev/dm-0`.
        let path = path.canonicalize().unwrap_or(path);
        let name = path.file_name()?.to_owned();
        part.starts_with("/dev/").then_some(name)
    });
    let names: Vec<_> = of_source.collect();
    let class = root.join("sys/class/block");
    let systems = std::fs::read_dir(root.join("sys/fs/btrfs"));
    for system in systems.into_iter().flatten().flatten() {
        let devices = system.path().join("devices");
        if names.iter().any(|name| devices.join(name).exists()) {
            let devices = std::fs::read_dir(devices).into_iter().flatten().flatten();
            let mut devices: Vec<PathBuf> = devices.map(|device| device.path()).collect();
            devices.sort_unstable();
            return devices;
        }
    }
    names.iter().map(|name| class.join(name)).collect()
}

fn kind_without_disk(file_system: &str) -> MediumKind {
    match file_system {
        "tmpfs" | "ramfs" | "devtmpfs" | "rootfs" => MediumKind::Memory,
        "nfs" | "nfs4" | "cifs" | "smb3" | "ceph" | "lustre" | "afs" | "fuse.sshfs"
        | "fuse.glusterfs" | "fuse.ceph-fuse" | "fuse.rclone" | "fuse.s3fs" => MediumKind::Network,
        "9p" | "virtiofs" | "vboxsf" | "fuse.vmhgfs-fuse" => MediumKind::Virtual,
        _ => MediumKind::Unknown,
    }
}

#[cfg(test)]
#[path = "medium_tests.rs"]
mod tests;

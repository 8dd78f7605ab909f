//! USB sticks and other block devices that may have a provisioning file, mounted read-only while they are looked at.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rustix::io::Errno;
use rustix::mount::{MountFlags, UnmountFlags, mount, mount_remount, unmount};
use tracing::debug;

/// What sticks are formatted with: by Windows and in shops, or by Linux.
const SYSTEMS: [&str; 3] = ["vfat", "exfat", "ext4"];
/// Beginning of the labels of disks that are looked at although they are not removable, in lower case.
const LABEL: &str = "nvr";
/// The label of the box's own data partition, which is no stick.
const DATA: &str = "nvr-data";
/// Beginnings of the names of block devices that are never sticks.
const NEVER: [&str; 7] = ["loop", "ram", "zram", "dm-", "md", "nbd", "mtdblock"];

/// The block devices to look at, by `sys` (`/sys`) and `dev` (`/dev`): removable ones and those of USB, with their partitions, and
/// those whose label begins with NVR, except the data partition of the box. The same choice as in the udev rule of the image.
pub(super) fn devices(sys: &Path, dev: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(sys.join("class/block"));
    let mut found: Vec<PathBuf> = entries
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name().to_str()?.to_owned();
            let is_stick = !NEVER.iter().any(|never| name.starts_with(never))
                && is_removable(&fs::canonicalize(entry.path()).ok()?);
            is_stick.then(|| dev.join(name))
        })
        .collect();
    let labels = fs::read_dir(dev.join("disk/by-label"));
    found.extend(labels.into_iter().flatten().flatten().filter_map(|entry| {
        let label = entry.file_name().to_string_lossy().to_lowercase();
        let device = fs::canonicalize(entry.path()).ok()?;
        (label.starts_with(LABEL) && label != DATA).then_some(device)
    }));
    found.sort_unstable();
    found.dedup();
    found
}

/// Whether the disk at `path` below `/sys/devices`, or that of the partition there, can be taken out.
fn is_removable(path: &Path) -> bool {
    let says = |path: &Path| {
        let told = fs::read_to_string(path.join("removable"));
        told.is_ok_and(|told| told.trim() == "1")
    };
    let is_usb = path.components().any(|part| {
        let name = part.as_os_str().to_string_lossy();
        name.strip_prefix("usb")
            .is_some_and(|number| number.parse::<u32>().is_ok())
    });
    is_usb || says(path) || path.parent().is_some_and(says)
}

/// A mounted device. Unmounted on drop.
#[derive(Debug)]
pub(super) struct Mounted {
    /// Where it is mounted.
    pub(super) path: PathBuf,
}

impl Mounted {
    /// Mounts `device` read-only at `at`, a folder that is made. `None` if it has no file system that is known here, or is in use:
    /// a whole disk with partitions, or a disk of the system.
    ///
    /// # Errors
    /// Other ones of the system, such as those of a broken stick.
    pub(super) fn new(device: &Path, at: &Path) -> io::Result<Option<Self>> {
        fs::create_dir_all(at)?;
        let flags =
            MountFlags::RDONLY | MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
        for system in SYSTEMS {
            match mount(device, at, system, flags, None) {
                Ok(()) => {
                    return Ok(Some(Self {
                        path: at.to_owned(),
                    }));
                }
                // Not this file system, or not one of this kernel.
                Err(Errno::INVAL | Errno::NODEV) => {}
                Err(Errno::BUSY | Errno::NOMEDIUM | Errno::NXIO | Errno::NOENT) => return Ok(None),
                Err(err) => return Err(err.into()),
            }
        }
        debug!(device = %device.display(), "no file system that is known here");
        Ok(None)
    }

    /// Removes a file of it.
    ///
    /// # Errors
    /// When the stick is protected against writing, or can't be written.
    pub(super) fn remove(&self, file: &Path) -> io::Result<()> {
        let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
        mount_remount(&self.path, flags, "")?;
        fs::remove_file(file)?;
        // A stick is pulled out as soon as the monitor shows a picture.
        fs::File::open(&self.path)?.sync_all()
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = unmount(&self.path, UnmountFlags::DETACH);
        let _ = fs::remove_dir(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn sticks_and_labelled_disks_are_looked_at_and_the_system_s_disk_is_not() {
        let dir = tempfile::tempdir().expect("a folder");
        let (sys, dev) = (dir.path().join("sys"), dir.path().join("dev"));
        let class = sys.join("class/block");
        let labels = dev.join("disk/by-label");
        for folder in [&class, &labels] {
            fs::create_dir_all(folder).expect("a folder");
        }
        for (path, removable) in [
            ("pci0/usb1/1-1/host0/block/sda", "0"),
            ("pci0/usb1/1-1/host0/block/sda/sda1", ""),
            ("pci0/mmc0/block/mmcblk1", "1"),
            ("pci0/mmc0/block/mmcblk1/mmcblk1p1", ""),
            ("pci0/nvme/nvme0n1", "0"),
            ("pci0/nvme/nvme0n1/nvme0n1p1", ""),
            ("pci0/nvme/nvme0n1/nvme0n1p2", ""),
            ("virtual/block/loop0", "1"),
            ("pci0/virtio2/block/vdb", "0"),
        ] {
            let folder = sys.join("devices").join(path);
            fs::create_dir_all(&folder).expect("a folder");
            if !removable.is_empty() {
                fs::write(folder.join("removable"), removable).expect("written");
            }
            let name = folder.file_name().expect("a name");
            fs::write(dev.join(name), "").expect("written");
            symlink(&folder, class.join(name)).expect("a link");
        }
        symlink("../../vdb", labels.join("NVR-SETUP")).expect("a link");
        symlink("../../nvme0n1p1", labels.join("rootfs")).expect("a link");
        symlink("../../nvme0n1p2", labels.join(DATA)).expect("a link");
        let dev = fs::canonicalize(&dev).expect("there");
        let found = devices(&sys, &dev);
        let names: Vec<_> = found
            .iter()
            .filter_map(|path| path.file_name()?.to_str())
            .collect();
        assert_eq!(names, ["mmcblk1", "mmcblk1p1", "sda", "sda1", "vdb"]);
        assert!(devices(Path::new("/nonexistent"), Path::new("/nonexistent")).is_empty());
        // Its label, as the image gives it, and the other place that has to know it.
        let preinit =
            include_str!("../../../yocto/meta-nvr/recipes-nvr/nvr-data/files/nvr-preinit");
        assert!(preinit.contains(&format!("\nlabel={DATA}\n")));
        let rules = include_str!("../../../board/common/image/udev/71-nvr-provision.rules");
        for key in ["ID_FS_LABEL", "ID_PART_ENTRY_NAME"] {
            let line = format!("\nENV{{{key}}}==\"{DATA}\", GOTO=\"nvr_provision_end\"\n");
            assert!(rules.contains(&line), "{line}");
        }
    }
}

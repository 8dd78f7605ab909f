//! The file systems to which this program writes: space, number of files, read-only mounts, and errors counted by ext4.

use std::path::{Path, PathBuf};

use rustix::fs::{StatVfs, StatVfsMountFlags};

use super::{Emit, FileTree, Line, Machine, State, flash_wear};
use crate::base::cache_dir;

/// A smaller free share of a file system is a warning.
const MIN_FREE_SHARE: f64 = 0.1;
/// Space for an engine and a bundle.
const MIN_FREE_BYTES: u64 = 500_000_000;
/// With less, no write can be relied on.
const FULL_BYTES: u64 = 20_000_000;

const FREE_SPACE: &str = "delete files that are not needed (`du -xh / | sort -h | tail`), limit the journal (`journalctl --vacuum-size=200M`), \
    or set NVR_CACHE to a folder on another disk";

/// A line of `/proc/self/mounts`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Mount {
    device: String,
    point: PathBuf,
    kind: String,
    read_only: bool,
}

pub(super) fn check(machine: &Machine, emit: Emit<'_>) {
    let tree = &machine.tree;
    let mounts = mounts(&tree.text("/proc/self/mounts"));
    // Each with the folders of this program in it and their use.
    let mut systems: Vec<(Mount, StatVfs, String)> = Vec::new();
    for (folder, purpose) in [
        (cache_dir(), "models and engines"),
        ("/var/lib/nvr".into(), "state"),
        (std::env::temp_dir(), "temporary files"),
    ] {
        let name = folder.display();
        match file_system(tree, &mounts, &folder) {
            Ok((mount, space)) => {
                let folders = format!("{name} ({purpose})");
                let mut known = systems.iter_mut();
                match known.find(|(known, ..)| known.point == mount.point) {
                    Some((.., known)) => *known += &format!(", {folders}"),
                    None => systems.push((mount, space, folders)),
                }
            }
            Err(error) => emit(Line::fault(
                format!("space in {name}"),
                format!("can't be determined: {error}"),
                "see the kernel's log (`dmesg`): its medium may be failing",
            )),
        }
    }
    for (mount, space, folders) in &systems {
        findings(mount, space, folders, emit);
    }
    ext4_errors(tree, emit);
    flash_wear::check(tree, emit);
}

/// The mount and the space of `folder`, or of its nearest parent that exists.
fn file_system(
    tree: &FileTree,
    mounts: &[Mount],
    folder: &Path,
) -> std::io::Result<(Mount, StatVfs)> {
    let mut exists = tree.at(&folder.display().to_string());
    while !exists.exists() && exists.pop() {}
    let space = rustix::fs::statvfs(&exists)?;
    let around = mounts
        .iter()
        .filter(|mount| folder.starts_with(&mount.point));
    // Of two mounts at one point the later hides the earlier.
    let innermost = around.max_by_key(|mount| mount.point.as_os_str().len());
    let mut mount = innermost.cloned().unwrap_or_default();
    if innermost.is_none() {
        mount.point = folder.to_owned();
    }
    mount.read_only |= space.f_flag.contains(StatVfsMountFlags::RDONLY);
    Ok((mount, space))
}

fn findings(mount: &Mount, space: &StatVfs, folders: &str, emit: Emit<'_>) {
    let (point, device, kind) = (mount.point.display(), &mount.device, &mount.kind);
    let bytes = |blocks: u64| blocks * space.f_frsize;
    let (free_bytes, total_bytes) = (bytes(space.f_bavail), bytes(space.f_blocks));
    let (free, total) = (free_bytes as f64, total_bytes as f64);
    let (free_gb, total_gb) = (free / 1e9, total / 1e9);
    let is_short = free_bytes < MIN_FREE_BYTES || free < total * MIN_FREE_SHARE;
    let line = Line::new(
        State::of(free_bytes < FULL_BYTES, is_short),
        format!("space on {point}"),
        format!("{free_gb:.1} GB of {total_gb:.1} GB free, {kind} on {device}; for {folders}"),
        FREE_SPACE,
    );
    let line = line.with_figure("free_bytes", free);
    emit(line.with_figure("total_bytes", total));
    if mount.read_only {
        emit(Line::fault(
            format!("writing to {point}"),
            format!("it is mounted read-only; {folders} can't be written"),
            format!(
                "if this is not intended, the kernel found errors: see `dmesg`, check it (`fsck {device}`), or set NVR_CACHE to a writable folder"
            ),
        ));
    }
    // File systems without a fixed number of files (btrfs) report zero.
    let (free, all) = (space.f_favail, space.f_files);
    if (free as f64) < all as f64 * MIN_FREE_SHARE {
        emit(Line::warning(
            format!("files on {point}"),
            format!("{free} of {all} files can still be created"),
            "delete small files that are not needed; free space alone does not help",
        ));
    }
}

/// Errors that ext4 counted since its last check. They come from the medium or from power cuts.
fn ext4_errors(tree: &FileTree, emit: Emit<'_>) {
    for (device, folder) in tree.folders("/sys/fs/ext4", "") {
        if let Some(count @ 1..) = folder.number("errors_count") {
            let line = Line::warning(
                format!("errors on {device}"),
                format!("ext4 counted {count} since its last check"),
                format!(
                    "check it while it is not mounted (`fsck -f /dev/{device}`), and replace the medium if errors return"
                ),
            );
            emit(line.with_figure("count", count as f64));
        }
    }
}

/// The kernel writes a space in a path as `\040`.
fn mounts(text: &str) -> Vec<Mount> {
    let of_line = |line: &str| {
        let mut words = line.split(' ');
        Some(Mount {
            device: words.next()?.to_owned(),
            point: words.next()?.replace("\\040", " ").into(),
            kind: words.next()?.to_owned(),
            read_only: words.next()?.split(',').any(|option| option == "ro"),
        })
    };
    text.lines().filter_map(of_line).collect()
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{cases, emitted, machine_with, short};
    use super::*;

    const MOUNTS: &str = "\
/dev/root / ext4 rw,relatime 0 0
tmpfs /tmp tmpfs rw 0 0
/dev/sda1 /tmp/my\\040disk vfat ro,user 0 0
/dev/mmcblk0p1 /data ext4 rw 0 0
";

    /// Blocks of 1 MB, free blocks, files, and files that can still be created.
    const SPACES: &str = "
60000 30000 1000 900 → Ok | space on /data | 30.0 GB of 60.0 GB free
60000 5900 1000 900 → Warning | space on /data | 5.9 GB of 60.0 GB free
60000 19 1000 900 → Fault | space on /data | 0.0 GB of 60.0 GB free
1000 400 1000 900 → Warning | space on /data | 0.4 GB of 1.0 GB free
60000 30000 1000 900 ro → Ok | space on /data | 30.0 GB of 60.0 GB free + Fault | writing to /data | it is mounted read-only; /data/nvr (models and engines) can't be written
60000 30000 1000 3 → Ok | space on /data | 30.0 GB of 60.0 GB free + Warning | files on /data | 3 of 1000 files can still be created
60000 30000 0 0 → Ok | space on /data | 30.0 GB of 60.0 GB free";

    #[test]
    fn little_space_few_files_and_read_only_mounts_are_reported() {
        let (_dir, machine) = machine_with("");
        let (folder, folders) = (Path::new("/data/nvr"), "/data/nvr (models and engines)");
        let system = file_system(&machine.tree, &mounts(MOUNTS), folder);
        let (mut mount, mut space) = system.expect("a file system");
        // 40 % of a small file system is too little too.
        for (case, expected) in cases(SPACES) {
            mount.read_only = case.ends_with(" ro");
            let numbers: Vec<u64> = case.split(' ').flat_map(str::parse).collect();
            (space.f_frsize, space.f_blocks, space.f_bavail) = (1_000_000, numbers[0], numbers[1]);
            (space.f_files, space.f_favail) = (numbers[2], numbers[3]);
            let lines = emitted(|emit| findings(&mount, &space, folders, emit));
            let lines = Vec::from_iter(lines.iter().map(short)).join(" + ");
            let medium = format!(" free, ext4 on /dev/mmcblk0p1; for {folders}");
            assert_eq!(lines, expected.replace(" free", &medium), "{case}");
        }
    }

    #[test]
    fn a_folder_belongs_to_the_innermost_mount_around_it() {
        let (_dir, machine) = machine_with("");
        let table = "
/var/lib/nvr → ext4 at /, read-only: false
/tmpfoo → ext4 at /, read-only: false
/tmp/a → tmpfs at /tmp, read-only: false
/tmp/my disk/x → vfat at /tmp/my disk, read-only: true";
        for (folder, expected) in cases(table) {
            let system = file_system(&machine.tree, &mounts(MOUNTS), Path::new(folder));
            let (mount, _) = system.expect("a file system");
            let (kind, point, read_only) = (mount.kind, mount.point.display(), mount.read_only);
            let found = format!("{kind} at {point}, read-only: {read_only}");
            assert_eq!(found, expected);
        }
    }
}

//! The file systems to which this program writes: space, number of files, read-only mounts, and errors counted by ext4.

use std::path::{Path, PathBuf};

use rustix::fs::StatVfsMountFlags;

use super::check::Emit;
use super::file_tree::FileTree;
use super::flash_wear;
use super::machine::Machine;
use super::report::{Line, State};
use crate::base::cache_dir;

/// A smaller free share of a file system is a warning.
const MIN_FREE_SHARE: f64 = 0.1;
/// Space for an engine and a bundle.
const MIN_FREE_BYTES: u64 = 500_000_000;
/// With less, no write can be relied on.
const FULL_BYTES: u64 = 20_000_000;

const FREE_SPACE: &str = "delete files that are not needed (`du -xh / | sort -h | tail`), limit the journal (`journalctl --vacuum-size=200M`), \
    or set NVR_CACHE to a folder on another disk";

/// A file system to which this program writes.
#[derive(Debug, Clone, PartialEq, Eq)]
struct FileSystem {
    mount: Mount,
    /// The folders of this program in it, with their use.
    folders: String,
    total_bytes: u64,
    free_bytes: u64,
    inodes: u64,
    free_inodes: u64,
}

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
    let mounts = mounts(&tree.read("/proc/self/mounts").unwrap_or_default());
    let mut systems: Vec<FileSystem> = Vec::new();
    for (folder, purpose) in [
        (cache_dir(), "models and engines"),
        ("/var/lib/nvr".into(), "state"),
        (std::env::temp_dir(), "temporary files"),
    ] {
        let name = folder.display();
        match file_system(tree, &mounts, &folder) {
            Ok(mut new) => {
                new.folders = format!("{name} ({purpose})");
                let same = |system: &&mut FileSystem| system.mount.point == new.mount.point;
                match systems.iter_mut().find(same) {
                    Some(known) => known.folders += &format!(", {}", new.folders),
                    None => systems.push(new),
                }
            }
            Err(error) => emit(Line::fault(
                format!("space in {name}"),
                format!("can't be determined: {error}"),
                "see the kernel's log (`dmesg`): its medium may be failing",
            )),
        }
    }
    systems.iter().flat_map(findings).for_each(&mut *emit);
    ext4_errors(tree).into_iter().for_each(&mut *emit);
    flash_wear::check(tree, emit);
}

/// The file system of `folder`, or of its nearest parent that exists.
fn file_system(tree: &FileTree, mounts: &[Mount], folder: &Path) -> std::io::Result<FileSystem> {
    let mut exists = tree.at(&folder.display().to_string());
    while !exists.exists() && exists.pop() {}
    let space = rustix::fs::statvfs(&exists)?;
    let around = mounts
        .iter()
        .filter(|mount| folder.starts_with(&mount.point));
    // Of two mounts at one point the later hides the earlier.
    let innermost = around.max_by_key(|mount| mount.point.as_os_str().len());
    let mut mount = innermost.cloned().unwrap_or_else(|| Mount {
        point: folder.to_owned(),
        ..Mount::default()
    });
    mount.read_only |= space.f_flag.contains(StatVfsMountFlags::RDONLY);
    Ok(FileSystem {
        mount,
        folders: String::new(),
        total_bytes: space.f_blocks * space.f_frsize,
        free_bytes: space.f_bavail * space.f_frsize,
        inodes: space.f_files,
        free_inodes: space.f_favail,
    })
}

fn findings(system: &FileSystem) -> Vec<Line> {
    let FileSystem { mount, folders, .. } = system;
    let (point, device) = (mount.point.display(), &mount.device);
    let (free, total) = (system.free_bytes as f64, system.total_bytes as f64);
    let is_short = system.free_bytes < MIN_FREE_BYTES || free < total * MIN_FREE_SHARE;
    let space = Line::new(
        State::of(system.free_bytes < FULL_BYTES, is_short),
        format!("space on {point}"),
        format!(
            "{:.1} GB of {:.1} GB free, {} on {device}; for {folders}",
            free / 1e9,
            total / 1e9,
            mount.kind
        ),
        FREE_SPACE,
    );
    let mut lines = vec![
        space
            .with_figure("free_bytes", free)
            .with_figure("total_bytes", total),
    ];
    if mount.read_only {
        lines.push(Line::fault(
            format!("writing to {point}"),
            format!("it is mounted read-only; {folders} can't be written"),
            format!(
                "if this is not intended, the kernel found errors: see `dmesg`, check it (`fsck {device}`), or set NVR_CACHE to a writable folder"
            ),
        ));
    }
    // File systems without a fixed number of files (btrfs) report zero.
    if (system.free_inodes as f64) < system.inodes as f64 * MIN_FREE_SHARE {
        lines.push(Line::warning(
            format!("files on {point}"),
            format!(
                "{} of {} files can still be created",
                system.free_inodes, system.inodes
            ),
            "delete small files that are not needed; free space alone does not help",
        ));
    }
    lines
}

/// Errors that ext4 counted since its last check. They come from the medium or from power cuts.
fn ext4_errors(tree: &FileTree) -> Vec<Line> {
    let of_device = |device: String| {
        let count = tree.number(&format!("/sys/fs/ext4/{device}/errors_count"))?;
        let line = Line::warning(
            format!("errors on {device}"),
            format!("ext4 counted {count} since its last check"),
            format!(
                "check it while it is not mounted (`fsck -f /dev/{device}`), and replace the medium if errors return"
            ),
        );
        (count > 0).then(|| line.with_figure("count", count as f64))
    };
    let devices = tree.names("/sys/fs/ext4", "").into_iter();
    devices.filter_map(of_device).collect()
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
    use super::super::fixture::{machine_with, short, short_with};
    use super::*;

    #[test]
    fn little_space_few_files_and_read_only_mounts_are_reported() {
        let half_full = FileSystem {
            mount: Mount {
                device: "/dev/mmcblk0p1".to_owned(),
                point: "/data".into(),
                kind: "ext4".to_owned(),
                read_only: false,
            },
            folders: "/data/nvr (models and engines)".to_owned(),
            total_bytes: 60_000_000_000,
            free_bytes: 30_000_000_000,
            inodes: 1000,
            free_inodes: 900,
        };
        let with = |change: &dyn Fn(&mut FileSystem)| {
            let mut system = half_full.clone();
            change(&mut system);
            let lines = findings(&system).into_iter();
            lines
                .map(|line| (line.state, line.what))
                .collect::<Vec<_>>()
        };
        let line = |state, what: &str| (state, format!("{what} on /data"));
        let space = |state| line(state, "space");
        assert_eq!(
            short(&findings(&half_full)[0]),
            "Ok | space on /data | 30.0 GB of 60.0 GB free, ext4 on /dev/mmcblk0p1; for /data/nvr (models and engines)"
        );
        assert_eq!(with(&|_| {}), [space(State::Ok)]);
        for (total, free, state) in [
            (60_000_000_000, 5_900_000_000, State::Warning),
            (60_000_000_000, 19_000_000, State::Fault),
            // 40 % of a small file system is too little too.
            (1_000_000_000, 400_000_000, State::Warning),
        ] {
            let change = |system: &mut FileSystem| {
                (system.total_bytes, system.free_bytes) = (total, free);
            };
            assert_eq!(with(&change), [space(state)]);
        }
        let read_only = (State::Fault, "writing to /data".to_owned());
        assert_eq!(
            with(&|system| system.mount.read_only = true),
            [space(State::Ok), read_only]
        );
        assert_eq!(
            with(&|system| system.free_inodes = 3),
            [space(State::Ok), line(State::Warning, "files")]
        );
        assert_eq!(
            with(&|system| (system.inodes, system.free_inodes) = (0, 0)),
            [space(State::Ok)]
        );
    }

    #[test]
    fn a_folder_belongs_to_the_innermost_mount_around_it() {
        let text = "/dev/root / ext4 rw,relatime 0 0\ntmpfs /tmp tmpfs rw 0 0\n/dev/sda1 /tmp/my\\040disk vfat ro,user 0 0\n";
        let mounts = mounts(text);
        let (_dir, machine) = machine_with("");
        for (folder, point, kind, read_only) in [
            ("/var/lib/nvr", "/", "ext4", false),
            ("/tmpfoo", "/", "ext4", false),
            ("/tmp/a", "/tmp", "tmpfs", false),
            ("/tmp/my disk/x", "/tmp/my disk", "vfat", true),
        ] {
            let system = file_system(&machine.tree, &mounts, Path::new(folder));
            let mount = system.expect("a file system").mount;
            let found = (mount.point.as_path(), mount.kind.as_str(), mount.read_only);
            assert_eq!(found, (Path::new(point), kind, read_only));
        }
    }

    #[test]
    fn errors_of_the_file_system_are_a_warning() {
        let mut lines = short_with(
            check,
            r"
/proc/self/mounts /dev/mmcblk0p1 / ext4 rw 0 0\n
/sys/fs/ext4/mmcblk0p1/errors_count 3\n
/sys/fs/ext4/mmcblk0p2/errors_count 0\n",
        );
        lines.retain(|line| line.contains("errors on"));
        assert_eq!(
            lines,
            ["Warning | errors on mmcblk0p1 | ext4 counted 3 since its last check"]
        );
    }
}

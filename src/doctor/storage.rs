//! The file systems that this program writes to: space, files, read-only mounts, errors that ext4 has counted.

use std::path::{Path, PathBuf};

use super::check::Emit;
use super::file_tree::FileTree;
use super::flash_wear;
use super::machine::Machine;
use super::report::Line;

/// Below this share of a file system it is time to act.
const SHORT: f64 = 0.1;
/// An engine and a bundle fit into that.
const LEAST_BYTES: u64 = 500_000_000;
/// Below it nothing that is written can be relied on.
const FULL_BYTES: u64 = 20_000_000;

/// A file system, and what this program keeps in it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Filled {
    mount: String,
    kind: String,
    device: String,
    read_only: bool,
    keeps: Vec<String>,
    total_bytes: u64,
    free_bytes: u64,
    inodes: u64,
    free_inodes: u64,
}

/// A line of `/proc/self/mounts`.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Mount {
    device: String,
    point: PathBuf,
    kind: String,
    read_only: bool,
}

pub(super) fn check(machine: &Machine, emit: Emit<'_>) {
    let tree = &machine.tree;
    let mounts = mounts(&tree.read("/proc/self/mounts").unwrap_or_default());
    let mut systems: Vec<Filled> = Vec::new();
    for (folder, what_for) in machine.written_folders() {
        let keeps = format!("{} ({what_for})", folder.display());
        match filled(tree, &mounts, &folder) {
            Ok(one) => match systems.iter_mut().find(|other| other.mount == one.mount) {
                Some(other) => other.keeps.push(keeps),
                None => systems.push(Filled {
                    keeps: vec![keeps],
                    ..one
                }),
            },
            Err(error) => emit(Line::fault(
                format!("space in {}", folder.display()),
                format!("can't be told: {error}"),
                "look into the kernel's log (`dmesg`): its medium may be failing",
            )),
        }
    }
    for one in &systems {
        judge(one).into_iter().for_each(&mut *emit);
    }
    errors(tree).into_iter().for_each(&mut *emit);
    flash_wear::check(tree, emit);
}

/// The file system of `folder`, or of its nearest parent that exists.
fn filled(tree: &FileTree, mounts: &[Mount], folder: &Path) -> std::io::Result<Filled> {
    let shown = folder.display().to_string();
    let mut exists = tree.at(&shown);
    while !exists.exists() && exists.pop() {}
    let space = rustix::fs::statvfs(&exists)?;
    let mount = mounts
        .iter()
        .filter(|mount| folder.starts_with(&mount.point))
        // Of two at one point the later hides the earlier.
        .max_by_key(|mount| mount.point.as_os_str().len());
    let flags = space.f_flag.contains(rustix::fs::StatVfsMountFlags::RDONLY);
    Ok(Filled {
        mount: mount.map_or(shown, |mount| mount.point.display().to_string()),
        kind: mount.map_or_else(String::new, |mount| mount.kind.clone()),
        device: mount.map_or_else(String::new, |mount| mount.device.clone()),
        read_only: flags || mount.is_some_and(|mount| mount.read_only),
        keeps: Vec::new(),
        total_bytes: space.f_blocks * space.f_frsize,
        free_bytes: space.f_bavail * space.f_frsize,
        inodes: space.f_files,
        free_inodes: space.f_favail,
    })
}

fn judge(one: &Filled) -> Vec<Line> {
    let mut lines = Vec::new();
    let what = format!("space on {}", one.mount);
    let kept = one.keeps.join(", ");
    let gb = |bytes: u64| bytes as f64 / 1e9;
    let found = format!(
        "{:.1} GB of {:.1} GB free, {} on {}; for {kept}",
        gb(one.free_bytes),
        gb(one.total_bytes),
        one.kind,
        one.device
    );
    let remedy = "delete what is not needed (`du -xh / | sort -h | tail`), limit the journal (`journalctl --vacuum-size=200M`), or let \
         NVR_CACHE name a folder elsewhere";
    let short =
        one.free_bytes < LEAST_BYTES || (one.free_bytes as f64) < one.total_bytes as f64 * SHORT;
    let line = if one.free_bytes < FULL_BYTES {
        Line::fault(what, found, remedy)
    } else if short {
        Line::warning(what, found, remedy)
    } else {
        Line::ok(what, found)
    };
    lines.push(
        line.with_figure("free_bytes", one.free_bytes as f64)
            .with_figure("total_bytes", one.total_bytes as f64),
    );
    if one.read_only {
        lines.push(Line::fault(
            format!("writing to {}", one.mount),
            format!("it is mounted read-only; {kept} can't be written"),
            format!(
                "if that was not meant, the kernel found errors: see `dmesg`, check it (`fsck {}`), or set NVR_CACHE to a folder that can be written",
                one.device
            ),
        ));
    }
    // File systems without a fixed number (btrfs) say zero.
    if one.inodes > 0 && (one.free_inodes as f64) < one.inodes as f64 * SHORT {
        lines.push(Line::warning(
            format!("files on {}", one.mount),
            format!("{} of {} more can be made", one.free_inodes, one.inodes),
            "delete small files that are not needed; space alone does not help",
        ));
    }
    lines
}

/// What ext4 has counted since its last check; an error there comes from the medium, or from power cuts.
fn errors(tree: &FileTree) -> Vec<Line> {
    tree
        .names("/sys/fs/ext4", "")
        .into_iter()
        .filter_map(|device| {
            let count = tree.number(&format!("/sys/fs/ext4/{device}/errors_count"))?;
            (count > 0).then(|| {
                Line::warning(
                    format!("errors on {device}"),
                    format!("ext4 counted {count} since its last check"),
                    format!("check it when it is not mounted (`fsck -f /dev/{device}`), and replace the medium if they come back"),
                )
                .with_figure("count", count as f64)
            })
        })
        .collect()
}

/// Spaces and other signs of a path stand there as `\040`.
fn mounts(text: &str) -> Vec<Mount> {
    text.lines()
        .filter_map(|line| {
            let mut words = line.split(' ');
            let (device, point, kind, options) =
                (words.next()?, words.next()?, words.next()?, words.next()?);
            Some(Mount {
                device: device.to_owned(),
                point: point.replace("\\040", " ").into(),
                kind: kind.to_owned(),
                read_only: options.split(',').any(|option| option == "ro"),
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::check::lines_of;
    use super::super::machine::tests::fixture;
    use super::super::report::State;
    use super::*;

    fn half_full() -> Filled {
        Filled {
            mount: "/data".to_owned(),
            kind: "ext4".to_owned(),
            device: "/dev/mmcblk0p1".to_owned(),
            read_only: false,
            keeps: vec!["/data/nvr (models and engines)".to_owned()],
            total_bytes: 60_000_000_000,
            free_bytes: 30_000_000_000,
            inodes: 1000,
            free_inodes: 900,
        }
    }

    fn states(one: &Filled) -> Vec<(State, String)> {
        let lines = judge(one);
        lines
            .into_iter()
            .map(|line| (line.state, line.what))
            .collect()
    }

    #[test]
    fn space_and_files_and_read_only_mounts_are_judged_each_by_itself() {
        let space = |state| (state, "space on /data".to_owned());
        assert_eq!(states(&half_full()), [space(State::Ok)]);
        let with = |change: &dyn Fn(&mut Filled)| {
            let mut one = half_full();
            change(&mut one);
            states(&one)
        };
        assert_eq!(
            with(&|one| one.free_bytes = 5_900_000_000),
            [space(State::Warning)]
        );
        assert_eq!(
            with(&|one| one.free_bytes = 19_000_000),
            [space(State::Fault)]
        );
        // A tenth of a small one is too little all the same.
        assert_eq!(
            with(&|one| (one.total_bytes, one.free_bytes) = (1_000_000_000, 400_000_000)),
            [space(State::Warning)]
        );
        assert_eq!(
            with(&|one| one.read_only = true),
            [
                space(State::Ok),
                (State::Fault, "writing to /data".to_owned())
            ]
        );
        assert_eq!(
            with(&|one| one.free_inodes = 3),
            [
                space(State::Ok),
                (State::Warning, "files on /data".to_owned())
            ]
        );
        assert_eq!(
            with(&|one| (one.inodes, one.free_inodes) = (0, 0)),
            [space(State::Ok)]
        );
    }

    #[test]
    fn a_folder_belongs_to_the_innermost_mount_around_it() {
        let text = "/dev/root / ext4 rw,relatime 0 0\ntmpfs /tmp tmpfs rw 0 0\n/dev/sda1 /tmp/my\\040disk vfat ro,user 0 0\n";
        let mounts = mounts(text);
        let (_dir, machine) = fixture(&[]);
        let one = |folder: &str| {
            let one = filled(&machine.tree, &mounts, Path::new(folder)).expect("a file system");
            (one.mount, one.kind, one.read_only)
        };
        assert_eq!(
            one("/var/lib/nvr"),
            ("/".to_owned(), "ext4".to_owned(), false)
        );
        assert_eq!(one("/tmpfoo"), ("/".to_owned(), "ext4".to_owned(), false));
        assert_eq!(
            one("/tmp/a"),
            ("/tmp".to_owned(), "tmpfs".to_owned(), false)
        );
        assert_eq!(
            one("/tmp/my disk/x"),
            ("/tmp/my disk".to_owned(), "vfat".to_owned(), true)
        );
    }

    #[test]
    fn errors_of_the_file_system_are_a_warning() {
        let (_dir, machine) = fixture(&[
            ("/proc/self/mounts", "/dev/mmcblk0p1 / ext4 rw 0 0\n"),
            ("/sys/fs/ext4/mmcblk0p1/errors_count", "3\n"),
            ("/sys/fs/ext4/mmcblk0p2/errors_count", "0\n"),
        ]);
        let lines = lines_of(check, &machine);
        let errors: Vec<_> = lines
            .iter()
            .filter(|line| line.what.starts_with("errors"))
            .collect();
        assert_eq!(errors.len(), 1);
        assert_eq!(errors[0].found, "ext4 counted 3 since its last check");
    }
}

//! The mounted file systems, by `/proc/self/mountinfo` (the kernel's `Documentation/filesystems/proc.rst`, 3.5).

use std::path::{Path, PathBuf};

/// A line of `mountinfo`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mount {
    /// `MAJOR:MINOR` of the file system. The major is 0 if no block device has this number.
    pub device: String,
    /// Where it is mounted.
    pub point: PathBuf,
    /// Its kind, such as `ext4`.
    pub file_system: String,
    /// Such as `/dev/mmcblk0p1` or `nas:/export`.
    pub source: String,
    /// The options of the file system.
    options: String,
}

impl Mount {
    /// The innermost mount around an absolute path.
    pub(super) fn around(root: &Path, path: &Path) -> Option<Self> {
        let text = std::fs::read_to_string(root.join("proc/self/mountinfo")).ok()?;
        let mounts = text.lines().filter_map(Self::of_line);
        let around = mounts.filter(|mount| path.starts_with(&mount.point));
        // Of two mounts at one point the later hides the earlier.
        around.max_by_key(|mount| mount.point.as_os_str().len())
    }

    /// Whether its number is that of a block device.
    pub(super) fn has_device(&self) -> bool {
        !self.device.starts_with("0:")
    }

    /// The value of an option of the file system.
    pub(super) fn option(&self, name: &str) -> Option<String> {
        let values = self.options.split(',');
        let mut values = values.filter_map(|option| option.split_once('='));
        values
            .find(|(key, _)| *key == name)
            .map(|(_, value)| unescaped(value))
    }

    fn of_line(line: &str) -> Option<Self> {
        let (of_mount, of_system) = line.split_once(" - ")?;
        let mut of_mount = of_mount.split(' ').skip(2);
        let mut of_system = of_system.split(' ');
        Some(Self {
            device: of_mount.next()?.to_owned(),
            point: unescaped(of_mount.nth(1)?).into(),
            file_system: of_system.next()?.to_owned(),
            source: unescaped(of_system.next()?),
            options: of_system.next().unwrap_or_default().to_owned(),
        })
    }
}

/// The kernel writes blanks and backslashes as three octal digits: `\040`.
fn unescaped(text: &str) -> String {
    let (blank, tab) = ("\\040", "\\011");
    let text = text.replace(blank, " ").replace(tab, "\t");
    text.replace("\\012", "\n").replace("\\134", "\\")
}

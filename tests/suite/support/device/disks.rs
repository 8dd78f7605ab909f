//! The disks of a box, which outlast it: the data partition, and a stick with a provisioning file.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

/// Size of the data partition in MB. It takes only the room on this machine that the box has written.
const DATA_MB: u32 = 512;

/// The disks of one box.
pub(crate) struct Disks {
    dir: TempDir,
}

impl Disks {
    /// An empty data partition, and no stick.
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let disks = Self { dir };
        disks.make("data", "data", DATA_MB, &[]);
        disks
    }

    /// The same with a stick that holds `nvr-provision.toml`.
    pub(crate) fn with_provisioning(text: &str) -> Self {
        let disks = Self::new();
        disks.insert_stick(text);
        disks
    }

    /// Puts in a stick, in the place of the one before. The box has to be off.
    pub(crate) fn insert_stick(&self, text: &str) {
        self.make("stick", "NVR", 16, &[("nvr-provision.toml", text)]);
    }

    /// A file of the box's.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The image of a disk, if the box has it.
    pub(super) fn image(&self, name: &str) -> Option<PathBuf> {
        let image = self.path(&format!("{name}.ext4"));
        image.exists().then_some(image)
    }

    fn make(&self, name: &str, label: &str, megabytes: u32, files: &[(&str, &str)]) {
        let (content, image) = (self.path(name), self.path(&format!("{name}.ext4")));
        fs::create_dir_all(&content).expect("a folder");
        for (file, text) in files {
            fs::write(content.join(file), text).expect("written");
        }
        let _ = fs::remove_file(&image);
        let mut command = Command::new(mkfs());
        command.args(["-q", "-m", "0", "-L", label, "-d"]);
        command.arg(&content).arg(&image).arg(format!("{megabytes}M"));
        let output = command.output().expect("mkfs.ext4 is installed");
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{command:?}: {told}");
    }
}

/// Debian keeps it out of an ordinary user's path.
fn mkfs() -> &'static str {
    let sbin = "/usr/sbin/mkfs.ext4";
    if Path::new(sbin).exists() { sbin } else { "mkfs.ext4" }
}

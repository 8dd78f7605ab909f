//! The disks of a box, which outlast it: its data partition, and the USB sticks that people plug in.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

/// Size of the data partition in MB. It takes only the room on this machine that the box has written.
const DATA_MB: u32 = 512;
/// Size of a stick in MB.
const STICK_MB: u64 = 16;

/// The disks of one box.
pub(crate) struct Disks {
    dir: TempDir,
}

/// A USB stick with FAT, as shops sell them.
#[derive(Debug, Clone)]
pub(crate) struct Stick {
    pub(super) name: String,
    pub(super) image: PathBuf,
}

impl Disks {
    /// An empty data partition.
    pub(crate) fn new() -> Self {
        let disks = Self {
            dir: tempfile::tempdir().expect("a folder"),
        };
        run(Command::new(sbin("mkfs.ext4"))
            .args(["-q", "-m", "0", "-L", "data"])
            .arg(disks.data())
            .arg(format!("{DATA_MB}M")));
        disks
    }

    /// A stick beside the box, with the file `nvr-provision.toml`.
    pub(crate) fn stick(&self, name: &str, provisioning: &str) -> Stick {
        let image = self.path(&format!("{name}.fat"));
        let file = fs::File::create(&image).expect("a file");
        file.set_len(STICK_MB << 20).expect("room");
        run(Command::new(sbin("mkfs.vfat"))
            .args(["-n", "NVR"])
            .arg(&image));
        let text = self.path(&format!("{name}.toml"));
        fs::write(&text, provisioning).expect("written");
        run(Command::new("mcopy")
            .arg("-i")
            .arg(&image)
            .arg(text)
            .arg("::nvr-provision.toml"));
        Stick {
            name: name.to_owned(),
            image,
        }
    }

    /// The image of the data partition.
    pub(super) fn data(&self) -> PathBuf {
        self.path("data.ext4")
    }

    /// A file of the box's.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }
}

impl Stick {
    /// The names of the files on it.
    pub(crate) fn files(&self) -> Vec<String> {
        let listed = Command::new("mdir")
            .args(["-b", "-i"])
            .arg(&self.image)
            .output();
        let listed = listed.expect("mtools is installed");
        let names = String::from_utf8_lossy(&listed.stdout).into_owned();
        let names = names.lines().filter_map(|line| line.strip_prefix("::/"));
        names.map(str::to_owned).collect()
    }
}

fn run(command: &mut Command) {
    let output = command.stdin(Stdio::null()).output();
    let output =
        output.unwrap_or_else(|error| panic!("{command:?}: {error}: run `tools/setup boot`"));
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {told}");
}

/// Debian keeps these out of an ordinary user's path.
fn sbin(program: &str) -> PathBuf {
    let path = Path::new("/usr/sbin").join(program);
    if path.exists() { path } else { program.into() }
}

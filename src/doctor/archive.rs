//! A tar archive, compressed: written beside its place and renamed, so that there is never half of one.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;

/// A text of the archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Member {
    /// Its name in the archive's folder.
    pub(super) name: String,
    /// It.
    pub(super) text: String,
}

/// Writes `members` below `folder` to `target`, which only its owner may read.
pub(super) fn write(
    target: &Path,
    folder: &str,
    members: &[Member],
    unix_seconds: u64,
) -> std::io::Result<()> {
    let unfinished = Unfinished(beside(target));
    let file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&unfinished.0)?;
    let file = fill(file, folder, members, unix_seconds)?;
    file.sync_all()?;
    std::fs::rename(&unfinished.0, target)
}

fn fill(file: File, folder: &str, members: &[Member], unix_seconds: u64) -> std::io::Result<File> {
    let mut archive = tar::Builder::new(GzEncoder::new(file, Compression::default()));
    for member in members {
        let mut header = tar::Header::new_gnu();
        header.set_size(member.text.len() as u64);
        header.set_mode(0o600);
        header.set_mtime(unix_seconds);
        archive.append_data(
            &mut header,
            format!("{folder}/{}", member.name),
            member.text.as_bytes(),
        )?;
    }
    let mut file = archive.into_inner()?.finish()?;
    file.flush()?;
    Ok(file)
}

fn beside(target: &Path) -> PathBuf {
    let mut name = target.file_name().unwrap_or_default().to_owned();
    name.push(format!(".partial-{}", std::process::id()));
    target.with_file_name(name)
}

/// A file that is removed if it is still there in the end.
struct Unfinished(PathBuf);

impl Drop for Unfinished {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn an_archive_holds_its_members_and_nothing_is_left_beside_it() {
        let dir = tempfile::tempdir().expect("a folder");
        let target = dir.path().join("b.tar.gz");
        let member = Member {
            name: "logs/journal.txt".to_owned(),
            text: "one\n".repeat(1000),
        };
        write(&target, "nvr", std::slice::from_ref(&member), 1_800_000_000).expect("written");
        let mode = target.metadata().expect("it is there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let names = std::fs::read_dir(dir.path()).expect("a folder").count();
        assert_eq!(names, 1);
        let file = File::open(&target).expect("it is there");
        let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(file));
        let mut entry = archive
            .entries()
            .expect("entries")
            .next()
            .expect("one")
            .expect("whole");
        assert_eq!(
            entry.path().expect("a name").to_string_lossy(),
            "nvr/logs/journal.txt"
        );
        let mut text = String::new();
        entry.read_to_string(&mut text).expect("text");
        assert_eq!(text, member.text);
        assert!(write(Path::new("/nowhere/b.tar.gz"), "nvr", &[], 0).is_err());
    }
}

//! Writes a compressed tar archive under a temporary name and renames it, so that the archive is always complete.

use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::super::PartialFile;

/// Writes text files, each with its path below `folder`, to `target`, which only its owner may read.
///
/// # Errors
/// Those of the system.
pub fn pack(
    target: &Path,
    folder: &str,
    members: &[(String, String)],
    unix_seconds: u64,
) -> std::io::Result<()> {
    let partial = PartialFile::create(target)?;
    let mut archive = tar::Builder::new(GzEncoder::new(partial.file(), Compression::default()));
    for (path, text) in members {
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(0o600);
        header.set_mtime(unix_seconds);
        archive.append_data(&mut header, format!("{folder}/{path}"), text.as_bytes())?;
    }
    archive.into_inner()?.finish()?;
    partial.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::io::Read;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn an_archive_holds_its_members_and_no_partial_file_remains() {
        let dir = tempfile::tempdir().expect("a folder");
        let target = dir.path().join("b.tar.gz");
        let text = "one\n".repeat(1000);
        let member = ("logs/journal.txt".to_owned(), text.clone());
        pack(&target, "nvr", &[member], 1_800_000_000).expect("written");
        let file = File::open(&target).expect("it exists");
        let mode = file.metadata().expect("metadata").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let names = std::fs::read_dir(dir.path()).expect("a folder").count();
        assert_eq!(names, 1);
        let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(file));
        let mut entries = archive.entries().expect("entries");
        let mut entry = entries.next().expect("one").expect("whole");
        let path = entry.path().expect("a name").into_owned();
        assert_eq!(path, Path::new("nvr/logs/journal.txt"));
        let mut read = String::new();
        entry.read_to_string(&mut read).expect("text");
        assert_eq!(read, text);
        assert!(pack(Path::new("/nowhere/b.tar.gz"), "nvr", &[], 0).is_err());
    }
}

//! What is unpacked, and what is refused by name.

use flate2::Compression;
use flate2::write::GzEncoder;
use tar::{Builder, Header};

use super::*;

const LIMITS: UnpackLimits = UnpackLimits {
    entries: 4,
    bytes: 100,
    spare_bytes: 0,
};

/// An entry as an attacker writes it: the library that packs would refuse the name.
fn add(archive: &mut Builder<Vec<u8>>, name: &str, kind: EntryType, content: &[u8]) {
    let mut header = Header::new_ustar();
    header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
    header.set_entry_type(kind);
    header.set_size(content.len() as u64);
    header.set_mode(0o6777);
    header.set_cksum();
    archive.append(&header, content).expect("in memory");
}

fn packed(entries: &[(&str, EntryType, &[u8])]) -> Vec<u8> {
    let mut archive = Builder::new(Vec::new());
    for (name, kind, content) in entries {
        add(&mut archive, name, *kind, content);
    }
    archive.into_inner().expect("in memory")
}

fn unpacked(bytes: &[u8], dir: &Path) -> Result<(), UnpackError> {
    let path = dir.join("archive");
    fs::write(&path, bytes).expect("written");
    let kind = ArchiveKind::of(&path).expect("it can be read");
    assert_ne!(kind, ArchiveKind::Other);
    unpack(&path, kind, &dir.join("into"), LIMITS, &Stop::default())
}

#[test]
fn files_and_folders_are_unpacked_compressed_or_not() {
    let plain = packed(&[
        ("./", EntryType::Directory, b""),
        ("./m/a", EntryType::Regular, b"one"),
        ("m/sub/b", EntryType::Regular, b"two"),
    ]);
    let mut gz = GzEncoder::new(Vec::new(), Compression::default());
    gz.write_all(&plain).expect("in memory");
    for bytes in [&plain, &gz.finish().expect("in memory")] {
        let dir = tempfile::tempdir().expect("a folder");
        unpacked(bytes, dir.path()).expect("it is good");
        let read = |name: &str| fs::read(dir.path().join("into/m").join(name)).expect("a file");
        assert_eq!((read("a"), read("sub/b")), (b"one".into(), b"two".into()));
    }
    let other = tempfile::NamedTempFile::new().expect("a file");
    let kind = ArchiveKind::of(other.path()).expect("it can be read");
    assert_eq!(kind, ArchiveKind::Other);
}

#[test]
fn what_does_not_belong_into_an_archive_is_refused_by_name() {
    let file = EntryType::Regular;
    let long = [0; 101];
    for (entries, words) in [
        (
            vec![("../x", file, &b"x"[..])],
            "the entry `../x`, whose path leads upwards",
        ),
        (
            vec![("a/../../x", file, b"x")],
            "the entry `a/../../x`, whose path leads upwards",
        ),
        (
            vec![("/etc/x", file, b"x")],
            "the entry `/etc/x`, whose path is absolute",
        ),
        (
            vec![("a\nb", file, b"x")],
            "the entry `a\nb`, whose name is not plain text",
        ),
        (
            vec![("l", EntryType::Symlink, b"")],
            "the entry `l`, a link; pack the files themselves",
        ),
        (
            vec![("l", EntryType::Link, b"")],
            "the entry `l`, a link; pack the files themselves",
        ),
        (
            vec![("d", EntryType::Char, b"")],
            "the entry `d`, which is no plain file; pack files only",
        ),
        (
            vec![("a", file, &long[..60]), ("b", file, &long[..41])],
            "the entry `b`, with which its files have more than 100 bytes, the limit",
        ),
        (
            vec![
                ("a", file, b""),
                ("b", file, b""),
                ("c", file, b""),
                ("d", file, b""),
                ("e", file, b""),
            ],
            "the entry `e`, which is one more than the limit of 4",
        ),
    ] {
        let dir = tempfile::tempdir().expect("a folder");
        let refused = unpacked(&packed(&entries), dir.path()).expect_err(words);
        assert_eq!(refused.to_string(), format!("the archive has {words}"));
        assert!(!dir.path().join("x").exists());
    }
}

#[test]
fn a_file_takes_no_place_twice_and_a_cut_archive_is_damaged() {
    let dir = tempfile::tempdir().expect("a folder");
    let twice = packed(&[
        ("a", EntryType::Regular, b"1"),
        ("./a", EntryType::Regular, b"2"),
    ]);
    let refused = unpacked(&twice, dir.path()).expect_err("twice").to_string();
    assert!(refused.contains("into/a: File exists"), "{refused}");
    let dir = tempfile::tempdir().expect("a folder");
    let cut = &packed(&[("a", EntryType::Regular, &[7; 90])])[..550];
    let refused = unpacked(cut, dir.path()).expect_err("cut").to_string();
    assert!(
        refused.starts_with("the archive can't be read: "),
        "{refused}"
    );
}

#[test]
fn a_full_disk_and_a_stop_end_it() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("archive");
    fs::write(&path, packed(&[("a", EntryType::Regular, b"1")])).expect("written");
    let limits = UnpackLimits {
        spare_bytes: u64::MAX,
        ..LIMITS
    };
    let stop = Stop::default();
    let run = |limits, stop: &Stop| unpack(&path, ArchiveKind::Tar, dir.path(), limits, stop);
    let full = run(limits, &stop).expect_err("full").to_string();
    assert!(
        full.starts_with("`a` has 1 bytes, and the disk has "),
        "{full}"
    );
    stop.raise();
    assert!(matches!(run(LIMITS, &stop), Err(UnpackError::Stopped)));
}

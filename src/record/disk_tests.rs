use std::os::unix::fs::MetadataExt;

use super::*;

#[test]
fn a_file_is_created_once_reserved_appended_to_and_cut() {
    let dir = tempfile::tempdir().expect("a folder");
    let (disk, path) = (LocalDisk, dir.path().join("a.mp4"));
    let mut file = disk.create_new(&path).expect("it is new");
    let again = disk.create_new(&path).expect_err("it is there");
    assert_eq!(again.kind(), io::ErrorKind::AlreadyExists);
    disk.reserve(&file, 0, 1 << 20).expect("it is reserved");
    disk.append(&mut file, b"one").expect("it is written");
    disk.append(&mut file, b"two").expect("it is written");
    assert_eq!(disk.size(&path).expect("it is there"), 6);
    disk.truncate(&file, 6).expect("it is cut");
    let allocated = std::fs::metadata(&path).expect("it is there").blocks() * 512;
    assert!(allocated < 1 << 20, "{allocated}");
    disk.sync_file(&file).expect("it is synced");
    disk.sync_folder(dir.path()).expect("it is synced");
    disk.truncate(&file, 4).expect("it is cut");
    let mut more = disk.open(&path).expect("it is there");
    disk.append(&mut more, b"!").expect("it is written");
    let mut found = String::new();
    let read = disk
        .read(&path)
        .expect("it is there")
        .read_to_string(&mut found);
    assert_eq!((read.expect("text"), found.as_str()), (5, "onet!"));
    disk.make_folder(&dir.path().join("f")).expect("it is made");
    disk.make_folder(&dir.path().join("f"))
        .expect("it may be there");
    let mut names = disk.list(dir.path()).expect("a folder");
    names.sort_unstable();
    assert_eq!(names, ["a.mp4", "f"]);
    disk.remove(&path).expect("it is removed");
    assert!(disk.size(&path).is_err());
}

use super::*;
use crate::base::SourceId;
use crate::record::file_key::FileKey;
use crate::record::index::Library;
use crate::record::index::testing::write_recording;

fn key(number: u32) -> FileKey {
    FileKey::new(SourceId(7), 1_795_854_600_123, number)
}

#[test]
fn a_rebuild_reads_all_files_and_counts_them() {
    let dir = tempfile::tempdir().expect("a folder");
    write_recording(dir.path(), key(0), 2, true);
    write_recording(dir.path(), key(1), 2, false);
    std::fs::write(database::path(dir.path()), "damaged").expect("an index");
    let mut left = Vec::new();
    let summary = rebuild(dir.path(), &mut |files| left.push(files)).expect("an index");
    let sizes = [0, 1].map(|number| {
        let found = std::fs::metadata(key(number).path(dir.path()));
        found.expect("a file").len()
    });
    let wanted = RebuildSummary {
        recordings: 2,
        damaged: 1,
        events: 2,
        bytes: sizes.iter().sum(),
        fault: None,
    };
    assert_eq!(summary, wanted);
    assert_eq!(left.last(), Some(&0));
    let files = Library::new(dir.path()).files(SourceId(7), 0, u64::MAX);
    assert_eq!(files.expect("an index").len(), 2);
}

#[test]
fn a_folder_that_a_recorder_has_is_refused() {
    let dir = tempfile::tempdir().expect("a folder");
    let _recorder = lock_folder(dir.path()).expect("the lock");
    let refused = rebuild(dir.path(), &mut |_| ());
    assert!(
        matches!(refused, Err(IndexError::InUse { .. })),
        "{refused:?}"
    );
}

#[test]
fn a_folder_that_is_not_there_is_not_made() {
    let dir = tempfile::tempdir().expect("a folder");
    let missing = dir.path().join("missing");
    assert!(rebuild(&missing, &mut |_| ()).is_err());
    assert!(!missing.exists());
}

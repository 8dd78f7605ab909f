use super::*;
use crate::base::SourceId;
use crate::record::file_key::FileKey;
use crate::record::index::testing::write_recording;
use crate::record::index::{FileState, Library, RecordedFile};

/// Waits until `found` finds something.
fn wait_for<T>(mut found: impl FnMut() -> Option<T>) -> T {
    let never = Stop::default();
    for _ in 0..12_000 {
        if let Some(found) = found() {
            return found;
        }
        never.wait(Duration::from_millis(5));
    }
    panic!("not within a minute");
}

#[test]
fn files_of_former_runs_and_of_this_one_are_indexed() {
    let dir = tempfile::tempdir().expect("a folder");
    let [old, new] =
        [0, 60_000].map(|after| FileKey::new(SourceId(7), 1_795_854_600_123 + after, 0));
    write_recording(dir.path(), old, 3, true);
    let changes = Arc::<Changes>::default();
    let thread = IndexThread::start(
        dir.path().to_owned(),
        changes.clone(),
        Arc::new(()),
        Clock::system(),
    );
    let thread = thread.expect("a thread");
    let library = Library::new(dir.path());
    let files = |count: usize| {
        wait_for(|| {
            let found: Vec<RecordedFile> = library.files(SourceId(7), 0, u64::MAX).ok()?;
            (found.len() == count).then_some(found)
        })
    };
    assert_eq!(files(1)[0].path, old.path(dir.path()));
    wait_for(|| thread.report().is_complete.then_some(()));
    write_recording(dir.path(), new, 2, true);
    changes.closed(new);
    let found = files(2).remove(1);
    assert_eq!(found.path, new.path(dir.path()));
    let end_ms = new.start_ms() + 4_000;
    assert_eq!(
        (found.state, found.end_ms, found.frames),
        (FileState::Closed, end_ms, 4)
    );
    assert_eq!(thread.report().fault, None);
    thread.stop();
}

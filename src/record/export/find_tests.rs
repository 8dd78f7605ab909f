use super::*;

/// 2026-11-28T08:30:00Z.
const TIME: Duration = Duration::from_secs(1_795_854_600);

fn folder(names: &[&str]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a folder");
    for name in names {
        let path = dir.path().join(name);
        fs::create_dir_all(path.parent().expect("a parent")).expect("folders");
        fs::write(path, b"").expect("a file");
    }
    dir
}

fn found(dir: &Path, from: Duration, until: Duration) -> Vec<String> {
    let found = find(dir, SourceId(3), from, until).expect("a source");
    found.into_iter().map(|one| one.name).collect()
}

#[test]
fn only_hours_that_matter_and_one_file_more_are_found() {
    let names = [
        "3/2026-11-28/01/20261128T012959.999Z.mp4",
        "3/2026-11-28/01/20261128T013000.000Z.mp4",
        "3/2026-11-28/08/20261128T082900.000Z.mp4",
        "3/2026-11-28/08/20261128T083000.000Z.mp4",
        "3/2026-11-28/08/20261128T083000.000Z-2.mp4",
        "3/2026-11-28/08/20261128T083000.000Z-10.mp4",
        "3/2026-11-28/08/20261128T083100.000Z.mp4",
        "3/2026-11-28/09/20261128T090000.000Z.mp4",
    ];
    let others = [
        "3/2026-11-28/08/film.mp4",
        "3/2026-11-28/09/20261128T083001.000Z.mp4",
        "3/2026-11-28/08/20269928T083001.000Z.mp4",
        "3/exports/08/20261128T083001.000Z.mp4",
        "4/2026-11-28/08/20261128T083001.000Z.mp4",
    ];
    let dir = folder(&[&names[..], &others[..]].concat());
    let second = Duration::from_secs(1);
    assert_eq!(found(dir.path(), TIME, TIME + second), names[1..7]);
    // The first one after them is in another hour.
    assert_eq!(found(dir.path(), TIME, TIME + second * 60), names[1..8]);
    assert_eq!(
        found(dir.path(), TIME + second * 3600, TIME + second * 3601),
        names[2..8]
    );
}

#[test]
fn the_oldest_and_the_newest_are_found_past_empty_folders() {
    let oldest = "3/2026-11-28/08/20261128T082900.000Z.mp4";
    let newest = "3/2026-11-30/23/20261130T235900.000Z.mp4";
    let dir = folder(&[
        oldest,
        newest,
        "3/2026-11-27/08/notes.txt",
        "3/2026-12-01/08/notes.txt",
        "3/2026-11-28/08/20261128T083000.000Z.mp4",
    ]);
    let (first, last) = ends(dir.path(), SourceId(3)).expect("read").expect("some");
    assert_eq!((&*first.name, &*last.name), (oldest, newest));
    assert_eq!(first.started_unix, TIME - Duration::from_secs(60));
    assert_eq!(
        first.mark,
        dir.path().join(".nvr-open/3_20261128T082900.000Z")
    );
}

#[test]
fn a_source_without_recordings_is_told_with_those_that_there_are() {
    let dir = folder(&["12/2026-11-28/x", "7/2026-11-28/x", ".nvr-open/x"]);
    let error = find(dir.path(), SourceId(3), TIME, TIME).expect_err("no source");
    let told = format!(
        "there are no recordings of source 3 in {}; it has sources 7, 12",
        dir.path().display()
    );
    assert_eq!(error.to_string(), told);
    let empty = folder(&[]);
    let error = find(empty.path(), SourceId(3), TIME, TIME).expect_err("no source");
    assert!(
        error.to_string().ends_with("it has no recordings at all"),
        "{error}"
    );
}

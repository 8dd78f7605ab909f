use super::*;

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a folder")
}

fn recordings(database: &Connection) -> i64 {
    let count = "SELECT count(*) FROM recording";
    database
        .query_row(count, [], |row| row.get(0))
        .expect("the table")
}

/// An index with one event.
fn filled(dir: &Path) {
    let database = open(dir).expect("a new index");
    let row = "INSERT INTO recording VALUES (1, 2, 0, 3, 4, 5, 'h264', 6, 7, 1, 8, 9, 10, 0)";
    database.execute(row, []).expect("a row");
}

#[test]
fn rows_stay_over_a_restart() {
    let dir = folder();
    filled(dir.path());
    assert_eq!(recordings(&open(dir.path()).expect("the index")), 1);
    assert_eq!(recordings(&open_reader(dir.path()).expect("the index")), 1);
}

#[test]
fn a_database_of_another_version_or_program_is_made_anew() {
    for change in [
        "PRAGMA user_version = 2",
        "PRAGMA application_id = 5",
        "PRAGMA user_version = 0",
    ] {
        let dir = folder();
        filled(dir.path());
        let database = Connection::open(path(dir.path())).expect("the index");
        database.execute_batch(change).expect("a change");
        drop(database);
        let refused = open_reader(dir.path());
        assert!(
            matches!(refused, Err(IndexError::Version { .. })),
            "{change}: {refused:?}"
        );
        assert_eq!(recordings(&open(dir.path()).expect("a new index")), 0);
    }
}

#[test]
fn a_damaged_database_is_made_anew() {
    for damage in [
        &b"no database, but longer than a header of SQLite".repeat(40)[..],
        b"x",
    ] {
        let dir = folder();
        filled(dir.path());
        fs::write(path(dir.path()), damage).expect("damage");
        assert!(open_reader(dir.path()).is_err());
        assert_eq!(recordings(&open(dir.path()).expect("a new index")), 0);
    }
}

#[test]
fn an_empty_file_becomes_an_index() {
    let dir = folder();
    fs::write(path(dir.path()), "").expect("an empty file");
    assert_eq!(recordings(&open(dir.path()).expect("an index")), 0);
}

#[test]
fn a_reader_makes_no_index() {
    let dir = folder();
    let error = open_reader(dir.path()).expect_err("nothing there");
    assert!(matches!(error, IndexError::Missing { .. }), "{error}");
    assert!(!path(dir.path()).exists());
}

#[test]
fn a_reader_sees_rows_that_are_not_in_a_checkpoint() {
    let dir = folder();
    let writer = open(dir.path()).expect("an index");
    let reader = open_reader(dir.path()).expect("an index");
    assert_eq!(recordings(&reader), 0);
    let row = "INSERT INTO recording VALUES (1, 2, 0, 3, 4, 5, 'h264', 6, 7, 1, 8, 9, 10, 0)";
    writer.execute(row, []).expect("a row");
    assert_eq!(recordings(&reader), 1);
}

#[test]
fn the_index_is_not_readable_for_all() {
    use std::os::unix::fs::MetadataExt;
    let dir = folder();
    let _writer = open(dir.path()).expect("an index");
    for name in [INDEX_NAME.to_owned(), format!("{INDEX_NAME}-wal")] {
        let found = fs::metadata(dir.path().join(&name)).expect("a file");
        assert_eq!(found.mode() & 0o007, 0, "{name}");
    }
}

#[test]
fn special_letters_of_a_path_are_no_part_of_the_uri() {
    let uri = immutable_uri(Path::new("/a%b?c#d/e.sqlite"));
    assert_eq!(uri, "file:/a%25b%3fc%23d/e.sqlite?immutable=1");
}

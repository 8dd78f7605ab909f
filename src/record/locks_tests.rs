use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::sync::mpsc::{TryRecvError, channel};

use super::*;

/// 2026-11-28T08:30:00Z.
const START: Duration = Duration::from_secs(1_795_854_600);
const MADE: Duration = Duration::from_secs(1_795_900_000);

fn new(source: u32, from: u64, until: u64) -> NewLock {
    NewLock {
        source: SourceId(source),
        from_unix: START + Duration::from_secs(from),
        until_unix: START + Duration::from_secs(until),
        reason: "Fall at the gate, Nº 7".to_owned(),
    }
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a folder")
}

fn files(dir: &Path) -> Vec<String> {
    names(&locks_folder(dir)).expect("it is read")
}

#[test]
fn a_lock_is_listed_until_it_is_unlocked() {
    let folder = folder();
    let dir = folder.path();
    assert_eq!(locks(dir).expect("none yet"), []);
    let second = lock(dir, &new(3, 60, 120), MADE).expect("it is locked");
    let first = lock(dir, &new(3, 0, 900), MADE).expect("it is locked");
    let id = "3_20261128T083000.000Z_20261128T084500.000Z_";
    assert!(first.id.starts_with(id), "{}", first.id);
    let expected = Lock {
        id: first.id.clone(),
        source: SourceId(3),
        from_unix: START,
        until_unix: START + Duration::from_secs(900),
        reason: "Fall at the gate, Nº 7".to_owned(),
        made_unix: Some(MADE),
        fault: None,
    };
    assert_eq!(first, expected);
    let all = locks(dir).expect("they are read");
    assert_eq!(all, [first.clone(), second.clone()]);
    unlock(dir, &first.id).expect("it is unlocked");
    assert_eq!(locks(dir).expect("it is read"), [second]);
    let content = files(dir);
    assert_eq!(content.len(), 1, "{content:?}");
    let mode = fs::metadata(locks_folder(dir).join(&content[0])).expect("it is there");
    assert_eq!(mode.permissions().mode() & 0o137, 0);
}

#[test]
fn parts_of_a_millisecond_are_locked_as_well() {
    let folder = folder();
    let new = NewLock {
        from_unix: Duration::new(1_795_854_600, 1_999_999),
        until_unix: Duration::new(1_795_854_600, 2_000_001),
        ..new(3, 0, 0)
    };
    let locked = lock(folder.path(), &new, MADE).expect("it is locked");
    let id = "3_20261128T083000.001Z_20261128T083000.003Z_";
    assert!(locked.id.starts_with(id), "{}", locked.id);
}

#[test]
fn a_lock_that_makes_no_sense_is_refused_with_the_remedy() {
    let folder = folder();
    let refused = |new: NewLock| {
        let refused = lock(folder.path(), &new, MADE).expect_err("it is refused");
        refused.to_string()
    };
    assert_eq!(
        refused(new(3, 60, 60)),
        "the time to lock ends at 2026-11-28T08:31:00Z, not after its beginning, 2026-11-28T08:31:00Z; give a later end"
    );
    let with = |reason: String| NewLock {
        reason,
        ..new(3, 0, 60)
    };
    assert_eq!(
        refused(with("é".repeat(201))),
        "the reason has 201 characters; give one with at most 200"
    );
    assert_eq!(
        refused(with("a\nb".to_owned())),
        "the reason has control characters; give one line of text"
    );
    let late = NewLock {
        until_unix: Duration::MAX,
        ..new(3, 0, 60)
    };
    assert_eq!(
        refused(late),
        "a time to lock is after the year 9999; give an earlier one"
    );
    assert!(!locks_folder(folder.path()).exists());
    let longest = lock(folder.path(), &with("é".repeat(200)), MADE);
    assert_eq!(longest.expect("it is locked").reason, "é".repeat(200));
    let missing = lock(&folder.path().join("rec"), &new(3, 0, 60), MADE);
    let text = missing.expect_err("there is no such folder").to_string();
    assert!(
        text.starts_with("can't open ") && text.contains("is mounted"),
        "{text}"
    );
}

#[test]
fn an_unknown_id_is_named_with_the_remedy_and_nothing_is_removed() {
    let folder = folder();
    let dir = folder.path();
    let kept = lock(dir, &new(3, 0, 60), MADE).expect("it is locked");
    fs::write(dir.join("precious.json"), "").expect("it is written");
    let other = "3_20261128T083000.000Z_20261128T084500.000Z_00000000";
    for id in [
        other,
        "",
        "..",
        "../precious",
        &kept.id[..kept.id.len() - 1],
    ] {
        let error = unlock(dir, id).expect_err("there is no such lock");
        let dir = dir.display();
        assert_eq!(
            error.to_string(),
            format!("no lock {id} in {dir}; `nvr record locks` lists them")
        );
    }
    assert_eq!(locks(dir).expect("it is read"), [kept]);
    assert!(dir.join("precious.json").exists());
}

#[test]
fn a_lock_with_a_damaged_content_is_listed_with_its_fault() {
    let folder = folder();
    let dir = folder.path();
    for content in ["", "{", "null", "{\"reason\":\"x\"}", "\u{0}\u{0}\u{0}"] {
        let made = lock(dir, &new(3, 0, 60), MADE).expect("it is locked");
        let path = locks_folder(dir).join(format!("{}.json", made.id));
        fs::write(path, content).expect("it is damaged");
        let all = locks(dir).expect("they are read");
        let [damaged] = all.as_slice() else {
            panic!("{all:?}");
        };
        let fault = damaged.fault.as_deref().expect("it has a fault");
        assert!(
            fault.contains("it still protects its recordings"),
            "{fault}"
        );
        let expected = Lock {
            reason: String::new(),
            made_unix: None,
            fault: damaged.fault.clone(),
            ..made.clone()
        };
        assert_eq!(damaged, &expected);
        unlock(dir, &made.id).expect("it is unlocked");
    }
    // The content of another lock, and one that is no file.
    let made = lock(dir, &new(3, 0, 60), MADE).expect("it is locked");
    let other = "3_20261128T083000.000Z_20261128T084500.000Z_00000000";
    let in_locks = |id: &str| locks_folder(dir).join(format!("{id}.json"));
    fs::copy(in_locks(&made.id), in_locks(other)).expect("it is copied");
    fs::create_dir(in_locks(&other.replace("3_2", "4_2"))).expect("it is made");
    let all = locks(dir).expect("they are read");
    let faults: Vec<_> = all.iter().map(|lock| lock.fault.is_some()).collect();
    assert_eq!(faults, [false, true, true]);
    let fault = all[1].fault.as_deref().expect("it has a fault");
    assert!(
        fault.contains(&format!("it is of the lock {}", made.id)),
        "{fault}"
    );
}

#[test]
fn foreign_files_are_passed_over_and_stay_but_parts_of_locks_go() {
    let folder = folder();
    let dir = folder.path();
    let made = lock(dir, &new(3, 0, 60), MADE).expect("it is locked");
    let in_locks = |name: &str| locks_folder(dir).join(name);
    let partial = "3_20261128T083000.000Z_20261128T084500.000Z_00000000.json.partial";
    for name in ["notes.txt", "x.json", partial] {
        fs::write(in_locks(name), "").expect("it is written");
    }
    symlink("/nowhere", in_locks("link")).expect("it is linked");
    assert_eq!(locks(dir).expect("it is read"), [made]);
    lock(dir, &new(4, 0, 60), MADE).expect("it is locked");
    let files = files(dir);
    assert_eq!(files.len(), 5, "{files:?}");
    assert!(!in_locks(partial).exists());
}

#[test]
fn ten_thousand_locks_are_read_quickly_and_one_more_is_refused() {
    let folder = folder();
    let dir = folder.path();
    fs::create_dir(locks_folder(dir)).expect("it is made");
    for number in 0..10_000 {
        let name = LockName {
            source: SourceId(number % 16),
            from_ms: 1_795_854_600_000 + u64::from(number) * 1000,
            until_ms: 1_795_854_600_000 + u64::from(number) * 1000 + 900_000,
            number,
        };
        fs::write(locks_folder(dir).join(name.file()), "{}").expect("it is written");
    }
    let error = lock(dir, &new(3, 0, 60), MADE).expect_err("there are too many");
    assert_eq!(
        error.to_string(),
        format!(
            "{} has 10000 locks, the most of one folder; unlock some (nvr record unlock)",
            dir.display()
        )
    );
    // What retention does before it deletes.
    let files = files(dir);
    let found = files.iter().filter_map(|file| LockName::of_file(file));
    assert_eq!(found.count(), 10_000);
    let id = locks(dir).expect("they are read")[0].id.clone();
    unlock(dir, &id).expect("it is unlocked");
    lock(dir, &new(3, 0, 60), MADE).expect("there is room");
}

#[test]
fn a_lock_waits_for_deletions_and_deletions_do_not_wait_for_a_lock() {
    let folder = folder();
    let dir = folder.path().to_owned();
    let hold = || hold_for_deletions(&dir).expect("it can be held");
    let (first, second) = (hold(), hold());
    assert!(first.is_some() && second.is_some());
    let (sender, receiver) = channel();
    let of_thread = dir.clone();
    let thread = std::thread::spawn(move || {
        let made = lock(&of_thread, &new(3, 0, 60), MADE);
        sender.send(made).expect("it is received");
    });
    drop(first);
    assert_eq!(locks(&dir).expect("none yet"), []);
    assert!(matches!(receiver.try_recv(), Err(TryRecvError::Empty)));
    drop(second);
    let made = receiver.recv().expect("it ends").expect("it is locked");
    thread.join().expect("it ends");
    assert_eq!(locks(&dir).expect("it is read"), [made]);
    let (held, _) = hold_alone(&dir).expect("it is held");
    assert!(hold().is_none());
    drop(held);
    assert!(hold().is_some());
}

#[test]
fn a_lock_that_the_superuser_makes_belongs_to_the_user_of_the_recordings() {
    let folder = folder();
    let dir = folder.path();
    if !rustix::process::geteuid().is_root() {
        return;
    }
    chown(dir, Some(4321), Some(8765)).expect("it is given away");
    let made = lock(dir, &new(3, 0, 60), MADE).expect("it is locked");
    for path in [
        locks_folder(dir),
        locks_folder(dir).join(format!("{}.json", made.id)),
    ] {
        let found = fs::metadata(&path).expect("it is there");
        assert_eq!((found.uid(), found.gid()), (4321, 8765), "{path:?}");
    }
}

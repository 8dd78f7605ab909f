//! Tests of the journal: what a crash leaves.

use std::collections::BTreeMap;

use super::super::{DeviceView, Signer, plan};
use super::*;
use crate::fleet::{Desired, DeviceRole};

fn two() -> Plan {
    let desired = Desired {
        processor: Some(serde_json::json!({ "camera": [] })),
        ..Desired::new(1, DeviceRole::Processor)
    };
    let mut view = DeviceView::default();
    view.take(
        crate::bus::FleetTopic::Desired,
        &Desired::new(4, DeviceRole::Wall).to_json(),
    );
    let views = BTreeMap::from([("a".to_owned(), view)]);
    plan(
        &[("a", &desired), ("b", &desired)],
        &views,
        &Signer::default(),
        false,
    )
    .expect("small")
}

fn begin(folder: &JournalFolder) -> Journal {
    folder
        .begin(&two(), &Limits::default(), "op@desk")
        .expect("written")
}

fn folder() -> (tempfile::TempDir, JournalFolder) {
    let dir = tempfile::tempdir().expect("a folder");
    let folder = JournalFolder::beside(&dir.path().join("fleet.toml"));
    (dir, folder)
}

#[test]
fn a_rollout_is_read_back_as_it_was_left() {
    let (_dir, folder) = folder();
    let mut journal = begin(&folder);
    journal.begin_stage(1, &["a".to_owned()]).expect("written");
    journal
        .finish(&[("a".to_owned(), Outcome::Applied)])
        .expect("written");
    journal.begin_stage(2, &["b".to_owned()]).expect("written");
    let id = journal.id().to_owned();
    drop(journal);
    let journal = folder.unfinished().expect("readable").expect("one");
    assert_eq!(
        (journal.id(), journal.who(), journal.stage()),
        (&*id, "op@desk", 2)
    );
    assert_eq!(
        journal.states(),
        [
            ("a".to_owned(), State::Finished(Outcome::Applied)),
            ("b".to_owned(), State::InFlight)
        ]
    );
    let [a, b] = journal.entries() else {
        panic!("two devices");
    };
    assert_eq!(a.former().and_then(|former| former.generation), Some(4));
    assert_eq!((b.former(), b.generation), (None, 1));
    assert_eq!(a.message(), two().changes[0].next.message);
}

#[test]
fn a_torn_last_line_is_dropped_and_the_next_one_is_whole() {
    let (_dir, folder) = folder();
    let mut journal = begin(&folder);
    journal.begin_stage(1, &["a".to_owned()]).expect("written");
    drop(journal);
    let text = fs::read_to_string(&folder.current).expect("text");
    let torn = text.len() - 5;
    fs::write(&folder.current, &text[..torn]).expect("written");
    let mut journal = folder.unfinished().expect("readable").expect("one");
    assert_eq!(journal.stage(), 0, "the stage was not begun");
    journal.begin_halt().expect("written");
    drop(journal);
    let journal = folder.unfinished().expect("readable").expect("one");
    assert!(journal.is_halting());
}

#[test]
fn one_rollout_at_a_time_and_one_desk() {
    let (_dir, folder) = folder();
    let journal = begin(&folder);
    let busy = folder.unfinished().expect_err("locked").to_string();
    assert!(busy.starts_with("another `nvr fleet` works on"), "{busy}");
    let Ok(Found::Running(id)) = folder.find() else {
        panic!("a desk works on it");
    };
    assert_eq!(id, journal.id());
    drop(journal);
    assert!(matches!(folder.find(), Ok(Found::Left(_))));
    let second = folder
        .begin(&two(), &Limits::default(), "op@desk")
        .expect_err("unfinished");
    assert!(second.is_usage());
    assert!(
        second
            .to_string()
            .ends_with("go on with `apply --resume`, or take it back with `halt`"),
        "{second}"
    );
}

#[test]
fn finished_rollouts_are_kept_and_found() {
    let (_dir, folder) = folder();
    let none = folder.finished(None).expect_err("none yet").to_string();
    assert!(
        none.starts_with("there is no finished rollout in "),
        "{none}"
    );
    let mut ids = Vec::new();
    for _ in 0..2 {
        let journal = begin(&folder);
        ids.push(journal.id().to_owned());
        journal.end(JournalEnd::Done).expect("moved");
        assert!(folder.unfinished().expect("readable").is_none());
    }
    // Two of one millisecond are in any order.
    ids.sort();
    assert_eq!(folder.ids().expect("listed"), ids);
    assert_eq!(folder.finished(None).expect("the last").id(), ids[1]);
    assert_eq!(
        folder.finished(Some(&ids[0])).expect("the first").id(),
        ids[0]
    );
    folder.finished(Some("x")).expect_err("none");
}

#[test]
fn a_desk_that_died_before_the_move_finds_no_unfinished_rollout() {
    let (_dir, folder) = folder();
    let mut journal = begin(&folder);
    journal
        .append(vec![Line::Ended {
            end: JournalEnd::Halted,
        }])
        .expect("written");
    drop(journal);
    assert!(folder.unfinished().expect("moved").is_none());
    assert_eq!(folder.ids().expect("listed").len(), 1);
}

#[test]
fn a_damaged_journal_is_refused_by_its_line() {
    let (_dir, folder) = folder();
    drop(begin(&folder));
    let text = fs::read_to_string(&folder.current).expect("text");
    let without_b: String = text
        .lines()
        .take(2)
        .map(|line| format!("{line}\n"))
        .collect();
    for (damaged, told) in [
        (text.replacen("{", "", 1), "is damaged: line 1: "),
        (without_b, "is damaged: it has 1 of 2 devices"),
        (String::new(), "is damaged: it has no head"),
    ] {
        fs::write(&folder.current, damaged).expect("written");
        let error = folder.unfinished().expect_err("damaged").to_string();
        assert!(error.contains(told), "{error}");
    }
}

//! Time windows, and a disk that refuses.

use std::io::ErrorKind;
use std::time::Duration;

use jiff::Timestamp;

use super::test_box::{Processor, TestBox, document, plain};
use super::{Candidate, Event};
use crate::agent::codes;
use crate::agent::store::disk_model::Fault;
use crate::fleet::Phase;

/// From tomorrow on, for an hour.
fn tomorrow() -> [Timestamp; 2] {
    let start = TestBox::new().now.wall.expect("synchronised") + Duration::from_secs(86_400);
    [start, start + Duration::from_secs(3600)]
}

fn set_window(document: &mut Candidate) {
    let [start, end] = tomorrow();
    document.desired.not_before = Some(start);
    document.desired.not_after = Some(end);
}

#[test]
fn a_window_waits_for_the_clock_and_for_its_time() {
    let mut tested = TestBox::with_good(plain(16));
    let wall = tested.now.wall.take();
    tested.receive(document(17, "17", set_window));
    assert_eq!(tested.phase(), (Some(17), Phase::Waiting));
    assert_eq!(tested.warning_codes(), [codes::CLOCK_NOT_SYNCHRONISED]);
    assert_eq!(tested.report.applied, Some(16));
    tested.now.wall = wall;
    tested.pass(1);
    assert_eq!(tested.warning_codes(), [codes::NOT_YET]);
    // It is saved: it waits also after a power cut, without the broker.
    let mut tested = tested.reboot(None);
    tested.all_flow();
    tested.pass(1);
    assert_eq!(
        (tested.phase(), tested.warning_codes()),
        ((Some(17), Phase::Waiting), vec![codes::NOT_YET])
    );
    assert_eq!(tested.told_generations(), [16].into());
    tested.now.wall = Some(tomorrow()[0]);
    tested.pass(1);
    assert_eq!(tested.phase(), (Some(17), Phase::Probation));
    tested.prove();
    assert_eq!(tested.phase(), (Some(17), Phase::Applied));
}

#[test]
fn a_document_whose_time_is_over_is_rejected() {
    let mut tested = TestBox::with_good(plain(16));
    tested.receive(document(17, "17", set_window));
    assert_eq!(tested.phase(), (Some(17), Phase::Waiting));
    tested.now.wall = Some(tomorrow()[1] + Duration::from_secs(60));
    tested.pass(1);
    assert_eq!(
        (tested.phase(), tested.error_codes()),
        ((Some(17), Phase::Rejected), vec![codes::EXPIRED])
    );
    assert_eq!(tested.store.contents().pending, None);
    tested.receive(document(17, "17", set_window));
    assert_eq!(
        (tested.phase(), tested.error_codes()),
        ((Some(17), Phase::Rejected), vec![codes::EXPIRED])
    );
    assert_eq!(tested.told_generations(), [16].into());
}

#[test]
fn a_halted_document_that_waits_is_never_applied() {
    let mut tested = TestBox::with_good(plain(16));
    tested.receive(document(17, "17", set_window));
    tested.receive(document(18, "16", |_| {}));
    assert_eq!(tested.phase(), (Some(18), Phase::Applied));
    tested.now.wall = Some(tomorrow()[0]);
    tested.pass(100);
    let mut tested = tested.reboot(None);
    tested.pass(100);
    assert!(!tested.applied_generations().contains(&17));
}

#[test]
fn a_disk_that_refuses_holds_a_document_up_and_nothing_else() {
    for (kind, step) in [
        (ErrorKind::StorageFull, 0),
        (ErrorKind::ReadOnlyFilesystem, 0),
        // The pending document is saved; its attempt is not.
        (ErrorKind::StorageFull, 5),
    ] {
        let mut tested = TestBox::with_good(plain(16));
        let orders = tested.applies.len();
        tested
            .disk
            .with(|disk| disk.set_fault(Some((step, Fault::Write(kind)))));
        tested.receive(plain(17));
        tested.pass(200);
        assert_eq!(tested.phase(), (Some(17), Phase::Waiting));
        assert_eq!(tested.error_codes(), [codes::STORE]);
        assert!(
            tested.report.errors[0]
                .message
                .contains("the file system of /flash"),
            "{:?}",
            tested.report
        );
        assert_eq!(
            (tested.report.applied, tested.applies.len()),
            (Some(16), orders)
        );
        tested.disk.with(|disk| disk.set_fault(None));
        tested.pass(60);
        assert_eq!(tested.phase(), (Some(17), Phase::Probation));
        tested.prove();
        assert_eq!(
            (tested.phase(), tested.error_codes()),
            ((Some(17), Phase::Applied), vec![])
        );
    }
}

#[test]
fn a_disk_that_refuses_the_end_of_a_probation_is_reported_and_tried_again() {
    for is_good in [true, false] {
        let mut tested = TestBox::with_good(plain(16));
        tested.receive(plain(17));
        let fault = Fault::Write(ErrorKind::StorageFull);
        tested.disk.with(|disk| disk.set_fault(Some((0, fault))));
        if is_good {
            tested.prove();
        } else {
            tested.event(Event::Crashed {
                role: Processor,
                how: "signal 11".to_owned(),
            });
        }
        let (phase, runs) = if is_good {
            (Phase::Applied, 17)
        } else {
            (Phase::Reverted, 16)
        };
        assert_eq!(
            (tested.phase(), tested.report.applied),
            ((Some(17), phase), Some(runs))
        );
        assert_eq!(tested.warning_codes(), [codes::STORE]);
        tested.disk.with(|disk| disk.set_fault(None));
        tested.pass(61);
        assert_eq!(tested.warning_codes(), Vec::<&str>::new());
        assert!(tested.store.is_saved());
        let tested = tested.reboot(None);
        assert_eq!(tested.told_generations(), [runs].into());
    }
}

#[test]
fn an_empty_retained_document_keeps_a_document_that_waits() {
    let mut tested = TestBox::with_good(plain(16));
    tested.now.wall = None;
    tested.receive(document(17, "17", set_window));
    tested.event(Event::Emptied);
    assert_eq!(tested.phase(), (Some(17), Phase::Waiting));
    assert!(tested.store.contents().pending.is_some());
}

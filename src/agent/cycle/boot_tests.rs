//! What a start finds: a good, a pending, an interrupted, a failed or a damaged document.

use super::Event;
use super::test_box::{Processor, TestBox, both, crash, document, plain};
use crate::agent::codes;
use crate::fleet::{DocumentError, Phase};

#[test]
fn a_failed_document_stays_failed_across_reconnects_and_reboots() {
    let mut tested = TestBox::with_good(plain(16));
    tested.receive(plain(17));
    crash(&mut tested);
    let report = tested.report.clone();
    for _ in 0..3 {
        tested.event(Event::Connected);
        tested.receive(plain(17));
        assert_eq!(tested.report, report);
        tested.pass(100);
        tested = tested.reboot(None);
        assert_eq!(tested.phase(), (Some(16), Phase::Applied));
        tested.receive(plain(17));
        assert_eq!(tested.report, report);
        assert_eq!(tested.applied_generations(), [16]);
        tested.all_flow();
    }
    tested.receive(plain(18));
    tested.prove();
    assert_eq!(tested.phase(), (Some(18), Phase::Applied));
}

#[test]
fn a_box_boots_its_last_known_good_document_without_the_broker() {
    let tested = TestBox::with_good(both(16)).reboot(None);
    assert_eq!(tested.told_generations(), [16].into());
    assert_eq!(tested.told.len(), 2);
    assert_eq!(tested.phase(), (Some(16), Phase::Applied));
    assert_eq!(
        (tested.report.applied, tested.report.last_known_good),
        (Some(16), Some(16))
    );
}

#[test]
fn a_document_whose_apply_was_interrupted_has_failed() {
    for is_applying in [true, false] {
        let mut tested = TestBox::with_good(plain(16));
        tested.answers = !is_applying;
        tested.receive(plain(17));
        let mut tested = tested.reboot(None);
        assert_eq!(
            (tested.phase(), tested.error_codes()),
            ((Some(17), Phase::Reverted), vec![codes::INTERRUPTED])
        );
        assert_eq!(tested.told_generations(), [16].into());
        assert_eq!(tested.store.contents().pending, None);
        tested.receive(plain(17));
        tested.pass(100);
        assert_eq!(
            (tested.phase(), tested.error_codes()),
            ((Some(17), Phase::Reverted), vec![codes::INTERRUPTED])
        );
        assert_eq!(tested.applied_generations(), [16]);
    }
}

#[test]
fn a_pending_document_that_was_not_begun_is_tried_after_the_present_one_has_started() {
    let mut tested = TestBox::with_good(plain(16));
    tested
        .store
        .save_pending(plain(17).document.clone())
        .expect("saved");
    tested.receive(plain(17));
    let mut before = TestBox::with_good(plain(16));
    before
        .store
        .save_pending(plain(17).document.clone())
        .expect("saved");
    let image = before.disk.with(|disk| disk.image());
    for flows in [true, false] {
        let mut tested = TestBox::with_good(plain(16));
        tested.receive(plain(17));
        let mut tested = tested.reboot(Some(image.clone()));
        assert_eq!(
            (tested.phase(), tested.warning_codes()),
            ((Some(17), Phase::Waiting), vec![codes::SETTLING])
        );
        assert_eq!(tested.told_generations(), [16].into());
        if flows {
            tested.all_flow();
        } else {
            tested.pass(19);
            assert_eq!(tested.told_generations(), [16].into());
            tested.pass(1);
        }
        assert_eq!(tested.phase(), (Some(17), Phase::Probation));
        assert_eq!(tested.told_generations(), [17].into());
    }
}

#[test]
fn a_damaged_document_is_reported_and_the_one_before_is_used_until_it_comes_again() {
    let mut tested = TestBox::with_good(plain(16));
    tested.receive(plain(17));
    tested.prove();
    let mut image = tested.disk.with(|disk| disk.image());
    image.get_mut("last-known-good").expect("it is there")[80] ^= 4;
    let mut tested = tested.reboot(Some(image));
    assert_eq!(tested.told_generations(), [16].into());
    assert_eq!(tested.warning_codes(), [codes::STORE]);
    assert!(
        tested.report.warnings[0]
            .message
            .contains("/flash/last-known-good is damaged")
    );
    assert_eq!(
        (tested.report.applied, tested.report.last_known_good),
        (Some(16), Some(16))
    );
    tested.all_flow();
    tested.receive(document(17, "17", |document| {
        document.desired.base = Some(plain(16).id().sha256.clone());
    }));
    tested.prove();
    assert_eq!(tested.phase(), (Some(17), Phase::Applied));
}

#[test]
fn a_good_document_that_older_firmware_refuses_is_replaced_by_the_one_before() {
    let mut tested = TestBox::with_good(plain(16));
    tested.receive(plain(17));
    tested.prove();
    let mut tested = tested.reboot(None);
    let refuse = |generation| Event::Applied {
        document: plain(generation).id().clone(),
        role: Processor,
        result: Err(vec![DocumentError::new(
            "processor.zoom",
            "unknown-field",
            "unknown key",
        )]),
    };
    tested.event(refuse(17));
    assert_eq!(tested.told_generations(), [16].into());
    assert_eq!(
        (tested.report.applied, tested.report.last_known_good),
        (Some(16), Some(17))
    );
    assert_eq!(tested.warning_codes(), [codes::FELL_BACK]);
    // If that is refused too, it stays: a later start of the role may take it.
    tested.event(refuse(16));
    assert_eq!(tested.told_generations(), [16].into());
    tested.all_flow();
    tested.receive(plain(18));
    tested.prove();
    assert_eq!(
        (tested.phase(), tested.warning_codes()),
        ((Some(18), Phase::Applied), vec![])
    );
}

#[test]
fn an_answer_for_another_document_changes_nothing() {
    let mut tested = TestBox::with_good(plain(16));
    tested.answers = false;
    tested.receive(plain(17));
    let stale = |result| Event::Applied {
        document: plain(16).id().clone(),
        role: Processor,
        result,
    };
    tested.event(stale(Ok(())));
    tested.event(stale(Err(Vec::new())));
    assert_eq!(tested.phase(), (Some(17), Phase::Applying));
    assert_eq!(tested.told_generations(), [17].into());
}

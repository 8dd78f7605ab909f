//! Probation, reverts, and what a start finds.

use super::test_box::{Processor, TestBox, Wall, document, plain};
use super::{Candidate, Event, OnDeadNewSource, Phase};
use crate::agent::problem::{Problem, codes};
use crate::base::SourceId;

/// A document for a processor and a wall with source 0 each.
fn both(generation: u64) -> std::sync::Arc<Candidate> {
    document(generation, &generation.to_string(), |document| {
        document.roles = [(Processor, vec![SourceId(0)]), (Wall, vec![SourceId(0)])].into();
    })
}

/// Sources with a third, new one.
fn third(policy: OnDeadNewSource) -> impl Fn(&mut Candidate) {
    move |document| {
        document.roles = [(Processor, [0, 1, 2].map(SourceId).to_vec())].into();
        document.probation.on_dead_new_source = policy;
    }
}

fn crash(tested: &mut TestBox) {
    tested.event(Event::Crashed {
        role: Processor,
        how: "signal 11".to_owned(),
    });
}

/// Seconds until the document that is tried is not tried any more, with `flows` told each second.
fn seconds_of_trial(tested: &mut TestBox, flows: &[(u32, bool)]) -> u32 {
    let mut seconds = 0;
    while matches!(tested.report.phase, Phase::Applying | Phase::Probation) {
        tested.observe(Processor, flows, None);
        tested.pass(1);
        seconds += 1;
    }
    seconds
}

#[test]
fn sources_are_compared_with_before() {
    use OnDeadNewSource::{Keep, Revert};
    let (live, dead) = ([(0, true), (1, true)], [(0, true), (1, false)]);
    let applied = |warnings: &[&'static str]| (Phase::Applied, vec![], warnings.to_vec());
    let reverted = |errors: &[&'static str]| (Phase::Reverted, errors.to_vec(), vec![]);
    for (before, after, policy, expected) in [
        (
            &live,
            vec![(0, true), (1, true), (2, true)],
            Keep,
            applied(&[]),
        ),
        (
            &live,
            vec![(0, true), (1, true), (2, true)],
            Revert,
            applied(&[]),
        ),
        (
            &live,
            vec![(0, true), (1, true), (2, false)],
            Keep,
            applied(&[codes::NEW_SOURCE_DEAD]),
        ),
        (
            &live,
            vec![(0, true), (1, true), (2, false)],
            Revert,
            reverted(&[codes::NEW_SOURCE_DEAD]),
        ),
        (
            &live,
            vec![(0, true), (1, false), (2, true)],
            Keep,
            reverted(&[codes::SOURCE_LOST]),
        ),
        // A role that does not tell of a source at all does not run it.
        (
            &live,
            vec![(0, true), (2, true)],
            Keep,
            reverted(&[codes::SOURCE_LOST]),
        ),
        // A source that was dead before may stay dead.
        (
            &dead,
            vec![(0, true), (1, false), (2, true)],
            Revert,
            applied(&[]),
        ),
        (
            &dead,
            vec![(0, false), (1, true), (2, true)],
            Revert,
            reverted(&[codes::SOURCE_LOST]),
        ),
    ] {
        let mut tested = TestBox::with_good(plain(16));
        tested.observe(Processor, before, None);
        tested.receive(document(17, "17", third(policy)));
        let seconds = seconds_of_trial(&mut tested, &after);
        let case = format!("{before:?} → {after:?}: {:?}", tested.report);
        assert_eq!(seconds, 60, "{case}");
        let found = (
            tested.report.phase,
            tested.error_codes(),
            tested.warning_codes(),
        );
        assert_eq!(found, expected, "{case}");
        let runs = if expected.0 == Phase::Applied { 17 } else { 16 };
        assert_eq!(tested.told_generations(), [runs].into(), "{case}");
    }
}

#[test]
fn a_lost_source_is_named_with_its_place_in_the_document() {
    let mut tested = TestBox::with_good(plain(16));
    tested.receive(document(17, "17", third(OnDeadNewSource::Keep)));
    seconds_of_trial(&mut tested, &[(0, true), (1, false), (2, true)]);
    let expected = Problem::new(
        "processor.camera[1]",
        codes::SOURCE_LOST,
        "source 1 of the processor flowed before this document and does not now, 60 s after the apply",
    );
    assert_eq!(tested.report.errors, [expected]);
}

#[test]
fn one_reconnect_at_the_end_of_the_probation_reverts_nothing() {
    let mut tested = TestBox::with_good(plain(16));
    tested.receive(plain(17));
    for _ in 0..55 {
        tested.all_flow();
        tested.pass(1);
    }
    seconds_of_trial(&mut tested, &[(0, true), (1, false)]);
    assert_eq!(tested.phase(), (Some(17), Phase::Applied));
}

#[test]
fn the_length_of_the_probation_is_that_of_the_document() {
    let mut tested = TestBox::with_good(plain(16));
    tested.receive(document(17, "17", |document| {
        document.probation.limit = std::time::Duration::from_secs(5);
    }));
    assert_eq!(seconds_of_trial(&mut tested, &[(0, true), (1, true)]), 5);
    assert_eq!(tested.phase(), (Some(17), Phase::Applied));
}

#[test]
fn a_wall_must_show_a_moving_picture() {
    for (before, after, expected) in [
        (Some(true), Some(true), None),
        (Some(true), Some(false), Some(codes::STILL_PICTURE)),
        // Its source flows, so the picture must move.
        (Some(false), Some(false), Some(codes::STILL_PICTURE)),
        // No monitor.
        (None, None, None),
        (Some(true), None, None),
    ] {
        let mut tested = TestBox::with_good(both(16));
        tested.observe(Wall, &[(0, true)], before);
        tested.receive(both(17));
        for _ in 0..61 {
            tested.observe(Processor, &[(0, true)], None);
            tested.observe(Wall, &[(0, true)], after);
            tested.pass(1);
        }
        assert_eq!(
            tested.error_codes(),
            Vec::from_iter(expected),
            "{before:?} → {after:?}"
        );
        let phase = if expected.is_some() {
            Phase::Reverted
        } else {
            Phase::Applied
        };
        assert_eq!(tested.phase(), (Some(17), phase), "{before:?} → {after:?}");
    }
}

#[test]
fn a_role_that_tells_nothing_does_not_pass() {
    let mut tested = TestBox::with_good(both(16));
    tested.receive(both(17));
    for _ in 0..61 {
        tested.observe(Processor, &[(0, true)], None);
        tested.pass(1);
    }
    assert_eq!(
        (tested.phase(), tested.error_codes()),
        ((Some(17), Phase::Reverted), vec![codes::NO_STATUS])
    );
    assert_eq!(tested.report.errors[0].path, "wall");
}

#[test]
fn a_crash_reverts_at_once_and_carries_the_last_twenty_lines() {
    for is_applying in [true, false] {
        let mut tested = TestBox::with_good(plain(16));
        tested.event(Event::Logged(vec!["before the apply".to_owned()]));
        tested.answers = !is_applying;
        tested.receive(plain(17));
        tested.event(Event::Logged(
            (0..30).map(|line| format!("line {line}")).collect(),
        ));
        crash(&mut tested);
        assert_eq!(
            (tested.phase(), tested.error_codes()),
            ((Some(17), Phase::Reverted), vec![codes::CRASHED])
        );
        assert_eq!(
            tested.report.errors[0].message,
            "the processor ended with signal 11 while the document was tried"
        );
        let lines: Vec<String> = (10..30).map(|line| format!("line {line}")).collect();
        assert_eq!(tested.report.log, lines);
        assert_eq!(tested.told_generations(), [16].into());
    }
}

#[test]
fn a_crash_outside_of_a_trial_is_left_to_the_supervisor() {
    let mut tested = TestBox::with_good(plain(16));
    let (report, orders) = (tested.report.clone(), tested.applies.len());
    crash(&mut tested);
    tested.pass(1);
    assert_eq!((&tested.report, tested.applies.len()), (&report, orders));
    // So is that of a role that the document does not have.
    tested.receive(plain(17));
    tested.event(Event::Crashed {
        role: Wall,
        how: "signal 9".to_owned(),
    });
    assert_eq!(tested.phase(), (Some(17), Phase::Probation));
}

#[test]
fn a_refusal_and_silence_revert_within_ninety_seconds() {
    let mut tested = TestBox::with_good(both(16));
    tested.answers = false;
    tested.receive(both(17));
    let refused = Problem::new("wall.head[0].mode", "bad-value", "no such mode");
    let answer = |role, result| Event::Applied {
        document: both(17).id().clone(),
        role,
        result,
    };
    tested.event(answer(Processor, Ok(())));
    tested.event(answer(Wall, Err(vec![refused.clone()])));
    assert_eq!(
        (tested.phase(), &tested.report.errors),
        ((Some(17), Phase::Reverted), &vec![refused])
    );
    assert_eq!(tested.told_generations(), [16].into());

    tested.answers = true;
    tested.pass(30);
    tested.answers = false;
    tested.receive(both(18));
    tested.event(Event::Applied {
        document: both(18).id().clone(),
        role: Processor,
        result: Ok(()),
    });
    let seconds = seconds_of_trial(&mut tested, &[(0, true)]);
    assert!(seconds < 90, "{seconds} s");
    assert_eq!(
        (tested.phase(), tested.error_codes()),
        ((Some(18), Phase::Reverted), vec![codes::NO_ANSWER])
    );
    assert_eq!(
        tested.report.errors[0].message,
        "no answer from the wall for 25 s"
    );
}

#[test]
fn the_first_document_that_fails_leaves_the_box_without_one() {
    let mut tested = TestBox::new();
    tested.receive(plain(1));
    crash(&mut tested);
    assert_eq!(tested.phase(), (Some(1), Phase::Reverted));
    assert_eq!(tested.error_codes(), [codes::CRASHED, codes::NO_DOCUMENT]);
    assert_eq!(
        (tested.report.applied, tested.report.last_known_good),
        (None, None)
    );
    assert!(tested.told.is_empty());
    tested.receive(plain(2));
    tested.prove();
    assert_eq!(tested.phase(), (Some(2), Phase::Applied));
}

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
        document.base = Some(plain(16).id().sha256.clone());
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
        result: Err(vec![Problem::new(
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

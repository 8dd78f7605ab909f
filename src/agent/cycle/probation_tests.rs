//! Probation and reverts.

use super::test_box::{Processor, TestBox, Wall, both, crash, document, plain};
use super::{Candidate, Event};
use crate::agent::codes;
use crate::base::SourceId;
use crate::fleet::{DocumentError, OnDeadNewSource, Phase};

/// Sources with a third, new one.
fn third(policy: OnDeadNewSource) -> impl Fn(&mut Candidate) {
    move |document| {
        document.roles = [(Processor, [0, 1, 2].map(SourceId).to_vec())].into();
        document.desired.probation.on_dead_new_source = policy;
    }
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
fn a_state_of_the_reverted_document_that_comes_late_is_none_of_before() {
    use OnDeadNewSource::{Keep, Revert};
    let dead = [(0, true), (1, true), (2, false)];
    let mut tested = TestBox::with_good(plain(16));
    let tried = document(17, "17", third(Revert));
    let id = tried.id().clone();
    tested.receive(tried);
    seconds_of_trial(&mut tested, &dead);
    assert_eq!(tested.error_codes(), [codes::NEW_SOURCE_DEAD]);
    for late in [Some(id), None] {
        tested.observe_of(late, Processor, &dead, None);
    }
    tested.receive(document(18, "18", third(Keep)));
    seconds_of_trial(&mut tested, &dead);
    // Source 2 would not be new.
    assert_eq!(tested.phase(), (Some(18), Phase::Applied));
    assert_eq!(tested.warning_codes(), [codes::NEW_SOURCE_DEAD]);
}

#[test]
fn a_state_of_before_is_none_of_a_probation() {
    let mut tested = TestBox::with_good(plain(16));
    let former = tested.told[&Processor].clone();
    tested.receive(plain(17));
    for _ in 0..60 {
        tested.observe_of(
            Some(former.clone()),
            Processor,
            &[(0, true), (1, true)],
            None,
        );
        tested.pass(1);
    }
    assert_eq!(tested.phase(), (Some(17), Phase::Reverted));
    assert_eq!(tested.error_codes(), [codes::NO_STATUS]);
}

#[test]
fn a_document_with_the_same_bodies_goes_on_with_the_states_of_before() {
    let mut tested = TestBox::with_good(plain(16));
    tested.receive(document(17, "16", |_| {}));
    assert_eq!(tested.phase(), (Some(17), Phase::Applied));
    assert_eq!(tested.told_generations(), [16].into());
    tested.observe(Processor, &[(0, true), (1, false)], None);
    tested.receive(plain(18));
    seconds_of_trial(&mut tested, &[(0, true), (1, false)]);
    // Source 1 was dead before.
    assert_eq!(tested.phase(), (Some(18), Phase::Applied));
}

#[test]
fn a_role_that_tells_no_state_is_reverted_with_the_known_reason() {
    for (taken_by, code, named) in [
        (None, codes::NO_STATUS, "has not told its state"),
        (Some(4711), codes::SOCKET_TAKEN, "process 4711, "),
    ] {
        let mut tested = TestBox::with_good(plain(16));
        tested.receive(plain(17));
        let taken = taken_by.map(|process| (Processor, process));
        tested.cycle.note_taken(taken.into_iter().collect());
        tested.pass(61);
        assert_eq!(tested.phase(), (Some(17), Phase::Reverted));
        assert_eq!(tested.error_codes(), [code]);
        let message = &tested.report.errors[0].message;
        assert!(message.contains(named), "{message}");
    }
}

#[test]
fn a_lost_source_is_named_with_its_place_in_the_document() {
    let mut tested = TestBox::with_good(plain(16));
    tested.receive(document(17, "17", third(OnDeadNewSource::Keep)));
    seconds_of_trial(&mut tested, &[(0, true), (1, false), (2, true)]);
    let expected = DocumentError::new(
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
        document.desired.probation.limit.0 = std::time::Duration::from_secs(5);
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
    let refused = DocumentError::new("wall.head[0].mode", "bad-value", "no such mode");
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
        "no answer from the wall for 75 s"
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

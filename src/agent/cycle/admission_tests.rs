//! Generations, conflicts, refusals, roles and decommission.

use std::sync::Arc;

use super::test_box::{Processor, TestBox, Wall, document, plain};
use super::{Candidate, Event, Received, Refusal};
use crate::agent::codes;
use crate::base::SourceId;
use crate::fleet::{DocumentError, DocumentHash, Phase};

/// A change of a document before it is received.
type Change = fn(&mut Candidate);

#[test]
fn a_document_is_tried_by_its_generation_hash_and_base() {
    let nothing: Change = |_| {};
    let base_16: Change = |document| document.desired.base = Some(plain(16).id().sha256.clone());
    let base_15: Change = |document| document.desired.base = Some(plain(15).id().sha256.clone());
    let base_17: Change = |document| document.desired.base = Some(plain(17).id().sha256.clone());
    for (generation, body, change, phase, code) in [
        (17, "17", nothing, Phase::Probation, None),
        (17, "17", base_16, Phase::Probation, None),
        (99, "99", nothing, Phase::Probation, None),
        // The box was offline while generation 17 was there.
        (18, "18", base_17, Phase::Probation, None),
        (16, "16", nothing, Phase::Applied, None),
        (16, "16", base_15, Phase::Applied, None),
        (
            16,
            "other",
            nothing,
            Phase::Conflict,
            Some(codes::SAME_GENERATION),
        ),
        (
            15,
            "15",
            nothing,
            Phase::Rejected,
            Some(codes::OLD_GENERATION),
        ),
        (
            17,
            "17",
            base_15,
            Phase::Conflict,
            Some(codes::BASE_MISMATCH),
        ),
    ] {
        let mut tested = TestBox::with_good(plain(16));
        tested.receive(document(generation, body, change));
        let case = format!(
            "generation {generation} with body {body}: {:?}",
            tested.report
        );
        assert_eq!(tested.phase(), (Some(generation), phase), "{case}");
        assert_eq!(tested.error_codes(), Vec::from_iter(code), "{case}");
        assert_eq!(tested.report.last_known_good, Some(16), "{case}");
        let is_tried = phase == Phase::Probation;
        let runs = if is_tried { generation } else { 16 };
        assert_eq!(tested.report.applied, Some(runs), "{case}");
        assert_eq!(tested.told_generations(), [runs].into(), "{case}");
    }
}

#[test]
fn a_conflict_names_the_publisher_of_the_other_document() {
    let of_ann: Change = |document| document.desired.by = Some("ann@office".to_owned());
    let base_15: Change = |document| document.desired.base = Some(plain(15).id().sha256.clone());
    let hash = document(16, "16", of_ann).id().sha256.clone();
    let short = hash.short();
    for (generation, body, change, expected) in [
        (
            16,
            "other",
            (|_| {}) as Change,
            format!(
                "of another document of this box ({short}, published by ann@office); publish it"
            ),
        ),
        (
            17,
            "17",
            base_15,
            format!(
                "this box has generation 16 ({short}), published by ann@office; read the present"
            ),
        ),
    ] {
        let mut tested = TestBox::with_good(document(16, "16", of_ann));
        tested.receive(document(generation, body, change));
        assert_eq!(tested.report.phase, Phase::Conflict);
        let message = &tested.report.errors[0].message;
        assert!(message.contains(&expected), "{message}");
        // Without a publisher there is none in the message.
        let mut tested = TestBox::with_good(plain(16));
        tested.receive(document(generation, body, change));
        let message = &tested.report.errors[0].message;
        assert!(!message.contains("published by"), "{message}");
    }
}

#[test]
fn a_base_counts_only_where_there_is_a_document() {
    let mut tested = TestBox::new();
    assert_eq!(
        (tested.phase(), tested.warning_codes()),
        ((None, Phase::Waiting), vec![codes::NO_DOCUMENT])
    );
    tested.receive(document(17, "17", |document| {
        document.desired.base = Some(DocumentHash::of(b"that of the box before"));
    }));
    assert_eq!(tested.phase(), (Some(17), Phase::Probation));
}

#[test]
fn the_failed_document_may_be_named_as_the_base_of_the_next_one() {
    let mut tested = TestBox::with_good(plain(16));
    tested.receive(plain(17));
    tested.event(Event::Crashed {
        role: Processor,
        how: "signal 11".to_owned(),
    });
    tested.receive(document(18, "18", |document| {
        document.desired.base = Some(plain(17).id().sha256.clone());
    }));
    tested.prove();
    assert_eq!(tested.phase(), (Some(18), Phase::Applied));
}

#[test]
fn a_refused_document_is_reported_and_what_runs_keeps_running() {
    let mut tested = TestBox::with_good(plain(16));
    let orders = tested.applies.len();
    let refusal = Refusal {
        generation: Some(17),
        sha256: DocumentHash::of(b"bad"),
        errors: vec![DocumentError::new(
            "processor.camera[2].uri",
            "bad-scheme",
            "scheme must be rtsp, got http",
        )],
    };
    tested.event(Event::Received(Received::Refused(refusal.clone())));
    assert_eq!(tested.phase(), (Some(17), Phase::Rejected));
    assert_eq!(tested.report.errors, refusal.errors);
    assert_eq!(tested.report.applied, Some(16));
    assert_eq!(tested.applies.len(), orders);
    assert_eq!(tested.store.contents().pending, None);
    // A refusal during a probation is told when that is over.
    tested.receive(plain(18));
    let refusal = Refusal {
        generation: None,
        ..refusal
    };
    tested.event(Event::Received(Received::Refused(refusal)));
    assert_eq!(tested.phase(), (Some(18), Phase::Probation));
    tested.prove();
    assert_eq!(tested.phase(), (None, Phase::Rejected));
    assert_eq!(
        (tested.report.applied, tested.report.last_known_good),
        (Some(18), Some(18))
    );
}

#[test]
fn an_empty_retained_document_keeps_everything() {
    let mut tested = TestBox::with_good(plain(16));
    let (before, orders) = (tested.report.clone(), tested.applies.len());
    tested.event(Event::Emptied);
    tested.pass(5);
    assert_eq!((&tested.report, tested.applies.len()), (&before, orders));
}

#[test]
fn the_same_body_in_a_newer_generation_restarts_nothing() {
    let mut tested = TestBox::with_good(plain(16));
    let orders = tested.applies.len();
    tested.receive(document(17, "16", |_| {}));
    assert_eq!(tested.phase(), (Some(17), Phase::Applied));
    assert_eq!(tested.applies.len(), orders);
    let contents = tested.store.contents();
    let good = contents
        .last_known_good
        .as_ref()
        .map(|good| good.id.generation);
    assert_eq!((good, &contents.pending), (Some(17), &None));
}

#[test]
fn a_halt_takes_a_document_on_probation_back_at_once() {
    let mut tested = TestBox::with_good(plain(16));
    tested.receive(plain(17));
    assert_eq!(tested.phase(), (Some(17), Phase::Probation));
    tested.pass(3);
    tested.receive(document(18, "16", |_| {}));
    assert_eq!(tested.phase(), (Some(18), Phase::Probation));
    assert_eq!(tested.told_generations(), [18].into());
    tested.prove();
    assert_eq!(tested.phase(), (Some(18), Phase::Applied));
    // What was superseded is not tried when the broker sends it again.
    tested.receive(plain(17));
    assert_eq!(tested.phase(), (Some(17), Phase::Rejected));
    assert_eq!(tested.told_generations(), [18].into());
}

#[test]
fn the_newest_document_that_comes_during_an_apply_is_next() {
    let mut tested = TestBox::with_good(plain(16));
    tested.answers = false;
    tested.receive(plain(17));
    assert_eq!(tested.phase(), (Some(17), Phase::Applying));
    assert_eq!(
        (tested.report.applied, tested.report.last_known_good),
        (Some(16), Some(16))
    );
    tested.receive(plain(18));
    tested.receive(plain(19));
    tested.receive(plain(18));
    assert_eq!(tested.phase(), (Some(17), Phase::Applying));
    tested.answers = true;
    tested.event(Event::Applied {
        document: plain(17).id().clone(),
        role: Processor,
        result: Ok(()),
    });
    assert_eq!(tested.phase(), (Some(19), Phase::Probation));
    assert_eq!(tested.told_generations(), [19].into());
    assert!(!tested.applied_generations().contains(&18));
}

#[test]
fn decommission_ends_the_roles_and_erases_everything() {
    let mut tested = TestBox::with_good(plain(16));
    tested.receive(document(17, "", |document| {
        document.desired.decommission = true;
        document.roles.clear();
    }));
    assert_eq!(tested.phase(), (Some(17), Phase::Applied));
    assert_eq!(
        (tested.report.applied, tested.report.last_known_good),
        (None, None)
    );
    assert!(tested.told.is_empty());
    let contents = tested.store.contents();
    assert_eq!(
        (
            &contents.pending,
            &contents.last_known_good,
            &contents.previous
        ),
        (&None, &None, &None)
    );
    let mut tested = tested.reboot(None);
    assert!(tested.told.is_empty());
    // The retained message comes again, and an old one from a backup of the broker.
    tested.receive(document(17, "", |document| {
        document.desired.decommission = true;
        document.roles.clear();
    }));
    assert_eq!(tested.phase(), (Some(17), Phase::Applied));
    tested.receive(plain(16));
    assert_eq!(
        (tested.phase(), tested.error_codes()),
        ((Some(16), Phase::Rejected), vec![codes::OLD_GENERATION])
    );
    assert!(tested.applies.is_empty());
    tested.receive(plain(18));
    tested.prove();
    assert_eq!(tested.phase(), (Some(18), Phase::Applied));
}

#[test]
fn a_change_of_role_ends_the_other_role_and_a_revert_brings_it_back() {
    let both: Change = |document| {
        document.roles.insert(Wall, vec![SourceId(0)]);
    };
    let wall: Change = |document| {
        document.roles = [(Wall, vec![SourceId(0)])].into();
    };
    let mut tested = TestBox::with_good(document(16, "both", both));
    let roles = |tested: &TestBox| Vec::from_iter(tested.told.keys().copied());
    assert_eq!(roles(&tested), [Processor, Wall]);
    tested.receive(document(17, "wall", wall));
    assert_eq!(
        (roles(&tested), tested.told_generations()),
        (vec![Wall], [17].into())
    );
    tested.event(Event::Crashed {
        role: Wall,
        how: "exit code 1".to_owned(),
    });
    assert_eq!(
        (roles(&tested), tested.told_generations()),
        (vec![Processor, Wall], [16].into())
    );
}

#[test]
fn the_report_comes_again_at_each_connection_and_else_only_when_it_has_changed() {
    let mut tested = TestBox::with_good(plain(16));
    let reports = |actions: &[super::Action]| {
        let is_report = |action: &&super::Action| matches!(action, super::Action::Report(_));
        actions.iter().filter(is_report).count()
    };
    let now = tested.now;
    let again = Event::Received(Received::Checked(Arc::clone(&plain(16))));
    assert_eq!(reports(&tested.cycle.handle(Event::Connected, now)), 1);
    assert_eq!(reports(&tested.cycle.handle(again, now)), 0);
    assert_eq!(reports(&tested.cycle.handle(Event::Tick, now)), 0);
}

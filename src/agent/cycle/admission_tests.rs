//! Generations, conflicts, refusals, windows, decommission, and a disk that refuses.

use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Duration;

use super::test_box::{Processor, TestBox, Wall, document, plain};
use super::{Candidate, Event, Phase, Received, Refusal, Window};
use crate::agent::hash::DocumentHash;
use crate::agent::problem::{Problem, codes};
use crate::agent::store::disk_model::Fault;
use crate::base::SourceId;

/// A change of a document before it is received.
type Change = fn(&mut Candidate);

#[test]
fn a_document_is_tried_by_its_generation_hash_and_base() {
    let nothing: Change = |_| {};
    let base_16: Change = |document| document.base = Some(plain(16).id().sha256.clone());
    let base_15: Change = |document| document.base = Some(plain(15).id().sha256.clone());
    for (generation, body, change, phase, code) in [
        (17, "17", nothing, Phase::Probation, None),
        (17, "17", base_16, Phase::Probation, None),
        (99, "99", nothing, Phase::Probation, None),
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
fn a_base_counts_only_where_there_is_a_document() {
    let mut tested = TestBox::new();
    assert_eq!(
        (tested.phase(), tested.warning_codes()),
        ((None, Phase::Waiting), vec![codes::NO_DOCUMENT])
    );
    tested.receive(document(17, "17", |document| {
        document.base = Some(DocumentHash::of(b"that of the box before"));
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
        document.base = Some(plain(17).id().sha256.clone());
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
        errors: vec![Problem::new(
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
    // Also a document that waits.
    tested.now.wall = None;
    tested.receive(document(17, "17", |document| document.window = tomorrow()));
    tested.event(Event::Emptied);
    assert_eq!(tested.phase(), (Some(17), Phase::Waiting));
    assert!(tested.store.contents().pending.is_some());
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
        document.decommission = true;
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
        document.decommission = true;
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

fn tomorrow() -> Window {
    let start = TestBox::new().now.wall.expect("synchronised") + Duration::from_secs(86_400);
    Window {
        not_before: Some(start),
        not_after: Some(start + Duration::from_secs(3600)),
    }
}

#[test]
fn a_window_waits_for_the_clock_and_for_its_time() {
    let mut tested = TestBox::with_good(plain(16));
    let wall = tested.now.wall.take();
    tested.receive(document(17, "17", |document| document.window = tomorrow()));
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
    tested.now.wall = tomorrow().not_before;
    tested.pass(1);
    assert_eq!(tested.phase(), (Some(17), Phase::Probation));
    tested.prove();
    assert_eq!(tested.phase(), (Some(17), Phase::Applied));
}

#[test]
fn a_document_whose_time_is_over_is_rejected() {
    let mut tested = TestBox::with_good(plain(16));
    tested.receive(document(17, "17", |document| document.window = tomorrow()));
    assert_eq!(tested.phase(), (Some(17), Phase::Waiting));
    tested.now.wall = tomorrow()
        .not_after
        .map(|end| end + Duration::from_secs(60));
    tested.pass(1);
    assert_eq!(
        (tested.phase(), tested.error_codes()),
        ((Some(17), Phase::Rejected), vec![codes::EXPIRED])
    );
    assert_eq!(tested.store.contents().pending, None);
    tested.receive(document(17, "17", |document| document.window = tomorrow()));
    assert_eq!(
        (tested.phase(), tested.error_codes()),
        ((Some(17), Phase::Rejected), vec![codes::EXPIRED])
    );
    assert_eq!(tested.told_generations(), [16].into());
}

#[test]
fn a_halted_document_that_waits_is_never_applied() {
    let mut tested = TestBox::with_good(plain(16));
    tested.receive(document(17, "17", |document| document.window = tomorrow()));
    tested.receive(document(18, "16", |_| {}));
    assert_eq!(tested.phase(), (Some(18), Phase::Applied));
    tested.now.wall = tomorrow().not_before;
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
        how: "exit status 1".to_owned(),
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

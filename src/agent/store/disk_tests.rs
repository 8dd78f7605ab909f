//! Power cuts at every step of every change, and full and read-only disks.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::sync::Arc;

use super::{Contents, Finding, Store, StoreError};
use crate::agent::attempts::Failure;
use crate::agent::codes;
use crate::agent::document::{DocumentId, StoredDocument};
use crate::fleet::DocumentError;
use crate::fleet::DocumentHash;

#[path = "damage_tests.rs"]
mod damage_tests;
#[path = "random_tests.rs"]
mod random_tests;
use super::disk_model::{Fault, Image, SharedDisk};

fn document(generation: u64) -> StoredDocument {
    let text = format!(r#"{{"schema": 1, "generation": {generation}}}"#);
    StoredDocument {
        id: DocumentId {
            generation,
            sha256: DocumentHash::of(text.as_bytes()),
        },
        received: None,
        bytes: Arc::from(text.into_bytes()),
    }
}

fn id(generation: u64) -> DocumentId {
    document(generation).id
}

fn failure() -> Failure {
    DocumentError::new("", codes::CRASHED, "the processor ended with signal 11").into()
}

/// A change of the store.
#[derive(Debug, Clone, Copy)]
enum Op {
    Save(u64),
    Begin,
    Promote,
    Fail,
    Drop,
    Decommission(u64),
}

impl Op {
    fn run(self, store: &mut Store) -> Result<(), StoreError> {
        let pending = store.contents().pending.as_ref();
        let pending = pending.map(|pending| pending.id.clone());
        match (self, pending) {
            (Self::Save(generation), _) => store.save_pending(document(generation)),
            (Self::Decommission(generation), _) => store.decommission(&id(generation)),
            (Self::Begin, Some(id)) => store.begin_attempt(&id),
            (Self::Promote, Some(id)) => store.promote(&id),
            (Self::Fail, Some(id)) => store.fail(&id, failure()),
            (Self::Drop, Some(id)) => store.drop_pending(&id),
            (_, None) => Ok(()),
        }
    }

    /// Whether the memory changes also if the disk refuses.
    fn holds_without_disk(self) -> bool {
        !matches!(self, Self::Save(_) | Self::Begin)
    }
}

fn open(disk: &SharedDisk) -> (Store, Vec<Finding>) {
    Store::open(Box::new(disk.clone()))
}

fn opened(image: &Image) -> Contents {
    let (store, findings) = open(&SharedDisk::of(image));
    assert!(findings.is_empty(), "{findings:?}");
    assert!(store.is_saved());
    store.contents().clone()
}

/// The image after `ops`, all of them complete.
fn after(ops: &[Op]) -> Image {
    let disk = SharedDisk::default();
    let (mut store, _) = open(&disk);
    for op in ops {
        op.run(&mut store).expect("the disk is good");
    }
    disk.with(|disk| disk.image())
}

/// Every change, each with the changes before it.
fn changes() -> Vec<(Vec<Op>, Op)> {
    use Op::{Begin, Decommission, Drop, Fail, Promote, Save};
    let good = [Save(1), Begin, Promote];
    let two_good = [&good[..], &[Save(2), Begin, Promote]].concat();
    let with = |more: &[Op]| [&two_good[..], more].concat();
    vec![
        (vec![], Save(1)),
        (vec![Save(1)], Begin),
        (vec![Save(1), Begin], Promote),
        (vec![Save(1), Begin], Fail),
        (good.to_vec(), Save(2)),
        (vec![Save(1), Begin, Promote, Save(2), Begin], Promote),
        (two_good.clone(), Save(3)),
        (with(&[Save(3)]), Save(4)),
        (with(&[Save(3)]), Drop),
        (with(&[Save(3)]), Begin),
        (with(&[Save(3), Begin]), Promote),
        (with(&[Save(3), Begin]), Fail),
        (with(&[Save(3), Begin, Fail]), Save(4)),
        (with(&[Save(3), Begin]), Decommission(4)),
        (with(&[Decommission(4)]), Save(5)),
    ]
}

/// Every image after a cut at any step of `act`, which gets a disk with `start`.
fn images_of_cuts(start: &Image, act: impl Fn(&SharedDisk)) -> BTreeSet<Image> {
    let mut images = BTreeSet::new();
    for step in 0.. {
        let disk = SharedDisk::of(start);
        disk.with(|disk| disk.set_fault(Some((step, Fault::PowerCut))));
        act(&disk);
        images.extend(disk.with(|disk| disk.images_after_cut()));
        if !disk.with(|disk| disk.has_met_fault()) {
            return images;
        }
    }
    unreachable!("every change has an end")
}

#[test]
fn a_power_cut_at_any_step_leaves_the_old_or_the_new_contents() {
    let mut tried = 0;
    for (before, op) in changes() {
        let start = after(&before);
        let old = opened(&start);
        let new = opened(&after(&[&before[..], &[op]].concat()));
        assert_ne!(old, new, "{op:?} changes something");
        let images = images_of_cuts(&start, |disk| {
            let (mut store, _) = open(disk);
            let _ = op.run(&mut store);
        });
        // A cut may come again while the next start puts the store in order.
        let again = images
            .iter()
            .flat_map(|image| images_of_cuts(image, |disk| drop(open(disk))));
        let all: BTreeSet<Image> = again.chain(images.clone()).collect();
        for image in &all {
            let found = opened(image);
            assert!(
                found == old || found == new,
                "{before:?}, then {op:?}: {found:#?}"
            );
        }
        let found: Vec<Contents> = all.iter().map(opened).collect();
        assert!(found.contains(&old) && found.contains(&new), "{op:?}");
        tried += all.len();
    }
    assert!(tried > 300, "only {tried} images were tried");
}

#[test]
fn what_a_change_has_saved_survives_a_cut_after_it() {
    for (before, op) in changes() {
        let disk = SharedDisk::of(&after(&before));
        let (mut store, _) = open(&disk);
        op.run(&mut store).expect("the disk is good");
        assert!(store.is_saved());
        for image in disk.with(|disk| disk.images_after_cut()) {
            assert_eq!(&opened(&image), store.contents(), "{op:?}");
        }
    }
}

#[test]
fn a_full_or_read_only_disk_leaves_valid_contents_and_is_made_up_for_later() {
    for kind in [ErrorKind::StorageFull, ErrorKind::ReadOnlyFilesystem] {
        for (before, op) in changes() {
            let start = after(&before);
            let old = opened(&start);
            let new = opened(&after(&[&before[..], &[op]].concat()));
            for step in 0.. {
                let disk = SharedDisk::of(&start);
                let (mut store, _) = open(&disk);
                disk.with(|disk| disk.set_fault(Some((step, Fault::Write(kind)))));
                let result = op.run(&mut store);
                if !disk.with(|disk| disk.has_met_fault()) {
                    result.expect("no step has failed");
                    break;
                }
                let is_new = result.is_ok() || op.holds_without_disk();
                let expected = if is_new { &new } else { &old };
                let mut held = store.contents().clone();
                held.attempts.erasing = false;
                assert_eq!(&held, expected, "{op:?} at step {step}");
                if let Err(error) = result {
                    assert!(error.is_transient(), "{error}");
                }
                for image in disk.with(|disk| disk.images_after_cut()) {
                    let found = opened(&image);
                    assert!(found == old || found == new, "{op:?} at step {step}");
                }
                disk.with(|disk| disk.set_fault(None));
                store.retry().expect("the disk is good again");
                assert!(store.is_saved());
                assert_eq!(&opened(&disk.with(|disk| disk.image())), expected);
            }
        }
    }
}

#[test]
fn a_read_only_disk_is_read_and_an_unreadable_record_is_reported() {
    let image = after(&[Op::Save(1), Op::Begin, Op::Promote, Op::Save(2)]);
    let disk = SharedDisk::of(&image);
    let fault = Fault::Write(ErrorKind::ReadOnlyFilesystem);
    disk.with(|disk| disk.set_fault(Some((0, fault))));
    let (mut store, findings) = open(&disk);
    assert!(findings.is_empty(), "{findings:?}");
    assert_eq!(store.contents(), &opened(&image));
    let error = store.begin_attempt(&id(2)).expect_err("read-only");
    assert_eq!(
        error.to_string(),
        "can't save /flash/attempts: the file system of /flash is read-only; check the disk and mount it for writing"
    );
}

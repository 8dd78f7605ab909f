//! Random changes with random faults.

use std::collections::BTreeSet;
use std::io::ErrorKind;

use proptest::prelude::*;

use super::super::disk_model::{Fault, Image, SharedDisk};
use super::{Op, open, opened};
use crate::agent::attempts::Verdict;
use crate::agent::document::DocumentId;

fn any_op() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => Just(Op::Save(0)),
        4 => Just(Op::Begin),
        3 => Just(Op::Promote),
        3 => Just(Op::Fail),
        1 => Just(Op::Drop),
        1 => Just(Op::Decommission(0)),
    ]
}

/// A change, and perhaps a fault: of which kind, after how many steps, and which image the next start finds.
fn any_step() -> impl Strategy<Value = (Op, Option<(u8, usize, prop::sample::Index)>)> {
    let fault = (0..3_u8, 0..24_usize, any::<prop::sample::Index>());
    (any_op(), prop::option::of(fault))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn random_changes_and_cuts_never_lose_a_document_or_an_attempt(
        steps in prop::collection::vec(any_step(), 1..24),
    ) {
        let mut disk = SharedDisk::default();
        let (mut store, _) = open(&disk);
        let mut begun: BTreeSet<DocumentId> = BTreeSet::new();
        // Whether a good document was saved and not erased since.
        let mut has_good = false;
        let mut generation = 0;
        for (op, fault) in steps {
            generation += 1;
            let op = match op {
                Op::Save(_) => Op::Save(generation),
                Op::Decommission(_) => Op::Decommission(generation),
                op => op,
            };
            has_good &= !matches!(op, Op::Decommission(_));
            let old = store.contents().clone();
            let set = fault.as_ref().map(|(kind, after, _)| {
                let kind = match kind {
                    0 => Fault::PowerCut,
                    1 => Fault::Write(ErrorKind::StorageFull),
                    _ => Fault::Write(ErrorKind::ReadOnlyFilesystem),
                };
                (*after, kind)
            });
            disk.with(|disk| disk.set_fault(set));
            let result = op.run(&mut store);
            if let (Op::Begin, Ok(()), Some(pending)) = (op, &result, &old.pending) {
                begun.insert(pending.id.clone());
            }
            let held = store.contents().clone();
            disk.with(|disk| disk.set_fault(None));
            if let Some((0, _, choice)) = fault {
                let was_saved = store.is_saved();
                let images = disk.with(|disk| disk.images_after_cut());
                let images: Vec<Image> = images.into_iter().collect();
                let found = opened(choice.get(&images));
                if was_saved {
                    prop_assert_eq!(&found, &held);
                }
                disk = SharedDisk::of(choice.get(&images));
                store = open(&disk).0;
                prop_assert!(!has_good || found.last_known_good.is_some(), "{:?}", found);
            }
            has_good |= store.is_saved() && store.contents().last_known_good.is_some();
            for id in &begun {
                let attempts = &store.contents().attempts;
                let is_free = attempts.verdict(id, 1) == Verdict::New;
                prop_assert!(!is_free || attempts.is_good(id), "{} would be tried again", id);
            }
        }
        store.retry().expect("the disk is good");
        let found = opened(&disk.with(|disk| disk.image()));
        prop_assert_eq!(&found, store.contents());
    }
}

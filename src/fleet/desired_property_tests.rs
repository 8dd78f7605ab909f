//! Properties of the reading of desired documents.

use proptest::prelude::*;

use super::*;
use crate::config::Span;
use crate::fleet::{DeviceRole, DocumentHash, OnDeadNewSource, Probation};

fn any_body() -> impl Strategy<Value = Option<Value>> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        ".*".prop_map(Value::from),
    ];
    let value = leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map("[a-z]{1,8}", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    });
    proptest::option::of(
        proptest::collection::btree_map("[a-l]{1,8}", value, 0..4)
            .prop_map(|map| Value::Object(map.into_iter().collect())),
    )
}

prop_compose! {
    fn any_desired()(
        generation in 1..=MOST_GENERATION,
        base in proptest::option::of(1..=u64::MAX),
        processor in any_body(),
        wall in any_body(),
        since in proptest::option::of(0_i64..4_000_000_000),
        flags in any::<[bool; 2]>(),
        sizes in proptest::collection::vec(proptest::option::of(any::<u64>()), 0..4),
        limit in 1_u64..=3600,
    ) -> Desired {
        let role = match (&processor, &wall) {
            (Some(_), Some(_)) => DeviceRole::Both,
            (None, Some(_)) => DeviceRole::Wall,
            _ => DeviceRole::Processor,
        };
        let is_empty = processor.is_none() && wall.is_none();
        Desired {
            base: base.map(|base| DocumentHash::of(&base.to_le_bytes())),
            processor,
            wall,
            not_before: since.map(|since| jiff::Timestamp::from_second(since).expect("in range")),
            decommission: flags[0] || is_empty,
            overcommit: flags[1],
            models: sizes.into_iter().enumerate().map(|(index, size)| ModelRef {
                id: format!("m{index}"),
                url: format!("https://models.example/{index}"),
                sha256: DocumentHash::of(&[]),
                size,
            }).collect(),
            probation: Probation {
                limit: Span(std::time::Duration::from_secs(limit)),
                on_dead_new_source: OnDeadNewSource::Revert,
            },
            ..Desired::new(generation, role)
        }
    }
}

proptest! {
    #[test]
    fn random_bytes_never_panic(payload in proptest::collection::vec(any::<u8>(), 0..256)) {
        let _ = Desired::read(&payload);
    }

    #[test]
    fn damaged_documents_never_panic(desired in any_desired(), cuts in any::<[u16; 3]>(), byte in any::<u8>()) {
        let mut payload = desired.to_json();
        let length = payload.len();
        for cut in cuts {
            payload[usize::from(cut) % length] = byte;
        }
        let _ = Desired::read(&payload);
        let _ = Desired::read(&payload[..usize::from(cuts[0]) % length]);
    }

    #[test]
    fn what_is_read_is_written_and_read_the_same(desired in any_desired()) {
        let read = Desired::read(&desired.to_json());
        prop_assert_eq!(read.as_ref(), Ok(&desired));
        prop_assert_eq!(read.map(|read| read.to_json()), Ok(desired.to_json()));
    }
}

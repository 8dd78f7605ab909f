use proptest::prelude::*;

use super::*;

const NOW: Duration = Duration::ZERO;

/// Minutes as starts.
fn minutes(minutes: impl IntoIterator<Item = u64>) -> SourceStock {
    let mut stock = SourceStock::default();
    for minute in minutes {
        stock.set((minute * 60_000, 0), 100, ListedState::Closed);
    }
    stock
}

fn oldest_without_event(stock: &SourceStock, age_ms: u64) -> Option<u64> {
    let found = stock.oldest_without_event(NOW, age_ms);
    found.map(|(start_ms, _)| start_ms / 60_000)
}

#[test]
fn a_recording_is_old_enough_to_the_millisecond_by_its_end_and_the_newest_start() {
    let mut stock = minutes([0, 1, 5]);
    // The first one ended 4 min before the start of the newest, as far as names tell.
    assert_eq!(oldest_without_event(&stock, 240_000), Some(0));
    assert_eq!(oldest_without_event(&stock, 240_001), None);
    stock.mark_event((0, 0), true);
    assert_eq!(oldest_without_event(&stock, 0), Some(1));
    assert_eq!(oldest_without_event(&stock, 1), None);
    stock.mark_event((60_000, 0), true);
    // Nobody knows how long the newest one lasts.
    assert_eq!(oldest_without_event(&stock, 0), None);
}

#[test]
fn what_ended_after_the_first_unread_recording_began_is_not_known_to_have_no_event() {
    let mut stock = minutes(0..5);
    stock.mark_unread((120_000, 0), true);
    stock.mark_unread((240_000, 0), true);
    assert_eq!(oldest_without_event(&stock, 60_000), Some(0));
    assert_eq!(oldest_without_event(&stock, 60_001), None);
    stock.mark_event((0, 0), true);
    assert_eq!(oldest_without_event(&stock, 0), Some(1));
    stock.mark_event((60_000, 0), true);
    assert_eq!(oldest_without_event(&stock, 0), None);
    stock.mark_unread((120_000, 0), false);
    assert_eq!(oldest_without_event(&stock, 0), Some(2));
    // One that is gone is not waited for.
    stock.mark_unread((120_000, 0), true);
    stock.remove((120_000, 0));
    assert_eq!(oldest_without_event(&stock, 0), Some(3));
}

#[test]
fn open_and_locked_recordings_and_those_set_aside_do_not_go() {
    let mut stock = minutes(0..6);
    stock.set((0, 0), 100, ListedState::Open);
    stock.mark_locked((60_000, 0), true);
    let later = Duration::from_secs(600);
    stock.set((120_000, 0), 100, ListedState::Aside(later));
    assert_eq!(stock.oldest_due(NOW), Some((180_000, 0)));
    assert_eq!(oldest_without_event(&stock, 0), Some(3));
    assert_eq!(stock.oldest_due(later), Some((120_000, 0)));
    assert_eq!(stock.oldest_without_event(later, 0), Some((120_000, 0)));
    stock.mark_locked((60_000, 0), false);
    stock.set((0, 0), 50, ListedState::Closed);
    assert_eq!(oldest_without_event(&stock, 0), Some(0));
    stock.mark_event((0, 0), true);
    assert_eq!(oldest_without_event(&stock, 0), Some(1));
    assert_eq!(stock.oldest_due(NOW), Some((0, 0)));
}

#[derive(Debug, Clone)]
enum Op {
    Set(At, u64, bool),
    Lock(At, bool),
    Event(At, bool),
    Remove(At),
}

/// Few starts in some hours, so that ops meet.
fn any_at() -> impl Strategy<Value = At> {
    (0..30u64, 0..2u32).prop_map(|(start, number)| (start * HOUR_MS / 7, number))
}

fn any_op() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => (any_at(), 0..50u64, any::<bool>()).prop_map(|(a, b, c)| Op::Set(a, b, c)),
        1 => (any_at(), any::<bool>()).prop_map(|(a, b)| Op::Lock(a, b)),
        1 => (any_at(), any::<bool>()).prop_map(|(a, b)| Op::Event(a, b)),
        1 => any_at().prop_map(Op::Remove),
    ]
}

proptest! {
    #[test]
    fn sums_and_sets_are_those_of_the_list(
        ops in prop::collection::vec(any_op(), 1..60),
        at in any_at(),
        min_bytes in 0..400u64,
        time in (0..5 * HOUR_MS, 1..HOUR_MS),
    ) {
        let mut stock = SourceStock::default();
        for op in ops {
            match op {
                Op::Set(at, bytes, true) => stock.set(at, bytes, ListedState::Closed),
                Op::Set(at, bytes, false) => stock.set(at, bytes, ListedState::Open),
                Op::Lock(at, is_locked) => stock.mark_locked(at, is_locked),
                Op::Event(at, has_event) => stock.mark_event(at, has_event),
                Op::Remove(at) => stock.remove(at),
            }
        }
        let all: Vec<(At, Listed)> = stock.listed.iter().map(|(at, it)| (*at, *it)).collect();
        let sum = |of: &dyn Fn(&Listed) -> u64| all.iter().map(|(_, it)| of(it)).sum::<u64>();
        prop_assert_eq!(stock.bytes(), sum(&|it| it.bytes));
        prop_assert_eq!(stock.locked_bytes(), sum(&|it| if it.is_locked { it.bytes } else { 0 }));
        let hours = stock.hours.values().sum::<u64>();
        prop_assert_eq!(hours, stock.bytes());
        prop_assert!(!all.is_empty() || stock.hours.is_empty());
        let is_plain = |it: &Listed| !it.has_event && !it.is_locked && it.state == ListedState::Closed;
        let plain = all.iter().filter(|(_, it)| is_plain(it)).map(|(at, _)| *at);
        let plain: BTreeSet<At> = plain.collect();
        prop_assert_eq!(&stock.without_event, &plain);
        let newer = all.iter().filter(|(other, _)| *other > at).map(|(_, it)| it.bytes);
        prop_assert_eq!(stock.is_of_minimum(at, min_bytes), newer.sum::<u64>() < min_bytes);
        let time = time.0..time.0 + time.1;
        let touching = all.iter().enumerate().filter(|(index, ((start_ms, _), _))| {
            let next = all.get(index + 1).map_or(u64::MAX, |((next, _), _)| *next);
            *start_ms < time.end && next.max(start_ms + 1) > time.start
        });
        let expected: BTreeSet<_> = touching.map(|(_, (at, _))| *at).collect();
        prop_assert_eq!(BTreeSet::from_iter(stock.touching(&time)), expected);
    }
}

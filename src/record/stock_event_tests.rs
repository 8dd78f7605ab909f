use super::tests::{key, order, stock_by};
use super::*;

/// The start of the first recordings, in seconds.
const START: u64 = 1_795_854_600;
const HOUR: u64 = 3600;

fn limits(prefer_after: u64, pre_roll: u64, post_roll: u64) -> SpaceLimits {
    SpaceLimits {
        prefer_events_after: Duration::from_secs(prefer_after),
        pre_roll: Duration::from_secs(pre_roll),
        post_roll: Duration::from_secs(post_roll),
        ..SpaceLimits::none("/rec")
    }
}

/// Closed recordings of a minute and 100 bytes each, all of them read by the index.
fn stock(files: &[(u32, u64)], limits: &SpaceLimits) -> Stock {
    let mut stock = stock_by(limits, files);
    stock.set_indexed();
    stock
}

fn see(stock: &mut Stock, source: u32, class: &str, from: u64, to: u64) {
    let [from_ms, to_ms] = [from, to].map(|second| (START + second) * 1000);
    stock.seen(SourceId(source), &class.into(), from_ms, to_ms);
}

#[test]
fn recordings_without_events_go_first_and_then_the_oldest() {
    let files = [(1, 0), (1, 60), (1, 120), (1, 180), (2, 30), (2, 90)];
    let mut stock = stock(&files, &limits(0, 0, 1));
    see(&mut stock, 1, "car", 10, 70);
    see(&mut stock, 2, "person", 40, 40);
    // The newest of each source come by age, because nobody knows how long they last.
    assert_eq!(
        order(stock, 0),
        [(1, 120), (1, 0), (2, 30), (1, 60), (2, 90), (1, 180)]
    );
}

#[test]
fn an_event_reaches_into_recordings_before_and_after_it_to_the_millisecond() {
    let starts = [0, 60, 120, 180, 240, 6000, 7000];
    let files = starts.map(|second| (1, second));
    let plain = |from_ms: u64, to_ms: u64| {
        let mut stock = stock(&files, &limits(0, 10, 20));
        let [from_ms, to_ms] = [from_ms, to_ms].map(|ms| START * 1000 + ms);
        stock.seen(SourceId(1), &"car".into(), from_ms, to_ms);
        let order = order(stock, 0).into_iter();
        let seconds: Vec<_> = order.map(|(_, second)| second).collect();
        // Those with the event come last, by age.
        let sorted = seconds.windows(2).position(|pair| pair[0] > pair[1]);
        seconds[..sorted.map_or(0, |last| last + 1)].to_vec()
    };
    assert_eq!(plain(129_999, 159_999), [0, 180, 240]);
    assert_eq!(plain(130_000, 159_999), [0, 60, 180, 240]);
    assert_eq!(plain(130_000, 160_000), [0, 60, 240]);
}

#[test]
fn younger_recordings_go_by_age_alone() {
    let files: Vec<_> = (0..5).map(|hour| (1, hour * HOUR)).collect();
    let with_event = |prefer_after| {
        let mut stock = stock(&files, &limits(prefer_after, 0, 1));
        see(&mut stock, 1, "car", 60, 61);
        let (next, _) = stock.next_to_delete(Duration::ZERO, 0).expect("one");
        next.start_unix().as_secs() - START
    };
    // The second one ended two hours before the newest began.
    assert_eq!(with_event(2 * HOUR), HOUR);
    assert_eq!(with_event(2 * HOUR + 1), 0);
    // The age is that in its own source.
    let mut two = stock(
        &[(1, 0), (1, 60), (1, 120), (2, 90_000)],
        &limits(HOUR, 0, 1),
    );
    see(&mut two, 1, "car", 10, 10);
    assert_eq!(order(two, 0), [(1, 0), (1, 60), (1, 120), (2, 90_000)]);
}

#[test]
fn before_the_index_has_read_all_the_oldest_goes() {
    let limits = limits(0, 0, 1);
    let mut stock = stock_by(&limits, &[(1, 0), (1, 60), (1, 120)]);
    see(&mut stock, 1, "car", 10, 10);
    let next = |stock: &Stock| stock.next_to_delete(Duration::ZERO, 0).map(|next| next.0);
    assert_eq!(next(&stock), Some(key(1, 0)));
    stock.set_indexed();
    assert_eq!(next(&stock), Some(key(1, 60)));
    // Until a later recording is read, it may have an event whose pre-roll reaches into the one before.
    stock.opened(key(1, 90), 100);
    assert_eq!(next(&stock), Some(key(1, 60)));
    stock.opened(key(1, 70), 100);
    stock.closed(key(1, 70), None);
    assert_eq!(next(&stock), Some(key(1, 60)));
    stock.forget(key(1, 60));
    assert_eq!(next(&stock), Some(key(1, 0)));
    stock.was_read(key(1, 70));
    assert_eq!(next(&stock), Some(key(1, 70)));
}

#[test]
fn a_pre_roll_that_is_longer_than_the_age_is_waited_for() {
    let files = [(1, 0), (1, 60), (1, 120), (1, 129)];
    let mut first = stock(&files, &limits(0, 10, 1));
    see(&mut first, 1, "car", 0, 0);
    assert_eq!(order(first, 0), [(1, 0), (1, 60), (1, 120), (1, 129)]);
    let mut first = stock(&files, &limits(0, 9, 1));
    see(&mut first, 1, "car", 0, 0);
    assert_eq!(order(first, 0)[0], (1, 60));
}

#[test]
fn classes_that_are_not_wanted_are_no_events_until_they_are() {
    let files = [(1, 0), (1, 60), (1, 120), (2, 0), (2, 60), (2, 120)];
    let mut stock = stock(&files, &limits(0, 0, 1));
    let person = ["person".to_owned()];
    stock.want_events(SourceId(1), Some(&person));
    for source in [1, 2] {
        see(&mut stock, source, "car", 10, 10);
        see(&mut stock, source, "person", 70, 70);
    }
    let next = |stock: &Stock| stock.next_to_delete(Duration::ZERO, 0).map(|next| next.0);
    assert_eq!(next(&stock), Some(key(1, 0)));
    stock.want_events(SourceId(1), None);
    stock.want_events(SourceId(2), Some(&person));
    assert_eq!(next(&stock), Some(key(2, 0)));
    stock.want_events(SourceId(2), Some(&["dog".to_owned()]));
    assert_eq!(order(stock, 0)[..2], [(2, 0), (2, 60)]);
}

#[test]
fn recordings_that_come_later_have_the_events_that_are_known() {
    let mut stock = stock(&[], &limits(0, 0, 30));
    see(&mut stock, 1, "car", 50, 50);
    for second in [0, 60, 120, 180] {
        stock.found(key(1, second), 100);
    }
    assert_eq!(order(stock, 0), [(1, 120), (1, 0), (1, 60), (1, 180)]);
}

#[test]
fn the_minimum_of_a_source_comes_before_events() {
    let files = [(1, 0), (1, 60), (1, 120), (2, 300), (2, 360), (2, 420)];
    let with_events = || {
        let mut stock = stock(&files, &limits(0, 0, 1));
        see(&mut stock, 2, "car", 310, 430);
        stock
    };
    assert_eq!(order(with_events(), 0)[..2], [(1, 0), (1, 60)]);
    // Source 1 keeps its newest 200 bytes as long as source 2 has more, events or not.
    let expected = [(1, 0), (2, 300), (1, 60), (1, 120), (2, 360), (2, 420)];
    assert_eq!(order(with_events(), 200), expected);
    // Without others it gives them up, those without events first.
    let mut one = stock(&files[..3], &limits(0, 0, 1));
    see(&mut one, 1, "car", 0, 10);
    assert_eq!(order(one, 1000), [(1, 60), (1, 0), (1, 120)]);
}

#[test]
fn a_locked_recording_without_events_stays() {
    let mut stock = stock(&[(1, 0), (1, 60), (1, 120), (1, 180)], &limits(0, 0, 1));
    see(&mut stock, 1, "car", 10, 10);
    let lock = LockName {
        source: SourceId(1),
        from_ms: (START + 70) * 1000,
        until_ms: (START + 80) * 1000,
        number: 0,
    };
    stock.set_locks([lock].into_iter(), Duration::ZERO);
    assert_eq!(order(stock, 0), [(1, 120), (1, 0), (1, 180)]);
}

#[test]
fn events_before_the_oldest_recording_are_forgotten() {
    let mut stock = stock(&[(1, 0), (1, 60), (1, 120), (1, 180)], &limits(0, 0, 1));
    see(&mut stock, 1, "car", 10, 10);
    see(&mut stock, 1, "car", 70, 130);
    stock.forget(key(1, 0));
    stock.forget_past_events(SourceId(1));
    let has = |stock: &Stock, from: u64, until: u64| {
        let [from, until] = [from, until].map(|second| (START + second) * 1000);
        stock.events.has(SourceId(1), from, until)
    };
    assert!(!has(&stock, 0, 60));
    assert!(has(&stock, 70, 71));
    for second in [60, 120, 180] {
        stock.forget(key(1, second));
    }
    stock.forget_past_events(SourceId(1));
    assert!(!has(&stock, 0, 1000));
}

use super::*;

/// 2026-11-28T08:30:00Z.
const START_MS: u64 = 1_795_854_600_000;
const NOW: Duration = Duration::ZERO;

pub(super) fn key(source: u32, second: u64) -> FileKey {
    FileKey::new(SourceId(source), START_MS + second * 1000, 0)
}

fn lock(source: u32, from: u64, until: u64) -> LockName {
    LockName {
        source: SourceId(source),
        from_ms: START_MS + from * 1000,
        until_ms: START_MS + until * 1000,
        number: 0,
    }
}

/// Closed recordings of 100 bytes.
fn stock(files: &[(u32, u64)]) -> Stock {
    stock_by(&SpaceLimits::none("/rec"), files)
}

/// Closed recordings of 100 bytes.
pub(super) fn stock_by(limits: &SpaceLimits, files: &[(u32, u64)]) -> Stock {
    let mut stock = Stock::new(limits);
    for &(source, second) in files {
        stock.found(key(source, second), 100);
    }
    stock
}

/// The order of deletion, by source and second.
pub(super) fn order(mut stock: Stock, min_bytes: u64) -> Vec<(u32, u64)> {
    let mut order = Vec::new();
    while let Some((next, bytes)) = stock.next_to_delete(NOW, min_bytes) {
        assert_eq!(bytes, 100);
        order.push((next.source().0, (next.start_ms() - START_MS) / 1000));
        stock.forget(next);
    }
    assert_eq!(stock.bytes(), stock.locked_bytes());
    order
}

#[test]
fn a_recording_is_locked_if_it_may_have_frames_of_the_time() {
    let files = [(1, 0), (1, 60), (1, 120), (1, 180), (2, 60)];
    for (from, until, kept) in [
        // The end is not part of the time.
        (0, 60, vec![0]),
        (0, 61, vec![0, 60]),
        // A recording may last to the start of the next one, to the millisecond.
        (60, 61, vec![0, 60]),
        (61, 62, vec![60]),
        (61, 121, vec![60, 120]),
        // The last one may last until now.
        (100_000, 100_001, vec![180]),
        (100_000, 200_000, vec![180]),
    ] {
        let mut stock = stock(&files);
        stock.set_locks([lock(1, from, until)].into_iter(), Duration::ZERO);
        assert_eq!(stock.locked_bytes(), 100 * kept.len() as u64);
        let expected: Vec<_> = files
            .into_iter()
            .filter(|&(source, second)| source == 2 || !kept.contains(&second))
            .collect();
        let mut order = order(stock, 0);
        order.sort_unstable();
        assert_eq!(order, expected, "{from} to {until}");
    }
    // After the clock was set back recordings overlap.
    let mut stock = stock(&files);
    stock.set_locks([lock(1, 140, 150)].into_iter(), Duration::from_secs(40));
    assert_eq!(order(stock, 0), [(1, 0), (2, 60), (1, 180)]);
}

#[test]
fn recordings_that_come_and_go_are_locked_as_well() {
    let mut stock = stock(&[(1, 0)]);
    let locks = [lock(1, 100, 110), lock(1, 105, 200), lock(1, 300, 310)];
    stock.set_locks(locks.into_iter(), Duration::ZERO);
    assert_eq!(stock.locked_bytes(), 100);
    assert!(stock.has_locked());
    // Now it is known that the first one ended before.
    stock.opened(key(1, 50), 10);
    stock.opened(key(1, 90), 20);
    assert_eq!(stock.locked_bytes(), 20);
    assert!(!stock.has_locked());
    stock.grew(key(1, 90), 30);
    assert_eq!((stock.locked_bytes(), stock.bytes()), (50, 160));
    stock.closed(key(1, 90), Some(40));
    stock.opened(key(1, 250), 1);
    assert_eq!((stock.locked_bytes(), stock.bytes()), (41, 151));
    stock.set_aside(key(1, 90), Duration::from_secs(600));
    assert!(stock.locked_bytes() == 41 && !stock.has_locked());
    stock.forget(key(1, 90));
    // The one before it may have lasted until its start, or longer.
    assert_eq!((stock.locked_bytes(), stock.bytes()), (11, 111));
    stock.set_locks([].into_iter(), Duration::ZERO);
    assert_eq!(stock.locked_bytes(), 0);
    stock.forget(key(1, 50));
    stock.forget(key(1, 250));
    assert_eq!(order(stock, 0), [(1, 0)]);
}

#[test]
fn the_newest_recordings_of_a_source_stay_while_another_one_has_more() {
    let files = [(1, 0), (1, 60), (2, 300), (2, 360), (2, 420), (3, 10)];
    let of_all = [(1, 0), (3, 10), (1, 60), (2, 300), (2, 360), (2, 420)];
    assert_eq!(order(stock(&files), 0), of_all);
    // One recording of each stays, then the oldest of all goes.
    let expected = [(1, 0), (2, 300), (2, 360), (3, 10), (1, 60), (2, 420)];
    assert_eq!(order(stock(&files), 100), expected);
    assert_eq!(order(stock(&files), 1), expected);
    let expected = [(2, 300), (1, 0), (3, 10), (1, 60), (2, 360), (2, 420)];
    assert_eq!(order(stock(&files), 101), expected);
    assert_eq!(order(stock(&files), u64::MAX), of_all);
}

#[test]
fn older_locked_recordings_are_no_part_of_the_minimum_and_newer_ones_are() {
    let files = [(1, 0), (1, 60), (1, 120), (2, 600), (2, 660)];
    let mut locked = stock(&files);
    locked.set_locks([lock(1, 10, 20)].into_iter(), Duration::ZERO);
    assert_eq!(order(locked, 200), [(1, 60), (1, 120), (2, 600), (2, 660)]);
    let mut locked = stock(&files);
    locked.set_locks([lock(1, 70, 1000)].into_iter(), Duration::ZERO);
    assert_eq!(order(locked, 200), [(1, 0), (2, 600), (2, 660)]);
}

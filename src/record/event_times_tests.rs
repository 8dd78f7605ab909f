use proptest::prelude::*;

use super::*;

const SOURCE: SourceId = SourceId(1);

fn times(pre_roll_ms: u64, post_roll_ms: u64) -> EventTimes {
    let [pre_roll, post_roll] = [pre_roll_ms, post_roll_ms].map(Duration::from_millis);
    EventTimes::new(pre_roll, post_roll)
}

#[test]
fn an_event_reaches_from_the_pre_roll_to_the_post_roll_to_the_millisecond() {
    let mut times = times(100, 30);
    let added = times.add(SOURCE, &"car".into(), 1000, 2000);
    assert_eq!(added, Some(900..2031));
    for (start_ms, end_ms, expected) in [
        (0, 900, false),
        (0, 901, true),
        (1500, 1501, true),
        (2030, 9000, true),
        (2031, 9000, false),
    ] {
        let has = times.has(SOURCE, start_ms, end_ms);
        assert_eq!(has, expected, "{start_ms} to {end_ms}");
    }
    assert!(!times.has(SourceId(2), 0, u64::MAX));
}

#[test]
fn only_classes_that_are_wanted_count_and_others_may_be_wanted_later() {
    let mut times = times(0, 0);
    let [car, person] = ["car", "person"].map(str::to_owned);
    assert!(times.want(SOURCE, Some(std::slice::from_ref(&person))));
    assert!(!times.want(SOURCE, Some(std::slice::from_ref(&person))));
    assert_eq!(times.add(SOURCE, &"car".into(), 10, 20), None);
    assert!(!times.has(SOURCE, 10, 20));
    assert!(times.want(SOURCE, Some(&[person, car])));
    assert!(times.has(SOURCE, 10, 20));
    assert!(times.want(SOURCE, None));
    assert!(times.has(SOURCE, 10, 20));
    assert_eq!(
        times.add(SOURCE, &"person".into(), 50, 50),
        Some(50..51),
        "all are wanted"
    );
}

#[test]
fn what_is_known_is_not_told_again_and_past_times_are_forgotten() {
    let mut times = times(5, 5);
    let car = "car".into();
    assert_eq!(times.add(SOURCE, &car, 10, 20), Some(5..26));
    assert_eq!(times.add(SOURCE, &car, 12, 20), None);
    assert_eq!(times.add(SOURCE, &car, 12, 21), Some(7..27));
    times.add(SOURCE, &car, 100, 100);
    times.forget_before(SOURCE, 26);
    assert!(times.has(SOURCE, 0, 30));
    times.forget_before(SOURCE, 27);
    assert!(!times.has(SOURCE, 0, 30));
    assert!(times.has(SOURCE, 0, 100));
    times.forget_before(SOURCE, u64::MAX);
    assert!(times.sources[&SOURCE].seen.is_empty());
}

proptest! {
    #[test]
    fn a_set_of_times_has_each_millisecond_of_what_was_added_and_no_other(
        added in prop::collection::vec((0..200u64, 1..30u64), 0..40),
        before in 0..200u64,
    ) {
        let mut set = TimeSet::default();
        let mut plain = [false; 256];
        for (start, length) in added {
            let time = start..start + length;
            let is_new = !plain[start as usize..(start + length) as usize].iter().all(|seen| *seen);
            prop_assert_eq!(set.add(time.clone()), is_new);
            time.for_each(|ms| plain[ms as usize] = true);
        }
        let ends: Vec<_> = set.0.iter().flat_map(|(start, end)| [*start, *end]).collect();
        prop_assert!(ends.windows(2).all(|pair| pair[0] < pair[1]), "{:?} touch", ends);
        for ms in 0..255 {
            prop_assert_eq!(set.overlaps(ms, ms + 1), plain[ms as usize], "{}", ms);
        }
        set.forget_before(before);
        for ms in before..255 {
            prop_assert_eq!(set.overlaps(ms, ms + 1), plain[ms as usize], "{}", ms);
        }
    }
}

use std::time::Duration;

use super::*;

fn times(presentation: &[u64], next: Option<u64>) -> FrameTimes {
    FrameTimes::new(presentation, next).expect("times that fit")
}

#[test]
fn a_tick_is_the_nearest_one() {
    assert_eq!(tick(1_000_000_000, 0), 90_000);
    assert_eq!(tick(5_555, 0), 0);
    assert_eq!(tick(5_556, 0), 1);
    assert_eq!(tick(16_666, 0), 1);
    assert_eq!(tick(16_667, 0), 2);
    assert_eq!(tick(3, 8), 0);
    assert_eq!(tick(u64::MAX, 0), 1_660_206_966_633_860);
}

#[test]
fn ten_minutes_of_29_97_frames_a_second_add_up() {
    let pts = |frame: u64| frame * 1_001_000_000_000 / 30_000;
    let frames = 17_982;
    let mut end = 0;
    for gop in 0..frames / 54 {
        let presentation: Vec<u64> = (gop * 54..(gop + 1) * 54)
            .map(|frame| tick(pts(frame), 0))
            .collect();
        let times = times(&presentation, Some(tick(pts((gop + 1) * 54), 0)));
        assert_eq!(times.decode[0], end);
        end += times
            .durations
            .iter()
            .map(|&ticks| u64::from(ticks))
            .sum::<u64>();
        assert!(times.offsets.iter().all(|&offset| offset == 0));
    }
    assert_eq!(end, frames * 3003);
}

#[test]
fn frames_in_coding_order_keep_their_presentation_times() {
    // I0 P3 B1 B2.
    let times = times(&[100, 130, 110, 120], Some(140));
    assert_eq!(times.decode, [100, 110, 120, 130]);
    assert_eq!(times.durations, [10, 10, 10, 10]);
    assert_eq!(times.offsets, [0, 20, -10, -10]);
}

#[test]
fn frames_before_the_next_key_frame_have_room() {
    // The next fragment begins with I7 and goes on with B5 B6.
    let open = times(&[10, 40, 20, 30], Some(71));
    assert_eq!(open.durations, [10, 10, 10, 10]);
    // Rounding is no reason.
    let closed = times(&[10, 40, 20, 30], Some(51));
    assert_eq!(closed.durations, [10, 10, 10, 11]);
    // Without reordering nothing can come before.
    let gap = times(&[10, 20, 30, 40], Some(71));
    assert_eq!(gap.durations, [10, 10, 10, 31]);
}

#[test]
fn equal_times_are_a_tick_apart() {
    let equal = times(&[50, 50, 50], None);
    assert_eq!(equal.decode, [50, 51, 52]);
    assert_eq!(equal.durations, [1, 1, 1]);
    assert_eq!(equal.offsets, [0, -1, -2]);
    // They stay before the next fragment.
    let late = times(&[10, 50, 50, 50], Some(51));
    assert_eq!(late.decode, [10, 48, 49, 50]);
    assert_eq!(late.durations, [38, 1, 1, 1]);
    // Without room they go beyond it.
    assert_eq!(times(&[50, 50, 50], Some(51)).decode, [50, 51, 52]);
}

#[test]
fn a_next_frame_in_the_past_leaves_the_last_one_a_tick() {
    let back = times(&[50, 60], Some(20));
    assert_eq!(back.decode, [50, 60]);
    assert_eq!(back.durations, [10, 1]);
}

#[test]
fn the_last_frame_of_a_session_lasts_as_the_one_before() {
    assert_eq!(times(&[0, 3000], None).durations, [3000, 3000]);
    assert_eq!(times(&[7], None).durations, [3600]);
    assert_eq!(times(&[7], Some(u64::MAX)).durations, [u32::MAX]);
}

#[test]
fn times_beyond_the_format_are_refused() {
    assert_eq!(FrameTimes::new(&[], None), Err(FragmentError::Empty));
    assert!(FrameTimes::new(&[0, LATEST_TICK], None).is_ok());
    let late = FrameTimes::new(&[0, LATEST_TICK + 1], None);
    assert_eq!(late, Err(FragmentError::TooLate { seconds: 23_860 }));
}

#[test]
fn any_times_give_decode_times_that_increase() {
    let mut random = fastrand::Rng::with_seed(3);
    for _ in 0..20_000 {
        let limit = *random
            .choice(&[2, 20, 1 << 20, LATEST_TICK])
            .expect("not empty");
        let frames = random.usize(1..20);
        let presentation: Vec<u64> = (0..frames).map(|_| random.u64(..limit)).collect();
        let next = random.bool().then(|| random.u64(..limit));
        let Ok(times) = FrameTimes::new(&presentation, next) else {
            continue;
        };
        assert!(times.decode.windows(2).all(|pair| pair[0] < pair[1]));
        assert!(times.durations.iter().all(|&ticks| ticks > 0));
        for ((&decode, &offset), &presented) in
            times.decode.iter().zip(&times.offsets).zip(&presentation)
        {
            assert_eq!(decode as i64 + offset, presented as i64);
        }
    }
}

#[test]
fn ntp_counts_from_1900_and_wraps_in_2036() {
    assert_eq!(ntp(Duration::ZERO), 2_208_988_800 << 32);
    assert_eq!(ntp(Duration::from_millis(500)) as u32, 1 << 31);
    assert_eq!(ntp(Duration::from_secs(2_085_978_496)), 0);
    assert_eq!(ntp(Duration::new(0, 999_999_999)) as u32, 4_294_967_291);
}

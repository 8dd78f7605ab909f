use super::*;
use crate::record::testing::{Camera, format};

const NOW: Duration = Duration::ZERO;
const LENGTH: Duration = Duration::from_secs(60);

/// The steps in short: `[0 200` is a fragment that begins a file and has two units, by their milliseconds; `+400` at its end is the
/// unit that follows; `]` is the end of a file.
fn shown(steps: &[Step]) -> String {
    let shown = steps.iter().map(|step| match step {
        Step::EndFile => "]".to_owned(),
        Step::Fragment(cut) => {
            let times = cut
                .units
                .iter()
                .map(|unit| (unit.pts_ns / 1_000_000).to_string());
            let times = times.collect::<Vec<_>>().join(" ");
            let next = cut
                .next_pts_ns
                .map_or_else(String::new, |next| format!(" +{}", next / 1_000_000));
            format!("{}{times}{next}", if cut.begins_file { "[" } else { "" })
        }
    });
    shown.collect::<Vec<_>>().join(", ")
}

fn cutter() -> Cutter {
    Cutter::new(SourceId(0), LENGTH)
}

/// All steps for these units, and those of the end.
fn cut(cutter: &mut Cutter, units: impl IntoIterator<Item = CodedUnit>) -> String {
    let mut steps = Vec::new();
    for unit in units {
        let now = unit.arrival;
        steps.extend(cutter.push(unit, false, now));
    }
    steps.extend(cutter.finish());
    shown(&steps)
}

#[test]
fn a_fragment_is_a_group_of_pictures() {
    let mut camera = Camera::new();
    let units = [camera.group(3), camera.group(2), camera.group(1)].concat();
    assert_eq!(
        cut(&mut cutter(), units),
        "[200 400 600 +800, 800 1000 +1200, 1200, ]"
    );
}

#[test]
fn a_long_group_is_cut_after_two_seconds() {
    let mut camera = Camera::new();
    camera.interval = Duration::from_millis(500);
    assert_eq!(
        cut(&mut cutter(), camera.group(10)),
        "[500 1000 1500 2000 +2500, 2500 3000 3500 4000 +4500, 4500 5000, ]"
    );
}

#[test]
fn with_b_frames_a_cut_waits_for_a_picture_that_is_shown_later() {
    let mut camera = Camera::new();
    camera.interval = Duration::from_millis(500);
    let mut units = vec![camera.key()];
    for _ in 0..3 {
        units.extend(camera.reordered());
    }
    assert_eq!(
        cut(&mut cutter(), units),
        "[500 2000 1000 1500 +3500, 3500 2500 3000 +5000, 5000 4000 4500, ]"
    );
}

#[test]
fn a_file_begins_with_a_key_frame() {
    let mut camera = Camera::new();
    let mut units = vec![camera.other(), camera.other()];
    units.extend(camera.group(2));
    let mut cutter = cutter();
    assert_eq!(cut(&mut cutter, units), "[600 800, ]");
    assert_eq!(cutter.take_lost_groups(), 0);
}

/// The arrival of the first unit of each file, in seconds.
fn begins(source: u32, group: usize, groups: usize) -> Vec<u64> {
    let mut camera = Camera::new();
    camera.interval = Duration::from_secs(1);
    let mut cutter = Cutter::new(SourceId(source), LENGTH);
    let mut begins = Vec::new();
    for unit in (0..groups).flat_map(|_| camera.group(group)) {
        let now = unit.arrival;
        for step in cutter.push(unit, false, now) {
            if let Step::Fragment(Cut {
                units,
                begins_file: true,
                ..
            }) = step
            {
                begins.push(units[0].arrival.as_secs());
            }
        }
    }
    begins
}

#[test]
fn files_end_at_the_first_key_frame_after_their_length_and_each_source_has_its_own_moment() {
    assert_eq!(begins(0, 5, 40), [1, 61, 121, 181]);
    assert_eq!(begins(1, 5, 40), [1, 41, 101, 161]);
    assert_eq!(begins(2, 5, 40), [1, 76, 136, 196]);
    // Key frames 45 s apart.
    assert_eq!(begins(0, 45, 5), [1, 91, 136, 181]);
}

#[test]
fn without_key_frames_the_file_goes_on() {
    let mut camera = Camera::new();
    camera.interval = Duration::from_secs(1);
    let mut cutter = cutter();
    let steps: Vec<Step> = camera
        .group(400)
        .into_iter()
        .flat_map(|unit| cutter.push(unit, false, NOW))
        .collect();
    let units = steps.iter().map(|step| match step {
        Step::Fragment(cut) => cut.units.len(),
        Step::EndFile => 1000,
    });
    assert_eq!(units.sum::<usize>(), 398);
}

#[test]
fn another_session_waits_for_a_key_frame() {
    let mut camera = Camera::new();
    let mut units = camera.group(2);
    camera.session = 2;
    units.extend([camera.other(), camera.key()]);
    let mut cutter = cutter();
    assert_eq!(cut(&mut cutter, units), "[200 400, ], [800, ]");
    assert_eq!(cutter.take_lost_groups(), 0);
}

#[test]
fn another_format_begins_a_file() {
    let mut camera = Camera::new();
    let mut units = camera.group(2);
    camera.format = format(1280);
    units.extend(camera.group(2));
    // A copy of the same format is the same.
    camera.format = format(1280);
    units.extend(camera.group(1));
    assert_eq!(
        cut(&mut cutter(), units),
        "[200 400, ], [600 800 +1000, 1000, ]"
    );
}

#[test]
fn another_format_without_a_key_frame_loses_the_rest_of_its_group() {
    let mut camera = Camera::new();
    let mut units = camera.group(2);
    camera.format = format(1280);
    units.extend([camera.other(), camera.other(), camera.key()]);
    let mut cutter = cutter();
    assert_eq!(cut(&mut cutter, units), "[200 400, ], [1000, ]");
    assert_eq!(cutter.take_lost_groups(), 1);
}

#[test]
fn after_a_step_of_the_clock_the_next_key_frame_begins_a_file_and_nothing_is_lost() {
    for hour in [1, -1] {
        let mut camera = Camera::new();
        let mut units = camera.group(2);
        camera.epoch = if hour > 0 {
            camera.epoch + Duration::from_secs(3600)
        } else {
            camera.epoch - Duration::from_secs(3600)
        };
        units.extend([camera.other(), camera.other()]);
        units.extend(camera.group(2));
        assert_eq!(
            cut(&mut cutter(), units),
            "[200 400 +600, 600 800 +1000, ], [1000 1200, ]"
        );
    }
}

#[test]
fn a_jam_of_the_network_is_no_step_of_the_clock() {
    let jam = Duration::from_secs(9);
    // Capture times by the camera's clock, then by the arrival.
    for captured_late in [Duration::ZERO, jam] {
        let mut camera = Camera::new();
        let mut units = [camera.group(2), camera.group(2)].concat();
        for unit in &mut units[1..] {
            unit.arrival += jam;
            unit.captured_unix += captured_late;
        }
        assert_eq!(cut(&mut cutter(), units), "[200 400 +600, 600 800, ]");
    }
}

#[test]
fn a_key_frame_whose_media_time_steps_back_begins_a_file() {
    let mut camera = Camera::new();
    let mut units = camera.group(2);
    let mut group = camera.group(2);
    group.iter_mut().for_each(|unit| unit.pts_ns -= 500_000_000);
    units.extend(group);
    assert_eq!(cut(&mut cutter(), units), "[200 400, ], [100 300, ]");
}

#[test]
fn media_times_that_stand_still_do_not_collect_units_without_end() {
    let mut camera = Camera::new();
    let mut cutter = cutter();
    let mut units = camera.group(60);
    units.iter_mut().for_each(|unit| unit.pts_ns = 0);
    let first = units[0].arrival;
    let steps: Vec<Step> = units
        .into_iter()
        .flat_map(|unit| cutter.push(unit, false, NOW))
        .collect();
    let [Step::Fragment(cut), Step::EndFile] = steps.as_slice() else {
        panic!("{steps:?}");
    };
    assert_eq!(cut.units.len(), 50);
    assert_eq!(cut.units[49].arrival - first, Duration::from_millis(9800));
    assert_eq!(cutter.take_lost_groups(), 1);
}

#[test]
fn silence_writes_what_is_pending_and_then_closes_the_file() {
    let mut camera = Camera::new();
    let mut cutter = cutter();
    for unit in camera.group(2) {
        assert_eq!(shown(&cutter.push(unit, false, NOW)), "");
    }
    assert_eq!(shown(&cutter.tick(Duration::from_millis(1999))), "");
    assert_eq!(shown(&cutter.tick(Duration::from_secs(2))), "[200 400");
    assert_eq!(shown(&cutter.tick(Duration::from_secs(59))), "");
    assert_eq!(shown(&cutter.tick(Duration::from_secs(60))), "]");
    assert!(cutter.waits_for_key());
}

#[test]
fn after_a_gap_the_last_picture_does_not_last_over_it() {
    let mut camera = Camera::new();
    let mut cutter = cutter();
    for unit in camera.group(2) {
        cutter.push(unit, false, NOW);
    }
    camera.at += Duration::from_secs(30);
    let after = cutter.push(camera.key(), true, NOW);
    assert_eq!(shown(&after), "[200 400");
}

#[test]
fn a_large_group_is_cut_early() {
    let mut camera = Camera::new();
    camera.bytes = 5 << 20;
    assert_eq!(
        cut(&mut cutter(), camera.group(4)),
        "[200 400 +600, 600 800, ]"
    );
}

proptest::proptest! {
    /// Whatever the times are: no panic, every file begins with a key frame, all units are in order, and those that are missing
    /// stand before a key frame.
    #[test]
    fn any_units_are_cut_into_sound_files(units in proptest::collection::vec((0u64..4000, 0u64..4000, 0u64..9000, 0u8..8), 1..200)) {
        let mut cutter = Cutter::new(SourceId(3), Duration::from_secs(8));
        let mut camera = Camera::new();
        let mut steps = Vec::new();
        let mut arrival = Duration::ZERO;
        for (late, pts, captured, kind) in units {
            let mut unit = camera.unit(kind % 3 == 0);
            arrival += Duration::from_millis(late);
            unit.arrival = arrival;
            unit.pts_ns = unit.pts_ns.saturating_add(pts * 1_000_000);
            unit.captured_unix += Duration::from_millis(captured);
            unit.session = u64::from(kind == 7);
            steps.extend(cutter.push(unit, kind == 6, arrival));
            steps.extend(cutter.tick(arrival + Duration::from_millis(late)));
        }
        steps.extend(cutter.finish());
        let mut open = false;
        for step in &steps {
            match step {
                Step::EndFile => {
                    proptest::prop_assert!(open);
                    open = false;
                }
                Step::Fragment(cut) => {
                    proptest::prop_assert_eq!(cut.begins_file, !open);
                    proptest::prop_assert!(!cut.begins_file || cut.units[0].is_key);
                    let session = cut.units[0].session;
                    proptest::prop_assert!(cut.units.iter().all(|unit| unit.session == session));
                    open = true;
                }
            }
        }
        proptest::prop_assert!(!open);
    }
}

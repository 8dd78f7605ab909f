//! Table-driven tests of the rollout.

use super::super::Amount;
use super::*;

const fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn limits() -> Limits {
    Limits {
        canary: 1,
        batch: Amount::Count(2),
        timeout: s(10),
        soak: s(5),
        pause_between_stages: false,
        max_failures: Amount::Count(1),
        min_sample: 1,
    }
}

/// Five devices, of which `online` are.
fn rollout(online: &[&str], limits: Limits) -> Rollout {
    let mut rollout = Rollout::new(["a", "b", "c", "d", "e"].map(str::to_owned), limits);
    for device in online {
        rollout.online(device, true, s(0));
    }
    rollout
}

const ALL: [&str; 5] = ["a", "b", "c", "d", "e"];

fn published(stage: u32, devices: &[&str]) -> Option<Step> {
    let devices = devices.iter().map(|device| (*device).to_owned()).collect();
    Some(Step::Publish { stage, devices })
}

#[test]
fn a_canary_goes_first_then_batches_with_a_soak_between() {
    let mut rollout = rollout(&ALL, limits());
    assert_eq!(rollout.advance(s(0)), published(1, &["a"]));
    assert_eq!(rollout.advance(s(1)), None);
    assert!(rollout.finish("a", Outcome::Applied));
    assert_eq!(rollout.advance(s(2)), Some(Step::Soak(s(5))));
    assert_eq!(rollout.advance(s(6)), None);
    assert_eq!(rollout.advance(s(7)), published(2, &["b", "c"]));
    rollout.finish("b", Outcome::Applied);
    assert_eq!(rollout.advance(s(8)), None, "c has no result");
    rollout.finish("c", Outcome::Applied);
    assert_eq!(rollout.advance(s(9)), Some(Step::Soak(s(5))));
    assert_eq!(rollout.advance(s(14)), published(3, &["d", "e"]));
    rollout.finish("d", Outcome::Applied);
    rollout.finish("e", Outcome::Applied);
    assert_eq!(rollout.advance(s(15)), Some(Step::End(End::Done)));
    assert_eq!(rollout.advance(s(99)), None);
}

#[test]
fn a_rollout_that_is_held_ends_its_stage_and_soak_and_begins_no_other() {
    let mut rollout = rollout(&ALL, limits());
    assert_eq!(rollout.advance(s(0)), published(1, &["a"]));
    rollout.hold(true);
    rollout.finish("a", Outcome::Applied);
    assert_eq!(rollout.advance(s(1)), Some(Step::Soak(s(5))));
    assert_eq!(rollout.advance(s(99)), None);
    rollout.hold(false);
    assert_eq!(rollout.advance(s(99)), published(2, &["b", "c"]));
    rollout.hold(true);
    rollout.finish("b", Outcome::Reverted);
    assert_eq!(
        rollout.advance(s(100)),
        Some(Step::End(End::Stopped)),
        "failures still count"
    );
}

#[test]
fn a_pause_lasts_until_the_operator_goes_on_and_failures_still_stop_it() {
    let paused = Limits {
        pause_between_stages: true,
        ..limits()
    };
    let begin = || {
        let mut rollout = rollout(&ALL, paused.clone());
        rollout.advance(s(0));
        rollout.go_on();
        assert_eq!(rollout.advance(s(1)), None, "a stage is no pause");
        rollout.finish("a", Outcome::Applied);
        assert_eq!(rollout.advance(s(2)), Some(Step::Pause));
        assert_eq!(rollout.advance(s(999)), None);
        rollout
    };
    let mut going = begin();
    going.go_on();
    assert_eq!(going.advance(s(1000)), published(2, &["b", "c"]));
    going.finish("b", Outcome::Applied);
    going.finish("c", Outcome::Applied);
    assert_eq!(going.advance(s(1001)), Some(Step::Pause));
    going.go_on();
    assert_eq!(going.advance(s(1002)), published(3, &["d", "e"]));
    going.finish("d", Outcome::Applied);
    going.finish("e", Outcome::Applied);
    let done = Some(Step::End(End::Done));
    assert_eq!(
        going.advance(s(1003)),
        done,
        "no pause after the last stage"
    );
    let mut failing = begin();
    failing.finish("a", Outcome::Reverted);
    assert_eq!(failing.advance(s(1000)), Some(Step::End(End::Stopped)));
}

#[test]
fn each_kind_of_failure_stops_the_rollout_and_waiting_does_not() {
    for (outcome, stops) in [
        (Outcome::Rejected, true),
        (Outcome::Conflict, true),
        (Outcome::Reverted, true),
        (Outcome::TimedOut, true),
        (Outcome::Applied, false),
        (Outcome::NeverOnline, false),
        (Outcome::WentOffline, false),
    ] {
        let mut rollout = rollout(&ALL, limits());
        rollout.advance(s(0));
        rollout.finish("a", outcome);
        let stopped = rollout.advance(s(1)) == Some(Step::End(End::Stopped));
        assert_eq!(stopped, stops, "{outcome:?}");
    }
}

#[test]
fn a_document_that_is_reverted_during_the_soak_stops_the_rollout() {
    let mut rollout = rollout(&ALL, limits());
    rollout.advance(s(0));
    rollout.finish("a", Outcome::Applied);
    rollout.advance(s(1));
    assert!(rollout.finish("a", Outcome::Reverted));
    assert_eq!(rollout.advance(s(2)), Some(Step::End(End::Stopped)));
}

#[test]
fn time_counts_only_while_a_device_is_online() {
    let mut rollout = rollout(&["a", "b"], limits());
    rollout.advance(s(0));
    rollout.online("a", false, s(4));
    rollout.online("a", true, s(9));
    assert_eq!(rollout.advance(s(14)), None, "9 s online");
    assert_eq!(rollout.state("a"), Some(State::InFlight));
    assert_eq!(rollout.advance(s(15)), Some(Step::End(End::Stopped)));
    assert_eq!(rollout.state("a"), Some(State::Finished(Outcome::TimedOut)));
}

#[test]
fn an_offline_device_waits_and_another_one_becomes_the_canary() {
    let mut rollout = rollout(&["a", "b"], limits());
    assert_eq!(rollout.advance(s(0)), published(1, &["a"]));
    rollout.online("a", false, s(1));
    assert_eq!(rollout.advance(s(9)), None);
    assert_eq!(rollout.advance(s(10)), Some(Step::Soak(s(5))));
    assert_eq!(
        rollout.state("a"),
        Some(State::Finished(Outcome::WentOffline))
    );
    assert_eq!(
        rollout.advance(s(15)),
        published(2, &["b"]),
        "still one at a time"
    );
    assert!(rollout.finish("a", Outcome::Applied), "it came back");
}

#[test]
fn without_any_device_online_one_document_is_published_and_the_rest_waits() {
    let mut rollout = rollout(&[], limits());
    assert_eq!(rollout.advance(s(0)), published(1, &["a"]));
    rollout.advance(s(10));
    assert_eq!(
        rollout.state("a"),
        Some(State::Finished(Outcome::NeverOnline))
    );
    assert_eq!(rollout.advance(s(15)), Some(Step::End(End::Stalled)));
    assert_eq!(rollout.count(|state| state == State::Pending), 4);
}

#[test]
fn online_devices_come_before_offline_ones() {
    let mut rollout = rollout(&["c", "e"], limits());
    assert_eq!(rollout.advance(s(0)), published(1, &["c"]));
    rollout.finish("c", Outcome::Applied);
    rollout.advance(s(0));
    assert_eq!(rollout.advance(s(5)), published(2, &["e", "a"]));
}

#[test]
fn a_waiting_device_that_returns_has_its_time_and_its_result_counts() {
    let mut rollout = rollout(
        &["a", "b"],
        Limits {
            canary: 0,
            ..limits()
        },
    );
    assert_eq!(rollout.advance(s(0)), published(1, &["a", "b"]));
    rollout.finish("a", Outcome::Applied);
    rollout.online("b", false, s(0));
    rollout.advance(s(10));
    assert_eq!(
        rollout.state("b"),
        Some(State::Finished(Outcome::WentOffline))
    );
    rollout.online("b", true, s(11));
    assert_eq!(rollout.advance(s(20)), published(2, &["c", "d"]));
    assert_eq!(
        rollout.advance(s(21)),
        Some(Step::End(End::Stopped)),
        "10 s online without a result"
    );
}

#[test]
fn a_conflict_before_the_publication_takes_the_device_out() {
    let lenient = Limits {
        max_failures: Amount::Count(9),
        ..limits()
    };
    let mut rollout = rollout(&ALL, lenient);
    assert!(!rollout.finish("a", Outcome::Applied), "an older report");
    assert!(rollout.finish("a", Outcome::Conflict));
    assert_eq!(rollout.advance(s(0)), published(1, &["b"]));
}

#[test]
fn a_restored_rollout_goes_on_where_it_was() {
    let states = [
        ("a", State::Finished(Outcome::Applied)),
        ("b", State::InFlight),
        ("c", State::InFlight),
        ("d", State::Pending),
    ];
    let states = states.map(|(id, state)| (id.to_owned(), state));
    let mut rollout = Rollout::restore(states, 2, limits(), s(0));
    for device in ["b", "c", "d"] {
        rollout.online(device, true, s(0));
    }
    assert_eq!(rollout.advance(s(1)), None);
    rollout.finish("b", Outcome::Applied);
    rollout.finish("c", Outcome::Applied);
    assert_eq!(rollout.advance(s(2)), Some(Step::Soak(s(5))));
    assert_eq!(rollout.advance(s(7)), published(3, &["d"]));
}

#[test]
fn a_batch_of_a_part_is_one_of_all_devices_and_at_least_one() {
    for (batch, size) in [("40%", 2), ("1%", 1), ("100%", 4), ("0", 1)] {
        let limits = Limits {
            batch: batch.parse().expect("an amount"),
            ..limits()
        };
        let mut rollout = rollout(&ALL, limits);
        rollout.advance(s(0));
        rollout.finish("a", Outcome::Applied);
        rollout.advance(s(0));
        let Some(Step::Publish { devices, .. }) = rollout.advance(s(5)) else {
            panic!("a stage");
        };
        assert_eq!(devices.len(), size, "{batch}");
    }
}

//! Who is on the broker, and how far their clocks are from this machine's.
//!
//! A detection event tells when it was published: its `timestamp`, where that is the arrival of the frame by the processor's own
//! clock (`clock` is `arrival`), and `latency_ms` after it. What is left between that and our clock when it arrives is the
//! difference of the clocks and the message's travel, and the least of many has travelled least. Where a camera's clock
//! told the time stamp (`ntp`), it says nothing about the processor's. A status, also a retained one, gives a bound: its
//! `since` was not later than now, so that one from our future comes from a clock that is ahead.

use std::collections::BTreeMap;
use std::time::Duration;

use super::report::{Line, counted};
use crate::base::CaptureClock;
use crate::bus::{ReceivedMessage, Topic};
use crate::event::{DetectionEvent, Presence, PresenceState, SourceStatus};

/// From here on a difference is worth a warning: walls accept a camera's clock within 2 s, and two machines may each be off.
const FAR_MS: f64 = 1000.0;

/// What is known of one machine's clock.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Known {
    /// Ours less theirs, the least that was measured: travel only adds to it.
    behind_ms: f64,
    messages: usize,
}

/// Lines about what was heard within `listened`.
pub(super) fn judge(heard: &[ReceivedMessage], listened: Duration) -> Vec<Line> {
    let mut lines = vec![presences(heard)];
    let measured = measured(heard);
    let bounds = bounds(heard);
    if measured.is_empty() && bounds.is_empty() {
        lines.push(Line::ok(
            "clocks of others",
            format!(
                "not compared: no processor published with its own clock's time within {} s",
                listened.as_secs()
            ),
        ));
    }
    for (who, known) in &measured {
        lines.push(clock_line(who, *known));
    }
    for (who, ahead_ms) in bounds {
        if !measured.contains_key(&who) {
            lines.push(ahead_line(&who, ahead_ms));
        }
    }
    lines
}

fn presences(heard: &[ReceivedMessage]) -> Line {
    let mut roles: BTreeMap<(&str, &str), PresenceState> = BTreeMap::new();
    for message in heard {
        let key = match &message.topic {
            Topic::Processor(instance) => ("processor", instance.as_str()),
            Topic::Wall(instance) => ("wall", instance.as_str()),
            _ => continue,
        };
        if let Ok(presence) = Presence::from_json(&message.payload) {
            roles.insert(key, presence.state);
        }
    }
    let online = |role: &str| {
        let of_role = roles.iter().filter(|((is, _), _)| *is == role);
        of_role
            .filter(|(_, state)| **state == PresenceState::Online)
            .count()
    };
    let gone: Vec<String> = roles
        .iter()
        .filter(|(_, state)| **state == PresenceState::Offline)
        .map(|((role, instance), _)| format!("{role} {instance}"))
        .collect();
    let gone = if gone.is_empty() {
        String::new()
    } else {
        format!("; lost without a word: {}", gone.join(", "))
    };
    Line::ok(
        "on the broker",
        format!(
            "online: {}, {}{gone}",
            counted(online("processor"), "processor"),
            counted(online("wall"), "wall")
        ),
    )
}

fn measured(heard: &[ReceivedMessage]) -> BTreeMap<String, Known> {
    let mut found: BTreeMap<String, Known> = BTreeMap::new();
    for message in heard.iter().filter(|message| !message.retained) {
        let Topic::Detections(source) = message.topic else {
            continue;
        };
        let Ok(event) = DetectionEvent::from_json(&message.payload) else {
            continue;
        };
        let (Some(CaptureClock::Arrival), Some(latency)) = (event.clock, event.latency_ms) else {
            continue;
        };
        let sent_ms = event.timestamp.as_millisecond() as f64 + f64::from(latency);
        let behind_ms = message.at.as_secs_f64() * 1e3 - sent_ms;
        let who = match &event.instance_id {
            Some(instance) => instance.to_string(),
            None => format!("the processor of source {source}"),
        };
        let known = found.entry(who).or_insert(Known {
            behind_ms,
            messages: 0,
        });
        known.behind_ms = known.behind_ms.min(behind_ms);
        known.messages += 1;
    }
    found
}

/// By how many milliseconds, at least, a clock is ahead of ours.
fn bounds(heard: &[ReceivedMessage]) -> BTreeMap<String, f64> {
    let mut found: BTreeMap<String, f64> = BTreeMap::new();
    for message in heard {
        let (who, since) = match &message.topic {
            Topic::Processor(instance) | Topic::Wall(instance) => {
                match Presence::from_json(&message.payload) {
                    Ok(presence) => (instance.clone(), presence.since),
                    Err(_) => continue,
                }
            }
            Topic::Source(_) => match SourceStatus::from_json(&message.payload) {
                Ok(status) => (status.instance_id.to_string(), status.since),
                Err(_) => continue,
            },
            _ => continue,
        };
        let ahead_ms = since.as_millisecond() as f64 - message.at.as_secs_f64() * 1e3;
        if ahead_ms > FAR_MS {
            let most = found.entry(who).or_insert(ahead_ms);
            *most = most.max(ahead_ms);
        }
    }
    found
}

const SYNCHRONISE: &str = "let both machines keep their clocks by the same time server (`timedatectl set-ntp true`, or chrony)";

fn clock_line(who: &str, known: Known) -> Line {
    let what = format!("clock of {who}");
    let words = if known.behind_ms >= 0.0 {
        "behind"
    } else {
        "ahead of"
    };
    let found = format!(
        "{} {words} ours, the travel of its messages included (least of {})",
        shown(known.behind_ms.abs()),
        counted(known.messages, "event")
    );
    let line = if known.behind_ms.abs() > FAR_MS {
        Line::warning(what, found, SYNCHRONISE)
    } else {
        Line::ok(what, found)
    };
    line.with_figure("behind_ms", known.behind_ms.round())
}

fn ahead_line(who: &str, ahead_ms: f64) -> Line {
    Line::warning(
        format!("clock of {who}"),
        format!(
            "ahead of ours by {} at least: its status is from our future",
            shown(ahead_ms)
        ),
        SYNCHRONISE,
    )
    .with_figure("behind_ms", -ahead_ms.round())
}

fn shown(ms: f64) -> String {
    if ms < 10_000.0 {
        format!("{ms:.0} ms")
    } else {
        format!("{:.0} s", ms / 1e3)
    }
}

#[cfg(test)]
mod tests {
    use super::super::report::State;
    use super::*;
    use crate::base::{SessionId, SourceId};
    use crate::event::unix_time;

    const NOW: Duration = Duration::from_secs(1_800_000_000);

    fn event(
        instance: &str,
        captured: Duration,
        latency_ms: f64,
        clock: &str,
        at: Duration,
    ) -> ReceivedMessage {
        let timestamp = unix_time(captured).to_string();
        let payload = serde_json::json!({
            "source_id": 0, "frame_id": 1, "timestamp": timestamp, "model_id": "m", "inference_time_ms": 1.0,
            "detections": [], "fps": 5.0, "latency_ms": latency_ms, "instance_id": instance, "clock": clock,
        });
        ReceivedMessage {
            topic: Topic::Detections(SourceId(0)),
            payload: payload.to_string().into_bytes(),
            retained: false,
            at,
        }
    }

    fn presence(state: PresenceState, since: Duration, retained: bool) -> ReceivedMessage {
        let presence = Presence {
            since: unix_time(since),
            ..Presence::now(state, &SessionId("s".to_owned()))
        };
        ReceivedMessage {
            topic: Topic::Processor("box".to_owned()),
            payload: presence.to_json(),
            retained,
            at: NOW,
        }
    }

    fn lines(heard: &[ReceivedMessage]) -> Vec<(State, String, String)> {
        judge(heard, Duration::from_secs(4))
            .into_iter()
            .map(|line| (line.state, line.what, line.found))
            .collect()
    }

    #[test]
    fn the_event_that_travelled_least_tells_the_difference() {
        let ms = Duration::from_millis;
        let heard = [
            event("box", NOW, 80.0, "arrival", NOW + ms(80 + 250)),
            event("box", NOW, 80.0, "arrival", NOW + ms(80 + 12)),
            // A camera's clock, which is an hour off.
            event("box", NOW - ms(3_600_000), 80.0, "ntp", NOW + ms(100)),
        ];
        let found = lines(&heard);
        assert_eq!(
            found[1],
            (
                State::Ok,
                "clock of box".to_owned(),
                "12 ms behind ours, the travel of its messages included (least of 2 events)"
                    .to_owned()
            )
        );
        let far = [event("box", NOW + ms(5000), 80.0, "arrival", NOW + ms(100))];
        let found = lines(&far);
        assert_eq!(found[1].0, State::Warning);
        assert!(found[1].2.starts_with("4980 ms ahead of ours"), "{found:?}");
    }

    #[test]
    fn a_status_from_our_future_bounds_a_clock_and_an_old_one_says_nothing() {
        let future = presence(PresenceState::Online, NOW + Duration::from_secs(30), true);
        let found = lines(&[future]);
        assert_eq!(found[1].0, State::Warning);
        assert!(
            found[1].2.starts_with("ahead of ours by 30 s at least"),
            "{found:?}"
        );
        let past = presence(
            PresenceState::Online,
            NOW - Duration::from_secs(900_000),
            true,
        );
        let found = lines(&[past]);
        assert_eq!(found[1].1, "clocks of others");
        assert_eq!(found[1].0, State::Ok);
    }

    #[test]
    fn who_is_on_the_broker_is_counted_and_who_was_lost_is_named() {
        let found = lines(&[presence(PresenceState::Offline, NOW, true)]);
        assert_eq!(
            found[0].2,
            "online: 0 processors, 0 walls; lost without a word: processor box"
        );
        let found = lines(&[presence(PresenceState::Online, NOW, true)]);
        assert_eq!(found[0].2, "online: 1 processor, 0 walls");
    }
}

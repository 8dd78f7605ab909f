//! The roles on the broker, and the differences between their clocks and the clock of this machine.
//!
//! If `clock` is `arrival`, an event's `timestamp` is the arrival of the frame by the processor's own clock. The event was published
//! `latency_ms` later. Its arrival here minus this time is the difference of the clocks plus the delay of the message, so the
//! minimum over many events is the best estimate. If `clock` is `ntp`, the time comes from the camera and says nothing about the
//! processor. A status, also a retained one, gives a bound: its `since` is not later than now, so a `since` in our future
//! comes from a clock that is ahead.

use std::collections::BTreeMap;
use std::time::Duration;

use super::report::{Line, State, counted};
use crate::base::CaptureClock;
use crate::bus::{ReceivedMessage, Topic};
use crate::event::{DetectionEvent, Presence, PresenceState, SourceStatus};

/// Larger differences are warnings: walls accept a camera's clock within 2 s, and two machines may each differ.
const MAX_DIFFERENCE_MS: f64 = 1000.0;

const SYNCHRONISE: &str =
    "set both clocks by the same time server (`timedatectl set-ntp true`, or chrony)";

/// The measured difference of one machine's clock.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Difference {
    /// Our time minus theirs, the minimum: the delay of a message only adds to it.
    behind_ms: f64,
    events: usize,
}

/// The lines about the messages of the last `listened`.
pub(super) fn lines(messages: &[ReceivedMessage], listened: Duration) -> Vec<Line> {
    let measured = measured(messages);
    let mut bounds = bounds(messages);
    bounds.retain(|name, _| !measured.contains_key(name));
    let mut lines = vec![presence_line(messages)];
    lines.extend(
        measured
            .iter()
            .map(|(name, difference)| difference_line(name, *difference)),
    );
    lines.extend(
        bounds
            .iter()
            .map(|(name, ahead_ms)| bound_line(name, *ahead_ms)),
    );
    if lines.len() == 1 {
        let seconds = listened.as_secs();
        lines.push(Line::ok(
            "clocks of others",
            format!(
                "not compared: no processor published a time of its own clock within {seconds} s"
            ),
        ));
    }
    lines
}

fn presence_line(messages: &[ReceivedMessage]) -> Line {
    let mut states: BTreeMap<(&str, &str), PresenceState> = BTreeMap::new();
    for message in messages {
        let role = match &message.topic {
            Topic::Processor(instance) => ("processor", instance.as_str()),
            Topic::Wall(instance) => ("wall", instance.as_str()),
            _ => continue,
        };
        if let Ok(presence) = Presence::from_json(&message.payload) {
            states.insert(role, presence.state);
        }
    }
    let online = |wanted: &str| {
        let states = states.iter().filter(|((role, _), _)| *role == wanted);
        let online = states.filter(|(_, state)| **state == PresenceState::Online);
        counted(online.count(), wanted)
    };
    let mut found = format!("online: {}, {}", online("processor"), online("wall"));
    let offline = states
        .iter()
        .filter(|(_, state)| **state == PresenceState::Offline);
    let offline = offline.map(|((role, instance), _)| format!("{role} {instance}"));
    let offline = Vec::from_iter(offline).join(", ");
    if !offline.is_empty() {
        found += &format!("; connection lost: {offline}");
    }
    Line::ok("on the broker", found)
}

fn measured(messages: &[ReceivedMessage]) -> BTreeMap<String, Difference> {
    let mut found: BTreeMap<String, Difference> = BTreeMap::new();
    for message in messages.iter().filter(|message| !message.retained) {
        if let Topic::Detections(source) = message.topic
            && let Ok(event) = DetectionEvent::from_json(&message.payload)
            && event.clock == Some(CaptureClock::Arrival)
            && let Some(latency_ms) = event.latency_ms
        {
            let sent_ms = event.timestamp.as_millisecond() as f64 + f64::from(latency_ms);
            let behind_ms = message.at.as_secs_f64() * 1e3 - sent_ms;
            let name = match &event.instance_id {
                Some(instance) => instance.to_string(),
                None => format!("the processor of source {source}"),
            };
            let known = found.entry(name).or_insert(Difference {
                behind_ms,
                events: 0,
            });
            known.behind_ms = known.behind_ms.min(behind_ms);
            known.events += 1;
        }
    }
    found
}

/// Clocks that are ahead of ours, with the minimum difference in milliseconds.
fn bounds(messages: &[ReceivedMessage]) -> BTreeMap<String, f64> {
    let mut found: BTreeMap<String, f64> = BTreeMap::new();
    for message in messages {
        let status = match &message.topic {
            Topic::Processor(instance) | Topic::Wall(instance) => {
                let presence = Presence::from_json(&message.payload).ok();
                presence.map(|presence| (instance.clone(), presence.since))
            }
            Topic::Source(_) => {
                let status = SourceStatus::from_json(&message.payload).ok();
                status.map(|status| (status.instance_id.to_string(), status.since))
            }
            _ => None,
        };
        let Some((name, since)) = status else {
            continue;
        };
        let ahead_ms = since.as_millisecond() as f64 - message.at.as_secs_f64() * 1e3;
        if ahead_ms > MAX_DIFFERENCE_MS {
            let most = found.entry(name).or_insert(ahead_ms);
            *most = most.max(ahead_ms);
        }
    }
    found
}

fn difference_line(name: &str, difference: Difference) -> Line {
    let Difference { behind_ms, events } = difference;
    let side = if behind_ms >= 0.0 {
        "behind"
    } else {
        "ahead of"
    };
    let (time, events) = (duration(behind_ms.abs()), counted(events, "event"));
    Line::new(
        State::of(false, behind_ms.abs() > MAX_DIFFERENCE_MS),
        format!("clock of {name}"),
        format!("{time} {side} ours, including the delay of its messages (minimum of {events})"),
        SYNCHRONISE,
    )
    .with_figure("behind_ms", behind_ms.round())
}

fn bound_line(name: &str, ahead_ms: f64) -> Line {
    let time = duration(ahead_ms);
    Line::warning(
        format!("clock of {name}"),
        format!("at least {time} ahead of ours: the time of its status is in the future"),
        SYNCHRONISE,
    )
    .with_figure("behind_ms", -ahead_ms.round())
}

fn duration(ms: f64) -> String {
    if ms < 10_000.0 {
        format!("{ms:.0} ms")
    } else {
        format!("{:.0} s", ms / 1e3)
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::short;
    use super::*;
    use crate::base::{SessionId, SourceId};
    use crate::event::unix_time;

    const NOW: Duration = Duration::from_secs(1_800_000_000);

    /// An event of the instance `box`; times in milliseconds after now.
    fn event(captured_ms: i64, clock: &str, arrived_ms: u64) -> ReceivedMessage {
        let now_ms = i64::try_from(NOW.as_millis()).expect("a time");
        let captured = Duration::from_millis(u64::try_from(now_ms + captured_ms).expect("a time"));
        let payload = serde_json::json!({
            "source_id": 0, "frame_id": 1, "timestamp": unix_time(captured).to_string(), "model_id": "m", "inference_time_ms": 1.0,
            "detections": [], "fps": 5.0, "latency_ms": 80.0, "instance_id": "box", "clock": clock,
        });
        ReceivedMessage {
            topic: Topic::Detections(SourceId(0)),
            payload: payload.to_string().into_bytes(),
            retained: false,
            at: NOW + Duration::from_millis(arrived_ms),
        }
    }

    fn presence(state: PresenceState, since: Duration) -> ReceivedMessage {
        let presence = Presence {
            since: unix_time(since),
            ..Presence::now(state, &SessionId("s".to_owned()))
        };
        ReceivedMessage {
            topic: Topic::Processor("box".to_owned()),
            payload: presence.to_json(),
            retained: true,
            at: NOW,
        }
    }

    fn found(messages: &[ReceivedMessage]) -> Vec<String> {
        let lines = lines(messages, Duration::from_secs(4));
        lines.iter().map(short).collect()
    }

    #[test]
    fn the_event_with_the_minimum_delay_gives_the_difference() {
        let messages = [
            event(0, "arrival", 80 + 250),
            event(0, "arrival", 80 + 12),
            // A camera's clock that is wrong by an hour.
            event(-3_600_000, "ntp", 100),
        ];
        assert_eq!(
            found(&messages)[1],
            "Ok | clock of box | 12 ms behind ours, including the delay of its messages (minimum of 2 events)"
        );
        let far = &found(&[event(5000, "arrival", 100)])[1];
        let expected = "Warning | clock of box | 4980 ms ahead of ours";
        assert!(far.starts_with(expected), "{far}");
    }

    #[test]
    fn a_status_of_the_future_bounds_a_clock_and_an_old_one_does_not() {
        let future = NOW + Duration::from_secs(30);
        let future = &found(&[presence(PresenceState::Online, future)])[1];
        let expected = "Warning | clock of box | at least 30 s ahead of ours";
        assert!(future.starts_with(expected), "{future}");
        let past = NOW - Duration::from_secs(900_000);
        let past = &found(&[presence(PresenceState::Online, past)])[1];
        assert!(past.starts_with("Ok | clocks of others |"), "{past}");
    }

    #[test]
    fn online_roles_are_counted_and_lost_ones_are_named() {
        for (state, expected) in [
            (
                PresenceState::Offline,
                "online: 0 processors, 0 walls; connection lost: processor box",
            ),
            (PresenceState::Online, "online: 1 processor, 0 walls"),
        ] {
            let found = &found(&[presence(state, NOW)])[0];
            assert_eq!(*found, format!("Ok | on the broker | {expected}"));
        }
    }
}

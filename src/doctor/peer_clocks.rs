//! The roles on the broker, and the differences between their clocks and the clock of this machine.
//!
//! If `clock` is `arrival`, an event's `timestamp` is the arrival of the frame by the processor's own clock. The event was published
//! `latency_ms` later. Its arrival here minus this time is the difference of the clocks plus the delay of the message, so the
//! minimum over many events is the best estimate. If `clock` is `ntp`, the time comes from the camera and says nothing about the
//! processor. A status, also a retained one, gives a bound: its `since` is not later than now, so a `since` in our future
//! comes from a clock that is ahead.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Line, State};
use crate::base::{CaptureClock, counted};
use crate::bus::{ReceivedMessage, Topic};
use crate::event::{DetectionEvent, Presence, PresenceState, SourceStatus};

/// Larger differences are warnings: walls accept a camera's clock within 2 s, and two machines may each differ.
const MAX_DIFFERENCE_MS: f64 = 1000.0;

const SYNCHRONISE: &str =
    "set both clocks by the same time server (`timedatectl set-ntp true`, or chrony)";

/// The lines about the messages of the last `listened`.
pub(super) fn lines(messages: &[ReceivedMessage], listened: Duration) -> Vec<Line> {
    let (measured, mut bounds) = (measured(messages), bounds(messages));
    bounds.retain(|name, _| !measured.contains_key(name));
    let mut lines = vec![presence_line(messages)];
    lines.extend(
        measured
            .iter()
            .map(|(name, all)| difference_line(name, all)),
    );
    lines.extend(bounds.iter().map(|(name, ahead)| bound_line(name, *ahead)));
    if lines.len() == 1 {
        let seconds = listened.as_secs();
        let found = format!(
            "not compared: no processor published a time of its own clock within {seconds} s"
        );
        lines.push(Line::ok("clocks of others", found));
    }
    lines
}

/// Role, instance and content of each message about a presence, with the time of its arrival.
fn presences(
    messages: &[ReceivedMessage],
) -> impl Iterator<Item = (&'static str, &str, Presence, Duration)> {
    messages.iter().filter_map(|message| {
        let (role, instance) = match &message.topic {
            Topic::Processor(instance) => ("processor", instance),
            Topic::Wall(instance) => ("wall", instance),
            _ => return None,
        };
        let presence = Presence::from_json(&message.payload).ok()?;
        Some((role, instance.as_str(), presence, message.at))
    })
}

fn presence_line(messages: &[ReceivedMessage]) -> Line {
    let states = presences(messages);
    let states = states.map(|(role, instance, presence, _)| ((role, instance), presence.state));
    let states: BTreeMap<_, _> = states.collect();
    let of_state = |wanted: PresenceState| {
        let of_state = states.iter().filter(move |(_, state)| **state == wanted);
        of_state.map(|(role, _)| *role)
    };
    let online = |wanted: &str| {
        let online = of_state(PresenceState::Online).filter(|(role, _)| *role == wanted);
        counted(online.count(), wanted)
    };
    let mut found = format!("online: {}, {}", online("processor"), online("wall"));
    let offline = of_state(PresenceState::Offline);
    let offline = Vec::from_iter(offline.map(|(role, instance)| format!("{role} {instance}")));
    if !offline.is_empty() {
        found += &format!("; connection lost: {}", offline.join(", "));
    }
    Line::ok("on the broker", found)
}

/// Our time minus theirs in milliseconds, by each event: the delay of a message only adds to it.
fn measured(messages: &[ReceivedMessage]) -> BTreeMap<String, Vec<f64>> {
    let mut found: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    for message in messages.iter().filter(|message| !message.retained) {
        if let Topic::Detections(source) = message.topic
            && let Ok(event) = DetectionEvent::from_json(&message.payload)
            && event.clock == Some(CaptureClock::Arrival)
            && let Some(latency_ms) = event.latency_ms
        {
            let sent_ms = event.timestamp.as_millisecond() as f64 + f64::from(latency_ms);
            let of_source = format!("the processor of source {source}");
            let instance = event.instance_id;
            let name = instance.map_or(of_source, |instance| instance.to_string());
            let of_name = found.entry(name).or_default();
            of_name.push(message.at.as_secs_f64() * 1e3 - sent_ms);
        }
    }
    found
}

/// Clocks that are ahead of ours, with the minimum difference in milliseconds.
fn bounds(messages: &[ReceivedMessage]) -> BTreeMap<String, f64> {
    let of_roles = presences(messages)
        .map(|(_, instance, presence, at)| (instance.to_owned(), presence.since, at));
    let of_sources = messages.iter().filter_map(|message| {
        let of_source = matches!(message.topic, Topic::Source(_)).then_some(&message.payload)?;
        let status = SourceStatus::from_json(of_source).ok()?;
        Some((status.instance_id.to_string(), status.since, message.at))
    });
    let mut found: BTreeMap<String, f64> = BTreeMap::new();
    for (name, since, at) in of_roles.chain(of_sources) {
        let ahead_ms = since.as_millisecond() as f64 - at.as_secs_f64() * 1e3;
        if ahead_ms > MAX_DIFFERENCE_MS {
            let most = found.entry(name).or_insert(ahead_ms);
            *most = most.max(ahead_ms);
        }
    }
    found
}

fn difference_line(name: &str, differences: &[f64]) -> Line {
    let behind_ms = differences.iter().copied().fold(f64::INFINITY, f64::min);
    let side = ["behind", "ahead of"][usize::from(behind_ms < 0.0)];
    let time = duration(behind_ms.abs());
    let events = counted(differences.len(), "event");
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
    let found = format!("at least {time} ahead of ours: the time of its status is in the future");
    Line::warning(format!("clock of {name}"), found, SYNCHRONISE)
        .with_figure("behind_ms", -ahead_ms.round())
}

fn duration(ms: f64) -> String {
    match ms < 10_000.0 {
        true => format!("{ms:.0} ms"),
        false => format!("{:.0} s", ms / 1e3),
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::short;
    use super::*;
    use crate::base::{SessionId, SourceId};
    use crate::event::unix_time;

    const NOW: Duration = Duration::from_secs(1_800_000_000);

    fn message(topic: Topic, payload: impl Into<Vec<u8>>, arrived_ms: u64) -> ReceivedMessage {
        ReceivedMessage {
            retained: !matches!(topic, Topic::Detections(_)),
            topic,
            payload: payload.into(),
            at: NOW + Duration::from_millis(arrived_ms),
        }
    }

    /// An event of the instance `box`; times in milliseconds after now.
    fn event(captured_ms: i64, clock: &str, arrived_ms: u64) -> ReceivedMessage {
        let captured = unix_time(NOW) + jiff::SignedDuration::from_millis(captured_ms);
        let payload = serde_json::json!({
            "source_id": 0, "frame_id": 1, "timestamp": captured.to_string(), "model_id": "m", "inference_time_ms": 1.0,
            "detections": [], "fps": 5.0, "latency_ms": 80.0, "instance_id": "box", "clock": clock,
        });
        let topic = Topic::Detections(SourceId(0));
        message(topic, payload.to_string(), arrived_ms)
    }

    /// The first two lines about a presence of the processor `box`.
    fn presence(state: PresenceState, since: Duration) -> [String; 2] {
        let presence = Presence {
            since: unix_time(since),
            ..Presence::now(state, &SessionId("s".to_owned()))
        };
        let topic = Topic::Processor("box".to_owned());
        found(&[message(topic, presence.to_json(), 0)])
    }

    fn found(messages: &[ReceivedMessage]) -> [String; 2] {
        let lines = lines(messages, Duration::from_secs(4));
        [short(&lines[0]), short(&lines[1])]
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
        let [_, far] = found(&[event(5000, "arrival", 100)]);
        let expected = "Warning | clock of box | 4980 ms ahead of ours";
        assert!(far.starts_with(expected), "{far}");
    }

    #[test]
    fn a_status_of_the_future_bounds_a_clock_and_an_old_one_does_not() {
        let clock = |since| presence(PresenceState::Online, since)[1].clone();
        let future = clock(NOW + Duration::from_secs(30));
        let expected = "Warning | clock of box | at least 30 s ahead of ours";
        assert!(future.starts_with(expected), "{future}");
        let past = clock(NOW - Duration::from_secs(900_000));
        assert!(past.starts_with("Ok | clocks of others |"), "{past}");
    }

    #[test]
    fn online_roles_are_counted_and_lost_ones_are_named() {
        let [lost, _] = presence(PresenceState::Offline, NOW);
        let expected =
            "Ok | on the broker | online: 0 processors, 0 walls; connection lost: processor box";
        assert_eq!(lost, expected);
        let [online, _] = presence(PresenceState::Online, NOW);
        assert_eq!(online, "Ok | on the broker | online: 1 processor, 0 walls");
    }
}

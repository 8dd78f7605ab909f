//! Detects another client that uses the id of this one: a cloned box, or two boxes with one name.
//!
//! A broker ends the older of two connections with one id, so the two would take turns for ever. Each finds the presence of the
//! other in its own topic when it connects again. The one that started later then gives way: it connects rarely, so that the
//! presence of the other one stays.

use std::time::{Duration, Instant};

use jiff::Timestamp;

use crate::base::SessionId;
use crate::event::Presence;

/// Connections in a row at which the other one must be found. Once proves nothing: a broker that was restarted may have read an
/// old presence from its disk.
const NEEDED: u32 = 2;

/// How long an observation counts. The one that gives way is seen again within it.
const MEMORY: Duration = Duration::from_secs(15 * 60);

/// A connection of this length was not ended by the other one: that connects again within half a minute.
const ALONE: Duration = Duration::from_secs(60);

/// Another client with the id of this one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Twin {
    /// The session of its run.
    pub session: SessionId,
    /// The start of its run, by its own clock.
    pub since: Timestamp,
    /// Whether it started before this client, which then gives way.
    pub is_first: bool,
}

/// What is known of such a client.
#[derive(Debug)]
pub(super) struct Twins {
    session: SessionId,
    since: Timestamp,
    /// Connections of this run.
    connections: u32,
    /// Whether this connection has shown another one already.
    counted: bool,
    seen: Option<Seen>,
    /// Whether it is in the log already.
    named: Option<SessionId>,
}

#[derive(Debug)]
struct Seen {
    twin: Twin,
    times: u32,
    at: Instant,
}

impl Twins {
    /// For a client that started at `since` with the session `session`.
    pub(super) fn of(session: SessionId, since: Timestamp) -> Self {
        Self {
            session,
            since,
            connections: 0,
            counted: false,
            seen: None,
            named: None,
        }
    }

    /// Records an accepted connection. True if it is not the first of this run.
    pub(super) fn connected(&mut self) -> bool {
        self.connections = self.connections.saturating_add(1);
        self.counted = false;
        self.connections > 1
    }

    /// Records a connection that lasted for `lasted` and has ended.
    pub(super) fn lost(&mut self, lasted: Duration) {
        let waits = |seen: &Seen| seen.twin.is_first;
        if lasted >= ALONE && self.seen.as_ref().is_some_and(waits) {
            self.seen = None;
        }
    }

    /// Takes the retained presence that was found at the start of a connection. Returns the other client when it is certain, once
    /// for each of its sessions.
    pub(super) fn take(&mut self, found: &Presence, now: Instant) -> Option<Twin> {
        // At the first connection the topic has the presence of this client's former run.
        if self.connections < 2 || self.counted || found.session == self.session {
            return None;
        }
        self.counted = true;
        let twin = Twin {
            session: found.session.clone(),
            since: found.since,
            is_first: (found.since, &found.session.0) < (self.since, &self.session.0),
        };
        let before = self.seen.take().filter(|seen| {
            seen.twin.session == twin.session && now.saturating_duration_since(seen.at) < MEMORY
        });
        let was_named = self.named.as_ref() == Some(&twin.session);
        let times = before.map_or(1, |seen| seen.times + 1);
        // One that was certain before needs no further proof.
        let times = if was_named { times.max(NEEDED) } else { times };
        self.seen = Some(Seen {
            twin: twin.clone(),
            times,
            at: now,
        });
        if times < NEEDED || was_named {
            return None;
        }
        self.named = Some(twin.session.clone());
        Some(twin)
    }

    /// The other client, if it is certain and was seen lately.
    pub(super) fn known(&self, now: Instant) -> Option<&Twin> {
        let seen = self.seen.as_ref()?;
        let counts = seen.times >= NEEDED && now.saturating_duration_since(seen.at) < MEMORY;
        counts.then_some(&seen.twin)
    }

    /// Whether this client connects rarely, because another one has its id and started first.
    pub(super) fn gives_way(&self, now: Instant) -> bool {
        self.known(now).is_some_and(|twin| twin.is_first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::PresenceState;

    fn presence(session: &str, second: i64) -> Presence {
        Presence {
            since: Timestamp::from_second(second).expect("in range"),
            ..Presence::now(PresenceState::Offline, &SessionId(session.to_owned()))
        }
    }

    /// A client `b` that started at second 20.
    fn later() -> Twins {
        let since = Timestamp::from_second(20).expect("in range");
        Twins::of(SessionId("b".to_owned()), since)
    }

    #[test]
    fn another_session_at_two_connections_is_a_twin_and_is_named_once() {
        let (mut twins, now) = (later(), Instant::now());
        let mut named = Vec::new();
        for _ in 0..5 {
            twins.connected();
            for _ in 0..2 {
                named.extend(twins.take(&presence("a", 10), now));
            }
            twins.lost(Duration::from_secs(1));
        }
        let sessions: Vec<&str> = named.iter().map(|twin| &*twin.session.0).collect();
        assert_eq!(sessions, ["a"]);
        assert!(named[0].is_first && twins.gives_way(now));
        assert!(!twins.gives_way(now + MEMORY), "it is forgotten");
    }

    #[test]
    fn the_one_that_started_first_does_not_give_way() {
        let (mut twins, now) = (later(), Instant::now());
        for _ in 0..3 {
            twins.connected();
            twins.take(&presence("c", 30), now);
        }
        assert_eq!(
            twins
                .known(now)
                .map(|twin| (&*twin.session.0, twin.is_first)),
            Some(("c", false))
        );
        assert!(!twins.gives_way(now));
        // Of two with the same start it is that with the lower session.
        let mut twins = later();
        for _ in 0..3 {
            twins.connected();
            twins.take(&presence("a", 20), now);
        }
        assert!(twins.gives_way(now));
    }

    #[test]
    fn former_runs_and_old_presences_are_no_twins() {
        let (mut twins, now) = (later(), Instant::now());
        twins.connected();
        assert_eq!(twins.take(&presence("former", 10), now), None);
        twins.connected();
        assert_eq!(twins.take(&presence("b", 20), now), None);
        // A broker that reads an old presence from its disk does that once.
        twins.connected();
        assert_eq!(twins.take(&presence("former", 10), now), None);
        twins.connected();
        assert_eq!(twins.take(&presence("b", 20), now), None);
        twins.connected();
        let late = now + MEMORY;
        assert_eq!(twins.take(&presence("former", 10), late), None);
        assert_eq!(twins.known(late), None);
    }

    #[test]
    fn a_connection_that_lasts_ends_the_caution() {
        let (mut twins, now) = (later(), Instant::now());
        for _ in 0..3 {
            twins.connected();
            twins.take(&presence("a", 10), now);
        }
        twins.lost(ALONE / 2);
        assert!(twins.gives_way(now));
        twins.lost(ALONE);
        assert!(!twins.gives_way(now));
        // It is back: it is known at once, and not named again.
        twins.connected();
        assert_eq!(twins.take(&presence("a", 10), now), None);
        assert!(twins.gives_way(now));
    }
}

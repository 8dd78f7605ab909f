//! Who holds a source: two processors must not publish events of the same id.
//!
//! Pure: fed with the retained presences and statuses as the broker delivers them, asked by whoever wants to take a
//! source on. A claim counts only while its processor is online with the very session that the status names, so that a
//! dead box's sources are free for its replacement.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{Message, Topic, Topics};
use crate::base::{SessionId, SourceId};
use crate::event::{DecodeError, Presence, PresenceState, SourceStatus};

/// What the broker says of processors and their sources.
#[derive(Debug, Default)]
pub struct Claims {
    processors: BTreeMap<String, Presence>,
    sources: BTreeMap<SourceId, SourceStatus>,
}

/// A processor that holds a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// Its name.
    pub instance_id: String,
    /// Its run.
    pub session: SessionId,
}

impl Claims {
    /// Takes in a message; other topics than presences and statuses are ignored.
    ///
    /// # Errors
    /// When the payload is none of ours; what was known stays.
    pub fn take(&mut self, topics: &Topics, message: &Message) -> Result<(), DecodeError> {
        match topics.parse(&message.topic) {
            Some(Topic::Processor(instance_id)) => {
                if message.payload.is_empty() {
                    self.processors.remove(&instance_id);
                } else {
                    self.processors
                        .insert(instance_id, Presence::from_json(&message.payload)?);
                }
            }
            Some(Topic::Source(source)) => {
                if message.payload.is_empty() {
                    self.sources.remove(&source);
                } else {
                    self.sources
                        .insert(source, SourceStatus::from_json(&message.payload)?);
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// The processor that holds `source`, where there is one that is online.
    pub fn holder(&self, source: SourceId) -> Option<Holder> {
        let status = self.sources.get(&source)?;
        let presence = self.processors.get(&*status.instance_id)?;
        let valid = presence.state == PresenceState::Online && presence.session == status.session;
        valid.then(|| Holder {
            instance_id: status.instance_id.to_string(),
            session: status.session.clone(),
        })
    }

    /// The holder of `source` that is not the asker itself. An instance has one name: an older run under the asker's own
    /// `instance_id` is the asker's past, whatever the broker still says of it.
    pub fn held_by_another(&self, source: SourceId, instance_id: &str) -> Option<Holder> {
        self.holder(source)
            .filter(|holder| holder.instance_id != instance_id)
    }

    /// For a source that the asker already runs: the other processor that also claims it and has the older right, so that
    /// the asker has to let go. Of two that started at once, unseen by each other, the one whose run began first stays,
    /// and publishes its status again so that the other one learns of it.
    pub fn yield_to(
        &self,
        source: SourceId,
        instance_id: &str,
        began: Timestamp,
    ) -> Option<Holder> {
        let holder = self.held_by_another(source, instance_id)?;
        let theirs = self.processors.get(&holder.instance_id)?.since;
        ((theirs, holder.instance_id.as_str()) < (began, instance_id)).then_some(holder)
    }

    /// All that is known of processors, by instance id.
    pub fn processors(&self) -> &BTreeMap<String, Presence> {
        &self.processors
    }

    /// All that is known of sources, void or not.
    pub fn sources(&self) -> &BTreeMap<SourceId, SourceStatus> {
        &self.sources
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{SourceFigures, SourceState};

    const SOURCE: SourceId = SourceId(3);

    fn topics() -> Topics {
        Topics::new("nvr", "nvr/detections")
    }

    fn presence(instance: &str, state: PresenceState, session: &str) -> Message {
        Message {
            topic: topics()
                .presence(super::super::Role::Processor, instance)
                .expect("it has one"),
            payload: Presence::now(state, &SessionId(session.to_owned())).to_json(),
            retained: true,
        }
    }

    fn status(instance: &str, session: &str) -> Message {
        Message {
            topic: topics().source(SOURCE),
            payload: SourceStatus {
                source_id: SOURCE,
                instance_id: instance.into(),
                session: SessionId(session.to_owned()),
                state: SourceState::Live,
                since: "2025-10-25T10:30:00Z".parse().expect("a time"),
                reason: None,
                uri: "rtsp://a".to_owned(),
                figures: SourceFigures::default(),
            }
            .to_json(),
            retained: true,
        }
    }

    fn after(messages: &[Message]) -> Option<String> {
        let mut claims = Claims::default();
        for message in messages {
            claims.take(&topics(), message).expect("good messages");
        }
        claims
            .held_by_another(SOURCE, "me")
            .map(|holder| holder.instance_id)
    }

    #[test]
    fn an_online_processor_holds_its_sources() {
        let online = presence("other", PresenceState::Online, "s1");
        assert_eq!(
            after(&[online.clone(), status("other", "s1")]),
            Some("other".to_owned())
        );
        assert_eq!(
            after(&[status("other", "s1"), online]),
            Some("other".to_owned()),
            "in whichever order they come"
        );
    }

    #[test]
    fn a_dead_a_stopped_and_an_unknown_processor_hold_nothing() {
        for state in [PresenceState::Offline, PresenceState::Stopped] {
            assert_eq!(
                after(&[presence("other", state, "s1"), status("other", "s1")]),
                None
            );
        }
        assert_eq!(after(&[status("other", "s1")]), None);
    }

    #[test]
    fn a_status_of_an_older_session_is_void() {
        let online = presence("other", PresenceState::Online, "s2");
        assert_eq!(after(&[online, status("other", "s1")]), None);
    }

    #[test]
    fn what_is_ones_own_is_held_by_no_other() {
        let online = presence("me", PresenceState::Online, "s1");
        assert_eq!(after(&[online, status("me", "s1")]), None);
    }

    #[test]
    fn of_two_that_started_at_once_the_later_run_lets_go() {
        let mut claims = Claims::default();
        let online = presence("other", PresenceState::Online, "s1");
        let theirs = Presence::from_json(&online.payload)
            .expect("own JSON is good")
            .since;
        for message in [online, status("other", "s1")] {
            claims.take(&topics(), &message).expect("good messages");
        }
        let second = jiff::SignedDuration::from_secs(1);
        assert!(claims.yield_to(SOURCE, "me", theirs + second).is_some());
        assert_eq!(claims.yield_to(SOURCE, "me", theirs - second), None);
        assert!(
            claims.yield_to(SOURCE, "zebra", theirs).is_some(),
            "by name, where the moment is the same"
        );
        assert_eq!(claims.yield_to(SOURCE, "alpha", theirs), None);
    }

    #[test]
    fn a_cleared_topic_frees_the_source() {
        let cleared = Message {
            payload: Vec::new(),
            ..status("other", "s1")
        };
        let online = presence("other", PresenceState::Online, "s1");
        assert_eq!(after(&[online, status("other", "s1"), cleared]), None);
    }

    #[test]
    fn a_malformed_message_changes_nothing() {
        let mut claims = Claims::default();
        for message in [
            presence("other", PresenceState::Online, "s1"),
            status("other", "s1"),
        ] {
            claims.take(&topics(), &message).expect("good messages");
        }
        let malformed = Message {
            payload: b"{".to_vec(),
            ..status("other", "s1")
        };
        claims
            .take(&topics(), &malformed)
            .expect_err("half a document");
        assert!(claims.holder(SOURCE).is_some());
    }
}

//! Claims on sources: which processor publishes a source. Two processors must not publish events of the same id.
//!
//! No side effects: the caller passes in the retained presences and statuses. A claim counts only while its processor is online
//! with the session that the status names. Therefore the sources of a dead machine are free for its replacement.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;

use super::{ClientRole, Message, Topic, Topics};
use crate::base::{SessionId, SourceId};
use crate::event::{DecodeError, Presence, PresenceState, SourceStatus};

/// Maximum number of sources, and of processors, that are kept without a filter.
const KEPT_LIMIT: usize = 4096;

/// The known presences of processors and statuses of sources.
///
/// [`Claims::of`] limits it to certain sources: only their statuses, and the presences of the processors that these name, are
/// kept. The default keeps all sources, up to a few thousand.
#[derive(Debug, Default)]
pub struct Claims {
    wanted: Option<BTreeSet<SourceId>>,
    processors: BTreeMap<String, Presence>,
    sources: BTreeMap<SourceId, SourceStatus>,
    /// The processors that the statuses name, with the number of statuses.
    named: BTreeMap<Arc<str>, usize>,
    left_out: u64,
}

/// The processor that holds a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// Its instance id.
    pub instance_id: String,
    /// The session of its run.
    pub session: SessionId,
}

impl Claims {
    /// The claims on `sources` only.
    pub fn of(sources: impl IntoIterator<Item = SourceId>) -> Self {
        Self {
            wanted: Some(sources.into_iter().collect()),
            ..Self::default()
        }
    }

    /// Changes the set of sources. The claims on sources in both sets are kept.
    pub fn set_sources(&mut self, sources: impl IntoIterator<Item = SourceId>) {
        let wanted: BTreeSet<SourceId> = sources.into_iter().collect();
        let gone: Vec<SourceStatus> = self
            .sources
            .extract_if(.., |id, _| !wanted.contains(id))
            .map(|(_, status)| status)
            .collect();
        self.wanted = Some(wanted);
        for status in gone {
            self.unname(&status.instance_id);
        }
    }

    /// Removes all presences and statuses.
    pub fn forget(&mut self) {
        self.sources.clear();
        self.named.clear();
        self.processors.clear();
    }

    /// The topics to subscribe to: the statuses of the sources, and the presences of the processors that these name. They are
    /// subscribed to by name, because for a wildcard a broker may deliver only some of its retained messages.
    pub fn topics(&self, topics: &Topics) -> Vec<String> {
        let sources = self.wanted.iter().flatten().map(|id| topics.source(*id));
        let presences = self
            .named
            .keys()
            .filter_map(|name| topics.presence(ClientRole::Processor, name));
        sources.chain(presences).collect()
    }

    /// Handles a message. Other topics than the wanted presences and statuses are ignored. True if [`Claims::topics`] has
    /// changed.
    ///
    /// # Errors
    /// When the payload can't be decoded. The previous state is kept.
    pub fn take(&mut self, topics: &Topics, message: &Message) -> Result<bool, DecodeError> {
        match topics.parse(&message.topic) {
            Some(Topic::Processor(instance_id)) => {
                self.take_presence(instance_id, &message.payload)?;
                Ok(false)
            }
            Some(Topic::Source(source)) => self.take_status(source, &message.payload),
            _ => Ok(false),
        }
    }

    fn take_presence(&mut self, instance_id: String, payload: &[u8]) -> Result<(), DecodeError> {
        if payload.is_empty() {
            self.processors.remove(&instance_id);
            return Ok(());
        }
        let is_asked_for = match self.wanted {
            Some(_) => self.named.contains_key(instance_id.as_str()),
            None => has_room(&self.processors, &instance_id),
        };
        if is_asked_for {
            self.processors
                .insert(instance_id, Presence::from_json(payload)?);
        } else {
            self.left_out += 1;
        }
        Ok(())
    }

    fn take_status(&mut self, source: SourceId, payload: &[u8]) -> Result<bool, DecodeError> {
        let is_asked_for = match &self.wanted {
            Some(wanted) => wanted.contains(&source),
            None => payload.is_empty() || has_room(&self.sources, &source),
        };
        if !is_asked_for {
            self.left_out += 1;
            return Ok(false);
        }
        let status = match payload {
            [] => None,
            payload => Some(SourceStatus::from_json(payload)?),
        };
        let named = status.as_ref().map(|status| status.instance_id.clone());
        let before = match status {
            Some(status) => self.sources.insert(source, status),
            None => self.sources.remove(&source),
        };
        let mut changed = false;
        if let Some(name) = named {
            let times = self.named.entry(name).or_default();
            *times += 1;
            changed |= *times == 1;
        }
        if let Some(before) = before {
            changed |= self.unname(&before.instance_id);
        }
        Ok(changed)
    }

    /// Counts one status less for this processor. True if no status names it any more.
    fn unname(&mut self, name: &str) -> bool {
        match self.named.get_mut(name) {
            Some(times) if *times > 1 => {
                *times -= 1;
                false
            }
            _ => {
                self.named.remove(name);
                if self.wanted.is_some() {
                    self.processors.remove(name);
                }
                true
            }
        }
    }

    /// Number of ignored messages: of unwanted sources, or beyond the limit of the default.
    pub fn left_out(&self) -> u64 {
        self.left_out
    }

    /// The online processor that holds `source`, if there is one.
    pub fn holder(&self, source: SourceId) -> Option<Holder> {
        let status = self.sources.get(&source)?;
        let presence = self.processors.get(&*status.instance_id)?;
        let valid = presence.state == PresenceState::Online && presence.session == status.session;
        valid.then(|| Holder {
            instance_id: status.instance_id.to_string(),
            session: status.session.clone(),
        })
    }

    /// The holder of `source`, if it is not the asker. A holder with the asker's `instance_id` is a former run of the asker
    /// and does not count.
    pub fn held_by_another(&self, source: SourceId, instance_id: &str) -> Option<Holder> {
        self.holder(source)
            .filter(|holder| holder.instance_id != instance_id)
    }

    /// The other processor that claims `source` and started before the asker, for a source that the asker publishes already.
    /// Two processors that start at the same time do not see each other's claims. The one that started first keeps the source;
    /// of two with the same start, the one with the lower instance id.
    pub fn held_by_older(
        &self,
        source: SourceId,
        instance_id: &str,
        began: Timestamp,
    ) -> Option<Holder> {
        let holder = self.held_by_another(source, instance_id)?;
        let theirs = self.processors.get(&holder.instance_id)?.since;
        ((theirs, holder.instance_id.as_str()) < (began, instance_id)).then_some(holder)
    }

    /// The classes that the models of the processors of the known sources have. None if no source has a processor, if one
    /// processor is not online, or if one does not tell its classes: then more classes are possible.
    pub fn classes(&self) -> Option<BTreeSet<&str>> {
        let mut models = BTreeMap::new();
        for (id, status) in &self.sources {
            self.holder(*id)?;
            let presence = self.processors.get(&*status.instance_id)?;
            models.insert(&status.instance_id, presence.classes.as_deref()?);
        }
        let classes = models.values().copied().flatten();
        (!models.is_empty()).then(|| classes.map(|class| &**class).collect())
    }

    /// The known presences by instance id.
    pub fn processors(&self) -> &BTreeMap<String, Presence> {
        &self.processors
    }

    /// The known statuses by source, also of processors that are offline.
    pub fn sources(&self) -> &BTreeMap<SourceId, SourceStatus> {
        &self.sources
    }
}

fn has_room<K: Ord, V>(kept: &BTreeMap<K, V>, key: &K) -> bool {
    kept.len() < KEPT_LIMIT || kept.contains_key(key)
}

#[cfg(test)]
#[path = "claims_tests.rs"]
mod tests;

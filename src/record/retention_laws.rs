//! The laws of deletions for the tests of retention, by definition: each deletion is compared with all recordings that there are.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use super::model::{DIR, MB, Model, ModelDisk, START};
use crate::base::SourceId;
use crate::record::file_key::FileKey;
use crate::record::index::{EventListener, SeenEvent};
use crate::record::space::{Space, SpaceLimits};

/// The length of a file.
const FILE: Duration = Duration::from_secs(60);
/// Retention takes recordings that end so much before a lock for locked.
const SLACK: Duration = Duration::from_secs(135);

/// What retention was told about the order of deletions.
#[derive(Default)]
pub(super) struct Told {
    limits: Option<SpaceLimits>,
    /// All events, and whether retention may have forgotten each.
    events: Vec<(SeenEvent, bool)>,
    /// The classes of the events of a source. All if it has none.
    wanted: BTreeMap<SourceId, Vec<String>>,
    /// Opened, and not read by the index since.
    pub(super) unread: BTreeSet<FileKey>,
    is_indexed: bool,
}

/// A recording by the laws of deletions.
struct Judged {
    key: FileKey,
    /// The bytes of the recordings of the same source that are newer.
    newer_bytes: u64,
    /// A lock may overlap it: it has the length of [`FILE`], or lasts until the next one begins if that is longer.
    is_locked: bool,
    /// Retention may take it for locked.
    may_seem_locked: bool,
    /// It is known to have no event, and is old enough to go before others: whether that is so for sure, and whether retention may
    /// think so.
    is_preferred: [bool; 2],
}

impl Told {
    /// Nothing is told yet.
    pub(super) fn of(limits: &SpaceLimits) -> Self {
        Self {
            limits: Some(limits.clone()),
            ..Self::default()
        }
    }

    fn limits(&self) -> &SpaceLimits {
        self.limits.as_ref().expect("set by the start of retention")
    }

    /// Whether a recording among all of its source is known to have no event, and ended long enough before the first one that is not read,
    /// or else before the newest: whether that is so for sure, and whether retention may think so.
    fn is_preferred(
        &self,
        key: FileKey,
        next: Option<Duration>,
        of_source: &BTreeMap<FileKey, u64>,
    ) -> [bool; 2] {
        let age = self.limits().prefer_events_after;
        let age = age.max(self.limits().pre_roll);
        let first_unread = of_source.keys().find(|key| self.unread.contains(key));
        let newest = of_source.keys().next_back();
        let read_until = first_unread.or(newest).map(FileKey::start_unix);
        let is_old = next.zip(read_until).is_some_and(|(next, read_until)| {
            // Two of one start: the first one lasts for a millisecond.
            let end = next.max(key.start_unix() + Duration::from_millis(1));
            end + age <= read_until
        });
        let next_ms = next.map(|next| next.as_millis() as u64);
        [true, false].map(|with_forgotten| {
            self.is_indexed && is_old && !self.has_event(key, next_ms, with_forgotten)
        })
    }

    /// Whether a part of an event is in a recording that lasts to the start of the next one: some millisecond of it is in the event, or
    /// in the time around it that belongs to it. `with_forgotten`: also events that retention may have forgotten.
    fn has_event(&self, key: FileKey, next_ms: Option<u64>, with_forgotten: bool) -> bool {
        let limits = self.limits();
        let [pre_roll_ms, post_roll_ms] =
            [limits.pre_roll, limits.post_roll].map(|time| time.as_millis() as u64);
        let last_ms = next_ms.map_or(u64::MAX, |next_ms| (next_ms - 1).max(key.start_ms()));
        let wanted = self.wanted.get(&key.source());
        let events = self
            .events
            .iter()
            .filter(|(_, is_forgotten)| with_forgotten || !is_forgotten);
        let is_wanted = |event: &&SeenEvent| {
            let is_class = |class: &String| **class == *event.class;
            event.source == key.source() && wanted.is_none_or(|wanted| wanted.iter().any(is_class))
        };
        let mut events = events.map(|(event, _)| event).filter(is_wanted);
        events.any(|event| {
            key.start_ms() <= event.to_ms + post_roll_ms && event.from_ms - pre_roll_ms <= last_ms
        })
    }
}

impl Model {
    /// All recordings that retention may count, by the laws of deletions.
    fn judged(&self) -> Vec<Judged> {
        let mut sources = BTreeMap::<_, BTreeMap<FileKey, u64>>::new();
        let vanished = self.vanished.iter().map(|(key, bytes)| (*key, *bytes));
        let present = self.recordings().map(|(key, _, bytes)| (key, bytes));
        for (key, bytes) in vanished.chain(present) {
            let of_source = sources.entry(key.source()).or_default();
            *of_source.entry(key).or_default() += bytes;
        }
        let locks: Vec<_> = self.locks().collect();
        let judged = sources.values().flat_map(|bytes| {
            let mut newer_bytes: u64 = bytes.values().sum();
            let next = bytes.keys().skip(1).copied().map(Some).chain([None]);
            let with_next = bytes.iter().zip(next);
            with_next.map(move |((key, bytes), next)| {
                newer_bytes -= bytes;
                (*key, next, newer_bytes)
            })
        });
        let judged = judged.map(|(key, next, newer_bytes)| {
            let start = key.start_unix();
            let next = next.map(|next| next.start_unix());
            let of_source = locks.iter().filter(|lock| lock.source == key.source());
            let times =
                of_source.map(|lock| [lock.from_ms, lock.until_ms].map(Duration::from_millis));
            let before = times.filter(|[_, until]| start < *until);
            Judged {
                key,
                newer_bytes,
                is_locked: before
                    .clone()
                    .any(|[from, _]| start + FILE > from || next.is_none_or(|next| next > from)),
                // Nothing shows that it ended long before the lock.
                may_seem_locked: before
                    .clone()
                    .any(|[from, _]| next.is_none_or(|next| next + SLACK >= from)),
                is_preferred: self.told.is_preferred(key, next, &sources[&key.source()]),
            }
        });
        judged.collect()
    }

    /// The laws of deletions.
    pub(super) fn check(&self, key: FileKey) {
        assert!(self.is_held && self.has_read, "locks may be other ones now");
        let (min, judged) = (self.told.limits().min_per_camera_bytes, self.judged());
        let this = judged.iter().find(|judged| judged.key == key);
        let this = this.expect("it is there");
        assert!(!this.is_locked, "{key:?} is locked");
        // Retention counts some bytes more for each file than it has.
        let inexact = if min > 0 { 2 * MB } else { 0 };
        let is_of_minimum = this.newer_bytes + inexact < min;
        for other in judged.iter().filter(|other| other.key != key) {
            let path = other.key.path(Path::new(DIR));
            let is_deletable = self.names.contains_key(&path)
                && !self.open.contains(&path)
                && !self.refused.contains(&path)
                && !other.may_seem_locked;
            if !is_deletable {
                continue;
            }
            let is_beyond = other.newer_bytes >= min + inexact;
            let has_precedence = other.is_preferred.iter().all(|of_other| {
                let mut of_this = this.is_preferred.iter();
                of_this
                    .all(|of_this| of_other > of_this || (of_other == of_this && other.key < key))
            });
            let is_next = has_precedence && (is_beyond || is_of_minimum);
            let (of_other, of_this) = (other.is_preferred, this.is_preferred);
            assert!(
                !is_next,
                "{path:?}, preferred: {of_other:?}, comes before {key:?}, preferred: {of_this:?}"
            );
            let gives_way = is_beyond && is_of_minimum;
            assert!(!gives_way, "{path:?} is beyond the minimum, {key:?} is not");
        }
    }

    /// Retention may forget events that ended before the oldest recording of their source.
    pub(super) fn forget_past_events(&mut self, source: SourceId) {
        let keys = self.recordings().map(|(key, _, _)| key);
        let keys = keys.chain(self.vanished.keys().copied());
        let oldest = keys.filter(|key| key.source() == source).min();
        let post_roll_ms = self.told.limits().post_roll.as_millis() as u64;
        let of_source = self.told.events.iter_mut();
        for (event, is_forgotten) in of_source.filter(|(event, _)| event.source == source) {
            let is_later = |oldest: FileKey| event.to_ms + post_roll_ms >= oldest.start_ms();
            *is_forgotten |= !oldest.is_some_and(is_later);
        }
    }
}

/// The part of the index: an object was seen so many seconds after [`START`].
pub(super) fn see(disk: &ModelDisk, space: &Space, source: u32, class: &str, from: u64, to: u64) {
    let event = SeenEvent {
        source: SourceId(source),
        class: class.into(),
        from_ms: (START + from) * 1000,
        to_ms: (START + to) * 1000,
    };
    space.seen(std::slice::from_ref(&event));
    disk.lock().told.events.push((event, false));
}

/// The part of the index: these recordings are read, if they are closed, and all that were there at the start.
pub(super) fn read(disk: &ModelDisk, space: &Space, keys: &[FileKey]) {
    space.read(keys);
    let mut model = disk.lock();
    model.told.is_indexed = true;
    for key in keys {
        if !model.open.contains(&key.path(Path::new(DIR))) {
            model.told.unread.remove(key);
        }
    }
}

/// The part of the configuration: the classes of the events of a source.
pub(super) fn want(disk: &ModelDisk, space: &Space, source: u32, classes: &[String]) {
    let source = SourceId(source);
    space.want_events(source, Some(classes));
    disk.lock().told.wanted.insert(source, classes.to_vec());
}

//! When objects were seen, as the index tells it, for [`super::stock`]. The truth lies in the scenes of the files.
//!
//! Each time is widened by what belongs to an event before and after it. Times that then overlap or touch each other become one, so
//! there are far fewer than objects. They are kept by class, because a source tells the classes of its events only when it is
//! recorded, and a reload changes them.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use crate::base::SourceId;

/// The times of all sources. All are in milliseconds since the Unix epoch.
#[derive(Debug, Default)]
pub(super) struct EventTimes {
    before_ms: u64,
    after_ms: u64,
    sources: BTreeMap<SourceId, OfSource>,
}

#[derive(Debug, Default)]
struct OfSource {
    /// `None` means all.
    wanted: Option<Vec<String>>,
    seen: BTreeMap<Arc<str>, TimeSet>,
}

/// Times that are apart from each other: the end of each by its start.
#[derive(Debug, Default)]
struct TimeSet(BTreeMap<u64, u64>);

impl EventTimes {
    /// None yet. Each will be widened by `pre_roll` and `post_roll`.
    pub(super) fn new(pre_roll: Duration, post_roll: Duration) -> Self {
        Self {
            before_ms: whole_ms(pre_roll),
            after_ms: whole_ms(post_roll),
            sources: BTreeMap::new(),
        }
    }

    /// Objects of a class were seen from `from_ms` to `to_ms`, both included. Returns the time of the event with what is around it,
    /// unless it is known already or the source does not want the class.
    pub(super) fn add(
        &mut self,
        source: SourceId,
        class: &Arc<str>,
        from_ms: u64,
        to_ms: u64,
    ) -> Option<Range<u64>> {
        let of_source = self.sources.entry(source).or_default();
        let end_ms = to_ms.saturating_add(self.after_ms).saturating_add(1);
        let time = from_ms.saturating_sub(self.before_ms)..end_ms;
        let is_new = match of_source.seen.get_mut(class) {
            Some(seen) => seen.add(time.clone()),
            None => {
                let seen = of_source.seen.entry(class.clone()).or_default();
                seen.add(time.clone())
            }
        };
        (is_new && of_source.wants(class)).then_some(time)
    }

    /// Sets the classes whose objects are events of a source; `None` means all, which is so for a source of which nothing was set.
    /// False if they are the same as before.
    pub(super) fn want(&mut self, source: SourceId, classes: Option<&[String]>) -> bool {
        let of_source = self.sources.entry(source).or_default();
        let is_other = of_source.wanted.as_deref() != classes;
        of_source.wanted = classes.map(<[String]>::to_vec);
        is_other
    }

    /// Whether a part of an event is in the time from `start_ms` to before `end_ms`.
    pub(super) fn has(&self, source: SourceId, start_ms: u64, end_ms: u64) -> bool {
        self.sources.get(&source).is_some_and(|of_source| {
            let mut seen = of_source.seen.iter();
            seen.any(|(class, seen)| of_source.wants(class) && seen.overlaps(start_ms, end_ms))
        })
    }

    /// Forgets the times of a source that ended before `start_ms`.
    pub(super) fn forget_before(&mut self, source: SourceId, start_ms: u64) {
        if let Some(of_source) = self.sources.get_mut(&source) {
            of_source.seen.retain(|_, seen| {
                seen.forget_before(start_ms);
                !seen.0.is_empty()
            });
        }
    }
}

impl OfSource {
    fn wants(&self, class: &str) -> bool {
        let wanted = self.wanted.as_ref();
        wanted.is_none_or(|wanted| wanted.iter().any(|wanted| wanted == class))
    }
}

impl TimeSet {
    /// False if it has this time already.
    fn add(&mut self, mut time: Range<u64>) -> bool {
        while let Some((&start, &end)) = self.0.range(..=time.end).next_back()
            && end >= time.start
        {
            if start <= time.start && end >= time.end {
                return false;
            }
            self.0.remove(&start);
            time = time.start.min(start)..time.end.max(end);
        }
        self.0.insert(time.start, time.end);
        true
    }

    fn overlaps(&self, start_ms: u64, end_ms: u64) -> bool {
        let before_end = self.0.range(..end_ms).next_back();
        before_end.is_some_and(|(_, end)| *end > start_ms)
    }

    fn forget_before(&mut self, start_ms: u64) {
        while let Some(first) = self.0.first_entry()
            && *first.get() <= start_ms
        {
            first.remove();
        }
    }
}

/// A duration in milliseconds, the longest one that there is at most.
pub(super) fn whole_ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
#[path = "event_times_tests.rs"]
mod tests;

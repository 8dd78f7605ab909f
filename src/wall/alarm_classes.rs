//! Checks `alarm_classes` against the classes of the processors' models. Without a warning, a misspelt class would silently
//! raise no alarm.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::role::nearest_class;

/// A class must have been missing for this long: after a connection, the presences of several processors arrive one after the
/// other, and a processor that restarts tells its classes again.
const MISSING_TIME: Duration = Duration::from_secs(5);

/// The alarm classes that no model has. No threads: the link's task passes in the time.
#[derive(Debug, Default)]
pub(super) struct AlarmClassCheck {
    /// When each class was found missing first.
    missing: BTreeMap<String, Duration>,
    /// The classes that were reported since they were known last.
    reported: BTreeSet<String>,
}

impl AlarmClassCheck {
    /// Compares the classes `wanted` with those that the models have; `None` while these are not known. Reports each class
    /// once.
    pub(super) fn update(
        &mut self,
        now: Duration,
        wanted: &[String],
        known: Option<&BTreeSet<&str>>,
    ) {
        let Some(known) = known else {
            self.missing.clear();
            return;
        };
        let is_missing =
            |class: &str| wanted.iter().any(|wanted| wanted == class) && !known.contains(class);
        self.missing.retain(|class, _| is_missing(class));
        self.reported.retain(|class| is_missing(class));
        for class in wanted.iter().filter(|class| is_missing(class)) {
            let since = *self.missing.entry(class.clone()).or_insert(now);
            if is_over(since, now) && self.reported.insert(class.clone()) {
                tracing::warn!(
                    class,
                    nearest = nearest_class(class, known.iter().copied()),
                    "no model of the processors that analyse this wall's cameras has this class, so it raises no alarm; correct \
                     `alarm_classes`, or use a model that has this class"
                );
            }
        }
    }

    /// The classes that are missing at `now`.
    pub(super) fn missing(&self, now: Duration) -> Vec<String> {
        let missing = self.missing.iter();
        missing
            .filter(|(_, since)| is_over(**since, now))
            .map(|(class, _)| class.clone())
            .collect()
    }
}

fn is_over(since: Duration, now: Duration) -> bool {
    now.saturating_sub(since) >= MISSING_TIME
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_class_is_missing_after_a_while_and_until_a_model_has_it() {
        let wanted = ["person", "forklift"].map(str::to_owned);
        let known = |classes: &[&'static str]| Some(classes.iter().copied().collect());
        let mut check = AlarmClassCheck::default();
        let mut update = |seconds: u64, known: Option<BTreeSet<&str>>| {
            check.update(at(seconds), &wanted, known.as_ref());
            (check.missing(at(seconds)), check.reported.len())
        };
        let forklift = vec!["forklift".to_owned()];
        assert_eq!(update(0, None), (vec![], 0));
        assert_eq!(update(10, known(&["car"])), (vec![], 0));
        // Another processor tells its classes.
        assert_eq!(update(12, known(&["car", "person"])), (vec![], 0));
        assert_eq!(update(15, known(&["car", "person"])), (forklift.clone(), 1));
        // Nothing is known while a processor is away; afterwards it is not reported again.
        assert_eq!(update(20, None), (vec![], 1));
        assert_eq!(update(30, known(&["person"])), (vec![], 1));
        assert_eq!(update(35, known(&["person"])), (forklift.clone(), 1));
        // Another model has it.
        assert_eq!(update(36, known(&["person", "forklift"])), (vec![], 0));
        assert_eq!(update(50, known(&["person"])), (vec![], 0));
        assert_eq!(update(55, known(&["person"])), (forklift, 1));
    }
}

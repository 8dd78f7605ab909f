//! All topic filters in a tree of topic levels. The cost of a lookup depends on the levels of the topic, not on the number of
//! clients.

use std::collections::HashMap;
use std::str::Split;

use rumqttc::QoS;

use super::limits::{LEVEL_BYTES, LEVELS};
use super::session::Key;

/// All subscriptions.
#[derive(Debug, Default)]
pub(super) struct Filters {
    root: Node,
}

/// The levels below a level. `+` and `#` are ordinary keys, because topics do not contain them.
#[derive(Debug, Default)]
struct Node {
    levels: HashMap<Box<str>, Node>,
    here: HashMap<Key, QoS>,
}

impl Filters {
    /// Adds a filter of a client, or replaces its quality of service.
    pub(super) fn insert(&mut self, filter: &str, key: Key, qos: QoS) {
        let mut node = &mut self.root;
        for level in filter.split('/') {
            node = node.levels.entry(level.into()).or_default();
        }
        node.here.insert(key, qos);
    }

    pub(super) fn remove(&mut self, filter: &str, key: Key) {
        self.root.remove(filter.split('/'), key);
    }

    /// The clients whose filters match `topic`, each once, with the highest quality of service that was granted.
    pub(super) fn matching(&self, topic: &str, found: &mut Vec<(Key, QoS)>) {
        found.clear();
        self.root
            .collect(topic.split('/'), topic.starts_with('$'), found);
        found.sort_unstable_by_key(|(key, qos)| (*key, std::cmp::Reverse(*qos as u8)));
        found.dedup_by_key(|(key, _)| *key);
    }
}

impl Node {
    /// `hidden`: the level is the first one of a topic that begins with `$`; wildcards do not match it.
    fn collect(&self, mut rest: Split<'_, char>, hidden: bool, found: &mut Vec<(Key, QoS)>) {
        if !hidden && let Some(all) = self.levels.get("#") {
            found.extend(all.here.iter().map(|(key, qos)| (*key, *qos)));
        }
        let Some(level) = rest.next() else {
            found.extend(self.here.iter().map(|(key, qos)| (*key, *qos)));
            return;
        };
        if let Some(node) = self.levels.get(level) {
            node.collect(rest.clone(), false, found);
        }
        if !hidden && let Some(node) = self.levels.get("+") {
            node.collect(rest, false, found);
        }
    }

    /// Removes a filter. True if the node is empty afterwards.
    fn remove(&mut self, mut rest: Split<'_, char>, key: Key) -> bool {
        match rest.next() {
            None => {
                self.here.remove(&key);
            }
            Some(level) => {
                if let Some(node) = self.levels.get_mut(level)
                    && node.remove(rest, key)
                {
                    self.levels.remove(level);
                }
            }
        }
        self.levels.is_empty() && self.here.is_empty()
    }
}

/// Whether a client may subscribe to the filter.
pub(super) fn is_filter(filter: &str) -> bool {
    rumqttc::valid_filter(filter)
        && !filter.contains('\0')
        && filter.bytes().filter(|byte| *byte == b'/').count() < LEVELS
}

/// Whether a client may publish to the topic.
pub(super) fn is_topic(topic: &str) -> bool {
    !topic.is_empty() && !topic.contains('\0') && rumqttc::valid_topic(topic)
}

/// The approximate memory of a filter, in bytes.
pub(super) fn cost(filter: &str) -> usize {
    let levels = filter.bytes().filter(|byte| *byte == b'/').count() + 1;
    2 * filter.len() + levels * LEVEL_BYTES
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::super::filter_matches;
    use super::*;

    fn found(filters: &Filters, topic: &str) -> Vec<(u64, u8)> {
        let mut found = Vec::new();
        filters.matching(topic, &mut found);
        found
            .into_iter()
            .map(|(key, qos)| (key.0, qos as u8))
            .collect()
    }

    #[test]
    fn a_client_with_overlapping_filters_is_found_once_with_the_best_quality() {
        let mut filters = Filters::default();
        filters.insert("a/#", Key(1), QoS::AtMostOnce);
        filters.insert("a/+", Key(1), QoS::ExactlyOnce);
        filters.insert("a/b", Key(2), QoS::AtLeastOnce);
        assert_eq!(found(&filters, "a/b"), [(1, 2), (2, 1)]);
        assert_eq!(found(&filters, "a"), [(1, 0)]);
        filters.remove("a/+", Key(1));
        filters.remove("a/b", Key(1));
        assert_eq!(found(&filters, "a/b"), [(1, 0), (2, 1)]);
        filters.remove("a/#", Key(1));
        filters.remove("a/b", Key(2));
        assert!(filters.root.levels.is_empty(), "nothing is left behind");
    }

    proptest! {
        #[test]
        fn the_tree_finds_what_the_standards_words_match(
            filters in prop::collection::vec("[$a+#]{0,2}(/[ab+#]{0,1}){0,3}", 1..12),
            topic in "[$ab]{0,2}(/[ab]{0,1}){0,3}",
        ) {
            let mut tree = Filters::default();
            let filters: Vec<_> = filters.into_iter().filter(|filter| is_filter(filter)).collect();
            for (key, filter) in filters.iter().enumerate() {
                tree.insert(filter, Key(key as u64), QoS::AtMostOnce);
            }
            let wanted: Vec<_> = (0..filters.len())
                .filter(|at| filter_matches(&filters[*at], &topic))
                .map(|at| (at as u64, 0))
                .collect();
            prop_assert_eq!(found(&tree, &topic), wanted);
        }
    }
}

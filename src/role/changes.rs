//! The difference between two configurations, source by source. Pure: it decides, the role acts.

use crate::config::{Settings, SourceSettings};
use crate::control::{Change, Changes};

/// The change of every source of either configuration. `between` compares a source that both have.
pub fn changes(
    old: &Settings,
    new: &Settings,
    between: impl Fn(&SourceSettings, &SourceSettings) -> Change,
) -> Changes {
    let gone = old
        .sources
        .keys()
        .filter(|id| !new.sources.contains_key(id))
        .map(|id| (*id, Change::Removed));
    let wanted = new.sources.iter().map(|(id, wanted)| {
        let had = old.sources.get(id);
        (*id, had.map_or(Change::Added, |had| between(had, wanted)))
    });
    gone.chain(wanted).collect()
}

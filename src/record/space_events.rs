//! What the index tells the account of the space about events: which recordings have some, and which have none.
//!
//! It tells that in small pieces on its own thread, and never works while the account is locked.

use super::file_key::FileKey;
use super::index::{EventListener, SeenEvent};
use super::space::Space;
use crate::base::SourceId;
use crate::base::sync::lock;

impl Space {
    /// Sets the classes whose objects are events of a source; `None` means all.
    pub(super) fn want_events(&self, source: SourceId, classes: Option<&[String]>) {
        lock(&self.state).stock.want_events(source, classes);
    }
}

impl EventListener for Space {
    fn seen(&self, events: &[SeenEvent]) {
        let stock = &mut lock(&self.state).stock;
        for event in events {
            stock.seen(event.source, &event.class, event.from_ms, event.to_ms);
        }
    }

    fn read(&self, closed: &[FileKey]) {
        let mut state = lock(&self.state);
        state.stock.set_indexed();
        for &key in closed {
            // It may be open again.
            if state.closing.contains(&key) || !state.stock.is_open(key) {
                state.stock.was_read(key);
            }
        }
    }
}

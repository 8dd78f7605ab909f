//! The heads of a card, with the objects that each of them uses.
//!
//! Two heads must not use the same object. Flip events of a CRTC belong to the head that uses it.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, MutexGuard};

use rustix::event::{EventfdFlags, eventfd};

use crate::base::sync::lock;

/// The objects of a card that a head uses.
#[derive(Debug, Clone, Default)]
pub(super) struct DrmObjects {
    pub connectors: Vec<u32>,
    pub crtcs: Vec<u32>,
    pub planes: Vec<u32>,
}

/// The heads of one card, by key.
#[derive(Default)]
pub(super) struct HeadRegistry(Mutex<BTreeMap<usize, HeadEntry>>);

struct HeadEntry {
    objects: DrmObjects,
    flips: u64,
    notifier: Arc<OwnedFd>,
}

impl HeadRegistry {
    /// Registers a head. Gives its key, and an eventfd that becomes readable after events of the head.
    pub(super) fn register(&self) -> io::Result<(usize, Arc<OwnedFd>)> {
        let notifier = Arc::new(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?);
        let mut heads = self.lock();
        let key = heads.keys().next_back().map_or(0, |last| last + 1);
        let entry = HeadEntry {
            objects: DrmObjects::default(),
            flips: 0,
            notifier: Arc::clone(&notifier),
        };
        heads.insert(key, entry);
        Ok((key, notifier))
    }

    /// Removes a head.
    pub(super) fn remove(&self, head: usize) {
        self.lock().remove(&head);
    }

    /// Sets the objects that a head uses from now on.
    pub(super) fn set_objects(&self, head: usize, objects: DrmObjects) {
        if let Some(entry) = self.lock().get_mut(&head) {
            entry.objects = objects;
        }
    }

    /// The objects that all other heads use.
    pub(super) fn objects_of_others(&self, head: usize) -> DrmObjects {
        let mut taken = DrmObjects::default();
        for (_, entry) in self.lock().iter().filter(|(key, _)| **key != head) {
            taken.connectors.extend(&entry.objects.connectors);
            taken.crtcs.extend(&entry.objects.crtcs);
            taken.planes.extend(&entry.objects.planes);
        }
        taken
    }

    /// The number of completed flips on the CRTC of a head since its registration.
    pub(super) fn flips(&self, head: usize) -> u64 {
        self.lock().get(&head).map_or(0, |entry| entry.flips)
    }

    /// A flip on a CRTC is complete: notifies its head.
    pub(super) fn flipped(&self, crtc: u32) {
        for entry in self
            .lock()
            .values_mut()
            .filter(|entry| entry.objects.crtcs.contains(&crtc))
        {
            entry.flips += 1;
            let _ = rustix::io::write(&entry.notifier, &1_u64.to_ne_bytes());
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<usize, HeadEntry>> {
        lock(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flip_counts_for_the_head_that_uses_the_crtc() {
        let heads = HeadRegistry::default();
        let [(one, _), (two, _)] = [(), ()].map(|()| heads.register().expect("an eventfd"));
        for (head, crtc) in [(one, 40), (two, 50)] {
            let objects = DrmObjects {
                crtcs: vec![crtc],
                ..DrmObjects::default()
            };
            heads.set_objects(head, objects);
        }
        heads.flipped(50);
        assert_eq!((heads.flips(one), heads.flips(two)), (0, 1));
        assert_eq!(heads.objects_of_others(one).crtcs, [50]);
        heads.remove(two);
        assert_eq!(
            (heads.flips(two), heads.objects_of_others(one).crtcs.len()),
            (0, 0)
        );
    }
}

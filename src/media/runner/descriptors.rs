//! The file descriptors of the process, and which source may take how many. GLib ends the process if it gets none.

use crate::base::{descriptor_limit, open_descriptors};

/// Too few file descriptors for a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct DescriptorShortage {
    /// Maximum number of open descriptors of the process.
    pub(super) limit: usize,
    /// The number of descriptors that the session takes.
    pub(super) needed: usize,
}

/// The file descriptors of the process; tests use other values.
pub(super) trait Descriptors: Send + Sync {
    /// The maximum number of open descriptors; none without a limit.
    fn limit(&self) -> Option<usize>;
    /// The number of open descriptors; none if it is unknown.
    fn open(&self) -> Option<usize>;
}

/// Those of this process.
pub(super) struct ProcessDescriptors;

impl Descriptors for ProcessDescriptors {
    fn limit(&self) -> Option<usize> {
        descriptor_limit()
    }

    fn open(&self) -> Option<usize> {
        open_descriptors().ok()
    }
}

/// The descriptors that one source takes while it has a session.
pub(super) struct DescriptorShare {
    needed: usize,
    is_promised: bool,
}

impl DescriptorShare {
    /// A share that is not promised yet.
    pub(super) fn new(needed: usize) -> Self {
        Self {
            needed,
            is_promised: false,
        }
    }
}

/// The descriptors that are spoken for.
pub(super) struct Promised {
    /// Those that were open before the first source.
    before_sources: usize,
    /// The sum of the shares of admitted sources.
    to_sources: usize,
}

impl Promised {
    /// Counts what is open before the first source.
    pub(super) fn before_sources(descriptors: &dyn Descriptors) -> Self {
        Self {
            before_sources: descriptors.open().unwrap_or_default(),
            to_sources: 0,
        }
    }

    /// Takes back the share of a source that is gone. False if it had none.
    pub(super) fn take_back(&mut self, share: DescriptorShare) -> bool {
        if share.is_promised {
            self.to_sources = self.to_sources.saturating_sub(share.needed);
        }
        share.is_promised
    }

    fn sum(&self) -> usize {
        self.before_sources + self.to_sources
    }
}

/// The remaining descriptors of the process, at one moment.
pub(super) struct DescriptorBudget {
    limit: Option<usize>,
    /// Descriptors that are open now or were assigned in this step; none if they need not be counted. It accounts for
    /// descriptors that other parts of the process keep open: sessions that are only being opened have not opened all
    /// of theirs.
    used: Option<usize>,
}

/// The answer to a source that wants to open a session.
pub(super) enum Admission {
    /// It may.
    Begin,
    /// No descriptors are left for this source.
    Refuse(DescriptorShortage),
    /// The source has its share, but other parts of the process use too many.
    Later(DescriptorShortage),
}

impl DescriptorBudget {
    /// Measures the process.
    pub(super) fn measure(promised: &Promised, descriptors: &dyn Descriptors) -> Self {
        let limit = descriptors.limit();
        // Open descriptors are counted only near the limit.
        let is_scarce = limit.is_some_and(|limit| promised.sum() > limit / 2);
        let used = is_scarce.then(|| descriptors.open()).flatten();
        Self { limit, used }
    }

    /// Admits a source to its next session, if there are descriptors for it. A source keeps its share across sessions.
    pub(super) fn admit(
        &mut self,
        promised: &mut Promised,
        share: &mut DescriptorShare,
    ) -> Admission {
        let Some(limit) = self.limit else {
            return Admission::Begin;
        };
        let needed = share.needed;
        let shortage = DescriptorShortage { limit, needed };
        if !share.is_promised {
            if promised.sum() + needed + reserve(limit) > limit {
                return Admission::Refuse(shortage);
            }
            share.is_promised = true;
            promised.to_sources += needed;
        }
        if let Some(used) = &mut self.used {
            if *used + needed + reserve(limit) / 2 > limit {
                return Admission::Later(shortage);
            }
            *used += needed;
        }
        Admission::Begin
    }
}

/// The reserve for the broker, the viewers of the page, decoder probes and drivers.
fn reserve(limit: usize) -> usize {
    (limit / 8).clamp(16, 128)
}

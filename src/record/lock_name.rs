//! The name of a lock: `3_20261128T083000.000Z_20261128T084500.000Z_1a2b3c4d`, which is the source, the beginning, the end, and a
//! number that distinguishes locks of the same time. The name alone tells what is protected, so that a lock with a damaged content
//! still protects it.

use std::fmt;

use super::layout::{stamp, stamp_ms};
use crate::base::SourceId;

/// The ending of the files of locks.
const ENDING: &str = ".json";

/// The name of a lock, and what it protects: recordings of a source with frames from `from_ms` to before `until_ms`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct LockName {
    /// The source.
    pub source: SourceId,
    /// Milliseconds since the Unix epoch.
    pub from_ms: u64,
    /// Milliseconds since the Unix epoch, after `from_ms`.
    pub until_ms: u64,
    /// Any number.
    pub number: u32,
}

impl LockName {
    /// The lock of an id; `None` for a text that no id is.
    pub(super) fn of_id(id: &str) -> Option<Self> {
        let mut parts = id.split('_');
        let name = Self {
            source: SourceId(parts.next()?.parse().ok()?),
            from_ms: stamp_ms(parts.next()?)?,
            until_ms: stamp_ms(parts.next()?)?,
            number: u32::from_str_radix(parts.next()?, 16).ok()?,
        };
        (name.from_ms < name.until_ms && name.to_string() == id).then_some(name)
    }

    /// The lock of a file's name; `None` for a file that is no lock.
    pub(super) fn of_file(file: &str) -> Option<Self> {
        Self::of_id(file.strip_suffix(ENDING)?)
    }

    /// The name of its file.
    pub(super) fn file(&self) -> String {
        format!("{self}{ENDING}")
    }
}

impl fmt::Display for LockName {
    /// The id.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (from, until) = (stamp(self.from_ms), stamp(self.until_ms));
        write!(f, "{}_{from}_{until}_{:08x}", self.source, self.number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "3_20261128T083000.000Z_20261128T084500.007Z_0a2b3c4d";

    #[test]
    fn a_name_tells_source_and_time() {
        let name = LockName {
            source: SourceId(3),
            from_ms: 1_795_854_600_000,
            until_ms: 1_795_855_500_007,
            number: 0x0a2b_3c4d,
        };
        assert_eq!(name.to_string(), ID);
        assert_eq!(LockName::of_id(ID), Some(name));
        assert_eq!(name.file(), format!("{ID}.json"));
        assert_eq!(LockName::of_file(&name.file()), Some(name));
    }

    #[test]
    fn other_names_are_no_locks() {
        let (from, until) = ("20261128T083000.000Z", "20261128T084500.000Z");
        for id in [
            "",
            "..",
            "notes",
            &format!("03_{from}_{until}_0a2b3c4d"),
            &format!("x_{from}_{until}_0a2b3c4d"),
            &format!("3_{until}_{from}_0a2b3c4d"),
            &format!("3_{from}_{from}_0a2b3c4d"),
            &format!("3_{from}_{until}_0A2B3C4D"),
            &format!("3_{from}_{until}_a2b3c4d"),
            &format!("3_{from}_{until}_0a2b3c4d_1"),
            &format!("3_{from}_{until}_0a2b3c4d/.."),
            &format!("3_{from}_20261128T084500Z_0a2b3c4d"),
            &format!("3_{from}_20261328T084500.000Z_0a2b3c4d"),
        ] {
            assert_eq!(LockName::of_id(id), None, "{id}");
        }
        assert_eq!(LockName::of_file(ID), None);
        assert_eq!(LockName::of_file(&format!("{ID}.json.partial")), None);
    }
}

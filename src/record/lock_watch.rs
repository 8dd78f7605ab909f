//! Brings the locks of a folder into the list of its recordings, and warns when they take most of the space.

use std::io::ErrorKind;
use std::time::Duration;

use super::disk::RecordingDisk;
use super::error::DiskFault;
use super::layout::locks_folder;
use super::lock_name::LockName;
use super::space::Space;
use crate::base::shown_bytes;
use crate::base::sync::lock;

/// The locks are read this often for reports. Before deletions they are read in any case.
const READ_EVERY: Duration = Duration::from_secs(10);
/// A warning is logged when locked recordings take so much of the space, in percent, and again after they took less than the other.
const WARN_PERCENT: u64 = 80;
const WARN_AGAIN_PERCENT: u64 = 75;

/// When the locks are read, and whether the warning was logged.
#[derive(Debug, Default)]
pub(super) struct LockWatch {
    due_at: Duration,
    has_warned: bool,
}

impl LockWatch {
    /// Whether the locks are to be read for reports, by the clock.
    pub(super) fn is_due(&self, now: Duration) -> bool {
        now >= self.due_at
    }

    /// Reads the locks, and notes in the list which recordings they protect. Blocks for the names in their folder.
    ///
    /// # Errors
    /// If the folder can't be read. The list is as before, and nothing may be deleted by it.
    pub(super) fn read<D: RecordingDisk>(
        &mut self,
        disk: &D,
        space: &Space,
        now: Duration,
    ) -> Result<(), DiskFault> {
        self.due_at = now + READ_EVERY;
        let folder = locks_folder(&space.limits.dir);
        let files = match disk.list(&folder) {
            Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
            files => files.map_err(DiskFault::of("read", &folder))?,
        };
        let names = files.iter().filter_map(|file| LockName::of_file(file));
        let mut state = lock(&space.state);
        state.stock.set_locks(names, space.limits.longest_file());
        let locked_bytes = state.stock.locked_bytes();
        let most_bytes = state.most_bytes(&space.limits);
        drop(state);
        self.warn(space, locked_bytes, most_bytes);
        Ok(())
    }

    fn warn(&mut self, space: &Space, locked_bytes: u64, most_bytes: Option<u64>) {
        let percent = match most_bytes {
            Some(most) if most > 0 => u128::from(locked_bytes) * 100 / u128::from(most),
            _ => 0,
        };
        if percent >= u128::from(WARN_PERCENT) && !self.has_warned {
            self.has_warned = true;
            let (dir, locked) = (space.limits.dir.display(), shown_bytes(locked_bytes));
            let budget_key = space.limits.budget_key;
            tracing::warn!(
                %dir,
                %locked,
                %percent,
                budget_key,
                "locked recordings take most of the space, and others are deleted sooner; unlock some, or raise the budget"
            );
        }
        self.has_warned &= percent >= u128::from(WARN_AGAIN_PERCENT);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Clock;
    use crate::record::space::SpaceLimits;

    #[test]
    fn the_warning_comes_once_until_locked_recordings_take_less_again() {
        let space = Space::new(SpaceLimits::none("/rec"), Clock::by_hand());
        let mut watch = LockWatch::default();
        let mut warned = |locked_bytes, most_bytes| {
            watch.warn(&space, locked_bytes, most_bytes);
            watch.has_warned
        };
        assert!(!warned(799, Some(1000)));
        assert!(warned(800, Some(1000)));
        assert!(warned(751, Some(1000)));
        assert!(!warned(749, Some(1000)));
        assert!(!warned(799, Some(1000)));
        assert!(!warned(u64::MAX, None) && !warned(0, Some(0)));
        assert!(warned(u64::MAX, Some(1)));
    }
}

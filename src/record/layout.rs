//! Where recordings lie: `{dir}/{source_id}/{YYYY-MM-DD}/{HH}/{start}.mp4`, in UTC, `start` being the capture time of the first frame,
//! such as `20261128T083000.123Z`. Names of one source sort by time.
//!
//! `{dir}/.nvr-open` has an empty file for each recording that is not closed yet. Recovery looks at these alone: neither names nor
//! times of files tell which ones were written last, because the clocks of cameras and of the machine may step.
//!
//! `{dir}/.nvr-locks` has a file for each lock ([`mod@super::locks`]).

use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use crate::base::SourceId;

/// The name of the lock file in the folder.
pub(super) const LOCK_NAME: &str = ".nvr-recording";
/// The name of the file with the key that signs exports.
pub(super) const KEY_NAME: &str = ".nvr-signing-key.pem";
/// The name of the file by which the disk is tried while nothing is written.
pub(super) const TRIAL_NAME: &str = ".nvr-trial";
/// The name of the folder with a mark for each open file.
const OPEN_FOLDER: &str = ".nvr-open";
/// The name of the folder with a file for each lock of recordings.
const LOCKS_FOLDER: &str = ".nvr-locks";
/// The names of the index and of the files that its database keeps beside it begin so.
pub(super) const INDEX_NAME: &str = ".nvr-index.sqlite";

/// The longest time between two recordings of a source that is no gap: a change of files may take some frames.
pub(super) const LONGEST_CHANGE: Duration = Duration::from_secs(1);

/// The place of one recording.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    source: SourceId,
    /// Without `.mp4`.
    stem: String,
}

/// The folder with a mark for each open file.
pub(super) fn open_folder(dir: &Path) -> PathBuf {
    dir.join(OPEN_FOLDER)
}

/// The folder with a file for each lock of recordings.
pub(super) fn locks_folder(dir: &Path) -> PathBuf {
    dir.join(LOCKS_FOLDER)
}

/// Whether a name in the folder of recordings is that of a file or folder which the recorder keeps besides the recordings.
pub(super) fn is_of_recorder(name: &str) -> bool {
    [LOCK_NAME, KEY_NAME, TRIAL_NAME, OPEN_FOLDER, LOCKS_FOLDER].contains(&name)
        || name.starts_with(INDEX_NAME)
}

/// A time in milliseconds since the Unix epoch as it stands in names, such as `20261128T083000.123Z`.
pub(super) fn stamp(unix_ms: u64) -> String {
    let milliseconds = i64::try_from(unix_ms).unwrap_or(i64::MAX);
    let time = Timestamp::from_millisecond(milliseconds).unwrap_or(Timestamp::MAX);
    let zoned = time.to_zoned(TimeZone::UTC);
    zoned.strftime("%Y%m%dT%H%M%S.%3fZ").to_string()
}

/// The time of a text of [`stamp`], and of some texts that it does not make.
pub(super) fn stamp_ms(stamp: &str) -> Option<u64> {
    let time = DateTime::strptime("%Y%m%dT%H%M%S.%fZ", stamp).ok()?;
    let time = time.to_zoned(TimeZone::UTC).ok()?.timestamp();
    u64::try_from(time.as_millisecond()).ok()
}

impl Place {
    /// The place of a recording that starts at `started_unix`. `number` distinguishes files of the same start, after a clock was set
    /// back; 0 is the first one.
    pub(super) fn new(source: SourceId, started_unix: Duration, number: u32) -> Self {
        let unix_ms = u64::try_from(started_unix.as_millis()).unwrap_or(u64::MAX);
        let mut stem = stamp(unix_ms);
        if number > 0 {
            stem = format!("{stem}-{number}");
        }
        Self { source, stem }
    }

    /// The place that a mark names; `None` for a name that no mark has.
    pub(super) fn of_mark(name: &str) -> Option<Self> {
        let (source, stem) = name.split_once('_')?;
        let source = SourceId(source.parse().ok()?);
        let (start, number) = stem.split_once('-').unwrap_or((stem, "0"));
        let digits = |from: usize, to: usize| {
            let mut part = start[from..to].bytes();
            part.all(|byte| byte.is_ascii_digit())
        };
        let is_start = start.is_ascii()
            && start.len() == 20
            && digits(0, 8)
            && &start[8..9] == "T"
            && digits(9, 15)
            && &start[15..16] == "."
            && digits(16, 19)
            && start.ends_with('Z');
        let is_place = is_start && number.parse::<u32>().is_ok();
        is_place.then(|| Self {
            source,
            stem: stem.to_owned(),
        })
    }

    /// The source that it shows.
    pub(super) fn source(&self) -> SourceId {
        self.source
    }

    /// The folders between `dir` and the file: those of the source, the day and the hour.
    pub(super) fn folders(&self, dir: &Path) -> [PathBuf; 3] {
        let (year, month, day, hour) = (
            &self.stem[0..4],
            &self.stem[4..6],
            &self.stem[6..8],
            &self.stem[9..11],
        );
        let source = dir.join(self.source.to_string());
        let day = source.join(format!("{year}-{month}-{day}"));
        let hour = day.join(hour);
        [source, day, hour]
    }

    /// The file.
    pub(super) fn path(&self, dir: &Path) -> PathBuf {
        let [_, _, hour] = self.folders(dir);
        hour.join(format!("{}.mp4", self.stem))
    }

    /// The mark of the file while it is open.
    pub(super) fn mark(&self, dir: &Path) -> PathBuf {
        open_folder(dir).join(format!("{}_{}", self.source, self.stem))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_lies_in_the_folders_of_its_source_day_and_hour() {
        let place = Place::new(SourceId(7), Duration::from_millis(1_795_854_600_123), 0);
        let dir = Path::new("/rec");
        assert_eq!(
            place.path(dir),
            Path::new("/rec/7/2026-11-28/08/20261128T083000.123Z.mp4")
        );
        assert_eq!(
            place.mark(dir),
            Path::new("/rec/.nvr-open/7_20261128T083000.123Z")
        );
        let again = Place::new(SourceId(7), Duration::from_millis(1_795_854_600_123), 1);
        assert_eq!(
            again.path(dir),
            Path::new("/rec/7/2026-11-28/08/20261128T083000.123Z-1.mp4")
        );
    }

    #[test]
    fn a_mark_names_its_file() {
        for (unix, number) in [
            (Duration::ZERO, 0),
            (Duration::from_millis(1_795_854_600_123), 3),
            (Duration::MAX, 0),
        ] {
            let place = Place::new(SourceId(12), unix, number);
            let mark = place.mark(Path::new("/rec"));
            let name = mark.file_name().and_then(|name| name.to_str());
            assert_eq!(name.and_then(Place::of_mark), Some(place));
        }
    }

    #[test]
    fn other_names_are_no_marks() {
        for name in [
            "",
            "7",
            "7_",
            "x_20261128T083000.123Z",
            "7_20261128T083000.123",
            "7_2026112éT83000.123Z",
            "7_20261128T083000.123Z-x",
            "7_../../../../etc/passwd",
            "7_20261128T083000.123Z-1/..",
        ] {
            assert_eq!(Place::of_mark(name), None, "{name}");
        }
    }
}

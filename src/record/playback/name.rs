//! The name of a recording, as a viewer gives it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::super::layout::Place;
use crate::base::SourceId;

/// The longest name: a start, and ten digits.
const LONGEST: usize = 31;

/// A recording, by its source and its start. Whether there is such a file is not known.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RecordingName {
    source: SourceId,
    /// Such as `20261128T083000.123Z`, or `20261128T083000.123Z-1`.
    stem: String,
}

impl RecordingName {
    /// The recording that starts at `started_unix`. `number` distinguishes those of one start; 0 is the first one.
    pub fn new(source: SourceId, started_unix: Duration, number: u32) -> Self {
        let path = Place::new(source, started_unix, number).path(Path::new(""));
        let stem = path.file_stem().and_then(|stem| stem.to_str());
        Self {
            source,
            stem: stem.unwrap_or_default().to_owned(),
        }
    }

    /// The recording with this name, which is the one of its file without `.mp4`. Nothing for a text that no recording is named by,
    /// so a name never leads out of the folders of its source.
    pub fn parse(source: SourceId, stem: &str) -> Option<Self> {
        place(source, stem)?;
        Some(Self {
            source,
            stem: stem.to_owned(),
        })
    }

    /// The source that it shows.
    pub fn source(&self) -> SourceId {
        self.source
    }

    /// Its name, without the source.
    pub fn stem(&self) -> &str {
        &self.stem
    }

    /// Its file.
    pub(super) fn path(&self, dir: &Path) -> PathBuf {
        let place = place(self.source, &self.stem);
        place.expect("invariant: the name was parsed").path(dir)
    }
}

fn place(source: SourceId, stem: &str) -> Option<Place> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-".contains(&byte);
    if stem.len() > LONGEST || !stem.bytes().all(is_plain) {
        return None;
    }
    Place::of_mark(&format!("{source}_{stem}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_that_of_its_file() {
        let name = RecordingName::new(SourceId(7), Duration::from_millis(1_795_854_600_123), 0);
        assert_eq!(name.stem(), "20261128T083000.123Z");
        assert_eq!(
            name.path(Path::new("/rec")),
            Path::new("/rec/7/2026-11-28/08/20261128T083000.123Z.mp4")
        );
        for started_unix in [Duration::ZERO, Duration::MAX] {
            for number in [0, 1, u32::MAX] {
                let name = RecordingName::new(SourceId(u32::MAX), started_unix, number);
                assert_eq!(RecordingName::parse(name.source(), name.stem()), Some(name));
            }
        }
    }

    #[test]
    fn other_texts_name_no_recording() {
        for stem in [
            "",
            "..",
            "../../etc/passwd",
            "20261128T083000.123Z/..",
            "20261128T083000.123Z.mp4",
            "20261128T083000.123Z-",
            "20261128T083000.123Z-+1",
            "20261128T083000.123Z-1\0",
            "20261128T083000.123Z-00000000001",
            "20261128T083000.12\u{663}Z",
            "2026112\u{e9}T83000.123Z",
        ] {
            assert_eq!(RecordingName::parse(SourceId(7), stem), None, "{stem:?}");
        }
    }
}

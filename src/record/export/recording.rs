//! A recording of which a part is exported.

use std::fs::File;
use std::io::{self, Seek, SeekFrom};
use std::time::Duration;

use super::super::fragment_reader::FragmentReader;
use super::super::mp4::{self, FileEnding, FileHead, FragmentPlace, ReadError};
use super::find::Found;
use crate::record::mp4::time_of_ticks;

/// A recording that is open for reading, with its fragments.
#[derive(Debug)]
pub(super) struct Recording {
    /// Reads its fragments.
    pub reader: FragmentReader,
    /// Its beginning.
    pub head: FileHead,
    /// Its fragments. Those of a closed recording are listed in its tail; each is checked when it is read.
    pub fragments: Vec<FragmentPlace>,
    /// How it ends.
    pub state: RecordingEnd,
    /// The byte from which on it is damaged, and the damage.
    pub damage: Option<(u64, String)>,
}

/// How a recording ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RecordingEnd {
    /// With a sound tail.
    Closed,
    /// A recorder writes it, or closes it at its next start.
    Open,
    /// With neither a tail nor a mark.
    NotClosed,
}

impl Recording {
    /// Opens a recording. Of a closed one only the head and the tail are read; others are read in whole.
    ///
    /// # Errors
    /// If its head is not sound, or the system can't read it.
    pub(super) fn open(found: &Found) -> Result<Self, ReadError> {
        // The mark goes after the file is closed, so it is looked for first.
        let is_open = found.mark.symlink_metadata().is_ok();
        let mut file = File::open(&found.path)?;
        let head = mp4::read_head(&mut file)?;
        if let Some((id, fragments)) = mp4::closed_fragments(&mut file)?
            && id == head.id
        {
            return Ok(Self {
                reader: FragmentReader::new(file, id),
                head,
                fragments,
                state: RecordingEnd::Closed,
                damage: None,
            });
        }
        file.seek(SeekFrom::Start(0))?;
        let reading = mp4::read(&mut file)?;
        let damage = match reading.ending {
            // It ends wherever it is written.
            _ if is_open => None,
            FileEnding::Damaged { at, reason } => Some((at, reason)),
            FileEnding::Open => {
                let reason = "it has no tail, and no mark in .nvr-open".to_owned();
                Some((reading.sound_bytes, reason))
            }
            FileEnding::Closed => None,
        };
        Ok(Self {
            reader: FragmentReader::new(file, reading.head.id),
            head: reading.head,
            fragments: reading.fragments,
            state: match is_open {
                true => RecordingEnd::Open,
                false => RecordingEnd::NotClosed,
            },
            damage,
        })
    }

    /// Capture time of the end of its last frame since the Unix epoch.
    pub(super) fn ended_unix(&self) -> Duration {
        let end = |last: &FragmentPlace| last.captured_unix + time_of_ticks(last.ticks);
        self.fragments.last().map_or(self.head.started_unix, end)
    }
}

/// The ticks of a time.
pub(super) fn ticks(time: Duration) -> u64 {
    let ticks = (time.as_nanos() * 9 + 50_000) / 100_000;
    u64::try_from(ticks).unwrap_or(u64::MAX)
}

/// The reason of a failed reading, for the manifest and for errors.
pub(super) fn reason(error: &ReadError) -> String {
    match error {
        ReadError::Io(error) => error.to_string(),
        ReadError::Damaged { reason, .. } => reason.clone(),
    }
}

/// Whether a recording was deleted: by retention, meanwhile.
pub(super) fn is_gone(error: &ReadError) -> bool {
    matches!(error, ReadError::Io(error) if error.kind() == io::ErrorKind::NotFound)
}

/// The head and the end of a recording, for messages; its start if it can't be read.
pub(super) fn end_of(found: &Found) -> Duration {
    Recording::open(found).map_or(found.started_unix, |recording| recording.ended_unix())
}

/// The name of a state in the manifest.
pub(super) fn state_name(state: RecordingEnd) -> &'static str {
    match state {
        RecordingEnd::Closed => "closed",
        RecordingEnd::Open => "open",
        RecordingEnd::NotClosed => "not_closed",
    }
}

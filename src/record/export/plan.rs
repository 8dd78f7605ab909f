//! Plans an export: reads and checks what is in the range, and lays it out in videos. The media are copied afterwards.
//!
//! A recording gives whole groups of pictures: from the last key frame at or before the beginning of the range to the first one at
//! or after its end.

use std::time::{Duration, Instant};

use super::super::mp4::{FragmentContent, FragmentPlace, PlainMovie};
use super::error::ExportError;
use super::find::{Found, ends, find, no_source};
use super::progress::{ExportProgress, Watch};
use super::recording::{Recording, RecordingEnd, end_of, is_gone, reason};
use super::timeline::{Gaps, Misfit, Timeline};
use crate::base::SourceId;

/// Files that start longer before the range than this are looked at until one ends before the range: files are at most 12.5 min
/// long if key frames are not far apart.
const USUAL_FILE: Duration = Duration::from_secs(15 * 60);

/// What is exported.
#[derive(Debug)]
pub(super) struct Plan {
    /// At least one.
    pub videos: Vec<Video>,
    /// Beginning and end of each time without frames, also at the beginning and the end of the range.
    pub gaps: Vec<(Duration, Duration)>,
    /// What could not be exported.
    pub damage: Vec<Damage>,
    /// The fragment after the range, if it is in another recording: it has boxes of the last frames.
    pub after: Option<Part>,
}

impl Plan {
    /// Length of all media in bytes.
    pub(super) fn media_bytes(&self) -> u64 {
        let videos = self.videos.iter();
        videos.map(|video| video.movie.media_bytes()).sum()
    }

    /// Number of frames of all videos.
    pub(super) fn frames(&self) -> u64 {
        let videos = self.videos.iter();
        videos.map(|video| video.movie.frames()).sum()
    }
}

/// A video file.
#[derive(Debug)]
pub(super) struct Video {
    /// Why it is not a part of the video before it.
    pub begins: Begins,
    /// Its tables.
    pub movie: PlainMovie,
    /// Its times.
    pub timeline: Timeline,
    /// Capture time of its first frame.
    pub first_captured: Duration,
    /// Capture time of its last frame.
    pub last_captured: Duration,
    /// The recordings that it is from.
    pub parts: Vec<Part>,
}

/// Why a video begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Begins {
    /// It is the first one.
    Start,
    /// The camera sends another format.
    Format,
    /// It does not fit the times of the video before it.
    Misfit(Misfit),
}

/// Fragments of a recording.
#[derive(Debug)]
pub(super) struct Part {
    /// The recording.
    pub found: Found,
    /// Its id.
    pub id: u64,
    /// How it ends.
    pub state: RecordingEnd,
    /// The fragments that are exported.
    pub fragments: Vec<FragmentPlace>,
    /// The fragment after them, if it is not exported: it has boxes of the last frames.
    pub after: Option<FragmentPlace>,
}

/// A part of a recording that is not sound.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Damage {
    /// The name of the recording.
    pub recording: String,
    /// The byte at which the damaged block begins.
    pub byte: Option<u64>,
    /// The damage.
    pub reason: String,
}

/// Plans the export of a range.
///
/// # Errors
/// If nothing sound is in it, or it is stopped.
pub(super) fn plan(
    dir: &std::path::Path,
    source: SourceId,
    (from, until): (Duration, Duration),
    watch: &mut Watch<'_>,
) -> Result<Plan, ExportError> {
    let (in_range, next) = in_range(find(dir, source, from, until)?, from, until);
    let mut planner = Planner {
        source,
        from,
        until,
        gaps: Gaps::new(from),
        videos: Vec::new(),
        damage: Vec::new(),
    };
    let total = in_range.len() as u64;
    for (done, found) in (0..).zip(in_range) {
        watch.tell(ExportProgress::Checking { done, total })?;
        planner.recording(found, watch)?;
    }
    if planner.videos.is_empty() {
        return Err(nothing(dir, &planner)?);
    }
    let parts = planner.videos.last().map(|video| &video.parts);
    let ends_in_file = parts
        .and_then(|parts| parts.last())
        .is_some_and(|part| part.after.is_some());
    Ok(Plan {
        videos: planner.videos,
        gaps: planner.gaps.finish(until),
        damage: planner.damage,
        after: next.filter(|_| !ends_in_file).and_then(first_fragment),
    })
}

/// The recordings that may have frames of the range, and the first one after them.
fn in_range(mut found: Vec<Found>, from: Duration, until: Duration) -> (Vec<Found>, Option<Found>) {
    let in_time = found.partition_point(|one| one.started_unix < until);
    let next = found.drain(in_time..).next();
    let before = found.partition_point(|one| one.started_unix <= from);
    let mut kept = found.split_off(before);
    for (age, one) in found.into_iter().rev().enumerate() {
        let is_wanted = match Recording::open(&one) {
            Ok(recording) => recording.ended_unix() > from,
            // It may end anywhere. Only the last one probably reaches into the range.
            Err(_) => age == 0,
        };
        if !is_wanted && one.started_unix + USUAL_FILE < from {
            break;
        }
        if is_wanted {
            kept.insert(0, one);
        }
    }
    (kept, next)
}

/// The first fragment of a recording, for its boxes.
fn first_fragment(found: Found) -> Option<Part> {
    let recording = Recording::open(&found).ok()?;
    Some(Part {
        found,
        id: recording.head.id,
        state: recording.state,
        fragments: Vec::new(),
        after: Some(recording.fragments.into_iter().next()?),
    })
}

/// Looks for recordings of a range, by their names and ends alone.
///
/// # Errors
/// If there are none.
pub(super) fn look(
    dir: &std::path::Path,
    source: SourceId,
    (from, until): (Duration, Duration),
) -> Result<(), ExportError> {
    let (in_range, _) = in_range(find(dir, source, from, until)?, from, until);
    match in_range.is_empty() {
        true => Err(nothing_recorded(dir, source, (from, until))?),
        false => Ok(()),
    }
}

/// Why there is no video.
fn nothing(dir: &std::path::Path, planner: &Planner) -> Result<ExportError, ExportError> {
    let (from, until) = (planner.from, planner.until);
    match planner.damage.first() {
        Some(first) => Ok(ExportError::Damaged {
            from,
            until,
            recording: first.recording.clone(),
            reason: first.reason.clone(),
        }),
        None => nothing_recorded(dir, planner.source, (from, until)),
    }
}

/// The error that tells the recordings that there are.
fn nothing_recorded(
    dir: &std::path::Path,
    source_id: SourceId,
    (from, until): (Duration, Duration),
) -> Result<ExportError, ExportError> {
    let Some((oldest, newest)) = ends(dir, source_id)? else {
        return no_source(dir, source_id);
    };
    Ok(ExportError::Nothing {
        source_id,
        from,
        until,
        oldest: oldest.started_unix,
        newest: end_of(&newest),
    })
}

/// A plan in the making.
struct Planner {
    source: SourceId,
    from: Duration,
    until: Duration,
    gaps: Gaps,
    videos: Vec<Video>,
    damage: Vec<Damage>,
}

impl Planner {
    fn recording(&mut self, found: Found, watch: &mut Watch<'_>) -> Result<(), ExportError> {
        let mut recording = match Recording::open(&found) {
            Ok(recording) => recording,
            Err(error) => {
                if !is_gone(&error) {
                    self.damaged(&found, None, reason(&error));
                }
                return Ok(());
            }
        };
        if recording.head.source != self.source {
            let reason = format!("it is of source {}", recording.head.source);
            self.damaged(&found, None, reason);
            return Ok(());
        }
        let fragments = std::mem::take(&mut recording.fragments);
        let (start, end) = self.groups(&fragments);
        self.gaps.next_recording();
        let mut part = Part {
            found,
            id: recording.head.id,
            state: recording.state,
            fragments: Vec::new(),
            after: fragments.get(end).cloned(),
        };
        let (mut video, mut waits_for_key) = (None, false);
        for place in &fragments[start..end] {
            watch.check()?;
            let began = Instant::now();
            let read = recording.reader.read(place);
            watch.rest(began.elapsed());
            let content = match read {
                Ok((content, _)) => content,
                Err(error) => {
                    self.damaged(&part.found, Some(place.offset), reason(&error));
                    // Without the pictures before them the rest of the group can't be decoded.
                    waits_for_key = true;
                    continue;
                }
            };
            waits_for_key &= !content.frames[0].is_key;
            if waits_for_key {
                continue;
            }
            let at = match video {
                Some(at) => at,
                None => *video.insert(self.video_of(&recording, &content)),
            };
            self.take(at, &content);
            part.fragments.push(place.clone());
        }
        if let Some((byte, reason)) = recording.damage
            && end == fragments.len()
        {
            self.damaged(&part.found, Some(byte), reason);
        }
        if let Some(at) = video {
            self.videos[at].parts.push(part);
        }
        Ok(())
    }

    /// The fragments of whole groups in the range: the first one, and the one after the last.
    fn groups(&self, fragments: &[FragmentPlace]) -> (usize, usize) {
        let is_key = |place: &FragmentPlace| place.begins_with_key;
        let start = fragments
            .iter()
            .rposition(|place| is_key(place) && place.captured_unix <= self.from)
            .or_else(|| fragments.iter().position(is_key))
            .unwrap_or(fragments.len());
        let end = fragments[start..]
            .iter()
            .position(|place| is_key(place) && place.captured_unix >= self.until)
            .map_or(fragments.len(), |after| start + after);
        (start, end)
    }

    /// The video that a recording belongs to, by its first sound fragment.
    fn video_of(&mut self, recording: &Recording, content: &FragmentContent) -> usize {
        let first = &content.frames[0];
        let begins = match self.videos.last_mut() {
            None => Begins::Start,
            Some(video) if *video.movie.format() != recording.head.format => Begins::Format,
            Some(video) => match video.timeline.join(first) {
                Ok(()) => return self.videos.len() - 1,
                Err(misfit) => Begins::Misfit(misfit),
            },
        };
        self.videos.push(Video {
            begins,
            movie: PlainMovie::new(recording.head.format.clone(), first.captured_unix),
            timeline: Timeline::new(first),
            first_captured: first.captured_unix,
            last_captured: first.captured_unix,
            parts: Vec::new(),
        });
        self.videos.len() - 1
    }

    fn take(&mut self, video: usize, content: &FragmentContent) {
        self.gaps.frames(&content.frames, content.ticks);
        let video = &mut self.videos[video];
        let (frames, end) = video.timeline.place(&content.frames, content.ticks);
        video.movie.add(&frames, end);
        let captured = content.frames.iter().map(|frame| frame.captured_unix);
        video.last_captured = captured.fold(video.last_captured, Duration::max);
    }

    fn damaged(&mut self, found: &Found, byte: Option<u64>, reason: String) {
        self.damage.push(Damage {
            recording: found.name.clone(),
            byte,
            reason,
        });
    }
}

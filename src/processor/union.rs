//! The recordings in two directories as one. Pure.
//!
//! Around a takeover both directories have the same groups of pictures, to the frame: a camera's key frames begin them in both. Such a
//! group is shown once, from the first directory, unless that one has only a part of it.

use std::cmp::Ordering;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::time::Duration;

use crate::record::{TRACK_GAP_MS, joined_times, time_of_ticks};
use crate::web::recorder::{
    Event, EventList, FileScenes, FileSegments, FragmentRange, SceneList, Timeline, ViewError,
};

/// What a group of pictures may have beyond the same one in the other directory: the duration of the last frame of a file is a guess.
const SLACK: Duration = Duration::from_millis(500);

/// The answers of those directories that have one. `join` makes one of two, the first directory's before.
///
/// # Errors
/// If none has one, the error of the first.
pub(super) fn joined<T>(
    answers: impl IntoIterator<Item = Result<T, ViewError>>,
    join: impl Fn(T, T) -> T,
) -> Result<T, ViewError> {
    let mut answers = answers.into_iter();
    let first = answers.next().unwrap_or_else(|| {
        Err(ViewError::Unreadable(
            "no directory is configured".to_owned(),
        ))
    });
    answers.fold(first, |one, other| match (one, other) {
        (Ok(one), Ok(other)) => Ok(join(one, other)),
        (Err(_), Ok(one)) | (Ok(one), Err(_)) => Ok(one),
        (Err(first), Err(_)) => Err(first),
    })
}

/// Two timelines of a camera, of which each has at most `limit` events.
pub(super) fn timelines(first: Timeline, next: Timeline, limit: usize) -> Timeline {
    let lists = [
        (first.events, first.truncated),
        (next.events, next.truncated),
    ];
    let lists = lists.map(|(mut events, truncated)| {
        events.reverse();
        (events, truncated)
    });
    let (mut events, truncated) = newest(lists, limit);
    events.reverse();
    let mut times = [first.recorded, next.recorded].concat();
    times.sort_unstable();
    let recorded = joined_times(times);
    Timeline {
        recorded,
        events,
        truncated,
    }
}

/// Two lists of events, each with at most `limit`.
pub(super) fn event_lists(first: EventList, next: EventList, limit: usize) -> EventList {
    let lists = [
        (first.events, first.truncated),
        (next.events, next.truncated),
    ];
    let (events, truncated) = newest(lists, limit);
    let classes: BTreeSet<String> = first.classes.into_iter().chain(next.classes).collect();
    EventList {
        events,
        truncated,
        classes: classes.into_iter().collect(),
    }
}

/// The frames of two directories. A frame that is in both is told twice, each with its file: the playlist decides which one is shown.
pub(super) fn scene_lists(mut first: SceneList, next: SceneList) -> SceneList {
    first.files.extend(next.files);
    let begin = |file: &FileScenes| file.frames.first().map(|frame| frame.1);
    let order = |one: &FileScenes, other: &FileScenes| begin(one).partial_cmp(&begin(other));
    first
        .files
        .sort_by(|one, other| order(one, other).unwrap_or(Ordering::Equal));
    first
}

/// The newest events of two lists, which have the newest first and are complete or truncated, and whether there are more.
fn newest(lists: [(Vec<Event>, bool); 2], limit: usize) -> (Vec<Event>, bool) {
    // A truncated list does not tell what else begins before its last event.
    let horizon = lists.iter().filter(|(_, truncated)| *truncated);
    let horizon = horizon.filter_map(|(events, _)| events.last());
    let horizon = horizon.map(|event| event.from_ms).max();
    let mut all: Vec<Event> = lists.into_iter().flat_map(|(events, _)| events).collect();
    all.sort_by(|one, other| {
        let of = |event: &Event| (event.source_id, event.track, event.from_ms);
        (of(one), &one.class).cmp(&(of(other), &other.class))
    });
    let mut joined: Vec<Event> = Vec::new();
    for event in all {
        let same = joined.iter_mut().rev();
        let mut same = same.take_while(|former| {
            (former.source_id, former.track) == (event.source_id, event.track)
        });
        let same = same.find(|former| {
            let until = former.to_ms.saturating_add(TRACK_GAP_MS);
            former.class == event.class && event.from_ms <= until
        });
        match same {
            Some(former) => extend(former, event),
            None => joined.push(event),
        }
    }
    joined.sort_by(|one, other| {
        let of = |event: &Event| (event.from_ms, event.source_id, event.track);
        (of(other), &other.class).cmp(&(of(one), &one.class))
    });
    let found = joined.len();
    joined.retain(|event| horizon.is_none_or(|horizon| event.from_ms >= horizon));
    joined.truncate(limit);
    let truncated = horizon.is_some() || joined.len() < found;
    (joined, truncated)
}

/// Adds the part of an event that is in the other directory.
fn extend(event: &mut Event, other: Event) {
    event.from_ms = event.from_ms.min(other.from_ms);
    event.to_ms = event.to_ms.max(other.to_ms);
    if other.confidence > event.confidence {
        (event.confidence, event.best_ms) = (other.confidence, other.best_ms);
    }
}

/// A group of pictures of a file. The same one in both directories begins at the same time, that of its key frame.
#[derive(Debug, Clone)]
struct Group {
    file: String,
    head_bytes: u64,
    /// At least one.
    fragments: Vec<FragmentRange>,
    from: Duration,
    to: Duration,
}

/// The parts of the files of two directories in the order in which they are played.
pub(super) fn segments(first: Vec<FileSegments>, next: Vec<FileSegments>) -> Vec<FileSegments> {
    // As they are: only what both have needs to be compared, and times may step within a file.
    if first.is_empty() {
        return next;
    }
    if next.is_empty() {
        return first;
    }
    let of_first = groups(first);
    let ends: HashMap<Duration, Duration> = of_first
        .iter()
        .map(|group| (group.from, group.to))
        .collect();
    let mut of_next = groups(next);
    of_next.retain(|group| {
        let end = ends.get(&group.from);
        end.is_none_or(|end| *end + SLACK < group.to)
    });
    let kept: HashSet<Duration> = of_next.iter().map(|group| group.from).collect();
    // A group of which the first directory has only the begin is shown from the next one.
    let of_first = of_first.into_iter();
    let mut all: Vec<Group> = of_first
        .filter(|group| !kept.contains(&group.from))
        .collect();
    all.extend(of_next);
    all.sort_by_key(|group| group.from);
    parts(all)
}

fn groups(files: Vec<FileSegments>) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for file in files {
        let begin = groups.len();
        for fragment in file.fragments {
            let to = fragment.captured_unix + time_of_ticks(fragment.ticks);
            match groups[begin..].last_mut() {
                Some(group) if !fragment.begins_with_key => {
                    group.fragments.push(fragment);
                    group.to = group.to.max(to);
                }
                _ => groups.push(Group {
                    file: file.file.clone(),
                    head_bytes: file.head_bytes,
                    fragments: vec![fragment],
                    from: fragment.captured_unix,
                    to,
                }),
            }
        }
    }
    groups
}

/// Joins the groups that follow one another in a file.
fn parts(groups: Vec<Group>) -> Vec<FileSegments> {
    let mut parts: Vec<FileSegments> = Vec::new();
    for group in groups {
        let end = |part: &FileSegments| part.fragments.last().map(|it| it.offset + it.bytes);
        let begin = group.fragments.first().map(|it| it.offset);
        match parts.last_mut() {
            Some(part) if part.file == group.file && end(part) == begin => {
                part.fragments.extend(group.fragments);
            }
            _ => parts.push(FileSegments {
                file: group.file,
                head_bytes: group.head_bytes,
                fragments: group.fragments,
            }),
        }
    }
    parts
}

#[cfg(test)]
#[path = "union_tests.rs"]
mod tests;

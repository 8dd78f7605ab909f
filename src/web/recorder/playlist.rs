//! HLS playlists (RFC 8216) of recordings: each segment is a whole group of pictures, as a range of bytes of its file. Pure.

use std::fmt::Write as _;
use std::time::Duration;

use jiff::Timestamp;

use super::view::{FileSegments, FragmentRange};
use crate::base::SourceId;

/// Ticks a second.
const TIMESCALE: u64 = 90_000;
/// A silence of the camera within a file that players must be told. Shorter ones are rounding, or a lost frame.
const GAP_TICKS: u64 = TIMESCALE / 2;

/// A segment of a playlist.
#[derive(Debug, Clone, Copy)]
struct Group {
    offset: u64,
    bytes: u64,
    first_tick: u64,
    /// The first tick after it.
    end_tick: u64,
    captured_unix: Duration,
}

/// The playlist of these parts of files of a camera. Nothing if they have no group of pictures.
///
/// Fragments before the first key frame of a part are left out. Each part begins with the head of its file and, like each group
/// after a silence, a discontinuity.
pub(super) fn playlist(source: SourceId, files: &[FileSegments]) -> Option<String> {
    let files: Vec<(&FileSegments, Vec<Group>)> = files
        .iter()
        .map(|file| (file, groups(&file.fragments)))
        .filter(|(_, groups)| !groups.is_empty())
        .collect();
    let all = files.iter().flat_map(|(_, groups)| groups);
    let longest = all.map(Group::ticks).max()?;
    // The nearest whole second: no duration may be longer when rounded.
    let target = (longest + TIMESCALE / 2) / TIMESCALE;
    let mut text = format!(
        "#EXTM3U\n\
         #EXT-X-VERSION:7\n\
         #EXT-X-TARGETDURATION:{}\n\
         #EXT-X-MEDIA-SEQUENCE:0\n\
         #EXT-X-PLAYLIST-TYPE:VOD\n\
         #EXT-X-INDEPENDENT-SEGMENTS\n",
        target.max(1)
    );
    for (number, (file, groups)) in files.iter().enumerate() {
        if number > 0 {
            text.push_str("#EXT-X-DISCONTINUITY\n");
        }
        let uri = format!("media.mp4?source={source}&file={}", file.file);
        let head_bytes = file.head_bytes;
        line(
            &mut text,
            format_args!("#EXT-X-MAP:URI=\"{uri}\",BYTERANGE=\"{head_bytes}@0\""),
        );
        let mut end_tick = None;
        for group in groups {
            if end_tick.is_some_and(|end_tick| group.first_tick > end_tick + GAP_TICKS) {
                text.push_str("#EXT-X-DISCONTINUITY\n");
            }
            end_tick = Some(group.end_tick);
            group.write(&mut text, &uri);
        }
    }
    text.push_str("#EXT-X-ENDLIST\n");
    Some(text)
}

/// Joins the fragments of each group of pictures.
fn groups(fragments: &[FragmentRange]) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for fragment in fragments {
        let end_tick = fragment.first_tick.saturating_add(fragment.ticks);
        if fragment.begins_with_key {
            groups.push(Group {
                offset: fragment.offset,
                bytes: fragment.bytes,
                first_tick: fragment.first_tick,
                end_tick,
                captured_unix: fragment.captured_unix,
            });
        } else if let Some(group) = groups.last_mut() {
            group.bytes = (fragment.offset + fragment.bytes).saturating_sub(group.offset);
            group.end_tick = end_tick;
        }
    }
    groups
}

impl Group {
    fn ticks(&self) -> u64 {
        self.end_tick.saturating_sub(self.first_tick)
    }

    fn write(&self, text: &mut String, uri: &str) {
        let microseconds = u128::from(self.ticks()) * 1_000_000 / u128::from(TIMESCALE);
        line(
            text,
            format_args!(
                "#EXT-X-PROGRAM-DATE-TIME:{}\n#EXTINF:{}.{:06},\n#EXT-X-BYTERANGE:{}@{}\n{uri}",
                shown_time(self.captured_unix),
                microseconds / 1_000_000,
                microseconds % 1_000_000,
                self.bytes,
                self.offset,
            ),
        );
    }
}

fn line(text: &mut String, line: std::fmt::Arguments<'_>) {
    // Writing to a String can't fail.
    let _ = text.write_fmt(line);
    text.push('\n');
}

/// A time since the Unix epoch, in UTC with milliseconds: `2026-11-28T08:30:00.123Z`.
pub(super) fn shown_time(unix: Duration) -> String {
    let milliseconds = i64::try_from(unix.as_millis()).unwrap_or(i64::MAX);
    let time = Timestamp::from_millisecond(milliseconds).unwrap_or(Timestamp::MAX);
    format!("{time:.3}")
}

#[cfg(test)]
#[path = "playlist_tests.rs"]
mod tests;

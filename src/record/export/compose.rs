//! Composes the manifest of a finished copy.

use std::time::Duration;

use super::copy::Copied;
use super::manifest::{
    ClockEntry, DamageEntry, FORMAT, FileEntry, GapEntry, Manifest, RecordingEntry, VERSION,
    VideoEntry,
};
use super::moments::{seconds, shown};
use super::plan::{Begins, Plan, Video};
use super::timeline::Misfit;
use crate::base::{PublicKey, SourceId};
use crate::record::mp4::time_of_ticks;

/// The manifest of the range (beginning, end) of a source, which is signed by `key` at `now_unix`.
pub(super) fn manifest(
    (source_id, from, until): (SourceId, Duration, Duration),
    plan: &Plan,
    copied: &Copied,
    key: PublicKey,
    now_unix: Duration,
) -> Manifest {
    let videos = plan.videos.iter().zip(&copied.videos);
    let gaps = plan.gaps.iter().map(|&(from, until)| GapEntry {
        from: shown(from),
        until: shown(until),
        duration_s: seconds(until.saturating_sub(from)),
    });
    let damage = plan.damage.iter().map(|damage| DamageEntry {
        recording: damage.recording.clone(),
        byte: damage.byte,
        reason: damage.reason.clone(),
    });
    let host = rustix::system::uname();
    Manifest {
        format: FORMAT.to_owned(),
        version: VERSION,
        program: format!("nvr {}", env!("CARGO_PKG_VERSION")),
        host: host.nodename().to_string_lossy().into_owned(),
        key,
        exported: shown(now_unix),
        source_id,
        from: shown(from),
        until: shown(until),
        videos: videos
            .map(|(video, (file, recordings))| entry(video, file.clone(), recordings))
            .collect(),
        boxes: copied.boxes.clone(),
        gaps: gaps.collect(),
        damage: damage.collect(),
    }
}

fn entry(video: &Video, file: FileEntry, recordings: &[RecordingEntry]) -> VideoEntry {
    let format = video.movie.format();
    let begins = match video.begins {
        Begins::Start => "start",
        Begins::Format => "format",
        Begins::Misfit(Misfit::Clock) => "clock",
        Begins::Misfit(Misfit::Gap) => "gap",
    };
    let clock = video.timeline.clock.iter();
    VideoEntry {
        file,
        begins: begins.to_owned(),
        codec: format.codec.name().to_owned(),
        width: format.size.width,
        height: format.size.height,
        first_captured: shown(video.first_captured),
        last_captured: shown(video.last_captured),
        duration_s: seconds(time_of_ticks(video.movie.shown_ticks())),
        clock: clock
            .map(|&(media, captured)| ClockEntry {
                media_s: seconds(media),
                captured: shown(captured),
            })
            .collect(),
        recordings: recordings.to_vec(),
    }
}

//! Fragments: some frames with their times, appended at once.

use std::io::BufRead;
use std::time::Duration;

use mp4_atom::{
    Atom, Mfhd, Moof, Prft, ReferenceTime, Tfdt, Tfhd, Traf, Trun, TrunEntry, TrunSamples,
};

use super::boxes::{find, write, write_box};
use super::parts::{FragmentError, FrameAt, LARGEST_BYTES, LATEST_TICK, ReadError, TRACK};
use super::scenes::{self, check_size, parse_scenes, write_scenes};
use super::seal::{BlockKind, SMALLEST_BODY, Seal, seal};
use super::source::{BoxHeader, Source};
use super::times::{FrameTimes, nanoseconds, ntp, tick};
use crate::base::CaptureClock;
use crate::media::CodedUnit;
use crate::record::scene::Scene;

/// The flags of a frame that needs no other one, and of one that does. By ISO/IEC 14496-12, 8.8.3.1.
const KEY: u32 = 0x0200_0000;
const NO_KEY: u32 = 0x0101_0000;
/// The bit of the flags that tells them apart: `sample_is_non_sync_sample`.
const NON_SYNC: u32 = 0x0001_0000;
/// Length of `prft`, which stands before `moof`: of its version 0, which is enough up to the latest time of a file.
pub(super) const PRFT_BYTES: u64 = 28;
/// Length of the size and the type of the seal.
pub(super) const SEAL_HEADER_BYTES: usize = 8;
/// Length of a frame in the seal: capture time and NTP time in nanoseconds since the Unix epoch, and a byte of flags.
pub(super) const SEALED_FRAME_BYTES: usize = 17;
/// The most bytes of `moof` without frames, and with each of them: duration, size, flags and composition offset.
pub(super) const MOOF_BYTES: u64 = 128;
pub(super) const MOOF_FRAME_BYTES: u64 = 16;
/// The flags there: the clock of the capture time is that of the processor; there is an NTP time.
const BY_ARRIVAL: u8 = 1;
const HAS_NTP: u8 = 2;

/// A fragment that is to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::record) struct SealedFragment {
    /// All of it.
    pub(in crate::record) bytes: Vec<u8>,
    /// Decode time of its first frame in ticks since the file's start.
    pub(in crate::record) first_tick: u64,
    /// The sum of the durations of its frames in ticks.
    pub(in crate::record) ticks: u64,
    /// Whether the scenes are in it: there are some, and they have room.
    pub(in crate::record) has_scenes: bool,
}

/// One fragment: `prft`, `moof`, `mdat`, the box of scenes if there are any, and its seal.
///
/// The units are in decoding order and of one session. `sequence` counts from 1. `base_pts_ns` is the smallest pts of the file's
/// first fragment; earlier frames are presented at it. `next_pts_ns` is the pts of the unit that follows; without it, and where
/// B-frames leave it open, the last frame lasts as long as the one before. No pts of this fragment may be larger than one of the
/// next. Scenes are left out where the fragment would be too large with them.
///
/// # Errors
/// If there is no unit, or too many bytes, or a time is hours after the base.
pub(in crate::record) fn fragment_with_scenes(
    id: u64,
    sequence: u32,
    base_pts_ns: u64,
    units: &[CodedUnit],
    next_pts_ns: Option<u64>,
    scenes: &[Scene],
) -> Result<SealedFragment, FragmentError> {
    let first = units.first().ok_or(FragmentError::Empty)?;
    let presentation: Vec<u64> = units
        .iter()
        .map(|unit| tick(unit.pts_ns, base_pts_ns))
        .collect();
    let times = FrameTimes::new(
        &presentation,
        next_pts_ns.map(|next| tick(next, base_pts_ns)),
    )?;
    let media_bytes: u64 = units.iter().map(|unit| unit.data.len() as u64).sum();
    if media_bytes > LARGEST_BYTES {
        return Err(FragmentError::TooLarge { bytes: media_bytes });
    }
    let reference = Prft {
        reference_track_id: TRACK,
        ntp_timestamp: ntp(first.captured_unix),
        media_time: presentation[0],
        utc_time_semantics: ReferenceTime::Input,
    };
    let mut out = Vec::with_capacity(media_bytes as usize + 256 + 36 * units.len());
    write(&mut out, &reference);
    write_moof(&mut out, sequence, &times, units);
    write_box(&mut out, b"mdat", |out| {
        for unit in units {
            out.extend_from_slice(&unit.data);
        }
    });
    let seal_bytes = SEAL_HEADER_BYTES + SMALLEST_BODY + SEALED_FRAME_BYTES * units.len();
    let room = (LARGEST_BYTES as usize).saturating_sub(out.len() + seal_bytes);
    let has_scenes = write_scenes(&mut out, scenes, room);
    seal(&mut out, BlockKind::Fragment, id, sequence, |out| {
        for unit in units {
            SealedTimes::of(unit).write(out);
        }
    });
    let bytes = out.len() as u64;
    if bytes > LARGEST_BYTES {
        return Err(FragmentError::TooLarge { bytes });
    }
    Ok(SealedFragment {
        bytes: out,
        first_tick: times.decode[0],
        ticks: times.durations.iter().copied().map(u64::from).sum(),
        has_scenes,
    })
}

fn write_moof(out: &mut Vec<u8>, sequence: u32, times: &FrameTimes, units: &[CodedUnit]) {
    // Without reordering the offsets are left out.
    let reordered = times.offsets.iter().any(|&offset| offset != 0);
    let entries = units
        .iter()
        .zip(times.durations.iter().zip(&times.offsets))
        .map(|(unit, (&duration, &offset))| TrunEntry {
            duration: Some(duration),
            size: Some(unit.data.len() as u32),
            flags: Some(if unit.is_key { KEY } else { NO_KEY }),
            cts: reordered.then_some(offset),
        });
    let run = Trun {
        data_offset: Some(0),
        samples: TrunSamples::Explicit(entries.collect()),
    };
    let track = Traf {
        tfhd: Tfhd {
            track_id: TRACK,
            default_base_is_moof: true,
            ..Tfhd::default()
        },
        tfdt: Some(Tfdt {
            base_media_decode_time: times.decode[0],
        }),
        trun: vec![run],
        ..Traf::default()
    };
    let mut moof = Moof {
        mfhd: Mfhd {
            sequence_number: sequence,
        },
        traf: vec![track],
    };
    let start = out.len();
    write(out, &moof);
    // The data begins after the header of `mdat`. Its offset is known only now.
    let data_offset = (out.len() - start + 8) as i32;
    out.truncate(start);
    moof.traf[0].trun[0].data_offset = Some(data_offset);
    write(out, &moof);
}

/// A fragment as it is read.
#[derive(Debug)]
pub(super) struct Fragment {
    /// At least one, in decoding order.
    pub(super) frames: Vec<FrameAt>,
    /// The sum of their durations in ticks.
    pub(super) ticks: u64,
    /// In the order in which they came.
    pub(super) scenes: Vec<Scene>,
}

/// The first part of a fragment: what stands before its media.
pub(super) struct FragmentStart {
    moof: BoxHeader,
    moof_body: Vec<u8>,
    /// The box of the media, of which only the header is read.
    pub(super) media: BoxHeader,
}

/// Reads a fragment after the header of its first box, and checks its seal, with its id and sequence if they are known.
pub(super) fn fragment_block<R: BufRead>(
    source: &mut Source<R>,
    first: &BoxHeader,
    expected: Option<(u64, u32)>,
) -> Result<Fragment, ReadError> {
    let start = fragment_start(source, first)?;
    source.skip(&start.media)?;
    fragment_end(source, &start, expected)
}

/// Reads a fragment up to its media, after the header of its first box.
pub(super) fn fragment_start<R: BufRead>(
    source: &mut Source<R>,
    first: &BoxHeader,
) -> Result<FragmentStart, ReadError> {
    first.expect(b"prft")?;
    source.skip(first)?;
    let moof = source.required(b"moof")?;
    let moof_body = source.keep(&moof)?;
    let media = source.required(b"mdat")?;
    Ok(FragmentStart {
        moof,
        moof_body,
        media,
    })
}

/// Reads a fragment from the end of its media on, and checks its seal.
pub(super) fn fragment_end<R: BufRead>(
    source: &mut Source<R>,
    start: &FragmentStart,
    expected: Option<(u64, u32)>,
) -> Result<Fragment, ReadError> {
    let block_at = source.block_at;
    let mut last = source.required(b"uuid")?;
    let mut begun = source.begin(&last, scenes::UUID.len())?;
    let mut scenes = None;
    if begun == scenes::UUID {
        check_size(&last)?;
        scenes = Some((last, source.keep(&last)?));
        last = source.required(b"uuid")?;
        begun = Vec::new();
    }
    let seal = source.seal_begun(&last, begun, BlockKind::Fragment, expected)?;
    let FragmentStart {
        moof,
        moof_body,
        media,
    } = start;
    let data_offset = media.body_at() - moof.at;
    let mut fragment = parse(moof_body, data_offset, media.body_bytes, &seal)
        .map_err(|reason| ReadError::damaged(moof.at, reason))?;
    for frame in &mut fragment.frames {
        frame.offset += media.body_at() - block_at;
    }
    if let Some((header, content)) = scenes {
        fragment.scenes = parse_scenes(&header, &content)?;
    }
    Ok(fragment)
}

/// The frames of a sealed `moof`, without scenes. Their offsets are those in `mdat`.
fn parse(
    moof_body: &[u8],
    data_offset: u64,
    media_bytes: u64,
    seal: &Seal,
) -> Result<Fragment, String> {
    // Box by box: `mp4_atom` decodes unknown boxes as well, as deep as they are nested.
    let track = find(moof_body, b"traf").ok_or("`moof` has no track")?;
    let decode_time = find(track, b"tfdt").ok_or("`moof` has no decode time")?;
    let run = find(track, b"trun").ok_or("`moof` has no frames")?;
    let first_tick = Tfdt::decode_body(&mut &*decode_time)
        .map_err(|error| format!("`tfdt`: {error}"))?
        .base_media_decode_time;
    let run = Trun::decode_body(&mut &*run).map_err(|error| format!("`trun`: {error}"))?;
    let TrunSamples::Explicit(entries) = &run.samples else {
        return Err("`trun` has no sizes".to_owned());
    };
    if run.data_offset.map(u64::try_from) != Some(Ok(data_offset)) {
        return Err("`trun` has another offset than that of `mdat`".to_owned());
    }
    if entries.is_empty() || entries.len() * SEALED_FRAME_BYTES != seal.content.len() {
        return Err("`trun` and the seal have different numbers of frames".to_owned());
    }
    let (mut ticks, mut offset) = (0, 0);
    let mut frames = Vec::with_capacity(entries.len());
    for (entry, sealed) in entries
        .iter()
        .zip(seal.content.chunks_exact(SEALED_FRAME_BYTES))
    {
        let (Some(duration), Some(bytes), Some(flags)) = (entry.duration, entry.size, entry.flags)
        else {
            return Err("`trun` has frames without duration, size or flags".to_owned());
        };
        let decode_tick = first_tick
            .checked_add(ticks)
            .filter(|&tick| tick <= LATEST_TICK)
            .ok_or("`trun` has times that are too late")?;
        let times = SealedTimes::parse(sealed).ok_or("the seal has unknown flags of a frame")?;
        frames.push(FrameAt {
            offset,
            bytes,
            decode_tick,
            presentation_tick: decode_tick as i64 + entry.cts.unwrap_or(0),
            is_key: flags & NON_SYNC == 0,
            captured_unix: times.captured_unix,
            clock: times.clock,
            ntp_ns: times.ntp_ns,
        });
        ticks += u64::from(duration);
        offset += u64::from(bytes);
    }
    if offset != media_bytes {
        return Err(format!(
            "`trun` is for {offset} bytes, `mdat` has {media_bytes}"
        ));
    }
    Ok(Fragment {
        frames,
        ticks,
        scenes: Vec::new(),
    })
}

/// The times of a frame in the seal.
struct SealedTimes {
    captured_unix: Duration,
    clock: CaptureClock,
    ntp_ns: Option<u64>,
}

impl SealedTimes {
    fn of(unit: &CodedUnit) -> Self {
        Self {
            captured_unix: unit.captured_unix,
            clock: unit.clock,
            ntp_ns: unit.ntp_ns,
        }
    }

    fn write(&self, out: &mut Vec<u8>) {
        let ntp_flag = if self.ntp_ns.is_some() { HAS_NTP } else { 0 };
        let clock_flag = match self.clock {
            CaptureClock::Ntp => 0,
            CaptureClock::Arrival => BY_ARRIVAL,
        };
        out.extend(nanoseconds(self.captured_unix).to_be_bytes());
        out.extend(self.ntp_ns.unwrap_or(0).to_be_bytes());
        out.push(clock_flag | ntp_flag);
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let (captured, rest) = bytes.split_first_chunk()?;
        let (ntp, rest) = rest.split_first_chunk()?;
        let &[flags] = rest else { return None };
        if flags & !(BY_ARRIVAL | HAS_NTP) != 0 {
            return None;
        }
        Some(Self {
            captured_unix: Duration::from_nanos(u64::from_be_bytes(*captured)),
            clock: if flags & BY_ARRIVAL == 0 {
                CaptureClock::Ntp
            } else {
                CaptureClock::Arrival
            },
            ntp_ns: (flags & HAS_NTP != 0).then_some(u64::from_be_bytes(*ntp)),
        })
    }
}

#[cfg(test)]
#[path = "fragment_tests.rs"]
mod tests;

//! Media times in ticks of the file.

use std::time::Duration;

use super::parts::{FragmentError, LATEST_TICK, TIMESCALE};

/// The duration of a frame when nothing tells it: that of 25 frames a second.
const ASSUMED_TICKS: u32 = TIMESCALE / 25;
/// Seconds from the epoch of NTP, 1900, to that of Unix.
const NTP_TO_UNIX_S: u64 = 2_208_988_800;

/// The tick nearest to a time. Times before the base are at the base.
pub(super) fn tick(pts_ns: u64, base_pts_ns: u64) -> u64 {
    // A tick is 100 000/9 ns.
    let since_base = pts_ns.saturating_sub(base_pts_ns);
    since_base / 100_000 * 9 + (since_base % 100_000 * 9 + 50_000) / 100_000
}

/// The times of frames, in decoding order.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct FrameTimes {
    /// Decode times. They increase by at least one tick.
    pub(super) decode: Vec<u64>,
    /// Durations. All but the last are the differences of `decode`.
    pub(super) durations: Vec<u32>,
    /// Presentation time minus decode time.
    pub(super) offsets: Vec<i64>,
}

impl FrameTimes {
    /// The times of frames with these presentation times in ticks, before a frame at `next`.
    ///
    /// The decode times are the presentation times in ascending order. Of equal ones, as bad cameras send them, each is a tick
    /// later than the one before; they stay before `next` if there is room.
    pub(super) fn new(presentation: &[u64], next: Option<u64>) -> Result<Self, FragmentError> {
        let mut decode = presentation.to_vec();
        decode.sort_unstable();
        let (Some(&first), Some(&latest)) = (decode.first(), decode.last()) else {
            return Err(FragmentError::Empty);
        };
        let mut earliest = first;
        for time in &mut decode {
            *time = (*time).max(earliest);
            earliest = *time + 1;
        }
        if let Some(mut bound) = next.filter(|&next| next > latest) {
            for (index, time) in decode.iter_mut().enumerate().rev() {
                *time = (*time).min(bound - 1).max(first + index as u64);
                bound = *time;
            }
        }
        let last = *decode.last().unwrap_or(&latest);
        if last > LATEST_TICK {
            let seconds = last / u64::from(TIMESCALE);
            return Err(FragmentError::TooLate { seconds });
        }
        let between =
            |from: u64, to: u64| u32::try_from(to.saturating_sub(from).max(1)).unwrap_or(u32::MAX);
        let mut durations: Vec<u32> = decode
            .windows(2)
            .map(|pair| between(pair[0], pair[1]))
            .collect();
        let reordered = !presentation.is_sorted();
        durations.push(match (next, durations.last()) {
            // Frames that are presented before the next one may still come after it: an open group of pictures.
            (Some(next), Some(&previous)) if reordered => {
                let whole = between(last, next);
                if whole > previous.saturating_add(previous / 2) {
                    previous
                } else {
                    whole
                }
            }
            (Some(next), _) => between(last, next),
            (None, Some(&previous)) => previous,
            (None, None) => ASSUMED_TICKS,
        });
        let offsets = presentation
            .iter()
            .zip(&decode)
            .map(|(&presentation, &decode)| presentation as i64 - decode as i64)
            .collect();
        Ok(Self {
            decode,
            durations,
            offsets,
        })
    }
}

/// A time since the Unix epoch as an NTP timestamp: seconds since 1900, which wrap in 2036, and 32 bits of fraction.
pub(super) fn ntp(unix: Duration) -> u64 {
    let seconds = unix.as_secs().wrapping_add(NTP_TO_UNIX_S);
    let fraction = (u64::from(unix.subsec_nanos()) << 32) / 1_000_000_000;
    seconds << 32 | fraction
}

/// A time since the Unix epoch in nanoseconds, at most those of 64 bits: the year 2554.
pub(super) fn nanoseconds(unix: Duration) -> u64 {
    u64::try_from(unix.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
#[path = "times_tests.rs"]
mod tests;

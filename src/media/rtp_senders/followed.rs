//! The followed sender: shifts sequence numbers and times of its packets, so that they continue those of the sender before.
//!
//! Called on the thread on which the packets arrive; passes all of them.

use std::time::Duration;

use super::super::rtp_header::Header;

/// RTP clock rate of video.
const TICKS_PER_S: u64 = 90_000;
/// If the time of a new sender continues that of the previous one within this tolerance, both have the same clock.
const SAME_CLOCK: Duration = Duration::from_secs(1);

/// The followed sender, as it sends and as rtpbin sees it.
#[derive(Debug)]
pub(super) struct Followed {
    pub(super) ssrc: u32,
    /// The SSRC, sequence number and time under which rtpbin sees the sender.
    pub(super) shown: Header,
    pub(super) sequence_shift: u16,
    pub(super) time_shift: u32,
    pub(super) at: Duration,
    /// It has sent a goodbye.
    pub(super) left: bool,
    /// The shift of its times is an estimate until its first report.
    pub(super) untold: bool,
    pub(super) clocks: u64,
}

impl Followed {
    pub(super) fn show(&mut self, header: Header, now: Duration) -> Header {
        let shown = Header {
            ssrc: self.shown.ssrc,
            sequence: header.sequence.wrapping_add(self.sequence_shift),
            time: header.time.wrapping_add(self.time_shift),
            ..header
        };
        // Datagrams may arrive in another order.
        if is_newer(shown.sequence, self.shown.sequence) {
            self.shown = shown;
        }
        self.at = now;
        self.left = false;
        shown
    }

    /// Lets the packets from `first` on, which arrived at `at`, continue those of this sender.
    pub(super) fn continue_with(&mut self, first: &Header, at: Duration) {
        let next = self.shown.sequence.wrapping_add(1);
        self.ssrc = first.ssrc;
        self.left = false;
        self.sequence_shift = next.wrapping_sub(first.sequence);
        let passed = at.saturating_sub(self.at);
        let ticks = first
            .time
            .wrapping_add(self.time_shift)
            .wrapping_sub(self.shown.time);
        // A step backwards is more than half a turn forwards; the elapsed time is never close to that.
        let by_its_clock = Duration::from_nanos(u64::from(ticks) * 1_000_000_000 / TICKS_PER_S);
        if by_its_clock.abs_diff(passed) > SAME_CLOCK {
            let passed_ticks = passed.as_micros() * u128::from(TICKS_PER_S) / 1_000_000;
            let time = self.shown.time.wrapping_add((passed_ticks as u32).max(1));
            self.time_shift = time.wrapping_sub(first.time);
            self.untold = true;
            self.clocks += 1;
        }
    }
}

fn is_newer(sequence: u16, than: u16) -> bool {
    sequence.wrapping_sub(than) < 0x8000
}

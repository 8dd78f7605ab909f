//! Chooses the RTP sender that is followed on one channel, and rewrites its packets so that they continue those of the
//! previous sender.
//!
//! Cameras change their SSRC in the middle of a session, some with each group of pictures, and some send two streams on
//! one channel. rtpbin makes a jitter buffer, two threads and a pad for each SSRC. Therefore it gets one SSRC only:
//! sequence numbers and times of a new sender continue those of the previous one.
//!
//! A packet of another sender is held until it is clear whether the followed sender still sends. A sender that starts a
//! second picture before the followed sender sends anything has replaced it.

mod followed;

use std::collections::VecDeque;
use std::time::Duration;

use self::followed::Followed;
use super::rtp_header::Header;

/// Maximum number of held packets; with this many the new sender is followed, too.
const MOST_HELD: usize = 512;
/// Maximum number of reports that are kept for senders that are not followed yet.
const MOST_REPORTS: usize = 4;

/// The action for a packet.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum PacketAction<P> {
    /// Pass it with this header.
    Pass(Header),
    /// Hold it, or drop it with the held packets.
    Keep,
    /// Follow the sender of these packets from now on: pass each of them in again, and then this packet. The report
    /// arrived before them.
    Follow { held: Vec<P>, report: Option<P> },
}

/// The action for a sender report.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum ReportAction {
    /// Pass it with this SSRC and with its RTP time shifted.
    Pass { ssrc: u32, shift: u32 },
    /// Drop it: its sender is not followed.
    Keep,
}

/// The senders of one channel.
#[derive(Debug)]
pub(super) struct Senders<P> {
    followed: Option<Followed>,
    candidate: Option<Candidate<P>>,
    reports: VecDeque<(u32, P)>,
    /// The SSRC of the previous sender.
    former: Option<u32>,
    changes: u64,
    /// A previous sender came back, so there are several at the same time.
    rivals: bool,
}

#[derive(Debug)]
struct Candidate<P> {
    first: Header,
    at: Duration,
    held: Vec<P>,
}

impl<P> Default for Senders<P> {
    fn default() -> Self {
        Self {
            followed: None,
            candidate: None,
            reports: VecDeque::new(),
            former: None,
            changes: 0,
            rivals: false,
        }
    }
}

impl<P> Senders<P> {
    /// Handles a packet that arrived at `now`. `packet` is called if the packet is held.
    pub(super) fn packet(
        &mut self,
        header: Header,
        now: Duration,
        packet: impl FnOnce() -> P,
    ) -> PacketAction<P> {
        let Some(followed) = &mut self.followed else {
            self.followed = Some(Followed {
                ssrc: header.ssrc,
                shown: header,
                sequence_shift: 0,
                time_shift: 0,
                at: now,
                left: false,
                untold: false,
                clocks: 0,
            });
            return PacketAction::Follow {
                held: Vec::new(),
                report: self.report_of(header.ssrc),
            };
        };
        if header.ssrc == followed.ssrc {
            self.candidate = None;
            return PacketAction::Pass(followed.show(header, now));
        }
        if self.former == Some(header.ssrc) {
            self.rivals = true;
        }
        // A third sender, before the followed sender sent anything: the second one had replaced that, and was itself
        // replaced.
        let second = self.candidate.take_if(|one| one.first.ssrc != header.ssrc);
        if let Some(second) = second.filter(|one| !self.rivals && one.first.time != header.time) {
            return self.follow(second);
        }
        let Some(followed) = &self.followed else {
            return PacketAction::Keep;
        };
        let other = self.candidate.take();
        let mut candidate = other.unwrap_or(Candidate {
            first: header,
            at: now,
            held: Vec::new(),
        });
        let renews = self.changes > 0 && !self.rivals;
        let replaces = candidate.first.time != header.time || candidate.held.len() >= MOST_HELD;
        if !(followed.left || renews || replaces) {
            candidate.held.push(packet());
            self.candidate = Some(candidate);
            return PacketAction::Keep;
        }
        self.follow(candidate)
    }

    fn follow(&mut self, candidate: Candidate<P>) -> PacketAction<P> {
        if let Some(followed) = &mut self.followed {
            self.former = Some(followed.ssrc);
            followed.continue_with(&candidate.first, candidate.at);
        }
        self.changes += 1;
        PacketAction::Follow {
            report: self.report_of(candidate.first.ssrc),
            held: candidate.held,
        }
    }

    /// Handles a sender report.
    pub(super) fn report(&mut self, ssrc: u32, report: impl FnOnce() -> P) -> ReportAction {
        match &mut self.followed {
            Some(followed) if followed.ssrc == ssrc => {
                followed.untold = false;
                ReportAction::Pass {
                    ssrc: followed.shown.ssrc,
                    shift: followed.time_shift,
                }
            }
            _ => {
                self.reports.retain(|(of, _)| *of != ssrc);
                if self.reports.len() == MOST_REPORTS {
                    self.reports.pop_front();
                }
                self.reports.push_back((ssrc, report()));
                ReportAction::Keep
            }
        }
    }

    /// Handles the goodbye of a sender.
    pub(super) fn goodbye(&mut self, ssrc: u32) {
        if let Some(followed) = &mut self.followed
            && followed.ssrc == ssrc
        {
            followed.left = true;
        }
    }

    /// Whether the reports that passed give the time of the packets that pass.
    pub(super) fn are_times_known(&self) -> bool {
        self.followed.as_ref().is_none_or(|one| !one.untold)
    }

    /// The number of changes of the RTP clock; reports from before a change are not valid.
    pub(super) fn clocks(&self) -> u64 {
        self.followed.as_ref().map_or(0, |one| one.clocks)
    }

    /// The number of changes of the followed sender.
    pub(super) fn changes(&self) -> u64 {
        self.changes
    }

    fn report_of(&mut self, ssrc: u32) -> Option<P> {
        let at = self.reports.iter().position(|(of, _)| *of == ssrc)?;
        self.reports.remove(at).map(|(_, report)| report)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(ssrc: u32, sequence: u16, time: u32) -> Header {
        Header {
            payload_type: 96,
            sequence,
            time,
            ssrc,
        }
    }

    /// Passes packets in as the pipeline does: released packets are passed in again. Returns the headers that pass.
    fn show(senders: &mut Senders<Header>, packet: Header, now_ms: u64) -> Vec<Header> {
        let now = Duration::from_millis(now_ms);
        match senders.packet(packet, now, || packet) {
            PacketAction::Pass(header) => vec![header],
            PacketAction::Keep => Vec::new(),
            PacketAction::Follow { held, .. } => held
                .into_iter()
                .chain([packet])
                .flat_map(|packet| show(senders, packet, now_ms))
                .collect(),
        }
    }

    /// `pictures` pictures of three packets each, 100 ms apart by the RTP clock and on arrival.
    fn pictures(ssrc: u32, sequence: u16, time: u32, pictures: u32) -> Vec<Header> {
        (0..pictures * 3)
            .map(|packet| {
                let sequence = sequence.wrapping_add(packet as u16);
                header(ssrc, sequence, time.wrapping_add(packet / 3 * 9_000))
            })
            .collect()
    }

    #[test]
    fn a_renewed_sender_continues_without_a_lost_packet() {
        let mut senders = Senders::default();
        let mut passed = Vec::new();
        let mut now = 0;
        for (ssrc, sequence, time) in [(1, 65_530, 0), (2, 40, 90_000), (3, 9_000, 180_000)] {
            for packet in pictures(ssrc, sequence, time, 10) {
                passed.extend(show(&mut senders, packet, now / 3 * 100));
                now += 1;
            }
        }
        assert_eq!(passed.len(), 90);
        for (number, header) in (0u16..).zip(&passed) {
            assert_eq!(header.ssrc, 1);
            assert_eq!(header.sequence, 65_530u16.wrapping_add(number));
            assert_eq!(header.time, u32::from(number) / 3 * 9_000);
        }
        assert_eq!(senders.changes(), 2);
        assert!(senders.are_times_known(), "they have one clock");
    }

    #[test]
    fn even_a_new_sender_with_each_picture_is_followed() {
        let mut senders = Senders::default();
        let mut passed = Vec::new();
        for (number, mut packet) in (0u32..).zip(pictures(0, 0, 0, 20)) {
            packet.ssrc = 5 + number / 3;
            packet.sequence = packet.sequence.wrapping_mul(1_001);
            passed.extend(show(&mut senders, packet, u64::from(number / 3 * 100)));
        }
        let sequences: Vec<_> = passed.iter().map(|header| header.sequence).collect();
        assert_eq!(passed.len(), 60);
        assert!(passed.iter().all(|header| header.ssrc == 5));
        assert_eq!(sequences[3], sequences[2] + 1);
    }

    #[test]
    fn of_two_senders_at_once_one_is_followed() {
        let mut senders = Senders::default();
        let (own, twins) = (pictures(1, 0, 0, 50), pictures(2, 20_000, 0, 50));
        let mut passed = Vec::new();
        for (number, (packet, twin)) in (0u64..).zip(own.iter().zip(&twins)) {
            passed.extend(show(&mut senders, *packet, number / 3 * 100));
            passed.extend(show(&mut senders, *twin, number / 3 * 100));
        }
        assert_eq!(passed, own);
    }

    #[test]
    fn whole_pictures_of_two_senders_in_turn_are_told_apart_too() {
        let mut senders = Senders::default();
        let (own, others) = (pictures(1, 0, 0, 20), pictures(2, 7, 55_555, 20));
        let mut passed = Vec::new();
        for (number, (picture, other)) in (0u64..).zip(own.chunks(3).zip(others.chunks(3))) {
            for packet in picture.iter().chain(other) {
                passed.extend(show(&mut senders, *packet, number * 100));
            }
        }
        assert_eq!(passed, own);
    }

    #[test]
    fn a_sender_with_another_clock_goes_on_in_time_and_tells_none_until_its_report() {
        let mut senders = Senders::default();
        for (number, packet) in (0u64..).zip(pictures(1, 0, 500, 10)) {
            show(&mut senders, packet, number / 3 * 100);
        }
        assert_eq!(
            senders.report(2, || header(2, 0, 0)),
            ReportAction::Keep,
            "it is not followed yet"
        );
        let mut passed = Vec::new();
        for (number, packet) in (0u64..).zip(pictures(2, 7, 3_000_000_000, 10)) {
            passed.extend(show(&mut senders, packet, 1_000 + number / 3 * 100));
        }
        assert_eq!(passed.len(), 30);
        assert_eq!(passed[0].time, 500 + 10 * 9_000);
        assert_eq!(passed[29].time, 500 + 19 * 9_000);
        assert!(!senders.are_times_known());
        let shift = (500 + 90_000u32).wrapping_sub(3_000_000_000);
        assert_eq!(
            senders.report(2, || header(2, 0, 0)),
            ReportAction::Pass { ssrc: 1, shift }
        );
        assert!(senders.are_times_known());
        assert_eq!(senders.report(1, || header(1, 0, 0)), ReportAction::Keep);
    }

    #[test]
    fn a_report_that_came_before_its_sender_is_shown_with_it() {
        let mut senders = Senders::default();
        let report = header(1, 0, 77);
        senders.report(1, || report);
        let first = header(1, 5, 0);
        assert_eq!(
            senders.packet(first, Duration::ZERO, || first),
            PacketAction::Follow {
                held: Vec::new(),
                report: Some(report)
            }
        );
    }

    #[test]
    fn a_goodbye_is_followed_by_the_next_sender_at_once() {
        let mut senders = Senders::default();
        show(&mut senders, header(1, 0, 0), 0);
        senders.goodbye(2);
        assert!(show(&mut senders, header(2, 0, 0), 1).is_empty());
        senders.goodbye(1);
        assert_eq!(show(&mut senders, header(2, 1, 0), 2).len(), 2);
    }
}

//! Cameras whose packets come from another sender: a renewed SSRC, and two senders on one channel.

use super::*;

fn ssrc_of(packet: &[u8]) -> u32 {
    u32::from_be_bytes([packet[8], packet[9], packet[10], packet[11]])
}

fn time_of(packet: &[u8]) -> u32 {
    u32::from_be_bytes([packet[4], packet[5], packet[6], packet[7]])
}

/// A camera that changes its SSRC and sequence numbers after some packets; optionally with another RTP clock each time.
#[derive(Clone)]
struct RenewedSsrc {
    every: u32,
    clocks: bool,
    packets: u32,
    own: Option<u32>,
}

impl RenewedSsrc {
    fn every(every: u32, clocks: bool) -> Self {
        Self {
            every,
            clocks,
            packets: 0,
            own: None,
        }
    }

    /// The SSRC, and the shift of the RTP clock.
    fn now(&self) -> (u32, u32) {
        let epoch = self.packets / self.every;
        let shift = if self.clocks {
            epoch.wrapping_mul(1_234_567_890)
        } else {
            0
        };
        (self.own.unwrap_or(1).wrapping_add(epoch * 77), shift)
    }
}

impl Quirk for RenewedSsrc {
    fn rtp(&mut self, mut packet: Vec<u8>) -> Vec<Vec<u8>> {
        self.own.get_or_insert(ssrc_of(&packet));
        let (ssrc, shift) = self.now();
        let epoch = self.packets / self.every;
        let sequence = (epoch.wrapping_mul(7_919) as u16).wrapping_add(self.packets as u16);
        let time = time_of(&packet).wrapping_add(shift);
        self.packets += 1;
        packet[2..4].copy_from_slice(&sequence.to_be_bytes());
        packet[4..8].copy_from_slice(&time.to_be_bytes());
        packet[8..12].copy_from_slice(&ssrc.to_be_bytes());
        vec![packet]
    }

    fn rtcp(&mut self, mut packet: Vec<u8>) -> Vec<u8> {
        if packet[1] == 200 {
            let (ssrc, shift) = self.now();
            let time = [packet[16], packet[17], packet[18], packet[19]];
            let time = u32::from_be_bytes(time).wrapping_add(shift);
            packet[4..8].copy_from_slice(&ssrc.to_be_bytes());
            packet[16..20].copy_from_slice(&time.to_be_bytes());
        }
        packet
    }
}

#[test]
fn a_camera_that_renews_its_ssrc_loses_no_frame_and_keeps_its_times() {
    for reference in [ReferenceTime::Meta, ReferenceTime::Rtcp] {
        for clocks in [false, true] {
            let testcam = cameras(vec![pattern()]);
            let quirk =
                QuirkyCamera::before(testcam.port(), move || RenewedSsrc::every(50, clocks));
            let plain = Session::start_with(&settings(testcam.url(0).as_str()), reference);
            let session = Session::start_with(&settings(&quirk.url(PATH)), reference);
            let renewed = times(&session.frames(150));
            assert_each_once(&renewed);
            let told = times(&plain.frames(120));
            let mut common = 0;
            for (number, ntp_ns) in &renewed {
                let direct = told.iter().find(|(other, _)| other == number);
                let Some((Some(here), Some(there))) = direct.map(|(_, direct)| (*ntp_ns, *direct))
                else {
                    continue;
                };
                let apart = here.abs_diff(there);
                assert!(apart <= 1_000_000, "{apart} ns apart in frame {number}");
                common += 1;
            }
            let wanted = if clocks { 10 } else { 50 };
            assert!(common >= wanted, "{common} frames with a time, {renewed:?}");
        }
    }
}

/// Runs in a separate process, where nothing else starts threads.
#[test]
#[ignore = "run by a_renewed_ssrc_starts_no_further_threads"]
fn renewing_alone() {
    let testcam = cameras(vec![pattern()]);
    let quirk = QuirkyCamera::before(testcam.port(), || RenewedSsrc::every(10, false));
    let session = Session::start(&settings(&quirk.url(PATH)));
    let threads = || std::fs::read_dir("/proc/self/task").map_or(0, Iterator::count);
    session.frames(30);
    let before = threads();
    session.frames(150);
    assert_eq!(threads(), before);
}

#[test]
fn a_renewed_ssrc_starts_no_further_threads() {
    crate::support::run_alone("media::quirks::ssrc::renewing_alone");
}

/// Sends each packet twice, the second time from another sender.
#[derive(Clone)]
struct DuplicateSender;

impl Quirk for DuplicateSender {
    fn rtp(&mut self, packet: Vec<u8>) -> Vec<Vec<u8>> {
        let mut twin = packet.clone();
        let sequence = u16::from_be_bytes([twin[2], twin[3]]).wrapping_add(20_000);
        twin[2..4].copy_from_slice(&sequence.to_be_bytes());
        let ssrc = ssrc_of(&twin).wrapping_add(1);
        twin[8..12].copy_from_slice(&ssrc.to_be_bytes());
        vec![packet, twin]
    }
}

#[test]
fn of_two_senders_on_one_channel_one_is_followed() {
    let testcam = cameras(vec![pattern()]);
    let quirk = in_front_of(&testcam, DuplicateSender);
    let session = Session::start(&settings(&quirk.url(PATH)));
    session.timed_frames(1);
    let frames = session.frames(60);
    assert_each_once(&times(&frames));
    assert_eq!(frames[59].meta.clock, CaptureClock::Ntp);
}

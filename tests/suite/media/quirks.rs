//! Cameras with unusual RTSP and RTP: an ordinary server behind a proxy that changes its messages.

mod keep_alive;
mod logins;
mod ssrc;

use super::*;
use crate::support::quirky_camera::{Quirk, QuirkyCamera};

const PATH: &str = "/live0.stream";

/// Changes the responses to one method by a function.
struct Answers(&'static str, fn(String) -> String);

impl Quirk for Answers {
    fn answer(&mut self, method: &str, answer: String) -> String {
        if method == self.0 {
            (self.1)(answer)
        } else {
            answer
        }
    }
}

fn in_front_of(testcam: &Testcam, quirk: impl Quirk + Clone + 'static) -> QuirkyCamera {
    QuirkyCamera::before(testcam.port(), move || quirk.clone())
}

impl Clone for Answers {
    fn clone(&self) -> Self {
        Self(self.0, self.1)
    }
}

/// The pattern's number and the NTP time of each frame.
fn times(frames: &[Frame]) -> Vec<(u32, Option<u64>)> {
    frames
        .iter()
        .map(|frame| {
            let code = code_of(frame).expect("the pattern's code");
            (code.frame_number, frame.meta.ntp_ns)
        })
        .collect()
}

fn assert_each_once(times: &[(u32, Option<u64>)]) {
    for pair in times.windows(2) {
        assert_eq!(pair[1].0, pair[0].0 + 1, "{times:?}");
    }
}

#[test]
fn of_several_payload_types_what_arrives_is_decoded() {
    let testcam = cameras(vec![pattern()]);
    for (named, map) in [
        ("98 96", "a=rtpmap:98 H265/90000\r\n"),
        (
            "97 98 96 99",
            "a=rtpmap:97 VP8/90000\r\na=rtpmap:98 H265/90000\r\na=rtpmap:99 rtx/90000\r\n",
        ),
        ("26 96", ""),
    ] {
        let quirk = in_front_of(
            &testcam,
            Rewrite {
                of: "DESCRIBE",
                what: vec![("RTP/AVP 96", named), ("a=rtpmap:96", map)],
            },
        );
        let session = Session::start(&settings(&quirk.url(PATH)));
        session.frames(10);
        let facts = session
            .recorder
            .wait("facts", |recording| recording.facts.last().cloned());
        assert_eq!((facts.codec.as_str(), facts.size), ("h264", Some(SIZE)));
        assert_each_once(&times(&session.frames(10)));
    }
}

/// Replaces texts of a response; texts that start with `a=` are inserted before the text that they replace.
#[derive(Clone)]
struct Rewrite {
    of: &'static str,
    what: Vec<(&'static str, &'static str)>,
}

impl Quirk for Rewrite {
    fn answer(&mut self, method: &str, answer: String) -> String {
        if method != self.of {
            return answer;
        }
        self.what.iter().fold(answer, |answer, (from, to)| {
            assert!(answer.contains(from), "no {from} in {answer}");
            if from.starts_with("a=") {
                answer.replacen(from, &format!("{to}{from}"), 1)
            } else if to.chars().next().is_some_and(char::is_numeric) {
                answer.replacen(from, &format!("RTP/AVP {to}"), 1)
            } else {
                answer.replacen(from, to, 1)
            }
        })
    }
}

/// Sends packets with a payload type that is not in the description.
#[derive(Clone)]
struct OtherPayloadType;

impl Quirk for OtherPayloadType {
    fn rtp(&mut self, mut packet: Vec<u8>) -> Vec<Vec<u8>> {
        packet[1] = packet[1] & 0x80 | 119;
        vec![packet]
    }
}

#[test]
fn a_payload_type_that_the_description_lacks_is_told_with_those_that_it_has() {
    let testcam = cameras(vec![pattern()]);
    let quirk = in_front_of(&testcam, OtherPayloadType);
    assert_eq!(
        Session::start(&settings(&quirk.url(PATH))).end(),
        (
            "payload-type",
            "camera 3 sends RTP payload type 119, which its description (SDP) does not name; it names 96 (H264)"
                .to_owned()
        )
    );
}

/// Inserts packets of an unknown type, with the same sequence numbers, between the others.
#[derive(Clone, Default)]
struct UnknownPackets(u32);

impl Quirk for UnknownPackets {
    fn rtp(&mut self, packet: Vec<u8>) -> Vec<Vec<u8>> {
        self.0 += 1;
        let mut packets = vec![packet];
        if self.0.is_multiple_of(3) {
            let mut alien = packets[0][..12].to_vec();
            alien[1] = 107;
            alien.extend([0; 28]);
            packets.push(alien);
        }
        packets
    }
}

#[test]
fn packets_of_an_unknown_type_between_the_others_do_no_harm() {
    let testcam = cameras(vec![pattern()]);
    let quirk = in_front_of(&testcam, UnknownPackets::default());
    let session = Session::start(&settings(&quirk.url(PATH)));
    assert_each_once(&times(&session.frames(60)));
}

/// Sends the start of each packet before the packet.
#[derive(Clone)]
struct ShortPackets;

impl Quirk for ShortPackets {
    fn rtp(&mut self, packet: Vec<u8>) -> Vec<Vec<u8>> {
        vec![packet[..1].to_vec(), packet[..8].to_vec(), packet]
    }
}

#[test]
fn packets_without_a_whole_header_do_no_harm() {
    let testcam = cameras(vec![pattern()]);
    let quirk = in_front_of(&testcam, ShortPackets);
    let session = Session::start(&settings(&quirk.url(PATH)));
    assert_each_once(&times(&session.frames(60)));
}

/// Sends the NAL units of an aggregation packet (RFC 6184, 5.7.1) as one unit, with start codes between them.
#[derive(Clone)]
struct JoinedUnits;

impl Quirk for JoinedUnits {
    fn answer(&mut self, _method: &str, answer: String) -> String {
        // The parameter sets are in the stream only.
        answer.replace("sprop-parameter-sets", "x-parameter-sets")
    }

    fn rtp(&mut self, packet: Vec<u8>) -> Vec<Vec<u8>> {
        let (header, payload) = packet.split_at(12);
        if payload[0] & 0x1f != 24 {
            return vec![packet];
        }
        let mut units = Vec::new();
        let mut rest = &payload[1..];
        while let [high, low, after @ ..] = rest {
            let length = usize::from(u16::from_be_bytes([*high, *low]));
            let (unit, others) = after.split_at(length);
            units.push(unit);
            rest = others;
        }
        let joined = units.join(&[0u8, 0, 0, 1][..]);
        vec![[header, &joined].concat()]
    }
}

#[test]
fn units_in_one_packet_with_start_codes_between_them_are_decoded() {
    let testcam = cameras(vec![pattern()]);
    let quirk = in_front_of(&testcam, JoinedUnits);
    let session = Session::start(&settings(&quirk.url(PATH)));
    assert_each_once(&times(&session.frames(40)));
}

#[test]
fn a_content_base_that_is_of_no_use_is_not_used() {
    let testcam = cameras(vec![pattern()]);
    let oddities: [fn(String) -> String; 5] = [
        |answer| with_content_base(&answer, "127.0.0.1/live0.stream/"),
        |answer| with_content_base(&answer, ""),
        |answer| with_content_base(&answer, "/live0.stream/"),
        |answer| with_content_base(&answer, "rtsp://192.168.1.64:554/live0.stream/"),
        |answer| with_content_base(&answer, "not an address"),
    ];
    for oddity in oddities {
        let quirk = in_front_of(&testcam, Answers("DESCRIBE", oddity));
        Session::start(&settings(&quirk.url(PATH))).frames(5);
        let setup = quirk.requests();
        let setup = setup.iter().find(|request| request.method == "SETUP");
        let wanted = format!("SETUP {}/stream=0 RTSP/1.0", quirk.url(PATH));
        let head = &setup.expect("it was set up").head;
        assert_eq!(head.lines().next(), Some(wanted.as_str()));
    }
}

fn with_content_base(answer: &str, base: &str) -> String {
    let (head, body) = answer.split_once("\r\n\r\n").expect("a whole answer");
    let head: Vec<_> = head
        .lines()
        .map(|line| match line.split_once(": ") {
            Some(("Content-Base", _)) => format!("Content-Base: {base}"),
            _ => line.to_owned(),
        })
        .collect();
    format!("{}\r\n\r\n{body}", head.join("\r\n"))
}

#[test]
fn a_first_sequence_number_that_is_not_the_stated_one_does_no_harm() {
    let testcam = cameras(vec![pattern()]);
    let oddity: fn(String) -> String = |answer| {
        let (before, after) = answer.split_once("seq=").expect("RTP-Info");
        let end = after.find([';', '\r', ',']).unwrap_or(after.len());
        let stated: u16 = after[..end].parse().expect("a sequence number");
        format!(
            "{before}seq={}{}",
            stated.wrapping_add(20_000),
            &after[end..]
        )
    };
    let quirk = in_front_of(&testcam, Answers("PLAY", oddity));
    Session::start(&settings(&quirk.url(PATH))).frames(5);
}

//! Cameras with unusual RTSP and RTP: an ordinary server behind a proxy that changes its messages.

use sha2::{Digest as _, Sha256};

use super::*;
use crate::support::quirky_camera::{Handling, Quirk, QuirkyCamera, Request};

const PATH: &str = "/live0.stream";

/// Changes nothing.
struct NoQuirk;

impl Quirk for NoQuirk {}

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
    crate::support::run_alone("media::quirks::renewing_alone");
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

fn login(password: &str) -> Option<Credentials> {
    Some(Credentials {
        username: Secret::new("viewer"),
        password: Secret::new(password),
    })
}

fn guarded(scheme: LoginScheme) -> Testcam {
    start(TestcamOptions {
        cameras: vec![pattern()],
        login: login("right").map(|credentials| TestcamLogin {
            credentials,
            scheme,
        }),
        ..TestcamOptions::default()
    })
}

#[test]
fn a_wrong_password_is_sent_once_a_session() {
    for scheme in [LoginScheme::Basic, LoginScheme::Digest] {
        let testcam = guarded(scheme);
        let quirk = QuirkyCamera::before(testcam.port(), || NoQuirk);
        let mut settings = settings(&quirk.url(PATH));
        settings.credentials = login("wrong");
        let (code, message) = Session::start(&settings).end();
        assert_eq!(code, "unauthorized");
        assert_eq!(
            message,
            "camera 3 refused the login (401 Unauthorized); check its user name and password"
        );
        assert_eq!(quirk.logins(), 1);
    }
}

/// Asks for a Digest login with all features, and checks the responses itself.
#[derive(Clone)]
struct DigestServer {
    algorithm: &'static str,
    /// The number of requests with one nonce; afterwards it is stale.
    uses: u32,
    used: u32,
}

impl DigestServer {
    fn nonce(&self) -> String {
        format!("nonce{}", self.used / self.uses)
    }
}

fn sha256(text: &str) -> String {
    let sum = Sha256::digest(text.as_bytes());
    sum.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn field<'a>(authorization: &'a str, name: &str) -> &'a str {
    let marked = format!("{name}=");
    let parts = authorization.trim_start_matches("Digest ").split(", ");
    let mut values = parts.filter_map(|part| part.strip_prefix(&marked));
    values.next().unwrap_or_default().trim_matches('"')
}

impl Quirk for DigestServer {
    fn request(&mut self, request: &Request) -> Handling {
        let challenge = |nonce: &str, stale: bool| {
            Handling::Answer(format!(
                "RTSP/1.0 401 Unauthorized\r\nWWW-Authenticate: Digest realm=\"cam\", nonce=\"{nonce}\", \
                 algorithm={}, qop=\"auth\", opaque=\"o\", stale={stale}\r\n",
                self.algorithm
            ))
        };
        let Some(given) = request.header("Authorization") else {
            return challenge(&self.nonce(), false);
        };
        let nonce = self.nonce();
        if field(given, "nonce") != nonce {
            return challenge(&nonce, true);
        }
        let secret = sha256("viewer:cam:right");
        let asked = sha256(&format!("{}:{}", request.method, field(given, "uri")));
        let (count, client) = (field(given, "nc"), field(given, "cnonce"));
        let wanted = sha256(&format!("{secret}:{nonce}:{count}:{client}:auth:{asked}"));
        if field(given, "response") != wanted {
            return challenge(&nonce, false);
        }
        self.used += 1;
        Handling::Pass
    }
}

#[test]
fn digest_with_sha_256_is_answered_and_an_outdated_nonce_exchanged() {
    let testcam = cameras(vec![pattern()]);
    // Of OPTIONS, DESCRIBE, SETUP and PLAY, every second one has an outdated nonce.
    let guarded = DigestServer {
        algorithm: "\"SHA-256\"",
        uses: 2,
        used: 0,
    };
    let quirk = in_front_of(&testcam, guarded.clone());
    let mut settings = settings(&quirk.url(PATH));
    settings.credentials = login("right");
    Session::start(&settings).frames(5);

    let quirk = in_front_of(&testcam, guarded.clone());
    settings.location = Location::Rtsp(quirk.url(PATH).parse().expect("a URL"));
    settings.credentials = login("wrong");
    let (code, message) = Session::start(&settings).end();
    assert_eq!(code, "unauthorized");
    assert!(message.contains("refused the login"), "{message}");
    assert_eq!(quirk.logins(), 1);

    let other = DigestServer {
        algorithm: "SHA-512-256",
        ..guarded
    };
    let quirk = in_front_of(&testcam, other);
    settings.location = Location::Rtsp(quirk.url(PATH).parse().expect("a URL"));
    assert_eq!(
        Session::start(&settings).end(),
        (
            "unauthorized",
            "camera 3 asks for Digest with SHA-512-256 only (401 Unauthorized), which is not supported; \
             set it to Digest with MD5 or SHA-256, or to Basic"
                .to_owned()
        )
    );
    assert_eq!(quirk.logins(), 0);
}

/// Ends a session without requests, and handles GET_PARAMETER as configured.
#[derive(Clone)]
struct StrictServer {
    get_parameter: Option<&'static str>,
}

impl Quirk for StrictServer {
    fn patience(&self) -> Option<Duration> {
        Some(Duration::from_secs(2))
    }

    fn answer(&mut self, method: &str, answer: String) -> String {
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
        if method != "SETUP" {
            return answer;
        }
        let head: Vec<_> = head
            .lines()
            .map(|line| match line.split(';').next() {
                Some(session) if line.starts_with("Session:") => {
                    format!("{session};timeout=2")
                }
                _ => line.to_owned(),
            })
            .collect();
        format!("{}\r\n\r\n{body}", head.join("\r\n"))
    }

    fn request(&mut self, request: &Request) -> Handling {
        match self.get_parameter {
            Some(answer) if request.method == "GET_PARAMETER" => match answer {
                "" => Handling::Swallow,
                answer => Handling::Answer(answer.to_owned()),
            },
            _ => Handling::Pass,
        }
    }
}

#[test]
fn a_server_that_ends_sessions_without_requests_is_asked_in_time() {
    let testcam = cameras(vec![pattern()]);
    for (transport, get_parameter, wanted) in [
        (Transport::Tcp, None, "GET_PARAMETER"),
        (
            Transport::Tcp,
            Some("RTSP/1.0 501 Not Implemented\r\n"),
            "OPTIONS",
        ),
        (Transport::Udp, None, "GET_PARAMETER"),
    ] {
        let quirk = in_front_of(&testcam, StrictServer { get_parameter });
        let mut settings = settings(&quirk.url(PATH));
        settings.transport = transport;
        let session = Session::start(&settings);
        // Six seconds.
        assert_each_once(&times(&session.frames(120)));
        let requests = quirk.requests();
        let last = requests.last().expect("there are some");
        assert_eq!(last.method, wanted, "{get_parameter:?}");
        assert_eq!(last.header("Content-Type"), None);
        assert!(last.header("Session").is_some(), "{last:?}");
        let plays = requests.iter().filter(|request| request.method == "PLAY");
        assert_eq!(plays.count(), 1);
    }
}

#[test]
fn a_server_that_does_not_answer_get_parameter_is_asked_for_options_next_time() {
    let testcam = cameras(vec![pattern()]);
    let quirk = in_front_of(
        &testcam,
        StrictServer {
            get_parameter: Some(""),
        },
    );
    let source = open(
        SourceId(3),
        &settings(&quirk.url(PATH)),
        &Clock::system(),
        OpenOptions::default(),
    );
    let source = std::sync::Mutex::new(source);
    let recorder = Arc::new(Recorder::default());
    let sink: Arc<dyn FrameSink> = recorder.clone();
    let stop = Stop::default();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut source = source.lock().expect("nobody panicked");
            let SessionEnd::Failed { code, message, .. } = source.run(&sink, &stop) else {
                panic!("it was not stopped yet");
            };
            assert_eq!(code, "ended", "{message}");
            assert!(message.contains("session timeout of 2 s"), "{message}");
            source.run(&sink, &stop);
        });
        // Two seconds of the first session, and five of the second.
        recorder.wait("frames", |recording| {
            (recording.frames.len() >= 140).then_some(())
        });
        stop.raise();
    });
    let requests = quirk.requests();
    let last = requests
        .iter()
        .rev()
        .find(|request| request.method != "TEARDOWN" && request.method != "PAUSE");
    assert_eq!(last.expect("there are some").method, "OPTIONS");
    let plays = requests.iter().filter(|request| request.method == "PLAY");
    assert_eq!(plays.count(), 2);
}

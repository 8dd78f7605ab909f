//! Cameras whose answers other players understand: an ordinary server behind a proxy that changes its answers.

use super::*;
use crate::support::quirky_camera::{Handling, Quirk, QuirkyCamera, Request};

const PATH: &str = "/live0.stream";

/// Changes the answers to one method.
#[derive(Clone, Copy)]
struct Changed(&'static str, fn(&str) -> String);

impl Quirk for Changed {
    fn answer(&mut self, method: &str, answer: String) -> String {
        if method != self.0 {
            return answer;
        }
        let changed = (self.1)(&answer);
        assert_ne!(changed, answer, "there was nothing to change");
        changed
    }
}

/// Answers requests of one method for a path itself.
#[derive(Clone, Copy)]
struct Answered {
    method: &'static str,
    path: &'static str,
    answer: &'static str,
}

impl Quirk for Answered {
    fn request(&mut self, request: &Request) -> Handling {
        if request.method == self.method && request.head.contains(self.path) {
            Handling::Answer(self.answer.to_owned())
        } else {
            Handling::Pass
        }
    }
}

/// The answer with another value of a header, or without the header.
fn with_header(answer: &str, name: &str, value: Option<&str>) -> String {
    let (head, body) = answer.split_once("\r\n\r\n").expect("a whole answer");
    let others = head.lines().filter(|line| {
        let key = line.split(':').next().unwrap_or_default();
        !key.eq_ignore_ascii_case(name)
    });
    let mut lines: Vec<_> = others.map(str::to_owned).collect();
    lines.extend(value.map(|value| format!("{name}: {value}")));
    format!("{}\r\n\r\n{body}", lines.join("\r\n"))
}

fn camera_with(testcam: &Testcam, quirk: impl Quirk + Clone + 'static) -> QuirkyCamera {
    QuirkyCamera::before(testcam.port(), move || quirk.clone())
}

#[test]
fn descriptions_in_unusual_forms_are_read() {
    let testcam = cameras(vec![pattern()]);
    let forms: [fn(&str) -> String; 4] = [
        |answer| answer.replacen("m=video 0 RTP/AVP 96", "m=Video 554 RTP/AVP/TCP 96", 1),
        |answer| answer.replacen("a=rtpmap:96 H264/90000", "a=rtpmap: 96  H264/0", 1),
        |answer| answer.replacen("a=rtpmap:96 H264", "a=rtpmap:96\tH264", 1),
        |answer| {
            let section = "m=video 0 RTP/AVP 96\r\n";
            answer.replacen(section, &format!("{section}c=IN IP4 239.1.2.3/127\r\n"), 1)
        },
    ];
    for form in forms {
        let camera = camera_with(&testcam, Changed("DESCRIBE", form));
        Session::start(&settings(&camera.url(PATH))).frames(5);
    }
}

#[test]
fn a_transport_is_the_one_that_was_asked_for_where_none_is_stated() {
    let testcam = cameras(vec![pattern()]);
    let forms: [fn(&str) -> String; 3] = [
        |answer| with_header(answer, "Transport", None),
        |answer| with_header(answer, "Transport", Some("RTP/AVP/TCP;unicast")),
        |answer| {
            let blanks = "RTP/AVP/TCP; unicast; interleaved=0-1";
            with_header(answer, "Transport", Some(blanks))
        },
    ];
    for form in forms {
        let camera = camera_with(&testcam, Changed("SETUP", form));
        Session::start(&settings(&camera.url(PATH))).frames(5);
    }
}

#[test]
fn a_camera_sends_on_after_the_range_that_it_states() {
    let testcam = cameras(vec![pattern()]);
    let range: fn(&str) -> String = |answer| with_header(answer, "Range", Some("npt=0-0.5"));
    let camera = camera_with(&testcam, Changed("PLAY", range));
    // Two seconds.
    Session::start(&settings(&camera.url(PATH))).frames(40);
}

#[test]
fn a_description_of_another_type_is_read() {
    let testcam = cameras(vec![pattern()]);
    let plain: fn(&str) -> String =
        |answer| with_header(answer, "Content-Type", Some("text/plain"));
    let camera = camera_with(&testcam, Changed("DESCRIBE", plain));
    Session::start(&settings(&camera.url(PATH))).frames(5);

    let page: fn(&str) -> String = |_| "RTSP/1.0 200 OK\r\nCSeq: 3\r\n\r\n<html></html>".to_owned();
    let camera = camera_with(&testcam, Changed("DESCRIBE", page));
    assert_eq!(
        Session::start(&settings(&camera.url(PATH))).end(),
        (
            "no-video",
            "camera 3 answered DESCRIBE for /live0.stream without a description (SDP) of a stream; check its path"
                .to_owned()
        )
    );
}

#[test]
fn a_camera_may_refuse_options_and_redirect() {
    let testcam = cameras(vec![pattern()]);
    let refuses = Answered {
        method: "OPTIONS",
        path: PATH,
        answer: "RTSP/1.0 400 Bad Request\r\n",
    };
    let camera = camera_with(&testcam, refuses);
    Session::start(&settings(&camera.url(PATH))).frames(5);

    let redirects = Answered {
        method: "DESCRIBE",
        path: "/old ",
        answer: "RTSP/1.0 302 Moved Temporarily\r\nLocation: /live0.stream\r\n",
    };
    let camera = camera_with(&testcam, redirects);
    Session::start(&settings(&camera.url("/old"))).frames(5);
}

#[test]
fn a_redirection_to_nowhere_ends_the_session() {
    let testcam = cameras(vec![pattern()]);
    for (location, asked) in [
        ("", 1),
        ("Location: http://127.0.0.1/\r\n", 1),
        ("Location: /old\r\n", 5),
    ] {
        let answer = format!("RTSP/1.0 301 Moved Permanently\r\n{location}");
        let redirects = Answered {
            method: "DESCRIBE",
            path: "/old ",
            answer: answer.leak(),
        };
        let camera = camera_with(&testcam, redirects);
        assert_eq!(
            Session::start(&settings(&camera.url("/old"))).end(),
            (
                "unreachable",
                "camera 3 redirects /old (301 Moved Permanently) to an address that can't be used; \
                 set the URI to where the stream is"
                    .to_owned()
            )
        );
        let requests = camera.requests();
        let describes = requests
            .iter()
            .filter(|request| request.method == "DESCRIBE");
        assert_eq!(describes.count(), asked, "{location}");
    }
}

#[test]
fn refusals_are_told_that_rtspsrc_reports_without_their_status() {
    let testcam = cameras(vec![pattern()]);
    for (method, answer, wanted) in [
        (
            "SETUP",
            "RTSP/1.0 461 Unsupported Transport\r\n",
            (
                "no-video",
                "camera 3 does not support this transport (461 Unsupported Transport); change its transport",
            ),
        ),
        (
            "SETUP",
            "RTSP/1.0 453 Not Enough Bandwidth\r\n",
            (
                "busy",
                "camera 3 has no capacity left (453 Not Enough Bandwidth); close other clients, or choose its substream",
            ),
        ),
        (
            "DESCRIBE",
            "RTSP/1.0 551 Option not supported\r\n",
            (
                "unreachable",
                "camera 3 answered DESCRIBE for /live0.stream with 551 Option not supported",
            ),
        ),
    ] {
        let refuses = Answered {
            method,
            path: PATH,
            answer,
        };
        let camera = camera_with(&testcam, refuses);
        let (code, message) = Session::start(&settings(&camera.url(PATH))).end();
        assert_eq!((code, message.as_str()), wanted);
    }
}

//! Tests of the dialogue: requests and responses pass without a server.

use super::super::rtsp_account::testing::account_use;
use super::*;

const URI: &str = "rtsp://10.0.0.20/cam";

fn request(method: &str) -> Request<'_> {
    Request {
        method,
        uri: URI,
        transport: None,
    }
}

fn response(status: u32, reason: &str) -> Response {
    Response {
        status,
        reason: reason.to_owned(),
        ..Response::default()
    }
}

fn described() -> Dialogue {
    let dialogue = Dialogue::default();
    dialogue.on_request(request("DESCRIBE"));
    let description = Response {
        content_base: Some("10.0.0.20/cam/".to_owned()),
        body: Some(
            "v=0\r\nm=video 0 RTP/AVP 98 96\r\na=rtpmap:96 H264/90000\r\na=control:track1\r\n\0"
                .to_owned(),
        ),
        ..response(200, "OK")
    };
    let changes = dialogue.on_response(request("DESCRIBE"), false, &description);
    assert!(
        changes
            .body
            .is_some_and(|sdp| sdp.ends_with("a=control:rtsp://10.0.0.20/cam/track1\r\n"))
    );
    dialogue
}

#[test]
fn a_description_gives_the_addresses_and_the_payload_types() {
    let dialogue = described();
    let payloads: Vec<_> = dialogue
        .video_payloads()
        .iter()
        .map(Payload::to_string)
        .collect();
    assert_eq!(payloads, ["98", "96 (H264)"]);
    let play = Request {
        method: "PLAY",
        uri: "10.0.0.20/cam/",
        transport: None,
    };
    assert_eq!(dialogue.on_request(play).uri.as_deref(), Some(URI));
}

#[test]
fn a_keep_alive_is_due_twice_per_session_timeout() {
    for (session, wanted_ms) in [
        ("1234;timeout=20", 10_000),
        ("1234 ; Timeout = 10", 5_000),
        ("1234;timeout=1", 500),
        ("1234;timeout=0", 25_000),
        ("1234;timeout=soon", 25_000),
        ("1234", 25_000),
        ("1234;timeout=600", 25_000),
    ] {
        let wanted = Duration::from_millis(wanted_ms);
        assert_eq!(request_interval(timeout_of(session)), wanted, "{session}");
    }
}

#[test]
fn keep_alives_are_options_if_get_parameter_is_not_supported() {
    let refused = described();
    let first = refused.on_request(request("GET_PARAMETER"));
    assert!(first.bare && !first.options);
    refused.on_response(
        request("GET_PARAMETER"),
        false,
        &response(501, "Not Implemented"),
    );
    assert!(refused.on_request(request("GET_PARAMETER")).options);
    assert_eq!(refused.refusal(), None, "no reason of a session's end");
    // rtspsrc sends OPTIONS from now on, which may be refused as well.
    refused.on_response(request("OPTIONS"), false, &response(405, "Not Allowed"));
    assert_eq!(refused.refusal(), None);

    let unlisted = Dialogue::default();
    unlisted.on_request(request("OPTIONS"));
    let options = Response {
        public: vec!["OPTIONS, DESCRIBE, SETUP, PLAY".to_owned()],
        ..response(200, "OK")
    };
    let changes = unlisted.on_response(request("OPTIONS"), false, &options);
    assert_eq!(changes.public, Some(ADVERTISED_METHODS));
    assert_eq!(unlisted.keep_alive_method(), KeepAliveMethod::Options);
}

#[test]
fn what_the_camera_answered_is_kept_and_the_login_sent_once() {
    let account = account_use("camera 1", "a", "wrong");
    let dialogue = Dialogue::new(Some(account), KeepAliveMethod::default());
    assert_eq!(
        dialogue.on_request(request("DESCRIBE")),
        RequestChanges::default()
    );
    assert_eq!(dialogue.unanswered().as_deref(), Some("DESCRIBE"));
    let challenge = Response {
        challenges: vec!["Basic realm=\"cam\"".to_owned()],
        ..response(401, "Unauthorized")
    };
    let changes = dialogue.on_response(request("DESCRIBE"), false, &challenge);
    assert_eq!(changes.again, Some(true));
    assert!(
        dialogue
            .on_request(request("DESCRIBE"))
            .authorization
            .is_some()
    );
    let changes = dialogue.on_response(request("DESCRIBE"), true, &challenge);
    assert_eq!(changes.again, Some(false));
    assert!(dialogue.refused_login());
    assert_eq!(dialogue.unanswered(), None);
    let answer = dialogue.refusal().expect("the camera refused");
    assert_eq!(
        (
            answer.method.as_str(),
            answer.status,
            answer.reason.as_str()
        ),
        ("DESCRIBE", 401, "Unauthorized")
    );
}

#[test]
fn a_refusal_counts_until_the_next_request_is_accepted() {
    let dialogue = described();
    dialogue.on_request(request("SETUP"));
    dialogue.on_response(
        request("SETUP"),
        false,
        &response(461, "Unsupported Transport"),
    );
    dialogue.on_request(request("TEARDOWN"));
    dialogue.on_response(
        request("TEARDOWN"),
        false,
        &response(454, "Session Not Found"),
    );
    let refusal = dialogue.refusal().expect("SETUP was refused");
    assert_eq!((refusal.method.as_str(), refusal.status), ("SETUP", 461));
    assert_eq!(dialogue.unanswered(), None);
    dialogue.on_request(request("SETUP"));
    dialogue.on_response(request("SETUP"), false, &response(200, "OK"));
    assert_eq!(dialogue.refusal(), None);
}

#[test]
fn options_may_be_refused() {
    let dialogue = Dialogue::default();
    dialogue.on_request(request("OPTIONS"));
    let changes = dialogue.on_response(request("OPTIONS"), false, &response(400, "Bad Request"));
    assert_eq!(changes.status, Some(NOT_IMPLEMENTED));
    assert_eq!(changes.public, Some(ADVERTISED_METHODS));
    assert_eq!(dialogue.refusal(), None);
}

#[test]
fn a_redirection_is_followed_some_times_to_an_rtsp_server() {
    let dialogue = Dialogue::default();
    let redirect = |location: &str| {
        dialogue.on_request(request("DESCRIBE"));
        let moved = Response {
            location: Some(location.to_owned()),
            ..response(301, "Moved Permanently")
        };
        let changes = dialogue.on_response(request("DESCRIBE"), false, &moved);
        (changes.status, changes.location)
    };
    assert_eq!(redirect("http://10.0.0.20/"), (Some(BAD_REQUEST), None));
    for _ in 1..MAX_REDIRECTIONS {
        let (status, location) = redirect("/other");
        assert_eq!(status, Some(MOVED));
        assert_eq!(location.as_deref(), Some("rtsp://10.0.0.20/other"));
    }
    assert_eq!(redirect("/other"), (Some(BAD_REQUEST), None));
    assert_eq!(dialogue.refusal().map(|answer| answer.status), Some(301));
}

#[test]
fn what_was_asked_for_applies_where_setup_states_no_transport() {
    let dialogue = described();
    let asked = "RTP/AVP/TCP;unicast;interleaved=0-1";
    let setup = Request {
        transport: Some(asked),
        ..request("SETUP")
    };
    dialogue.on_request(setup);
    let changes = dialogue.on_response(setup, false, &response(200, "OK"));
    assert_eq!(changes.transport.as_deref(), Some(asked));
}

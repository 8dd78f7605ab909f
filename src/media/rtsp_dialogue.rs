//! What is said between a camera and rtspsrc in one session: each request before it is sent, each answer before it is read.
//!
//! Login and addresses are put right here, and what the camera answered is kept for the session's reason. Called on rtspsrc's
//! thread; the session's own thread reads.

use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use super::rtsp_login::Login;
use super::rtsp_sdp::{self, Description, Media, Payload};
use crate::base::sync::lock;
use crate::config::Credentials;

/// How long a server keeps a session without requests, where it does not say (RFC 2326, 12.37).
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(60);
/// Longest time between two requests; some servers end sessions earlier than they say.
const LONGEST_SILENCE: Duration = Duration::from_secs(25);
/// Shortest one, for servers that state a second or two.
const SHORTEST_SILENCE: Duration = Duration::from_millis(500);
/// What rtspsrc is told that every server understands: what it lacks is found out by asking.
const METHODS: &str = "DESCRIBE, SETUP, PLAY, TEARDOWN, GET_PARAMETER";

/// One session's requests and answers.
#[derive(Debug, Default)]
pub(super) struct Dialogue {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    login: Login,
    description: Description,
    /// The address of the whole session.
    whole: Option<String>,
    /// The last request, and whether it was answered.
    request: Option<(String, bool)>,
    refusal: Option<Answer>,
    timeout: Option<Duration>,
    /// When the last request was sent, for the next sign of life.
    spoke: Option<Instant>,
    sign: Sign,
}

/// What tells a server that its client is still there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Sign {
    /// GET_PARAMETER without a body, as RFC 2326 proposes it.
    #[default]
    GetParameter,
    /// For servers that don't have GET_PARAMETER, or don't answer it.
    Options,
}

/// A camera's answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) method: String,
    pub(super) status: u32,
    /// The reason phrase, `Unauthorized`.
    pub(super) reason: String,
}

/// A request that is about to be sent.
#[derive(Debug, Clone, Copy)]
pub(super) struct Request<'a> {
    pub(super) method: &'a str,
    pub(super) uri: &'a str,
}

/// What of it has to change.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Changed {
    /// It becomes OPTIONS.
    pub(super) options: bool,
    /// It has neither body nor type.
    pub(super) bare: bool,
    pub(super) uri: Option<String>,
    pub(super) authorization: Option<String>,
}

/// An answer that has arrived.
#[derive(Debug, Clone, Default)]
pub(super) struct Response {
    pub(super) status: u32,
    pub(super) reason: String,
    pub(super) challenges: Vec<String>,
    pub(super) session: Option<String>,
    pub(super) public: Vec<String>,
    pub(super) content_base: Option<String>,
    pub(super) body: Option<String>,
}

/// What rtspsrc reads of it instead.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Shown {
    /// Whether rtspsrc is to send the request again; set for each answer that asks for a login.
    pub(super) again: Option<bool>,
    /// A further `Public` header.
    pub(super) public: Option<&'static str>,
    /// No `RTP-Info`: cameras state sequence numbers that they don't send, and rtpbin throws away all before the stated one.
    pub(super) no_rtp_info: bool,
    pub(super) body: Option<String>,
}

impl Dialogue {
    pub(super) fn new(credentials: Option<Credentials>, sign: Sign) -> Self {
        let state = State {
            login: Login::new(credentials),
            sign,
            ..State::default()
        };
        Self {
            state: Mutex::new(state),
        }
    }

    /// Before a request is sent.
    pub(super) fn asks(&self, request: Request<'_>) -> Changed {
        let mut state = self.lock();
        let mut changed = Changed::default();
        let mut method = request.method;
        if method == "GET_PARAMETER" {
            changed.bare = true;
            if state.sign == Sign::Options {
                changed.options = true;
                method = "OPTIONS";
            }
        }
        let of_session = matches!(
            request.method,
            "PLAY" | "PAUSE" | "TEARDOWN" | "GET_PARAMETER" | "SET_PARAMETER"
        );
        changed.uri = state.whole.clone().filter(|_| of_session);
        let uri = changed.uri.as_deref().unwrap_or(request.uri).to_owned();
        changed.authorization = state.login.authorization(method, &uri);
        state.request = Some((method.to_owned(), false));
        state.spoke = Some(Instant::now());
        changed
    }

    /// When a request was answered; `with_login` where it carried one.
    pub(super) fn answers(
        &self,
        request: Request<'_>,
        with_login: bool,
        response: &Response,
    ) -> Shown {
        let mut state = self.lock();
        let method = match state.request.replace((String::new(), true)) {
            Some((method, _)) => method,
            None => request.method.to_owned(),
        };
        state.request = Some((method.clone(), true));
        let mut shown = Shown::default();
        // Some cameras say "not found" to who has not logged in.
        let asks_for_login =
            response.status == 401 || (response.status == 404 && !response.challenges.is_empty());
        if asks_for_login {
            shown.again = Some(state.login.challenged(&response.challenges, with_login));
        } else {
            state.login.answered(with_login);
        }
        if (300..400).contains(&response.status) {
            state.login.moved();
        }
        if !(200..300).contains(&response.status) && shown.again != Some(true) {
            if request.method == "GET_PARAMETER" || is_sign(&method, &state) {
                state.sign = Sign::Options;
            } else {
                state.refusal = Some(Answer {
                    method,
                    status: response.status,
                    reason: response.reason.clone(),
                });
            }
            return shown;
        }
        match request.method {
            "OPTIONS" => {
                let lacks = !response.public.is_empty()
                    && !response
                        .public
                        .iter()
                        .any(|methods| methods.to_ascii_uppercase().contains("GET_PARAMETER"));
                if lacks {
                    state.sign = Sign::Options;
                }
                shown.public = Some(METHODS);
            }
            "DESCRIBE" => {
                if let Some(sdp) = response.body.as_deref() {
                    let base = rtsp_sdp::base(request.uri, response.content_base.as_deref());
                    let (sdp, whole) = rtsp_sdp::with_complete_addresses(sdp, &base);
                    state.description = Description::read(&sdp);
                    state.whole = Some(whole);
                    shown.body = Some(sdp);
                }
            }
            "PLAY" => shown.no_rtp_info = true,
            "SETUP" => {
                let session = response.session.as_deref();
                state.timeout = session.and_then(timeout_of).or(state.timeout);
            }
            _ => {}
        }
        shown
    }

    /// How long until the server has to hear of us again; zero when it is time.
    pub(super) fn silence_left(&self) -> Duration {
        let state = self.lock();
        let limit = longest_silence(state.timeout);
        match state.spoke {
            Some(spoke) => limit.saturating_sub(spoke.elapsed()),
            None => limit,
        }
    }

    /// A request is on its way to be sent.
    pub(super) fn speaks(&self) {
        self.lock().spoke = Some(Instant::now());
    }

    /// What signs of life are made of by now.
    pub(super) fn sign(&self) -> Sign {
        self.lock().sign
    }

    /// A media section of the description.
    pub(super) fn media(&self, number: usize) -> Option<Media> {
        self.lock().description.media.get(number).cloned()
    }

    /// The payload types of every video section.
    pub(super) fn video_payloads(&self) -> Vec<Payload> {
        let state = self.lock();
        let media = state.description.media.iter();
        media
            .filter(|media| media.kind == "video")
            .flat_map(|media| media.payloads.clone())
            .collect()
    }

    /// The last answer that refused a request.
    pub(super) fn refusal(&self) -> Option<Answer> {
        self.lock().refusal.clone()
    }

    /// The request that was not answered.
    pub(super) fn unanswered(&self) -> Option<String> {
        let state = self.lock();
        let (method, answered) = state.request.as_ref()?;
        (!answered).then(|| method.clone())
    }

    /// The server's time-out of a session, where it states one.
    pub(super) fn session_timeout(&self) -> Option<Duration> {
        self.lock().timeout
    }

    /// Whether the camera has asked for a login.
    pub(super) fn asked_for_login(&self) -> bool {
        self.lock().login.was_asked()
    }

    /// Whether it has refused the login.
    pub(super) fn refused_login(&self) -> bool {
        self.lock().login.was_refused()
    }

    /// The schemes that it asks for, where none of them is known here.
    pub(super) fn unsupported_login(&self) -> Option<String> {
        self.lock().login.unsupported().map(str::to_owned)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

/// OPTIONS in the middle of a session is a sign of life; what the server thinks of it does not matter.
fn is_sign(method: &str, state: &State) -> bool {
    method == "OPTIONS" && state.whole.is_some()
}

/// Half of what the server allows.
fn longest_silence(timeout: Option<Duration>) -> Duration {
    (timeout.unwrap_or(DEFAULT_TIMEOUT) / 2).clamp(SHORTEST_SILENCE, LONGEST_SILENCE)
}

/// `12345678;timeout=60`, with blanks anywhere.
fn timeout_of(session: &str) -> Option<Duration> {
    session
        .split(';')
        .skip(1)
        .filter_map(|part| part.split_once('='))
        .find(|(name, _)| name.trim().eq_ignore_ascii_case("timeout"))
        .and_then(|(_, seconds)| seconds.trim().parse().ok())
        .filter(|seconds| *seconds > 0)
        .map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Secret;

    const URI: &str = "rtsp://10.0.0.20/cam";

    fn request(method: &str) -> Request<'_> {
        Request { method, uri: URI }
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
        dialogue.asks(request("DESCRIBE"));
        let description = Response {
            content_base: Some("10.0.0.20/cam/".to_owned()),
            body: Some("v=0\r\nm=video 0 RTP/AVP 98 96\r\na=rtpmap:96 H264/90000\r\na=control:track1\r\n\0".to_owned()),
            ..response(200, "OK")
        };
        let shown = dialogue.answers(request("DESCRIBE"), false, &description);
        assert!(
            shown
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
        };
        assert_eq!(dialogue.asks(play).uri.as_deref(), Some(URI));
    }

    #[test]
    fn a_server_hears_of_us_twice_within_its_timeout() {
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
            assert_eq!(longest_silence(timeout_of(session)), wanted, "{session}");
        }
    }

    #[test]
    fn signs_of_life_are_options_where_get_parameter_is_not_known() {
        let refused = described();
        let first = refused.asks(request("GET_PARAMETER"));
        assert!(first.bare && !first.options);
        refused.answers(
            request("GET_PARAMETER"),
            false,
            &response(501, "Not Implemented"),
        );
        assert!(refused.asks(request("GET_PARAMETER")).options);
        assert_eq!(refused.refusal(), None, "no reason of a session's end");
        // rtspsrc shows OPTIONS from now on, which may be refused as well.
        refused.answers(request("OPTIONS"), false, &response(405, "Not Allowed"));
        assert_eq!(refused.refusal(), None);

        let unlisted = Dialogue::default();
        unlisted.asks(request("OPTIONS"));
        let options = Response {
            public: vec!["OPTIONS, DESCRIBE, SETUP, PLAY".to_owned()],
            ..response(200, "OK")
        };
        let shown = unlisted.answers(request("OPTIONS"), false, &options);
        assert_eq!(shown.public, Some(METHODS));
        assert_eq!(unlisted.sign(), Sign::Options);
    }

    #[test]
    fn what_the_camera_answered_is_kept_and_the_login_sent_once() {
        let credentials = Credentials {
            username: Secret::new("a"),
            password: Secret::new("wrong"),
        };
        let dialogue = Dialogue::new(Some(credentials), Sign::default());
        assert_eq!(dialogue.asks(request("DESCRIBE")), Changed::default());
        assert_eq!(dialogue.unanswered().as_deref(), Some("DESCRIBE"));
        let challenge = Response {
            challenges: vec!["Basic realm=\"cam\"".to_owned()],
            ..response(401, "Unauthorized")
        };
        let shown = dialogue.answers(request("DESCRIBE"), false, &challenge);
        assert_eq!(shown.again, Some(true));
        assert!(dialogue.asks(request("DESCRIBE")).authorization.is_some());
        let shown = dialogue.answers(request("DESCRIBE"), true, &challenge);
        assert_eq!(shown.again, Some(false));
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
}

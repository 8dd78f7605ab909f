//! The requests and responses between rtspsrc and a camera in one session. Each request passes here before it is sent,
//! and each response before rtspsrc reads it.
//!
//! Logins and addresses are corrected here. Responses are kept for the session's error message. rtspsrc's thread
//! writes, the session's own thread reads.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use super::rtsp_account::{AccountUse, Turn, Withheld};
use super::rtsp_headers;
use super::rtsp_login::Login;
use super::rtsp_message::{Refusal, Request, RequestChanges, Response, ResponseChanges};
use super::rtsp_sdp::{self, Description, Media, Payload};
use crate::base::sync::lock;

/// Session timeout of a server that states none (RFC 2326, 12.37).
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(60);
/// Longest time between two requests: some servers end sessions earlier than they state.
const MAX_REQUEST_INTERVAL: Duration = Duration::from_secs(25);
/// Shortest time between two requests, for servers that state a second or two.
const MIN_REQUEST_INTERVAL: Duration = Duration::from_millis(500);
/// The methods that rtspsrc sees as supported by every server; missing ones are found by trying them.
const ADVERTISED_METHODS: &str = "DESCRIBE, SETUP, PLAY, TEARDOWN, GET_PARAMETER";
/// How often a camera may redirect within one session. rtspsrc would follow it for ever.
const MAX_REDIRECTIONS: u32 = 4;
/// The redirection that rtspsrc follows.
const MOVED: u32 = 302;
/// A status for which rtspsrc reports an error.
const BAD_REQUEST: u32 = 400;
/// The status with which rtspsrc continues without the answer.
const NOT_IMPLEMENTED: u32 = 501;

/// The requests and responses of one session.
#[derive(Debug, Default)]
pub(super) struct Dialogue {
    account: Option<AccountUse>,
    /// The session has ended; written under the lock of `state`.
    over: AtomicBool,
    state: Mutex<DialogueState>,
}

#[derive(Debug, Default)]
struct DialogueState {
    login: Login,
    description: Description,
    /// The address of the whole session.
    session_uri: Option<String>,
    /// The last request, and whether it was answered.
    request: Option<(String, bool)>,
    /// The last response, if it refused the request.
    refusal: Option<Refusal>,
    redirections: u32,
    timeout: Option<Duration>,
    /// The time of the last request, for the next keep-alive.
    last_request_at: Option<Instant>,
    keep_alive_method: KeepAliveMethod,
}

/// The request that keeps a session alive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum KeepAliveMethod {
    /// GET_PARAMETER without a body, as RFC 2326 proposes.
    #[default]
    GetParameter,
    /// For servers that do not support GET_PARAMETER or do not answer it.
    Options,
}

impl Dialogue {
    pub(super) fn new(account: Option<AccountUse>, keep_alive_method: KeepAliveMethod) -> Self {
        let state = DialogueState {
            login: Login::new(account.clone()),
            keep_alive_method,
            ..DialogueState::default()
        };
        Self {
            account,
            over: AtomicBool::new(false),
            state: Mutex::new(state),
        }
    }

    /// Handles a request before it is sent.
    pub(super) fn on_request(&self, request: Request<'_>) -> RequestChanges {
        let mut state = self.lock();
        let mut changes = RequestChanges::default();
        let mut method = request.method;
        if method == "GET_PARAMETER" {
            changes.bare = true;
            if state.keep_alive_method == KeepAliveMethod::Options {
                changes.options = true;
                method = "OPTIONS";
            }
        }
        let of_session = matches!(
            request.method,
            "PLAY" | "PAUSE" | "TEARDOWN" | "GET_PARAMETER" | "SET_PARAMETER"
        );
        changes.uri = state.session_uri.clone().filter(|_| of_session);
        let uri = changes.uri.as_deref().unwrap_or(request.uri).to_owned();
        changes.authorization = state.login.authorization(method, &uri);
        if !is_farewell(method) {
            state.request = Some((method.to_owned(), false));
        }
        state.last_request_at = Some(Instant::now());
        changes
    }

    /// Ends the session: no other one waits for the answer to its login, and it waits for no answer.
    pub(super) fn end(&self) {
        let mut state = self.lock();
        self.over.store(true, Ordering::Release);
        state.login.end();
        drop(state);
        if let Some(account) = &self.account {
            account.wake();
        }
    }

    /// Waits until this session may send its login; none if it needs no turn.
    fn turn(&self) -> Option<Turn> {
        let account = self.account.as_ref()?;
        let needed = self.lock().login.needs_turn();
        needed.then(|| account.turn(|| self.over.load(Ordering::Acquire)))
    }

    /// Handles the response to a request; `with_login` if the request had a login. It waits while another session tries
    /// the same login.
    pub(super) fn on_response(
        &self,
        request: Request<'_>,
        with_login: bool,
        response: &Response,
    ) -> ResponseChanges {
        // Some cameras answer "not found" to a client without a login.
        let asks_for_login =
            response.status == 401 || (response.status == 404 && !response.challenges.is_empty());
        // It waits, therefore without the lock.
        let turn = asks_for_login.then(|| self.turn()).flatten();
        let mut state = self.lock();
        let mut changes = ResponseChanges::default();
        if asks_for_login {
            // A session that has ended in the meantime would never give its turn back.
            let is_over = self.over.load(Ordering::Acquire);
            let turn = if is_over {
                turn.map(|_| Turn::Withhold(Withheld::Unanswered))
            } else {
                turn
            };
            let challenges = &response.challenges;
            changes.again = Some(state.login.challenged(challenges, with_login, turn));
        } else {
            state.login.answered(with_login);
        }
        if is_farewell(request.method) {
            return changes;
        }
        let method = match state.request.take() {
            Some((method, _)) => method,
            None => request.method.to_owned(),
        };
        state.request = Some((method.clone(), true));
        if changes.again == Some(true) {
            return changes;
        }
        if (200..300).contains(&response.status) {
            state.refusal = None;
            state.accepted(request, response, &mut changes);
        } else {
            state.refused(method, request, response, &mut changes);
        }
        changes
    }

    /// The time until a keep-alive request is due; zero when it is due.
    pub(super) fn until_keep_alive(&self) -> Duration {
        let state = self.lock();
        let limit = request_interval(state.timeout);
        match state.last_request_at {
            Some(last_request_at) => limit.saturating_sub(last_request_at.elapsed()),
            None => limit,
        }
    }

    /// Notes that a request is about to be sent.
    pub(super) fn request_sent(&self) {
        self.lock().last_request_at = Some(Instant::now());
    }

    /// The current keep-alive method.
    pub(super) fn keep_alive_method(&self) -> KeepAliveMethod {
        self.lock().keep_alive_method
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

    /// The last response, if it refused the request or redirected it.
    pub(super) fn refusal(&self) -> Option<Refusal> {
        self.lock().refusal.clone()
    }

    /// The method of the last request, and whether it was answered.
    pub(super) fn last_request(&self) -> Option<(String, bool)> {
        self.lock().request.clone()
    }

    /// The method of the request without a response.
    pub(super) fn unanswered(&self) -> Option<String> {
        let (method, answered) = self.last_request()?;
        (!answered).then_some(method)
    }

    /// Whether the camera has described a stream.
    pub(super) fn is_described(&self) -> bool {
        !self.lock().description.media.is_empty()
    }

    /// The session timeout that the server states.
    pub(super) fn session_timeout(&self) -> Option<Duration> {
        self.lock().timeout
    }

    /// Whether the camera has asked for a login.
    pub(super) fn asked_for_login(&self) -> bool {
        self.lock().login.was_asked()
    }

    /// Whether the camera has refused the login.
    pub(super) fn refused_login(&self) -> bool {
        self.lock().login.was_refused()
    }

    /// Why the login was not sent, although the camera asked for one.
    pub(super) fn withheld_login(&self) -> Option<Withheld> {
        self.lock().login.withheld().cloned()
    }

    /// The schemes that the camera asks for, if none of them is supported.
    pub(super) fn unsupported_login(&self) -> Option<String> {
        self.lock().login.unsupported().map(str::to_owned)
    }

    fn lock(&self) -> MutexGuard<'_, DialogueState> {
        lock(&self.state)
    }
}

impl DialogueState {
    /// Handles the response to a request that was accepted.
    fn accepted(
        &mut self,
        request: Request<'_>,
        response: &Response,
        changes: &mut ResponseChanges,
    ) {
        match request.method {
            "OPTIONS" => {
                let lacks = !response.public.is_empty()
                    && !response
                        .public
                        .iter()
                        .any(|methods| methods.to_ascii_uppercase().contains("GET_PARAMETER"));
                if lacks {
                    self.keep_alive_method = KeepAliveMethod::Options;
                }
                changes.public = Some(ADVERTISED_METHODS);
            }
            "DESCRIBE" => {
                if let Some(sdp) = response.body.as_deref() {
                    let base = rtsp_sdp::base(request.uri, response.content_base.as_deref());
                    let (sdp, session_uri) = rtsp_sdp::with_complete_addresses(sdp, &base);
                    self.description = Description::read(&sdp);
                    self.session_uri = Some(session_uri);
                    changes.no_content_type = !self.description.media.is_empty();
                    changes.body = Some(sdp);
                }
            }
            "PLAY" => changes.no_position = true,
            "SETUP" => {
                let session = response.session.as_deref();
                self.timeout = session.and_then(timeout_of).or(self.timeout);
                changes.transport = request.transport.and_then(|asked| {
                    rtsp_headers::transport(asked, response.transport.as_deref())
                });
            }
            _ => {}
        }
    }

    /// Handles a response that is a refusal or a redirection.
    fn refused(
        &mut self,
        method: String,
        request: Request<'_>,
        response: &Response,
        changes: &mut ResponseChanges,
    ) {
        if request.method == "GET_PARAMETER" || is_keep_alive(&method, self) {
            self.keep_alive_method = KeepAliveMethod::Options;
            return;
        }
        if (300..400).contains(&response.status) {
            self.login.moved();
            self.redirections += 1;
            let address = rtsp_headers::redirection(request.uri, response.location.as_deref());
            changes.location = address.filter(|_| self.redirections <= MAX_REDIRECTIONS);
            let is_followed = changes.location.is_some();
            changes.status = Some(if is_followed { MOVED } else { BAD_REQUEST });
        } else if method == "OPTIONS" && changes.again.is_none() {
            // The methods are found by trying them: some cameras refuse OPTIONS alone.
            changes.status = Some(NOT_IMPLEMENTED);
            changes.public = Some(ADVERTISED_METHODS);
            return;
        }
        self.refusal = Some(Refusal {
            method,
            status: response.status,
            reason: response.reason.clone(),
        });
    }
}

/// Requests at the end of a session. They are no part of its reason.
fn is_farewell(method: &str) -> bool {
    matches!(method, "PAUSE" | "TEARDOWN")
}

/// OPTIONS in the middle of a session is a keep-alive; its response does not matter.
fn is_keep_alive(method: &str, state: &DialogueState) -> bool {
    method == "OPTIONS" && state.session_uri.is_some()
}

/// Half of the server's timeout.
fn request_interval(timeout: Option<Duration>) -> Duration {
    (timeout.unwrap_or(DEFAULT_TIMEOUT) / 2).clamp(MIN_REQUEST_INTERVAL, MAX_REQUEST_INTERVAL)
}

/// Reads `12345678;timeout=60`, with spaces anywhere.
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
#[path = "rtsp_dialogue_tests.rs"]
mod tests;

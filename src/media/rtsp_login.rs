//! The login of a camera within one session: decides when it is sent.
//!
//! rtspsrc repeats a refused login up to eight times, and supports MD5 only. Cameras lock an account after five to
//! seven wrong logins, for every client. Here a refused login is not sent again in the same session, and other sessions
//! with the same login at the same server learn of it (`rtsp_account`).

use super::rtsp_account::{AccountUse, LoginAttempt, Turn, Withheld};
use super::rtsp_challenge::{Challenge, basic, pick};

/// How many outdated nonces are exchanged before the camera has accepted the login once.
const NEW_NONCES: u32 = 2;

/// The login within one session. rtspsrc's thread writes it.
#[derive(Debug, Default)]
pub(super) struct Login {
    account: Option<AccountUse>,
    /// Until the camera has answered the login.
    attempt: Option<LoginAttempt>,
    withheld: Option<Withheld>,
    challenge: Option<Challenge>,
    /// The number of requests with this nonce.
    nonce_count: u32,
    /// The number of new nonces since the last response other than 401.
    new_nonces: u32,
    asked: bool,
    accepted: bool,
    refused: bool,
    unsupported: Option<String>,
}

impl Login {
    pub(super) fn new(account: Option<AccountUse>) -> Self {
        Self {
            account,
            ..Self::default()
        }
    }

    /// Whether the camera has asked for a login.
    pub(super) fn was_asked(&self) -> bool {
        self.asked
    }

    /// Whether the camera has refused the login.
    pub(super) fn was_refused(&self) -> bool {
        self.refused
    }

    /// Why the login was not sent.
    pub(super) fn withheld(&self) -> Option<&Withheld> {
        self.withheld.as_ref()
    }

    /// Whether the session must have its turn before it sends the login.
    pub(super) fn needs_turn(&self) -> bool {
        !self.accepted && !self.refused && self.attempt.is_none()
    }

    /// The session is over: others need not wait for its answer.
    pub(super) fn end(&mut self) {
        self.attempt = None;
    }

    /// The schemes that the camera asks for, if none of them is supported.
    pub(super) fn unsupported(&self) -> Option<&str> {
        self.unsupported.as_deref()
    }

    /// The value of a request's `Authorization`, once the camera has asked for one.
    pub(super) fn authorization(&mut self, method: &str, uri: &str) -> Option<String> {
        if self.refused {
            return None;
        }
        let credentials = self.account.as_ref()?.credentials();
        let challenge = self.challenge.as_ref()?;
        self.nonce_count += 1;
        Some(match challenge {
            Challenge::Basic => basic(credentials),
            Challenge::Digest(digest) => {
                let client_nonce = format!("{:016x}", fastrand::u64(..));
                digest.answer(credentials, method, uri, self.nonce_count, &client_nonce)
            }
        })
    }

    /// Handles a response other than 401; `with_login` if the request had a login.
    pub(super) fn answered(&mut self, with_login: bool) {
        self.new_nonces = 0;
        self.accepted |= with_login;
        if let Some(attempt) = self.attempt.take_if(|_| with_login) {
            attempt.accepted();
        }
    }

    /// The camera redirects us to another server, which gets no login before it asks for one.
    pub(super) fn moved(&mut self) {
        self.challenge = None;
    }

    /// Handles a 401 response with these `WWW-Authenticate` headers; `turn` if the session needed one. Returns whether
    /// another attempt is useful.
    pub(super) fn challenged(
        &mut self,
        headers: &[String],
        with_login: bool,
        turn: Option<Turn>,
    ) -> bool {
        self.asked = true;
        if self.account.is_none() || self.refused {
            return false;
        }
        let challenge = match pick(headers) {
            Ok(challenge) => challenge,
            Err(schemes) => {
                // Without any challenge, the camera refuses the login, if one was sent.
                if with_login {
                    self.refuse();
                }
                self.unsupported = Some(schemes.to_string()).filter(|schemes| !schemes.is_empty());
                return false;
            }
        };
        if with_login {
            if !self.is_outdated(&challenge) {
                self.refuse();
                return false;
            }
            self.new_nonces += 1;
        }
        match turn {
            Some(Turn::Send(attempt)) => self.attempt = Some(attempt),
            Some(Turn::Withhold(reason)) => {
                self.withheld = Some(reason);
                return false;
            }
            None => {}
        }
        self.nonce_count = 0;
        self.challenge = Some(challenge);
        true
    }

    fn refuse(&mut self) {
        self.refused = true;
        if let (Some(attempt), Some(account)) = (self.attempt.take(), &self.account) {
            attempt.refused(&account.source);
        }
    }

    /// Whether a 401 response to a request with a login is only about its nonce.
    fn is_outdated(&self, challenge: &Challenge) -> bool {
        let (Some(Challenge::Digest(used)), Challenge::Digest(new)) = (&self.challenge, challenge)
        else {
            return false;
        };
        // Many cameras let a nonce expire in the middle of a session and do not say `stale`.
        let expired = self.accepted && self.new_nonces == 0;
        new.nonce != used.nonce && (expired || (new.stale && self.new_nonces < NEW_NONCES))
    }
}

#[cfg(test)]
mod tests {
    use super::super::rtsp_account::testing::account_use;
    use super::*;

    fn login(username: &str, password: &str) -> Login {
        Login::new(Some(account_use("camera 1", username, password)))
    }

    fn turn(login: &Login) -> Option<Turn> {
        let account = login.account.as_ref().filter(|_| login.needs_turn());
        account.map(|account| account.turn(|| false))
    }

    fn challenged(login: &mut Login, headers: &[String], with_login: bool) -> bool {
        let turn = turn(login);
        login.challenged(headers, with_login, turn)
    }

    fn headers(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    const FIRST: &str = "Digest realm=\"cam\", nonce=\"1\"";
    const SECOND: &str = "Digest realm=\"cam\", nonce=\"2\"";
    const STALE: &str = "Digest realm=\"cam\", nonce=\"3\", stale=TRUE";

    #[test]
    fn a_refused_login_is_not_sent_again() {
        for (challenge, next) in [
            (FIRST, FIRST),
            (FIRST, SECOND),
            ("Basic realm=\"c\"", FIRST),
        ] {
            let mut login = login("a", "wrong");
            assert_eq!(login.authorization("DESCRIBE", "rtsp://h/"), None);
            assert!(challenged(&mut login, &headers(&[challenge]), false));
            assert!(login.authorization("DESCRIBE", "rtsp://h/").is_some());
            assert!(!challenged(&mut login, &headers(&[next]), true));
            assert!(login.was_refused());
            assert_eq!(login.authorization("DESCRIBE", "rtsp://h/"), None);
            assert!(!challenged(&mut login, &headers(&[STALE]), false));
        }
    }

    #[test]
    fn a_login_that_was_refused_for_another_source_is_not_sent() {
        let mut first = login("a", "wrong");
        let account = AccountUse {
            source: "camera 2".to_owned(),
            ..first.account.clone().expect("it has one")
        };
        let mut second = Login::new(Some(account));
        let challenges = headers(&[FIRST]);
        assert!(challenged(&mut first, &challenges, false));
        assert!(!challenged(&mut first, &challenges, true));
        assert!(!challenged(&mut second, &challenges, false));
        assert_eq!(second.authorization("DESCRIBE", "rtsp://h/"), None);
        let reason = Withheld::Refused("camera 1".to_owned());
        assert_eq!(second.withheld(), Some(&reason));
        assert!(!second.was_refused());
    }

    #[test]
    fn an_outdated_nonce_is_no_refusal() {
        let mut login = login("a", "right");
        assert!(challenged(&mut login, &headers(&[FIRST]), false));
        assert!(challenged(&mut login, &headers(&[STALE]), true));
        login.answered(true);
        assert!(
            challenged(&mut login, &headers(&[SECOND]), true),
            "it had expired"
        );
        assert!(
            !challenged(&mut login, &headers(&[FIRST]), true),
            "twice in a row"
        );
    }

    #[test]
    fn a_camera_that_calls_every_nonce_outdated_is_not_asked_for_ever() {
        let mut login = login("a", "b");
        let stale = |number: u32| {
            vec![format!(
                "Digest realm=\"cam\", nonce=\"{number}\", stale=true"
            )]
        };
        assert!(challenged(&mut login, &stale(0), false));
        assert!(challenged(&mut login, &stale(1), true));
        assert!(challenged(&mut login, &stale(2), true));
        assert!(!challenged(&mut login, &stale(3), true));
    }

    #[test]
    fn without_a_login_or_a_known_scheme_there_is_nothing_to_try() {
        let mut none = Login::new(None);
        assert!(!challenged(&mut none, &headers(&[FIRST]), false));
        assert!(none.was_asked() && !none.was_refused());
        let mut unknown = login("a", "b");
        assert!(!challenged(&mut unknown, &headers(&["NTLM"]), false));
        assert_eq!(unknown.unsupported(), Some("NTLM"));
        assert!(!unknown.was_refused());
    }
}

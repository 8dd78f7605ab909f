//! The login of a camera within one session: decides when it is sent.
//!
//! rtspsrc repeats a refused login up to eight times, and supports MD5 only. Cameras lock an account after five to
//! seven wrong logins, for every client. Here a refused login is not sent again in the same session.

use super::rtsp_challenge::{Challenge, basic, pick};
use crate::config::Credentials;

/// How many outdated nonces are exchanged before the camera has accepted the login once.
const NEW_NONCES: u32 = 2;

/// The login within one session. rtspsrc's thread writes it.
#[derive(Debug, Default)]
pub(super) struct Login {
    credentials: Option<Credentials>,
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
    pub(super) fn new(credentials: Option<Credentials>) -> Self {
        Self {
            credentials,
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

    /// The schemes that the camera asks for, if none of them is supported.
    pub(super) fn unsupported(&self) -> Option<&str> {
        self.unsupported.as_deref()
    }

    /// The value of a request's `Authorization`, once the camera has asked for one.
    pub(super) fn authorization(&mut self, method: &str, uri: &str) -> Option<String> {
        if self.refused {
            return None;
        }
        let (credentials, challenge) = (self.credentials.as_ref()?, self.challenge.as_ref()?);
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
    }

    /// The camera redirects us to another server, which gets no login before it asks for one.
    pub(super) fn moved(&mut self) {
        self.challenge = None;
    }

    /// Handles a 401 response with these `WWW-Authenticate` headers. Returns whether another attempt is useful.
    pub(super) fn challenged(&mut self, headers: &[String], with_login: bool) -> bool {
        self.asked = true;
        if self.credentials.is_none() || self.refused {
            return false;
        }
        let challenge = match pick(headers) {
            Ok(challenge) => challenge,
            Err(schemes) => {
                // Without any challenge, the camera refuses the login, if one was sent.
                self.refused |= with_login;
                self.unsupported = Some(schemes.to_string()).filter(|schemes| !schemes.is_empty());
                return false;
            }
        };
        if with_login {
            if !self.is_outdated(&challenge) {
                self.refused = true;
                return false;
            }
            self.new_nonces += 1;
        }
        self.nonce_count = 0;
        self.challenge = Some(challenge);
        true
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
    use super::*;
    use crate::config::Secret;

    fn login(username: &str, password: &str) -> Login {
        Login::new(Some(Credentials {
            username: Secret::new(username),
            password: Secret::new(password),
        }))
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
            assert!(login.challenged(&headers(&[challenge]), false));
            assert!(login.authorization("DESCRIBE", "rtsp://h/").is_some());
            assert!(!login.challenged(&headers(&[next]), true));
            assert!(login.was_refused());
            assert_eq!(login.authorization("DESCRIBE", "rtsp://h/"), None);
            assert!(!login.challenged(&headers(&[STALE]), false));
        }
    }

    #[test]
    fn an_outdated_nonce_is_no_refusal() {
        let mut login = login("a", "right");
        assert!(login.challenged(&headers(&[FIRST]), false));
        assert!(login.challenged(&headers(&[STALE]), true));
        login.answered(true);
        assert!(
            login.challenged(&headers(&[SECOND]), true),
            "it had expired"
        );
        assert!(
            !login.challenged(&headers(&[FIRST]), true),
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
        assert!(login.challenged(&stale(0), false));
        assert!(login.challenged(&stale(1), true));
        assert!(login.challenged(&stale(2), true));
        assert!(!login.challenged(&stale(3), true));
    }

    #[test]
    fn without_a_login_or_a_known_scheme_there_is_nothing_to_try() {
        let mut none = Login::new(None);
        assert!(!none.challenged(&headers(&[FIRST]), false));
        assert!(none.was_asked() && !none.was_refused());
        let mut unknown = login("a", "b");
        assert!(!unknown.challenged(&headers(&["NTLM"]), false));
        assert_eq!(unknown.unsupported(), Some("NTLM"));
        assert!(!unknown.was_refused());
    }
}

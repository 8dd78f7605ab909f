//! Logins: a wrong password is sent once, and Digest with its newer features is answered.

use sha2::{Digest as _, Sha256};

use super::*;
use crate::support::quirky_camera::{Handling, Request};

/// Changes nothing.
struct NoQuirk;

impl Quirk for NoQuirk {}

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

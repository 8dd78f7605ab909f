//! Who may look at a page: with its token, where it has one; and on loopback only those who mean this machine.
//!
//! `/healthz` is open to everybody: a supervisor's probe has no token, and the answer names no more than stages. All else
//! shows what cameras see, or how they fare.
//!
//! A site that a browser of this machine visits could point a name of its own at loopback and then read the page (DNS
//! rebinding). Such a request names the foreign site in `Host`, which a browser sets and no script can: it alone is looked
//! at, and has to be this machine's or one that the operator named. `X-Forwarded-Host`, `Forwarded` and the like are not: a
//! script can set them.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri, header};
use axum::middleware::{self, Next};
use axum::response::{Html, IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use super::forwarded::{front, is_secure};
use crate::config::Secret;

/// A month: a phone's home screen should not ask every day.
const COOKIE_SECONDS: u32 = 30 * 24 * 3600;

/// What is checked before anything is shown.
#[derive(Debug)]
pub struct Guard {
    /// `wall`, `processor`.
    role: &'static str,
    /// Names that are ours beside those of loopback.
    hosts: Vec<String>,
    /// Digest of the token: of equal length whatever it is, so that comparing tells nothing of it.
    token: Option<[u8; 32]>,
    /// Cookies know hosts and no ports: two walls of one box each need a name of their own.
    cookie: String,
    /// Where a name that is not ours means that a foreign site's script asks.
    loopback: Option<IpAddr>,
    policy: HeaderValue,
}

impl Guard {
    /// For the page of a `role` at `address` whose own scripts and styles `policy` allows. On loopback it is asked for as
    /// this machine, or as one of `hosts`.
    pub fn new(
        role: &'static str,
        address: SocketAddr,
        hosts: &[String],
        token: Option<&Secret>,
        policy: HeaderValue,
    ) -> Self {
        Self {
            role,
            hosts: hosts.to_vec(),
            token: token.map(|token| digest(token.reveal())),
            cookie: format!("nvr-{role}-{}", address.port()),
            loopback: Some(address.ip()).filter(IpAddr::is_loopback),
            policy,
        }
    }

    /// The names that were allowed.
    pub(super) fn hosts(&self) -> &[String] {
        &self.hosts
    }

    /// `routes` behind this guard.
    pub(super) fn before(self, routes: Router) -> Router {
        routes.layer(middleware::from_fn_with_state(Arc::new(self), guarded))
    }

    fn is_own_host(&self, headers: &HeaderMap) -> bool {
        let Some(address) = self.loopback else {
            return true;
        };
        let host = headers.get(header::HOST);
        let host = host.and_then(|host| host.to_str().ok()).unwrap_or_default();
        let name = match host.strip_prefix('[') {
            Some(rest) => rest.split(']').next().unwrap_or_default(),
            None => host.split(':').next().unwrap_or_default(),
        };
        name.eq_ignore_ascii_case("localhost")
            || self
                .hosts
                .iter()
                .any(|ours| name.eq_ignore_ascii_case(ours))
            || name.parse().is_ok_and(|ip: IpAddr| {
                ip == address
                    || [
                        [127, 0, 0, 1].into(),
                        IpAddr::V6(std::net::Ipv6Addr::LOCALHOST),
                    ]
                    .contains(&ip)
            })
    }

    fn is_token(&self, given: &str) -> bool {
        self.token
            .is_some_and(|token| token.ct_eq(&digest(given)).into())
    }

    fn is_cookie(&self, headers: &HeaderMap) -> bool {
        let Some(token) = self.token else {
            return false;
        };
        let wanted = URL_SAFE_NO_PAD.encode(token);
        headers
            .get_all(header::COOKIE)
            .iter()
            .filter_map(|line| line.to_str().ok())
            .flat_map(|line| line.split(';'))
            .filter_map(|cookie| cookie.trim().split_once('='))
            .any(|(name, value)| {
                name == self.cookie && bool::from(value.as_bytes().ct_eq(wanted.as_bytes()))
            })
    }

    /// The page behind a token in an address: keeps it in a cookie and goes on to the address without it. No redirect:
    /// after one, a browser that came from a mail or another site would not send a strict cookie. The cookie has no path:
    /// a browser then takes the page's own, which only it knows behind a proxy.
    fn store_token(&self, headers: &HeaderMap) -> Response {
        let kept = self.token.map(|token| URL_SAFE_NO_PAD.encode(token));
        let cookie = format!(
            "{}={}; Max-Age={COOKIE_SECONDS}; {}HttpOnly; SameSite=Strict",
            self.cookie,
            kept.unwrap_or_default(),
            if is_secure(headers) { "Secure; " } else { "" }
        );
        let front = front(headers);
        let page = format!(
            "<!doctype html><html lang=en><meta charset=utf-8><title>{role}</title>\
            <meta http-equiv=refresh content=\"0;url={front}\"><p><a href=\"{front}\">On to the {role}</a></p></html>",
            role = self.role
        );
        ([(header::SET_COOKIE, cookie)], Html(page)).into_response()
    }

    fn wrong_host(&self) -> Response {
        let words = format!(
            "This {}'s page is served to its own machine only, as localhost or 127.0.0.1; it was asked under another name. \
             Behind a proxy, let that send `Host: localhost`, or put the name into http_hosts; for other machines, serve the \
             page at another address.\n",
            self.role
        );
        (StatusCode::MISDIRECTED_REQUEST, words).into_response()
    }
}

/// The check as a layer of the page's routes.
async fn guarded(State(guard): State<Arc<Guard>>, request: Request, next: Next) -> Response {
    let is_front = request.uri().path() == "/";
    let answer = if request.uri().path() == "/healthz" {
        next.run(request).await
    } else if !guard.is_own_host(request.headers()) {
        guard.wrong_host()
    } else if guard.token.is_none() || guard.is_cookie(request.headers()) {
        // A bookmark with the token in it stays good, and the token leaves the address all the same.
        match token_of(request.uri()).filter(|_| is_front) {
            Some(token) if guard.is_token(&token) => guard.store_token(request.headers()),
            _ => next.run(request).await,
        }
    } else {
        let in_address = token_of(request.uri());
        let in_header = bearer(request.headers());
        match (in_header, in_address) {
            (Some(token), _) if guard.is_token(token) => next.run(request).await,
            (_, Some(token)) if guard.is_token(&token) => {
                // Programs that read pictures or figures keep no cookies; people come by the front door.
                if is_front {
                    guard.store_token(request.headers())
                } else {
                    next.run(request).await
                }
            }
            _ => refusal(request.headers()),
        }
    };
    with_headers(answer, &guard.policy)
}

fn digest(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers
        .get(header::AUTHORIZATION)?
        .to_str()
        .ok()?
        .split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn token_of(uri: &Uri) -> Option<String> {
    url::form_urlencoded::parse(uri.query()?.as_bytes())
        .find(|(key, _)| key == "token")
        .map(|(_, value)| value.into_owned())
}

fn refusal(headers: &HeaderMap) -> Response {
    let page = include_str!("refusal.html").replace("{front}", &front(headers));
    let asks = [(header::WWW_AUTHENTICATE, "Bearer realm=\"nvr wall\"")];
    (StatusCode::UNAUTHORIZED, asks, Html(page)).into_response()
}

fn with_headers(mut answer: Response, policy: &HeaderValue) -> Response {
    const FIXED: [(HeaderName, &str); 5] = [
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        // The address may have held the token.
        (header::REFERRER_POLICY, "no-referrer"),
        // Other sites may not show our pictures as theirs.
        (
            HeaderName::from_static("cross-origin-resource-policy"),
            "same-origin",
        ),
    ];
    let headers = answer.headers_mut();
    for (name, value) in FIXED {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.insert(header::CONTENT_SECURITY_POLICY, policy.clone());
    answer
}

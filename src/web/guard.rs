//! Access checks of a page: its token, if it has one, and on loopback the host name.
//!
//! `/healthz` needs no token, because the probe of a supervisor has none, and the answer contains only names of stages. All other
//! routes show pictures or states of cameras.
//!
//! A web site in a browser on this machine could resolve its name to loopback and then read the page (DNS rebinding). Such a
//! request has the name of that site in `Host`, which the browser sets and scripts can't change. Therefore `Host` must be a name
//! of this machine or one that the operator configured. `X-Forwarded-Host` and `Forwarded` are ignored, because scripts can set
//! them.

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

/// Lifetime of the cookie: a month, so that a phone does not ask for the token every day.
const COOKIE_SECONDS: u32 = 30 * 24 * 3600;

/// The access checks of a page.
#[derive(Debug)]
pub struct Guard {
    /// `wall`, `processor`.
    role: &'static str,
    /// Accepted host names besides those of loopback.
    hosts: Vec<String>,
    /// Digest of the token. It has a fixed length, so the comparison leaks nothing.
    token: Option<[u8; 32]>,
    /// Name of the cookie. It contains the port, because cookies apply to all ports of a host.
    cookie: String,
    /// The address, if it is loopback: then the host name is checked.
    loopback: Option<IpAddr>,
    policy: HeaderValue,
}

impl Guard {
    /// The guard of a page of `role` at `address`, with the content security policy `policy`. On loopback it accepts the names
    /// of this machine and `hosts`.
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

    /// The configured host names.
    pub(super) fn hosts(&self) -> &[String] {
        &self.hosts
    }

    /// Puts `routes` behind this guard.
    pub(super) fn before(self, routes: Router) -> Router {
        routes.layer(middleware::from_fn_with_state(Arc::new(self), guarded))
    }

    fn is_own_host(&self, headers: &HeaderMap) -> bool {
        let Some(address) = self.loopback else {
            return true;
        };
        // With two of them, the browser's may be the other one.
        let mut hosts = headers.get_all(header::HOST).iter();
        let (Some(host), None) = (hosts.next(), hosts.next()) else {
            return false;
        };
        let host = host.to_str().unwrap_or_default();
        let name = match host.strip_prefix('[') {
            Some(rest) => rest.split(']').next().unwrap_or_default(),
            None => host.split(':').next().unwrap_or_default(),
        };
        // Complete names may be written with a dot at the end.
        let name = name.strip_suffix('.').unwrap_or(name);
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

    /// The answer to a token in the address: stores it in a cookie and continues to the address without it. It is not a
    /// redirect, because after a redirect from another site browsers do not send a strict cookie. The cookie has no path, so the
    /// browser uses that of the page, which is unknown here behind a proxy.
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

    fn wrong_host(&self, headers: &HeaderMap) -> Response {
        let has = match headers.get_all(header::HOST).iter().count() {
            0 => "no Host header",
            1 => "another host name",
            _ => "several Host headers",
        };
        let words = format!(
            "This {}'s page accepts only requests from its own machine, for localhost or 127.0.0.1; the request has {has}. \
             Behind a proxy, send `Host: localhost` from the proxy, or add the name to http_hosts; for other machines, serve the \
             page at another address.\n",
            self.role
        );
        (StatusCode::MISDIRECTED_REQUEST, words).into_response()
    }

    fn refusal(&self, headers: &HeaderMap) -> Response {
        let page = include_str!("refusal.html")
            .replace("{role}", self.role)
            .replace("{front}", &front(headers));
        let asks = format!("Bearer realm=\"nvr {}\"", self.role);
        let asks = [(header::WWW_AUTHENTICATE, asks)];
        (StatusCode::UNAUTHORIZED, asks, Html(page)).into_response()
    }
}

/// The check as a layer of the page's routes.
async fn guarded(State(guard): State<Arc<Guard>>, request: Request, next: Next) -> Response {
    let is_front = request.uri().path() == "/";
    let answer = if request.uri().path() == "/healthz" {
        next.run(request).await
    } else if !guard.is_own_host(request.headers()) {
        guard.wrong_host(request.headers())
    } else if guard.token.is_none() || guard.is_cookie(request.headers()) {
        // A bookmark with the token still works, and the token is removed from the address.
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
                // Only the front page sets a cookie. Programs that read pictures or metrics store none.
                if is_front {
                    guard.store_token(request.headers())
                } else {
                    next.run(request).await
                }
            }
            _ => guard.refusal(request.headers()),
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

fn with_headers(mut answer: Response, policy: &HeaderValue) -> Response {
    const FIXED: [(HeaderName, &str); 4] = [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        // The address may contain the token.
        (header::REFERRER_POLICY, "no-referrer"),
        // Other sites must not embed the pictures.
        (
            HeaderName::from_static("cross-origin-resource-policy"),
            "same-origin",
        ),
    ];
    let headers = answer.headers_mut();
    // A route may permit its viewer to keep what never changes.
    headers
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    for (name, value) in FIXED {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.insert(header::CONTENT_SECURITY_POLICY, policy.clone());
    answer
}

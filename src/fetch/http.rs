//! HTTP: one request for the rest of a file. Blocking; the only file that names the HTTP client.

use std::io::Read;
use std::time::Duration;

use ureq::http::{HeaderMap, Response, StatusCode};
use ureq::tls::{Certificate, RootCerts, TlsConfig};
use ureq::{Agent, Body};

use super::fault::{Fault, Retry};
use crate::bus::Trust;
use crate::config::without_secrets;

/// Maximum number of redirects: object stores use one or two.
const REDIRECTS: u32 = 5;
/// Longest wait that a busy server may ask for.
const LONGEST_WAIT: Duration = Duration::from_secs(3600);

/// Time limits of a request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TimeLimits {
    /// Of the connection.
    pub(crate) connect: Duration,
    /// Maximum time without a byte.
    pub(crate) silence: Duration,
}

impl Default for TimeLimits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(15),
            silence: Duration::from_secs(30),
        }
    }
}

/// The client of one attempt.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    agent: Agent,
}

/// What the server sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Extent {
    /// The whole file.
    Whole,
    /// The file from this byte on.
    From(u64),
    /// It has no such part.
    NoSuchPart,
}

/// The answer to a request.
pub(super) struct Answer {
    pub(super) extent: Extent,
    /// Length of the whole file in bytes, if the server tells it.
    pub(super) total: Option<u64>,
    /// The text by which the server recognises this state of the file.
    pub(super) validator: Option<String>,
    /// The bytes. A connection that ends early is an error.
    pub(super) body: Box<dyn Read>,
}

impl Client {
    /// A client that trusts the authorities of `trust`. Proxies are those of the environment (`HTTPS_PROXY`, `HTTP_PROXY`,
    /// `NO_PROXY`).
    pub(crate) fn new(trust: Trust, limits: TimeLimits) -> Self {
        let certificates = trust.certificates.iter();
        let roots: Vec<Certificate<'static>> = certificates
            .map(|der| Certificate::from_der(der).to_owned())
            .collect();
        let tls = TlsConfig::builder()
            .root_certs(RootCerts::new_with_certs(&roots))
            .unversioned_rustls_crypto_provider(trust.provider)
            .build();
        let config = Agent::config_builder()
            .tls_config(tls)
            .http_status_as_error(false)
            .max_redirects(REDIRECTS)
            .timeout_resolve(Some(limits.connect))
            .timeout_connect(Some(limits.connect))
            .timeout_recv_response(Some(limits.silence))
            .timeout_per_read(Some(limits.silence))
            .timeout_per_write(Some(limits.silence))
            .user_agent(concat!("nvr/", env!("CARGO_PKG_VERSION")))
            .build();
        Self {
            agent: config.into(),
        }
    }

    /// Ends a request that is under way on another thread.
    pub(super) fn shutdown(&self) {
        self.agent.clone().shutdown();
    }

    /// Asks for the file at `url` from byte `from` on, provided that the server still has the state `validator` of it.
    ///
    /// # Errors
    /// When the server can't be reached or refuses.
    pub(super) fn get(
        &self,
        url: &str,
        from: u64,
        validator: Option<&str>,
    ) -> Result<Answer, Fault> {
        // A file that is compressed on the way would have another hash and other offsets.
        let mut request = self.agent.get(url).header("accept-encoding", "identity");
        if from > 0 {
            request = request.header("range", format!("bytes={from}-"));
            if let Some(validator) = validator {
                request = request.header("if-range", validator);
            }
        }
        let response = request
            .call()
            .map_err(|err| failed(url, &err.to_string()))?;
        answer(url, from, response)
    }
}

/// A fault of a request for `url`.
pub(super) fn failed(url: &str, reason: &str) -> Fault {
    Fault::fetch(format!(
        "can't fetch {}: {}; check the address and the network",
        without_secrets(url),
        without_secrets(reason)
    ))
}

fn answer(url: &str, from: u64, response: Response<Body>) -> Result<Answer, Fault> {
    let (parts, body) = response.into_parts();
    let length = number(&parts.headers, "content-length");
    let (extent, total) = match parts.status {
        StatusCode::OK => (Extent::Whole, length),
        StatusCode::PARTIAL_CONTENT => {
            let range = text(&parts.headers, "content-range").and_then(content_range);
            let Some((first, total)) = range else {
                return Err(failed(url, "the server sends a part without its place"));
            };
            (Extent::From(first), total)
        }
        StatusCode::RANGE_NOT_SATISFIABLE if from > 0 => (Extent::NoSuchPart, None),
        status => {
            let wait = number(&parts.headers, "retry-after").map(Duration::from_secs);
            let wait = wait.unwrap_or_default().min(LONGEST_WAIT);
            let fault = failed(url, &format!("the server answers {status}"));
            return Err(fault.with(Retry::Backoff(wait)));
        }
    };
    Ok(Answer {
        extent,
        total,
        validator: validator(&parts.headers),
        body: Box::new(body.into_reader()),
    })
}

/// A strong validator: a weak one does not promise the same bytes.
fn validator(headers: &HeaderMap) -> Option<String> {
    let tag = text(headers, "etag").filter(|tag| !tag.starts_with("W/"));
    tag.or_else(|| text(headers, "last-modified"))
        .map(str::to_owned)
}

/// First byte and total length of `bytes 5-9/10`.
fn content_range(range: &str) -> Option<(u64, Option<u64>)> {
    let (range, total) = range.strip_prefix("bytes ")?.split_once('/')?;
    let (first, _) = range.split_once('-')?;
    Some((first.trim().parse().ok()?, total.trim().parse().ok()))
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

fn number(headers: &HeaderMap, name: &str) -> Option<u64> {
    text(headers, name)?.trim().parse().ok()
}

#[cfg(test)]
#[path = "http_tests.rs"]
mod tests;

//! `/metrics` and `/healthz`, for Prometheus and for remote health checks.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use tokio_util::sync::{CancellationToken, DropGuard};
use tracing::{info, warn};

use super::connections::{self, Limits};
use super::forwarded::Site;
use super::guard::Guard;
use crate::base::Heartbeats;
use crate::health::{MetricsSource, encode};

/// The page can't be served.
#[derive(Debug, thiserror::Error)]
pub enum PageError {
    /// The address can't be used.
    #[error(
        "http = {address}: can't listen on it ({source}); choose a free port of this machine, or omit --http"
    )]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The reason.
        source: std::io::Error,
    },
    /// Without a token, every machine that reaches the address could see the cameras.
    #[error(
        "http = {0}: other machines reach this address, and no token is set; set http_token, or serve the page at 127.0.0.1"
    )]
    NoToken(SocketAddr),
}

/// A served page. Dropping it closes the port and ends its streams; other connections end when their answer is complete.
#[derive(Debug)]
pub struct Page {
    configured: SocketAddr,
    hosts: Vec<String>,
    address: SocketAddr,
    _stop: DropGuard,
    /// Ends answers without an end (video streams) with the page.
    _streams: Option<DropGuard>,
}

struct HealthState {
    report: Arc<dyn MetricsSource>,
    heartbeats: Heartbeats,
}

impl Page {
    /// Serves the page at `address` (port 0: any free port). On loopback it also accepts the host names `hosts`. Needs a tokio
    /// runtime.
    ///
    /// # Errors
    /// When the address can't be listened on.
    pub async fn serve(
        address: SocketAddr,
        hosts: &[String],
        report: Arc<dyn MetricsSource>,
        heartbeats: Heartbeats,
    ) -> Result<Self, PageError> {
        let policy = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");
        let guard = Guard::new("processor", address, hosts, None, policy);
        let routes = routes(report, heartbeats);
        let page = Self::of(address, guard, routes, &["metrics", "healthz"]).await?;
        let address = page.address;
        if !address.ip().is_loopback() {
            warn!(%address, "every machine that reaches this address can read the metrics");
        }
        info!(%address, "serving /metrics and /healthz");
        Ok(page)
    }

    /// Serves `routes` behind `guard` at `address` (port 0: any free port). Each of `names` is a route at the root, without its
    /// slash, that is also found below other paths; the empty one is a front page.
    ///
    /// # Errors
    /// When the address can't be listened on.
    pub async fn of(
        address: SocketAddr,
        guard: Guard,
        routes: Router,
        names: &'static [&'static str],
    ) -> Result<Self, PageError> {
        let configured = address;
        let failed = |source| PageError::Listen { address, source };
        let listener = connections::listen(address).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let stop = CancellationToken::new();
        let hosts = guard.hosts().to_vec();
        let routes = guard.before(routes);
        let site = Arc::new(Site { routes, names });
        let served = connections::serve(listener, site, Limits::default(), stop.clone());
        tokio::spawn(served);
        Ok(Self {
            configured,
            hosts,
            address,
            _stop: stop.drop_guard(),
            _streams: None,
        })
    }

    /// Makes the end of the page also cancel `streams`.
    pub(super) fn with_streams(mut self, streams: CancellationToken) -> Self {
        self._streams = Some(streams.drop_guard());
        self
    }

    /// The configured address.
    pub fn configured_address(&self) -> SocketAddr {
        self.configured
    }

    /// The accepted host names besides those of loopback.
    pub fn hosts(&self) -> &[String] {
        &self.hosts
    }

    /// The address in use, with the actual port.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

/// The routes `/metrics` and `/healthz`.
pub fn routes(report: Arc<dyn MetricsSource>, heartbeats: Heartbeats) -> Router {
    Router::new()
        .route("/metrics", get(metrics))
        .route("/healthz", get(healthz))
        .with_state(Arc::new(HealthState { report, heartbeats }))
}

async fn metrics(State(state): State<Arc<HealthState>>) -> impl IntoResponse {
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], encode(&state.report))
}

async fn healthz(State(state): State<Arc<HealthState>>) -> impl IntoResponse {
    let stuck = state.heartbeats.stuck();
    if stuck.is_empty() {
        return (StatusCode::OK, "ok\n".to_owned());
    }
    let lines = stuck.iter().map(|one| {
        format!(
            "{}: no progress for {} s (limit {} s)\n",
            one.stage,
            one.silent_for.as_secs(),
            one.limit.as_secs()
        )
    });
    (StatusCode::SERVICE_UNAVAILABLE, lines.collect())
}

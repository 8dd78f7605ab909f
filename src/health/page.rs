//! `/metrics` and `/healthz`, for Prometheus and for whoever asks from afar whether the box is well.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use axum::serve::Listener;
use tokio_util::sync::{CancellationToken, DropGuard};
use tracing::{info, warn};

use super::connections::Connections;
use super::{Report, encode};
use crate::base::Heartbeats;

/// The page could not be served.
#[derive(Debug, thiserror::Error)]
#[error(
    "http = {address}: can't listen there ({source}); choose a free port of this machine, or leave --http away"
)]
pub struct PageError {
    address: SocketAddr,
    source: std::io::Error,
}

/// A page while it is served; dropping it closes the port, and each connection once its answer is complete.
#[derive(Debug)]
pub struct Page {
    asked: SocketAddr,
    address: SocketAddr,
    _stop: DropGuard,
}

struct Shown {
    report: Arc<dyn Report>,
    heartbeats: Heartbeats,
}

impl Page {
    /// Serves the page at `address` (port 0: any free one). Needs a tokio runtime.
    ///
    /// # Errors
    /// When the address can't be listened on.
    pub async fn serve(
        address: SocketAddr,
        report: Arc<dyn Report>,
        heartbeats: Heartbeats,
    ) -> Result<Self, PageError> {
        let page = Self::of(address, routes(report, heartbeats)).await?;
        let address = page.address;
        if !address.ip().is_loopback() {
            warn!(%address, "metrics can be read by anyone who reaches this address");
        }
        info!(%address, "serving /metrics and /healthz");
        Ok(page)
    }

    /// Serves routes of one's own, [`routes`] among them or not, at `address` (port 0: any free one).
    ///
    /// # Errors
    /// When the address can't be listened on.
    pub async fn of(address: SocketAddr, routes: Router) -> Result<Self, PageError> {
        let asked = address;
        let failed = |source| PageError { address, source };
        let listener = Connections::listen(address).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let stop = CancellationToken::new();
        let stopped = stop.clone().cancelled_owned();
        tokio::spawn(async move {
            let served = axum::serve(listener, routes).with_graceful_shutdown(stopped);
            if let Err(err) = served.await {
                warn!(%err, "the page ended");
            }
        });
        Ok(Self {
            asked,
            address,
            _stop: stop.drop_guard(),
        })
    }

    /// The address that was asked for.
    pub fn asked(&self) -> SocketAddr {
        self.asked
    }

    /// Where it is served, with the port that was found.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

/// `/metrics` and `/healthz`.
pub fn routes(report: Arc<dyn Report>, heartbeats: Heartbeats) -> Router {
    Router::new()
        .route("/metrics", get(metrics))
        .route("/healthz", get(healthz))
        .with_state(Arc::new(Shown { report, heartbeats }))
}

async fn metrics(State(shown): State<Arc<Shown>>) -> impl IntoResponse {
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], encode(&shown.report))
}

async fn healthz(State(shown): State<Arc<Shown>>) -> impl IntoResponse {
    let stuck = shown.heartbeats.stuck();
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

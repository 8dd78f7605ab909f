//! `/metrics` and `/healthz`, for Prometheus and for whoever asks from afar whether the box is well.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tracing::{info, warn};

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

/// The page while it is served; dropping it closes the port.
#[derive(Debug)]
pub struct Page {
    asked: SocketAddr,
    address: SocketAddr,
    task: JoinHandle<()>,
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
        let asked = address;
        let failed = |source| PageError { address, source };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        if !address.ip().is_loopback() {
            warn!(%address, "metrics can be read by anyone who reaches this address");
        }
        info!(%address, "serving /metrics and /healthz");
        let router = Router::new()
            .route("/metrics", get(metrics))
            .route("/healthz", get(healthz))
            .with_state(Arc::new(Shown { report, heartbeats }));
        let task = tokio::spawn(async move {
            if let Err(err) = axum::serve(listener, router).await {
                warn!(%err, "the metrics page ended");
            }
        });
        Ok(Self {
            asked,
            address,
            task,
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

impl Drop for Page {
    fn drop(&mut self) {
        self.task.abort();
    }
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

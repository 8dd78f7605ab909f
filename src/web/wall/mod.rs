//! The page of a wall: the picture of the monitors and the state of each camera.
//!
//! `/` is one file without external parts. It reads `/state.json` every second and shows `/wall.mjpg`, or `/wall.jpg` repeatedly
//! if the stream ends. `/metrics` and `/healthz` are those of every process. Everything runs on the caller's tokio runtime.
//! Pictures are encoded on its blocking threads, only while someone views the page (`jpeg_cache`).

#[cfg(test)]
mod guard_tests;
mod jpeg_cache;
mod metrics;
mod stream;
#[cfg(test)]
mod testing;
mod view;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Query, State};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde::Deserialize;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tracing::info;

use self::jpeg_cache::{JpegCache, PictureError, PictureRequest};
use self::metrics::PageMetrics;
use crate::base::{Clock, Heartbeats};
use crate::config::Secret;
use crate::control::wall_state::WallState;
use crate::health::MetricsSource;
use crate::web::policy::digest;
use crate::web::{self, Guard, Page, PageError};

pub use self::jpeg_cache::jpeg_within;
pub use self::metrics::samples;
pub use self::view::WallView;

const INDEX: &str = include_str!("index.html");
/// The routes, without their slash.
const NAMES: &[&str] = &[
    "",
    "wall.jpg",
    "wall.mjpg",
    "state.json",
    "favicon.ico",
    "metrics",
    "healthz",
];
/// Maximum number of viewers of `/wall.mjpg`. Each size costs one encoding per picture, each viewer network bandwidth.
const VIEWERS: usize = 8;
/// Default frame rate of a stream: enough to see motion, at a tenth of a core.
const FPS: f64 = 5.0;
/// The frame rates that a viewer can request.
const FPS_RANGE: std::ops::RangeInclusive<f64> = 0.1..=15.0;

/// Serves the page at `address` (port 0: any free port). On loopback it also accepts the host names `hosts`. `report` gives the
/// samples of `/metrics`, usually [`samples`] of the same wall; the page adds those of its viewers. Needs a tokio runtime.
///
/// # Errors
/// When the address can't be listened on, or is not loopback and has no token.
pub async fn serve(
    address: SocketAddr,
    token: Option<Secret>,
    hosts: &[String],
    view: Arc<dyn WallView>,
    report: Arc<dyn MetricsSource>,
    heartbeats: Heartbeats,
) -> Result<Page, PageError> {
    if token.is_none() && !address.ip().is_loopback() {
        return Err(PageError::NoToken(address));
    }
    let guard = Guard::new("wall", address, hosts, token.as_ref(), policy(INDEX));
    let streams = CancellationToken::new();
    let state = Arc::new(PageState {
        pictures: Arc::new(JpegCache::new(view.clone(), Clock::system())),
        view,
        places: Arc::new(Semaphore::new(VIEWERS)),
        stop: streams.clone(),
    });
    let report = PageMetrics {
        report,
        pictures: state.pictures.clone(),
        places: state.places.clone(),
        viewers: VIEWERS,
    };
    let routes = Router::new()
        .route("/", get(index))
        .route("/wall.jpg", get(picture))
        .route("/wall.mjpg", get(moving))
        .route("/state.json", get(state_json))
        // Browsers request it, and would log a missing one.
        .route("/favicon.ico", get(StatusCode::NO_CONTENT))
        .with_state(state)
        .merge(web::routes(Arc::new(report), heartbeats));
    let page = Page::of(address, guard, routes, NAMES).await?;
    info!(address = %page.address(), token = token.is_some(), "serving the wall's page");
    Ok(page.with_streams(streams))
}

struct PageState {
    view: Arc<dyn WallView>,
    pictures: Arc<JpegCache>,
    places: Arc<Semaphore>,
    stop: CancellationToken,
}

/// The query of a picture or a stream.
#[derive(Debug, Deserialize)]
struct PictureQuery {
    #[serde(default)]
    head: usize,
    width: Option<u32>,
    fps: Option<f64>,
}

/// Why a picture is refused.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error("no head {index}: this wall has {}, counted from 0 ({})", heads.len(), heads.join(", "))]
    NoHead { index: usize, heads: Vec<String> },
    #[error("the limit of {VIEWERS} viewers is reached; close one, or use /wall.jpg")]
    Full,
    #[error(transparent)]
    Picture(#[from] PictureError),
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status = match self {
            Self::NoHead { .. } | Self::Picture(PictureError::TooLarge) => StatusCode::NOT_FOUND,
            Self::Full | Self::Picture(PictureError::NotYet) => StatusCode::SERVICE_UNAVAILABLE,
        };
        (status, format!("{self}\n")).into_response()
    }
}

impl PictureQuery {
    fn request(&self, view: &dyn WallView) -> Result<PictureRequest, Refusal> {
        let heads = view.heads();
        if self.head >= heads.len() {
            let index = self.head;
            return Err(Refusal::NoHead { index, heads });
        }
        Ok(PictureRequest {
            head: self.head,
            width: self.width,
        })
    }

    /// Time between two pictures.
    fn every(&self) -> Duration {
        let fps = self.fps.filter(|fps| fps.is_finite()).unwrap_or(FPS);
        Duration::from_secs_f64(1.0 / fps.clamp(*FPS_RANGE.start(), *FPS_RANGE.end()))
    }
}

async fn index() -> Html<&'static str> {
    Html(INDEX)
}

async fn state_json(State(page): State<Arc<PageState>>) -> Json<WallState> {
    Json(page.view.state())
}

async fn picture(
    State(state): State<Arc<PageState>>,
    Query(query): Query<PictureQuery>,
) -> Result<Response, Refusal> {
    let request = query.request(&*state.view)?;
    let jpeg = state.pictures.newest(request).await?;
    let headers = [
        (header::CONTENT_TYPE, "image/jpeg".to_owned()),
        (
            HeaderName::from_static("x-picture"),
            jpeg.number.to_string(),
        ),
    ];
    Ok((headers, jpeg.bytes.clone()).into_response())
}

async fn moving(
    method: Method,
    State(state): State<Arc<PageState>>,
    Query(query): Query<PictureQuery>,
) -> Result<Response, Refusal> {
    let request = query.request(&*state.view)?;
    if method == Method::HEAD {
        // It does not count as a viewer.
        return Ok(([(header::CONTENT_TYPE, stream::KIND)], ()).into_response());
    }
    let place = state.places.clone().try_acquire_owned();
    Ok(stream::stream(
        state.pictures.clone(),
        request,
        query.every(),
        place.map_err(|_| Refusal::Full)?,
        state.stop.clone(),
    ))
}

/// The content security policy: only the page's script and style, by their digests, and its data.
fn policy(page: &str) -> HeaderValue {
    let policy = format!(
        "default-src 'none'; script-src {}; style-src {}; img-src 'self'; connect-src 'self'; \
         form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
        digest(page, "script"),
        digest(page, "style")
    );
    HeaderValue::try_from(policy).expect("invariant: digests are plain text")
}

#[cfg(test)]
#[path = "page_tests.rs"]
mod tests;

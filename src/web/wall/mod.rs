//! The wall's page: what the monitors show, and how each camera fares, for whoever is not in the room.
//!
//! `/` is one file without foreign parts; it reads `/state.json` every second and shows `/wall.mjpg`, or `/wall.jpg` again
//! and again where that ends. `/metrics` and `/healthz` are those of every process. Everything runs on the caller's tokio
//! runtime; pictures are encoded on its blocking threads, and only while somebody looks (`pictures`).

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
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tracing::info;

use self::jpeg_cache::{JpegCache, PictureError, PictureRequest};
use self::metrics::PageMetrics;
use crate::base::{Clock, Heartbeats};
use crate::config::Secret;
use crate::control::wall_state::WallState;
use crate::health::MetricsSource;
use crate::web::{self, Guard, Page, PageError};

pub use self::metrics::samples;
pub use self::view::WallView;

const INDEX: &str = include_str!("index.html");
/// The routes beside `/`.
const NAMES: &[&str] = &[
    "wall.jpg",
    "wall.mjpg",
    "state.json",
    "favicon.ico",
    "metrics",
    "healthz",
];
/// Viewers of `/wall.mjpg`: each size costs an encoding a picture, each viewer a network's worth of it.
const VIEWERS: usize = 8;
/// JpegCache a second where a viewer does not say: enough to see that something moves, and a tenth of a core.
const FPS: f64 = 5.0;
/// The fewest and the most that a viewer can ask for.
const FPS_RANGE: std::ops::RangeInclusive<f64> = 0.1..=15.0;

/// Serves the page at `address` (port 0: any free one), on loopback also under the names of `hosts`. `report` gives the figures of `/metrics`, usually [`samples`] of
/// the same wall; the page adds its own. Needs a tokio runtime.
///
/// # Errors
/// When the address can't be listened on, or is not of loopback and has no token.
pub async fn serve(
    address: SocketAddr,
    token: Option<Secret>,
    hosts: &[String],
    viewed: Arc<dyn WallView>,
    report: Arc<dyn MetricsSource>,
    heartbeats: Heartbeats,
) -> Result<Page, PageError> {
    if token.is_none() && !address.ip().is_loopback() {
        return Err(PageError::NoToken(address));
    }
    let guard = Guard::new("wall", address, hosts, token.as_ref(), policy(INDEX));
    let streams = CancellationToken::new();
    let shown = Arc::new(PageState {
        pictures: Arc::new(JpegCache::new(viewed.clone(), Clock::system())),
        viewed,
        places: Arc::new(Semaphore::new(VIEWERS)),
        stop: streams.clone(),
    });
    let report = PageMetrics {
        report,
        pictures: shown.pictures.clone(),
        places: shown.places.clone(),
        viewers: VIEWERS,
    };
    let routes = Router::new()
        .route("/", get(index))
        .route("/wall.jpg", get(picture))
        .route("/wall.mjpg", get(moving))
        .route("/state.json", get(state))
        // Browsers ask for it unasked, and would log that there is none.
        .route("/favicon.ico", get(StatusCode::NO_CONTENT))
        .with_state(shown)
        .merge(web::routes(Arc::new(report), heartbeats));
    let page = Page::of(address, guard, routes, NAMES).await?;
    info!(address = %page.address(), token = token.is_some(), "serving the wall's page");
    Ok(page.with_streams(streams))
}

struct PageState {
    viewed: Arc<dyn WallView>,
    pictures: Arc<JpegCache>,
    places: Arc<Semaphore>,
    stop: CancellationToken,
}

/// Which picture, and how often.
#[derive(Debug, Deserialize)]
struct PictureQuery {
    #[serde(default)]
    head: usize,
    width: Option<u32>,
    fps: Option<f64>,
}

/// Why a picture is not given.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error("no head {asked}: this wall has {}, counted from 0 ({})", heads.len(), heads.join(", "))]
    NoHead { asked: usize, heads: Vec<String> },
    #[error(
        "{VIEWERS} viewers look at this wall already, which is the limit; close one, or ask for /wall.jpg"
    )]
    Full,
    #[error(transparent)]
    PictureError(#[from] PictureError),
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status = match self {
            Self::NoHead { .. } | Self::PictureError(PictureError::TooLarge) => {
                StatusCode::NOT_FOUND
            }
            Self::Full | Self::PictureError(PictureError::NotYet) => {
                StatusCode::SERVICE_UNAVAILABLE
            }
        };
        (status, format!("{self}\n")).into_response()
    }
}

impl PictureQuery {
    fn wanted(&self, viewed: &dyn WallView) -> Result<PictureRequest, Refusal> {
        let heads = viewed.heads();
        if self.head >= heads.len() {
            let asked = self.head;
            return Err(Refusal::NoHead { asked, heads });
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

async fn state(State(shown): State<Arc<PageState>>) -> Json<WallState> {
    Json(shown.viewed.state())
}

async fn picture(
    State(shown): State<Arc<PageState>>,
    Query(asked): Query<PictureQuery>,
) -> Result<Response, Refusal> {
    let wanted = asked.wanted(&*shown.viewed)?;
    let jpeg = shown.pictures.newest(wanted).await?;
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
    State(shown): State<Arc<PageState>>,
    Query(asked): Query<PictureQuery>,
) -> Result<Response, Refusal> {
    let wanted = asked.wanted(&*shown.viewed)?;
    if method == Method::HEAD {
        // It takes no viewer's place.
        return Ok(([(header::CONTENT_TYPE, stream::KIND)], ()).into_response());
    }
    let place = shown.places.clone().try_acquire_owned();
    Ok(stream::stream(
        shown.pictures.clone(),
        wanted,
        asked.every(),
        place.map_err(|_| Refusal::Full)?,
        shown.stop.clone(),
    ))
}

/// What a browser may run and load on the page: its own script and style by their digests, and its own data.
fn policy(page: &str) -> HeaderValue {
    let digest = |tag: &str| {
        let text = page
            .split_once(&format!("<{tag}>"))
            .and_then(|(_, rest)| rest.split_once(&format!("</{tag}>")))
            .map_or("", |(text, _)| text);
        STANDARD.encode(Sha256::digest(text))
    };
    let policy = format!(
        "default-src 'none'; script-src 'sha256-{}'; style-src 'sha256-{}'; img-src 'self'; connect-src 'self'; \
         form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
        digest("script"),
        digest("style")
    );
    HeaderValue::try_from(policy).expect("invariant: digests are plain text")
}

#[cfg(test)]
#[path = "page_tests.rs"]
mod tests;

//! The page of the recordings of a processor: timeline, events, and pictures with their boxes.
//!
//! `/` is one file, and with it goes the player library `/hls.js`. The page reads `/cameras.json`, `/timeline.json`,
//! `/events.json` and `/scenes.json`, and shows `/thumbnail.jpg` of events; it plays `/playlist.m3u8`, whose segments are ranges of
//! `/media.mp4`, and downloads `/export`, of which `/export.json` tells whether it is possible. `/metrics` and `/healthz` are those of every process. All data comes from a [`RecorderView`], by calls that block on the disk and run on
//! tokio's blocking pool (`calls`). Nothing is changed through this page.

mod calls;
mod exports;
#[cfg(test)]
mod guard_tests;
mod library;
mod media;
mod parameters;
mod playlist;
#[cfg(test)]
mod request_tests;
#[cfg(test)]
mod testing;
mod thumbnails;
mod view;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{ConnectInfo, RawQuery, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use tracing::info;

use self::calls::{CallError, Calls};
use self::exports::{ExportName, Exports, name_of};
use self::parameters::{ParameterError, Parameters};
use self::playlist::{playlist, shown_time};
use self::thumbnails::{Thumbnails, Wanted};
use crate::base::{Heartbeats, SourceId};
use crate::config::Secret;
use crate::health::MetricsSource;
use crate::web::policy::digest;
use crate::web::{self, Guard, Page, PageError};

pub use self::parameters::{IN_NEXT, is_name};
pub use self::view::{
    Camera, CameraList, Event, EventList, EventQuery, ExportWanted, FileScenes, FileSegments,
    FragmentRange, FrameScene, Media, RecorderView, RecordingState, SceneBox, SceneList, Timeline,
    ViewError, Window,
};

const INDEX: &str = include_str!("index.html");
/// The routes, without their slash.
const NAMES: &[&str] = &[
    "",
    "hls.js",
    "cameras.json",
    "timeline.json",
    "events.json",
    "playlist.m3u8",
    "media.mp4",
    "scenes.json",
    "thumbnail.jpg",
    "export",
    "export.json",
    "favicon.ico",
    "metrics",
    "healthz",
];
/// The longest playlist: 43 200 segments of 2 s, some 8 MB of text.
const LONGEST_PLAYLIST_S: u64 = 24 * 3600;
/// The longest time of scenes: all its pictures are read for them.
const LONGEST_SCENES_S: u64 = 120;
/// The longest time of an export: 11 GB of 4 Mbit/s.
const LONGEST_EXPORT_S: u64 = 6 * 3600;
/// How many events are told if the request does not say, and at most.
const EVENTS: usize = 100;
const MOST_EVENTS: usize = 1000;
/// The width of a thumbnail in pixels if the request does not say, and the least and the most.
const THUMBNAIL_WIDTH: u32 = 320;
const THUMBNAIL_WIDTHS: (u32, u32) = (80, 640);
/// How browsers may keep thumbnails: the frame of a time is always the same.
const KEEP_THUMBNAIL: &str = "private, max-age=3600";

/// Serves the page at `address` (port 0: any free port). On loopback it also accepts the host names `hosts`. `report` gives the
/// samples of `/metrics`. Needs a tokio runtime.
///
/// # Errors
/// When the address can't be listened on, or is not loopback and has no token.
pub async fn serve(
    address: SocketAddr,
    token: Option<Secret>,
    hosts: &[String],
    view: Arc<dyn RecorderView>,
    report: Arc<dyn MetricsSource>,
    heartbeats: Heartbeats,
) -> Result<Page, PageError> {
    if token.is_none() && !address.ip().is_loopback() {
        return Err(PageError::NoToken(address));
    }
    let guard = Guard::new("processor", address, hosts, token.as_ref(), policy(INDEX));
    let thumbnails = Router::new()
        .route("/thumbnail.jpg", get(thumbnail_jpg))
        .with_state(Arc::new(Thumbnails::new(view.clone())));
    let exports = Router::new()
        .route("/export", get(export))
        .route("/export.json", get(export_json))
        .with_state(Arc::new(Exports::new(view.clone())));
    let routes = Router::new()
        .route("/", get(index))
        .route("/hls.js", get(library::hls))
        .route("/cameras.json", get(cameras))
        .route("/timeline.json", get(timeline))
        .route("/events.json", get(events))
        .route("/playlist.m3u8", get(playlist_m3u8))
        .route("/media.mp4", get(media_mp4))
        .route("/scenes.json", get(scenes))
        // Browsers request it, and would log a missing one.
        .route("/favicon.ico", get(StatusCode::NO_CONTENT))
        .with_state(Arc::new(Calls::new(view)))
        .merge(thumbnails)
        .merge(exports)
        .merge(web::routes(report, heartbeats));
    let page = Page::of(address, guard, routes, NAMES).await?;
    info!(address = %page.address(), token = token.is_some(), "serving the page of the recordings");
    Ok(page)
}

/// Why a request has no answer.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error(transparent)]
    Parameter(#[from] ParameterError),
    #[error(transparent)]
    Call(#[from] CallError),
    #[error("{0}")]
    NothingRecorded(String),
    #[error(
        "file={file}: camera {source_id} has no such recording; it may be deleted, so load the playlist again"
    )]
    NoFile { source_id: SourceId, file: String },
    #[error(
        "source={} at={}: no frame of {} is recorded; it was never recorded, is deleted, or is not yet on the disk",
        .0.source,
        .0.at_ms,
        shown_time(Duration::from_millis(.0.at_ms))
    )]
    NoFrame(Wanted),
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        match self {
            Self::Parameter(error) => error.into_response(),
            Self::Call(error) => error.into_response(),
            missing => (StatusCode::NOT_FOUND, format!("{missing}\n")).into_response(),
        }
    }
}

async fn index() -> Html<&'static str> {
    Html(INDEX)
}

async fn cameras(
    State(calls): State<Arc<Calls>>,
    RawQuery(query): RawQuery,
) -> Result<Json<CameraList>, Refusal> {
    Parameters::new(query.as_deref(), &[])?;
    Ok(Json(calls.run(|view| view.cameras()).await?))
}

async fn timeline(
    State(calls): State<Arc<Calls>>,
    RawQuery(query): RawQuery,
) -> Result<Json<Timeline>, Refusal> {
    let given = Parameters::new(query.as_deref(), &["source", "from", "to"])?;
    let (source, window) = (given.source()?, given.window(None)?);
    let found = calls.run(move |view| view.timeline(source, window));
    Ok(Json(found.await?))
}

async fn events(
    State(calls): State<Arc<Calls>>,
    RawQuery(query): RawQuery,
) -> Result<Json<EventList>, Refusal> {
    const KNOWN: &[&str] = &["source", "class", "from", "to", "min_length_ms", "limit"];
    let given = Parameters::new(query.as_deref(), KNOWN)?;
    let (from_ms, to_ms) = given.times()?;
    let query = EventQuery {
        source: given.any_source()?,
        class: given.class()?,
        from_ms,
        to_ms,
        min_length_ms: given.min_length_ms()?,
        limit: given.limit(EVENTS, MOST_EVENTS)?,
    };
    let found = calls.run(move |view| view.events(&query));
    Ok(Json(found.await?))
}

async fn playlist_m3u8(
    State(calls): State<Arc<Calls>>,
    RawQuery(query): RawQuery,
) -> Result<Response, Refusal> {
    let given = Parameters::new(query.as_deref(), &["source", "from", "to"])?;
    let (source, window) = (given.source()?, given.window(Some(LONGEST_PLAYLIST_S))?);
    let text = calls.run(move |view| {
        let made = playlist(source, &view.segments(source, window)?);
        made.map_or_else(
            || Ok(Err(instead(&view.cameras()?, source, window))),
            |text| Ok(Ok(text)),
        )
    });
    let text = text.await?.map_err(Refusal::NothingRecorded)?;
    let kind = [(header::CONTENT_TYPE, "application/vnd.apple.mpegurl")];
    Ok((kind, text).into_response())
}

/// What there is of a camera, for a window without recordings.
fn instead(cameras: &CameraList, source: SourceId, window: Window) -> String {
    let time = |ms| shown_time(Duration::from_millis(ms));
    let camera = cameras
        .cameras
        .iter()
        .find(|camera| camera.source_id == source);
    let there = camera.and_then(|camera| Some((camera.oldest_ms?, camera.newest_ms?)));
    let there = match there {
        Some((oldest, newest)) => format!(
            "its recordings are from {} to {}",
            time(oldest),
            time(newest)
        ),
        None => "it has no recordings".to_owned(),
    };
    let (from, to) = (time(window.from_ms), time(window.to_ms));
    format!("source={source}: nothing is recorded from {from} to {to}; {there}")
}

async fn media_mp4(
    method: Method,
    State(calls): State<Arc<Calls>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let given = Parameters::new(query.as_deref(), &["source", "file"])?;
    let (source_id, file) = (given.source()?, given.file()?.to_owned());
    let name = file.clone();
    let found = calls.run(move |view| view.media(source_id, &name)).await?;
    let media = found.ok_or(Refusal::NoFile { source_id, file })?;
    Ok(media::answer(&method, &headers, media).await)
}

async fn scenes(
    State(calls): State<Arc<Calls>>,
    RawQuery(query): RawQuery,
) -> Result<Json<SceneList>, Refusal> {
    let given = Parameters::new(query.as_deref(), &["source", "from", "to"])?;
    let (source, window) = (given.source()?, given.window(Some(LONGEST_SCENES_S))?);
    let found = calls.run(move |view| view.scenes(source, window));
    Ok(Json(found.await?))
}

async fn thumbnail_jpg(
    State(thumbnails): State<Arc<Thumbnails>>,
    RawQuery(query): RawQuery,
) -> Result<Response, Refusal> {
    let given = Parameters::new(query.as_deref(), &["source", "at", "width"])?;
    let wanted = Wanted {
        source: given.source()?,
        at_ms: given.at_ms()?,
        width: given.width(THUMBNAIL_WIDTH, THUMBNAIL_WIDTHS)?,
    };
    let found = thumbnails.get(wanted).await?;
    let jpeg = found.ok_or(Refusal::NoFrame(wanted))?;
    let fixed = [
        (header::CONTENT_TYPE, "image/jpeg"),
        (header::CACHE_CONTROL, KEEP_THUMBNAIL),
    ];
    Ok((fixed, jpeg).into_response())
}

/// What is asked for to be exported.
fn export_wanted(query: Option<&str>) -> Result<ExportWanted, Refusal> {
    let given = Parameters::new(query, &["source", "from", "to"])?;
    let (source, window) = (given.source()?, given.window(Some(LONGEST_EXPORT_S))?);
    let name = name_of(source, window);
    Ok(ExportWanted {
        source,
        window,
        name,
    })
}

async fn export(
    method: Method,
    State(exports): State<Arc<Exports>>,
    ConnectInfo(address): ConnectInfo<SocketAddr>,
    RawQuery(query): RawQuery,
) -> Result<Response, Refusal> {
    let wanted = export_wanted(query.as_deref())?;
    Ok(exports.answer(&method, wanted, address).await?)
}

async fn export_json(
    State(exports): State<Arc<Exports>>,
    RawQuery(query): RawQuery,
) -> Result<Json<ExportName>, Refusal> {
    let wanted = export_wanted(query.as_deref())?;
    Ok(Json(exports.check(wanted).await?))
}

/// The content security policy: the page's script and style, by their digests, the player library with its worker, and the page's
/// data.
fn policy(page: &str) -> HeaderValue {
    let policy = format!(
        "default-src 'none'; script-src 'self' {}; style-src {}; img-src 'self' data:; media-src 'self' blob:; \
         worker-src blob:; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
        digest(page, "script"),
        digest(page, "style")
    );
    HeaderValue::try_from(policy).expect("invariant: digests are plain text")
}

#[cfg(test)]
#[path = "page_tests.rs"]
mod tests;

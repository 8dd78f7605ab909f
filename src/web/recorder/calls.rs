//! Blocking calls of the view on tokio's blocking pool: bounded in number and in time.
//!
//! A disk that does not answer holds the threads of some calls, and further requests are refused after a wait. A call whose client
//! left or whose time is up goes on until it returns, and counts until then.

use std::sync::Arc;
use std::time::Duration;

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::timeout;
use tracing::error;

use super::view::{RecorderView, ViewError};

/// Maximum number of calls at once. A call on a disk that works takes milliseconds.
const CALLS: usize = 16;
/// The longest wait for a place, and then the longest call: that of a playlist of a day from a slow disk.
const LIMIT: Duration = Duration::from_secs(30);

/// Calls a view.
pub(super) struct Calls {
    view: Arc<dyn RecorderView>,
    places: Arc<Semaphore>,
    limit: Duration,
}

/// A call without a result.
#[derive(Debug, thiserror::Error)]
pub(super) enum CallError {
    /// The view has none.
    #[error(transparent)]
    View(#[from] ViewError),
    /// All places are taken by calls that don't return.
    #[error(
        "{CALLS} requests wait for the disk of the recordings; try again, and check it if this lasts"
    )]
    Busy,
    /// As many thumbnails as may be made at once are being made.
    #[error("too many thumbnails are being made; try again in some seconds")]
    ManyThumbnails,
    /// One export at a time.
    #[error("another export is running; try again when it has ended")]
    Exporting,
    /// The call does not return.
    #[error("the disk of the recordings did not answer for {} s; check it", .0.as_secs())]
    Slow(Duration),
    /// A bug.
    #[error("the request failed by an error of the program, which is in its log")]
    Panicked,
}

impl IntoResponse for CallError {
    fn into_response(self) -> Response {
        let status = match self {
            Self::View(ViewError::NoSource { .. } | ViewError::NothingRecorded(_)) => {
                StatusCode::NOT_FOUND
            }
            Self::View(ViewError::Unreadable(_))
            | Self::Busy
            | Self::ManyThumbnails
            | Self::Exporting
            | Self::Slow(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::View(ViewError::Undecodable(_)) | Self::Panicked => {
                StatusCode::INTERNAL_SERVER_ERROR
            }
        };
        let mut answer = (status, format!("{self}\n")).into_response();
        if status == StatusCode::SERVICE_UNAVAILABLE {
            let seconds = header::HeaderValue::from_static("5");
            answer.headers_mut().insert(header::RETRY_AFTER, seconds);
        }
        answer
    }
}

impl Calls {
    pub(super) fn new(view: Arc<dyn RecorderView>) -> Self {
        Self::within(view, CALLS, LIMIT)
    }

    /// At most `places` calls at once. `limit` is the longest wait for a place, and then the longest call.
    pub(super) fn within(view: Arc<dyn RecorderView>, places: usize, limit: Duration) -> Self {
        Self {
            view,
            places: Arc::new(Semaphore::new(places)),
            limit,
        }
    }

    /// What `call` makes of the view.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        call: impl FnOnce(&dyn RecorderView) -> Result<T, ViewError> + Send + 'static,
    ) -> Result<T, CallError> {
        let place = timeout(self.limit, self.places.clone().acquire_owned()).await;
        let Ok(Ok(place)) = place else {
            return Err(CallError::Busy);
        };
        let view = self.view.clone();
        let running = spawn_blocking(move || {
            let _place = place;
            call(&*view)
        });
        match timeout(self.limit, running).await {
            Ok(Ok(result)) => Ok(result?),
            Ok(Err(failed)) => {
                error!(%failed, "a request for recordings failed");
                Err(CallError::Panicked)
            }
            Err(_) => Err(CallError::Slow(self.limit)),
        }
    }
}

#[cfg(test)]
#[path = "calls_tests.rs"]
mod tests;

//! `/wall.mjpg`: a stream of the newest scenes.
//!
//! One task per viewer. A picture is requested only when the last one was passed to the kernel: a slow viewer gets fewer
//! pictures, but no older ones.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;
use tracing::debug;

use super::jpeg_cache::{Jpeg, JpegCache, PictureRequest};

/// The content type of the answer.
pub(super) const KIND: &str = "multipart/x-mixed-replace; boundary=nvr";
/// A viewer that reads nothing for this time is disconnected.
const READ_LIMIT: Duration = Duration::from_secs(15);
/// An unchanged scene is sent again after this time, which shows both sides that the connection works.
const REPEAT_INTERVAL: Duration = Duration::from_secs(2);
/// Queue to the connection: head, picture and boundary of one picture.
const PARTS: usize = 3;

/// A picture that is being written. The HTTP library drops it when all of it was written.
struct UnwrittenPicture {
    jpeg: Arc<Jpeg>,
    _written: OwnedSemaphorePermit,
}

impl AsRef<[u8]> for UnwrittenPicture {
    fn as_ref(&self) -> &[u8] {
        &self.jpeg.bytes
    }
}

/// The answer to a viewer. It holds `place` until the viewer leaves or `stop` ends it.
pub(super) fn stream(
    pictures: Arc<JpegCache>,
    wanted: PictureRequest,
    every: Duration,
    place: OwnedSemaphorePermit,
    stop: CancellationToken,
) -> Response {
    let (parts, read) = mpsc::channel(PARTS);
    tokio::spawn(async move {
        let _place = place;
        tokio::select! {
            () = stop.cancelled() => {}
            () = parts.closed() => {}
            () = send(&pictures, wanted, every, &parts) => {}
        }
        debug!(head = wanted.head, "a viewer of the page disconnected");
    });
    let parts = futures_util::stream::unfold(read, async |mut read| {
        let part: Option<Bytes> = read.recv().await;
        part.map(|part| (Ok::<_, Infallible>(part), read))
    });
    ([(header::CONTENT_TYPE, KIND)], Body::from_stream(parts)).into_response()
}

async fn send(
    pictures: &JpegCache,
    wanted: PictureRequest,
    every: Duration,
    parts: &mpsc::Sender<Bytes>,
) {
    let unwritten = Arc::new(Semaphore::new(1));
    let mut pace = interval(every);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut last: Option<(u64, Instant)> = None;
    if parts.send(Bytes::from_static(b"--nvr\r\n")).await.is_err() {
        return;
    }
    loop {
        let Ok(Ok(written)) = timeout(READ_LIMIT, unwritten.clone().acquire_owned()).await else {
            return;
        };
        let jpeg = loop {
            pace.tick().await;
            let Ok(jpeg) = pictures.newest(wanted).await else {
                continue;
            };
            let is_known = last.is_some_and(|(number, sent)| {
                number == jpeg.number && sent.elapsed() < REPEAT_INTERVAL
            });
            if !is_known {
                break jpeg;
            }
        };
        last = Some((jpeg.number, Instant::now()));
        let head = format!(
            "Content-Type: image/jpeg\r\nContent-Length: {}\r\nX-Picture: {}\r\n\r\n",
            jpeg.bytes.len(),
            jpeg.number
        );
        let picture = UnwrittenPicture {
            jpeg,
            _written: written,
        };
        // The boundary follows immediately: browsers show a picture only after it.
        for part in [
            head.into(),
            Bytes::from_owner(picture),
            Bytes::from_static(b"\r\n--nvr\r\n"),
        ] {
            if !matches!(timeout(READ_LIMIT, parts.send(part)).await, Ok(Ok(()))) {
                return;
            }
        }
    }
}

//! Scenes as JPEG, encoded on request, once for all viewers of the same size.
//!
//! Encoding runs on tokio's blocking threads, one picture at a time. Viewers wait for each other; the wall's threads never wait
//! for them. Without requests nothing is copied, scaled or encoded.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use tokio::sync::Semaphore;

use super::view::WallView;
use crate::base::sync::lock;
use crate::base::{Clock, Plane, PlaneScaler, Size};
use crate::render::Canvas;

/// JPEG quality: small text stays legible; a 1920×1080 scene has about 200 kB.
const QUALITY: u8 = 80;
/// Longest wait for a scene of the wall.
const PICTURE_LIMIT: Duration = Duration::from_millis(500);
/// A younger picture is reused without asking the wall, so viewers with nearly simultaneous requests share it.
const FRESH: Duration = Duration::from_millis(30);
/// Maximum number of cached sizes: two monitors with a few widths of viewers.
const SIZES: usize = 8;

/// A scene as JPEG.
#[derive(Debug)]
pub(super) struct Jpeg {
    /// Sequence number of the encoding. Another scene or size has another number.
    pub(super) number: u64,
    /// The JPEG file.
    pub(super) bytes: Vec<u8>,
}

/// A requested picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PictureRequest {
    /// Index of the head, from 0 on.
    pub(super) head: usize,
    /// Maximum width in pixels; the height is in proportion. A scene is never enlarged.
    pub(super) width: Option<u32>,
}

/// Why there is no picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum PictureError {
    /// No scene yet, or the wall did not answer in time.
    #[error("the wall has no picture yet; try again in a second")]
    NotYet,
    /// The scene is too large for JPEG.
    #[error("the scene can't be encoded as JPEG: a side is longer than 65535 pixels, or empty")]
    TooLarge,
}

/// The encoder of scenes with its cache.
pub(super) struct JpegCache {
    viewed: Arc<dyn WallView>,
    clock: Clock,
    sizes: Mutex<Vec<(PictureRequest, CacheEntry)>>,
    turn: Arc<Semaphore>,
    encoded: Arc<AtomicU64>,
}

/// The last picture of a size. It is locked while the next one is encoded, and other requests for it wait.
type CacheEntry = Arc<tokio::sync::Mutex<Option<CachedJpeg>>>;

#[derive(Clone)]
struct CachedJpeg {
    /// Weak, so the scene can be freed. Its allocation stays, so no other scene gets its address.
    of: Weak<Canvas>,
    asked: Duration,
    jpeg: Arc<Jpeg>,
}

impl JpegCache {
    pub(super) fn new(viewed: Arc<dyn WallView>, clock: Clock) -> Self {
        Self {
            viewed,
            clock,
            sizes: Mutex::default(),
            turn: Arc::new(Semaphore::new(1)),
            encoded: Arc::default(),
        }
    }

    /// Encodings so far.
    pub(super) fn encoded(&self) -> u64 {
        self.encoded.load(Ordering::Relaxed)
    }

    /// The newest scene as JPEG.
    pub(super) async fn newest(&self, wanted: PictureRequest) -> Result<Arc<Jpeg>, PictureError> {
        let place = self.place(wanted);
        let mut made = place.lock().await;
        let now = self.clock.now();
        if let Some(made) = &*made
            && now.saturating_sub(made.asked) < FRESH
        {
            return Ok(made.jpeg.clone());
        }
        // The permit moves into the task: a viewer that leaves does not make room for a second encoding.
        let turn = self.turn.clone().acquire_owned().await;
        let (viewed, encoded, clock) = (
            self.viewed.clone(),
            self.encoded.clone(),
            self.clock.clone(),
        );
        let last = made.take();
        let work = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            let canvas = viewed
                .picture(wanted.head, PICTURE_LIMIT)
                .ok_or(PictureError::NotYet)?;
            let of = Arc::downgrade(&canvas);
            let asked = clock.now();
            if let Some(last) = last.filter(|last| Weak::ptr_eq(&last.of, &of)) {
                return Ok(CachedJpeg { asked, ..last });
            }
            let number = encoded.fetch_add(1, Ordering::Relaxed) + 1;
            let bytes = encode(&canvas, wanted.width)?;
            let jpeg = Arc::new(Jpeg { number, bytes });
            Ok(CachedJpeg { of, asked, jpeg })
        });
        let new = work.await.map_err(|_| PictureError::NotYet)??;
        let jpeg = new.jpeg.clone();
        *made = Some(new);
        Ok(jpeg)
    }

    fn place(&self, wanted: PictureRequest) -> CacheEntry {
        let mut sizes = lock(&self.sizes);
        let at = sizes.iter().position(|(size, _)| *size == wanted);
        let entry = at.map_or_else(|| (wanted, Arc::default()), |at| sizes.remove(at));
        let place = entry.1.clone();
        // Sorted by the last use; the sizes at the end are not requested any more.
        sizes.insert(0, entry);
        sizes.truncate(SIZES);
        place
    }
}

/// Widths that are tried when the whole scene has too many bytes, in pixels.
const SMALLER_WIDTHS: [u32; 5] = [1920, 1280, 960, 640, 320];

/// A scene as JPEG of at most `most_bytes`, as large as fits. Absent if even the smallest one has more, or if the scene is too
/// large for JPEG.
pub fn jpeg_within(canvas: &Canvas, most_bytes: usize) -> Option<Vec<u8>> {
    let widths = SMALLER_WIDTHS.into_iter().map(Some);
    let mut encoded = std::iter::once(None)
        .chain(widths)
        .filter_map(|width| encode(canvas, width).ok());
    encoded.find(|jpeg| jpeg.len() <= most_bytes)
}

/// Encodes `canvas` as JPEG, at most `width` pixels wide.
fn encode(canvas: &Canvas, width: Option<u32>) -> Result<Vec<u8>, PictureError> {
    let size = canvas.size();
    let smaller = width.filter(|width| *width < size.width);
    let Some(width) = smaller else {
        return compress(canvas.bytes(), size);
    };
    let rows = u64::from(size.height) * u64::from(width) / u64::from(size.width.max(1));
    let to = Size::new(width.max(1), u32::try_from(rows).unwrap_or(u32::MAX).max(1));
    let pixels = Plane {
        bytes: canvas.bytes(),
        stride: 4 * size.width as usize,
    };
    let mut room = Vec::new();
    let scaled = PlaneScaler::default()
        .quads(pixels, size, to, &mut room)
        .map_err(|_| PictureError::TooLarge)?;
    compress(scaled.bytes, to)
}

/// The alpha of a scene is always 255.
fn compress(bytes: &[u8], size: Size) -> Result<Vec<u8>, PictureError> {
    nvr_pixels::bgra_to_jpeg(bytes, size.width, size.height, QUALITY)
        .map_err(|_| PictureError::TooLarge)
}

#[cfg(test)]
#[path = "jpeg_cache_tests.rs"]
mod tests;

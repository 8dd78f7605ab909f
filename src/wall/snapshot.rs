//! Writes the wall's scenes as PNG files: once after the start, and at each SIGUSR1. Gives them as JPEG on request.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tracing::{error, info, warn};

use super::Wall;
use crate::base::{PartialFile, SourceId};
use crate::control::Problem;
use crate::media;
use crate::web::wall::{WallView, jpeg_within};

/// The snapshot after the start waits at most this long for cameras.
const SETTLE_LIMIT: Duration = Duration::from_secs(20);
/// Time limit for a head to copy its scene.
const PICTURE_LIMIT: Duration = Duration::from_secs(2);

/// Time limit for the next frame of a camera.
const FRAME_LIMIT: Duration = Duration::from_secs(5);

/// A snapshot could not be made.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// No scene was composed in time.
    #[error("no scene was composed within {} s; see the log for the reason", .0.as_secs())]
    NoScene(Duration),
    /// The file can't be written.
    #[error("the snapshot can't be written to {}: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The error.
        source: image::ImageError,
    },
}

/// Writes the snapshot after the start, once every camera has a picture or a reason why it has none.
pub(super) async fn write_first(wall: Arc<Wall>) {
    const POLL_INTERVAL: Duration = Duration::from_millis(100);
    let deadline = Instant::now() + SETTLE_LIMIT;
    while Instant::now() < deadline && !wall.is_settled() {
        tokio::time::sleep(POLL_INTERVAL).await;
    }
    // Waits for boxes, because frames arrive before their first events.
    tokio::time::sleep(wall.context.settings().wall.detection_ttl).await;
    write(wall);
}

/// Writes the configured snapshot on a thread that may block. Logs the result.
pub(super) fn write(wall: Arc<Wall>) {
    tokio::task::spawn_blocking(move || {
        let Some(path) = wall.context.settings().wall.snapshot.clone() else {
            warn!("no snapshot is written because no file is configured; give --snapshot FILE.png");
            return;
        };
        match wall.save(&path) {
            Ok(()) => info!(path = %path.display(), "snapshot written"),
            Err(err) => error!(%err, "snapshot failed"),
        }
    });
}

impl Wall {
    /// Writes the present scene of every head: the first to `path`, the others to files with their number in the name. Blocks.
    ///
    /// # Errors
    /// If no scene was composed in time, or a file can't be written. An old file stays intact then.
    pub fn save(&self, path: &Path) -> Result<(), SnapshotError> {
        for head in 0..self.heads().len() {
            let scene = self
                .picture(head, PICTURE_LIMIT)
                .ok_or(SnapshotError::NoScene(PICTURE_LIMIT))?;
            let rgb: Vec<u8> = scene
                .bytes()
                .as_chunks::<4>()
                .0
                .iter()
                .flat_map(|[blue, green, red, _]| [*red, *green, *blue])
                .collect();
            let size = scene.size();
            let Some(image) = image::RgbImage::from_raw(size.width, size.height, rgb) else {
                continue;
            };
            let path = numbered(path, head);
            let failed = |source| SnapshotError::Write {
                path: path.clone(),
                source,
            };
            let partial = PartialFile::replacing(&path).map_err(|err| failed(err.into()))?;
            let mut written = std::io::BufWriter::new(partial.file());
            image
                .write_to(&mut written, image::ImageFormat::Png)
                .map_err(failed)?;
            written
                .into_inner()
                .map_err(|err| failed(err.into_error().into()))?;
            partial.finish().map_err(|err| failed(err.into()))?;
        }
        Ok(())
    }
}

impl Wall {
    /// The scene of the first head, or the next frame of one camera without boxes, as JPEG of at most `most_bytes`. Blocks for some
    /// seconds at most.
    ///
    /// # Errors
    /// When there is no scene or no frame, or it does not fit.
    pub(super) fn scene_jpeg(
        &self,
        source: Option<SourceId>,
        most_bytes: usize,
    ) -> Result<Vec<u8>, Problem> {
        let refused = |message: String| Problem::new("", message);
        if let Some(id) = source {
            let camera = self.context.cameras().get(&id).cloned();
            let camera = camera.ok_or_else(|| refused(format!("this wall has no camera {id}")))?;
            let frame = camera.next_frame(FRAME_LIMIT).ok_or_else(|| {
                let limit = FRAME_LIMIT.as_secs();
                refused(format!(
                    "no frame of camera {id} within {limit} s; see its status for the reason"
                ))
            })?;
            return media::jpeg_within(&frame, most_bytes).map_err(|err| refused(err.to_string()));
        }
        let scene = self.picture(0, PICTURE_LIMIT);
        let scene =
            scene.ok_or_else(|| refused(SnapshotError::NoScene(PICTURE_LIMIT).to_string()))?;
        jpeg_within(&scene, most_bytes)
            .ok_or_else(|| refused(format!("the picture has more than {most_bytes} bytes")))
    }
}

fn numbered(path: &Path, head: usize) -> PathBuf {
    if head == 0 {
        return path.to_owned();
    }
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!("{stem}-{head}.png"))
}

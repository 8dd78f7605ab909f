//! Exports as downloads: one at a time, made while they are sent.
//!
//! A thread of the blocking pool composes the archive and hands it over in pieces; few wait in memory. It ends when the client leaves
//! or reads nothing for [`STALL`], also while it still checks the recordings. What fails before the first piece has a status and a
//! reason. After it the transfer breaks off, so that the browser shows a download that failed and keeps no archive.

use std::io::{self, ErrorKind, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{Method, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream::{empty, unfold};
use jiff::Timestamp;
use serde::Serialize;
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::timeout;
use tracing::{error, info, warn};

use super::calls::{CallError, Calls};
use super::view::{ExportWanted, RecorderView, ViewError, Window};
use crate::base::{SourceId, Stop};

/// Bytes that are sent at once.
const PIECE_BYTES: usize = 128 * 1024;
/// Pieces that wait for the connection.
const PIECES: usize = 4;
/// A client that reads nothing for this time has left.
const STALL: Duration = Duration::from_secs(60);

/// Makes exports.
pub(super) struct Exports {
    view: Arc<dyn RecorderView>,
    checks: Calls,
    place: Arc<Semaphore>,
}

/// `export.json`: the export is possible.
#[derive(Debug, Serialize)]
pub(super) struct ExportName {
    /// The name of the file.
    file: String,
}

impl Exports {
    pub(super) fn new(view: Arc<dyn RecorderView>) -> Self {
        Self {
            checks: Calls::new(view.clone()),
            view,
            place: Arc::new(Semaphore::new(1)),
        }
    }

    /// Whether an export can begin now, as far as that is quick.
    pub(super) async fn check(&self, wanted: ExportWanted) -> Result<ExportName, CallError> {
        if self.place.available_permits() == 0 {
            return Err(CallError::Exporting);
        }
        let file = file_name(&wanted);
        let checked = self.checks.run(move |view| view.check_export(&wanted));
        checked.await.map(|()| ExportName { file })
    }

    /// The answer to a request for an export by the client at `address`.
    pub(super) async fn answer(
        &self,
        method: &Method,
        wanted: ExportWanted,
        address: SocketAddr,
    ) -> Result<Response, CallError> {
        let place = format!("attachment; filename=\"{}\"", file_name(&wanted));
        let fixed = [
            (header::CONTENT_TYPE, "application/zip".to_owned()),
            (header::CONTENT_DISPOSITION, place),
        ];
        if *method == Method::HEAD {
            self.check(wanted).await?;
            // Not a body of known length, which would be said to be 0.
            let unknown = Body::from_stream(empty::<io::Result<Bytes>>());
            return Ok((fixed, unknown).into_response());
        }
        let download = self.begin(wanted, address).await?;
        let pieces = unfold(download, async |mut download| {
            let piece = download.next().await?;
            Some((piece, download))
        });
        Ok((fixed, Body::from_stream(pieces)).into_response())
    }

    /// Waits for the first piece.
    async fn begin(
        &self,
        wanted: ExportWanted,
        address: SocketAddr,
    ) -> Result<Download, CallError> {
        let place = self.place.clone().try_acquire_owned();
        let place = place.map_err(|_| CallError::Exporting)?;
        let (pieces, mut received) = mpsc::channel(PIECES);
        let stop = Stop::default();
        let guard = StopOnDrop(stop.clone());
        let pipe = Pipe {
            pieces,
            runtime: Handle::current(),
            buffer: Vec::new(),
            stall: STALL,
        };
        let view = self.view.clone();
        let mut running = spawn_blocking(move || {
            let _place = place;
            run(&*view, &wanted, address, pipe, &stop)
        });
        match received.recv().await {
            Some(first) => Ok(Download {
                first: Some(first),
                received,
                running: Some(running),
                _guard: guard,
            }),
            None => match (&mut running).await {
                Ok(Err(error)) => Err(error.into()),
                Ok(Ok(())) => Err(CallError::Panicked),
                Err(failed) => {
                    error!(%failed, "an export failed");
                    Err(CallError::Panicked)
                }
            },
        }
    }
}

/// Exports on a thread of the blocking pool. The pipe is gone when it returns.
fn run(
    view: &dyn RecorderView,
    wanted: &ExportWanted,
    address: SocketAddr,
    mut pipe: Pipe,
    stop: &Stop,
) -> Result<(), ViewError> {
    let ExportWanted {
        source,
        window,
        name,
    } = wanted;
    let (from, to) = (time(window.from_ms), time(window.to_ms));
    info!(%address, source_id = %source, %from, %to, name, "an export begins");
    let exported = view.export(wanted, &mut pipe, stop);
    let exported = exported.and_then(|()| {
        let flushed = pipe.flush();
        flushed.map_err(|error| ViewError::Unreadable(error.to_string()))
    });
    match &exported {
        Ok(()) => info!(%address, source_id = %source, name, "an export is complete"),
        Err(error) => {
            warn!(%address, source_id = %source, name, %error, "an export ended early");
        }
    }
    exported
}

/// An export that is being sent.
struct Download {
    first: Option<Bytes>,
    received: mpsc::Receiver<Bytes>,
    /// Absent after its end.
    running: Option<JoinHandle<Result<(), ViewError>>>,
    /// The client left, or all is sent.
    _guard: StopOnDrop,
}

impl Download {
    /// The next piece; an error where the export ended early.
    async fn next(&mut self) -> Option<io::Result<Bytes>> {
        if let Some(first) = self.first.take() {
            return Some(Ok(first));
        }
        if let Some(piece) = self.received.recv().await {
            return Some(Ok(piece));
        }
        match self.running.take()?.await {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(Err(io::Error::other(error.to_string()))),
            Err(failed) => {
                error!(%failed, "an export failed");
                Some(Err(io::Error::other(failed)))
            }
        }
    }
}

/// Raises a stop when it is dropped.
struct StopOnDrop(Stop);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.raise();
    }
}

/// Takes what is exported and hands it to the connection. Blocks while that takes nothing.
struct Pipe {
    pieces: mpsc::Sender<Bytes>,
    runtime: Handle,
    buffer: Vec<u8>,
    stall: Duration,
}

impl Pipe {
    fn send(&mut self) -> io::Result<()> {
        let piece = Bytes::from(std::mem::take(&mut self.buffer));
        let (pieces, stall) = (&self.pieces, self.stall);
        let sent = self
            .runtime
            .block_on(async { timeout(stall, pieces.send(piece)).await });
        match sent {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(io::Error::new(ErrorKind::BrokenPipe, "the client left")),
            Err(_) => {
                let reason = format!("the client read nothing for {} s", stall.as_secs());
                Err(io::Error::new(ErrorKind::TimedOut, reason))
            }
        }
    }
}

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = PIECE_BYTES - self.buffer.len();
        let taken = bytes.len().min(room);
        self.buffer.extend_from_slice(&bytes[..taken]);
        if self.buffer.len() == PIECE_BYTES {
            self.send()?;
        }
        Ok(taken)
    }

    /// Sends what is left, at the end.
    fn flush(&mut self) -> io::Result<()> {
        match self.buffer.is_empty() {
            true => Ok(()),
            false => self.send(),
        }
    }
}

/// The name of the files of an export, without an ending, such as `camera-3_2026-11-28T08-30-00Z_5min`.
pub(super) fn name_of(source: SourceId, window: Window) -> String {
    let seconds = (window.to_ms - window.from_ms).div_ceil(1000);
    let length = match seconds % 60 {
        0 => format!("{}min", seconds / 60),
        _ => format!("{seconds}s"),
    };
    format!(
        "camera-{source}_{}_{length}",
        time(window.from_ms).replace(':', "-")
    )
}

fn file_name(wanted: &ExportWanted) -> String {
    format!("{}.zip", wanted.name)
}

/// A time in whole seconds, RFC 3339 in UTC.
fn time(unix_ms: u64) -> String {
    let seconds = i64::try_from(unix_ms / 1000).unwrap_or(i64::MAX);
    let time = Timestamp::from_second(seconds).unwrap_or(Timestamp::MAX);
    time.to_string()
}

#[cfg(test)]
#[path = "exports_tests.rs"]
mod tests;

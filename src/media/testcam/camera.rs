//! One camera of the test server: a thread that sends access units by the camera's own clock to all who watch.
//!
//! The camera's time goes on whether or not someone watches, so that two sessions see the same picture with the same NTP
//! time; without viewers nothing runs.

use std::sync::Arc;
use std::thread::JoinHandle;

use super::playback::Reel;
use super::viewers::Shared;
use super::{CameraOptions, TestcamError};

/// A running camera; dropping it ends its thread.
#[derive(Debug)]
pub(super) struct Camera {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Camera {
    /// Starts the camera; its clock and its clip start now.
    pub(super) fn start(
        id: u32,
        reel: Reel,
        options: &CameraOptions,
    ) -> Result<Self, TestcamError> {
        let shared = Arc::new(Shared::new(options));
        let start = shared.now();
        let worker = shared.clone();
        let offset = options.offset;
        let thread = std::thread::Builder::new()
            .name(format!("testcam-{id}"))
            .spawn(move || reel.play(&worker, start, offset))
            .map_err(|error| TestcamError::Start(error.to_string()))?;
        Ok(Self {
            shared,
            thread: Some(thread),
        })
    }

    /// For the server's callbacks.
    pub(super) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }
}

impl Drop for Camera {
    fn drop(&mut self) {
        self.shared.close();
        if let Some(thread) = self.thread.take() {
            // A panic was already reported by its own hook.
            let _ = thread.join();
        }
    }
}

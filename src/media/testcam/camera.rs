//! One camera of the test server: a thread that sends access units to all viewers, by the camera's own clock.
//!
//! The camera's time advances also without viewers, so that two sessions see the same picture with the same NTP time.
//! Without viewers nothing is sent.

use std::sync::Arc;
use std::thread::JoinHandle;

use super::playback::Playback;
use super::viewers::CameraState;
use super::{CameraOptions, TestcamError};

/// A running camera; dropping it ends its thread.
#[derive(Debug)]
pub(super) struct Camera {
    state: Arc<CameraState>,
    thread: Option<JoinHandle<()>>,
}

impl Camera {
    /// Starts the camera; its clock and its clip start now.
    pub(super) fn start(
        id: u32,
        playback: Playback,
        options: &CameraOptions,
    ) -> Result<Self, TestcamError> {
        let state = Arc::new(CameraState::new(options));
        let start = state.now();
        let worker = state.clone();
        let offset = options.offset;
        let thread = std::thread::Builder::new()
            .name(format!("testcam-{id}"))
            .spawn(move || playback.play(&worker, start, offset))
            .map_err(|error| TestcamError::Start(error.to_string()))?;
        Ok(Self {
            state,
            thread: Some(thread),
        })
    }

    /// For the server's callbacks.
    pub(super) fn state(&self) -> &Arc<CameraState> {
        &self.state
    }
}

impl Drop for Camera {
    fn drop(&mut self) {
        self.state.close();
        if let Some(thread) = self.thread.take() {
            // A panic was already reported by its own hook.
            let _ = thread.join();
        }
    }
}

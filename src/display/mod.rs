//! Shows scenes on monitors by KMS, or on no monitor (`headless`: snapshots and the page only).
//!
//! A display belongs to one thread. That thread waits with [`Display::wait`], composes ([`crate::render`]) and presents the
//! changes.

mod headless;
pub mod kms;
mod open;
pub mod testcard;

use std::os::fd::BorrowedFd;
use std::time::Duration;

pub use headless::Headless;
pub use open::open;

use crate::base::Size;
use crate::render::{DisplayInfo, Scene};

/// The result of a wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// The next scene can be presented.
    Ready,
    /// The last scene is still on its way to the monitor.
    Busy,
    /// A monitor was connected, disconnected or changed. [`Display::info`] has changed, and the next scene is drawn completely.
    Changed,
}

/// An output for scenes. All methods are called on one thread, in any order.
pub trait Display: Send {
    /// The present properties of the display.
    fn info(&self) -> DisplayInfo;

    /// Blocks until the next scene can be presented and `wake` is readable, or the display has changed, or `limit` is over.
    /// `wake` is an eventfd that other threads write to; it is reset before the return. While the last scene is on its way
    /// to the monitor the wait continues, for at most `limit`.
    ///
    /// # Errors
    /// If the device is gone or refuses a request. The caller reports the error, drops the display and opens it again later.
    fn wait(&mut self, wake: BorrowedFd<'_>, limit: Duration) -> Result<Wait, DisplayError>;

    /// Shows a scene. Returns without waiting for the monitor. If the last scene is still on its way, or there is no monitor,
    /// the damage of the scene is kept for the next one.
    ///
    /// # Errors
    /// As [`Display::wait`].
    fn present(&mut self, scene: &Scene<'_>) -> Result<(), DisplayError>;

    /// Gives a screen without a monitor this size, which [`Display::info`] has from then on. A monitor keeps its own.
    fn resize(&mut self, _size: Size) {}

    /// Switches the monitor off or on. Does nothing without a monitor.
    ///
    /// # Errors
    /// As [`Display::wait`].
    fn power(&mut self, on: bool) -> Result<(), DisplayError>;

    /// Details for statuses and the log, as JSON: planes, formats, and arrangements that the kernel refused.
    fn report(&self) -> serde_json::Value;
}

/// A display can't be opened or used. The message contains the remedy.
#[derive(Debug, thiserror::Error)]
pub enum DisplayError {
    /// A device can't be opened or used.
    #[error("{0}")]
    Device(String),
    /// The configured card or connector is missing, or there is none at all.
    #[error("{0}")]
    Missing(String),
}

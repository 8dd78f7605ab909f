//! Where scenes go: monitors by KMS, or nowhere but snapshots and the page.
//!
//! A display belongs to one thread. That thread asks it to wait, composes when it may ([`crate::render`]), and presents what
//! changed.

mod headless;
pub mod kms;
mod open;
pub mod testcard;

use std::os::fd::BorrowedFd;
use std::time::Duration;

pub use headless::Headless;
pub use open::open;

use crate::render::{DisplayInfo, Scene};

/// How a wait ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// The next scene can be presented.
    Ready,
    /// The last scene is still on its way to the monitor.
    Busy,
    /// A monitor came, went, or changed: [`Display::info`] is another one, and nothing of the old scenes is left.
    Changed,
}

/// A way to show scenes. All methods are called on one thread, in any order.
pub trait Display: Send {
    /// What is offered now.
    fn info(&self) -> DisplayInfo;

    /// Blocks until the next scene can be presented and `wake` is readable, or something of the display changed, or
    /// `limit` is over. `wake` is an eventfd that other threads write to; it is read empty before the return. While the
    /// last scene is on its way the wait goes on, at most for `limit`.
    ///
    /// # Errors
    /// When the device is gone or refuses: the caller says so, drops the display and opens it anew later.
    fn wait(&mut self, wake: BorrowedFd<'_>, limit: Duration) -> Result<Wait, DisplayError>;

    /// Shows a scene; returns without waiting for the monitor. Where the last scene is still on its way, or no monitor is
    /// there, the scene's damage is kept for the next one.
    ///
    /// # Errors
    /// As [`Display::wait`].
    fn present(&mut self, scene: &Scene<'_>) -> Result<(), DisplayError>;

    /// Switches the monitor off, or on again; a display without one does nothing.
    ///
    /// # Errors
    /// As [`Display::wait`].
    fn power(&mut self, on: bool) -> Result<(), DisplayError>;

    /// How it does its work, for statuses and the log: planes, formats, what the kernel refused. JSON.
    fn report(&self) -> serde_json::Value;
}

/// What a display can't do, with the remedy.
#[derive(Debug, thiserror::Error)]
pub enum DisplayError {
    /// A device can't be opened or used.
    #[error("{0}")]
    Device(String),
    /// No card, connector or mode of those that were asked for.
    #[error("{0}")]
    Missing(String),
}

//! A display without a monitor. Its scenes are visible in snapshots and on the page only.

use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::{Display, DisplayError, Wait};
use crate::base::Size;
use crate::render::{DisplayInfo, Scene};

/// A display that accepts at most one scene per `interval`.
#[derive(Debug)]
pub struct Headless {
    size: Size,
    interval: Duration,
    presented: Option<Instant>,
    scenes: u64,
}

impl Headless {
    /// A screen of `size` pixels with at most `fps` scenes per second.
    pub fn new(size: Size, fps: f64) -> Self {
        Self {
            size,
            interval: Duration::from_secs_f64(1.0 / fps.clamp(0.1, 1000.0)),
            presented: None,
            scenes: 0,
        }
    }
}

impl Display for Headless {
    fn info(&self) -> DisplayInfo {
        DisplayInfo {
            size: self.size,
            interval: self.interval,
            overlay: false,
            exact_tiles: true,
            description: format!("headless, {}", self.size),
            visible: true,
        }
    }

    fn wait(&mut self, wake: BorrowedFd<'_>, limit: Duration) -> Result<Wait, DisplayError> {
        let until = Instant::now() + limit;
        let slot = self.presented.map(|at| at + self.interval);
        if let Some(rest) = slot.and_then(|slot| slot.checked_duration_since(Instant::now())) {
            std::thread::sleep(rest.min(limit));
            if rest > limit {
                return Ok(Wait::Busy);
            }
        }
        readable(wake, until.saturating_duration_since(Instant::now()));
        Ok(Wait::Ready)
    }

    fn present(&mut self, _: &Scene<'_>) -> Result<(), DisplayError> {
        self.presented = Some(Instant::now());
        self.scenes += 1;
        Ok(())
    }

    fn resize(&mut self, size: Size) {
        self.size = size;
    }

    fn power(&mut self, _: bool) -> Result<(), DisplayError> {
        Ok(())
    }

    fn report(&self) -> serde_json::Value {
        serde_json::json!({ "output": "headless", "size": self.size.to_string(), "scenes": self.scenes })
    }
}

/// Waits until the eventfd `fd` is readable, for at most `limit`, and resets it.
fn readable(fd: BorrowedFd<'_>, limit: Duration) {
    let limit = Timespec {
        tv_sec: i64::try_from(limit.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: i64::from(limit.subsec_nanos()),
    };
    let mut fds = [PollFd::new(&fd, PollFlags::IN)];
    // A signal may end the wait early, which is harmless.
    if poll(&mut fds, Some(&limit)).is_ok_and(|ready| ready > 0) {
        let _ = rustix::io::read(fd, &mut [0u8; 8]);
    }
}

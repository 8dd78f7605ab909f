//! Wakes a composer out of its display's wait: an eventfd, written at most once until it is read.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::event::{EventfdFlags, eventfd};

/// A doorbell for one thread; clones ring the same one.
#[derive(Debug, Clone)]
pub struct Waker {
    inner: Arc<WakerInner>,
}

#[derive(Debug)]
struct WakerInner {
    fd: OwnedFd,
    rung: AtomicBool,
}

impl Waker {
    /// A new one.
    ///
    /// # Errors
    /// When the system gives no file descriptor.
    pub fn new() -> std::io::Result<Self> {
        let fd = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Self {
            inner: Arc::new(WakerInner {
                fd,
                rung: AtomicBool::new(false),
            }),
        })
    }

    /// Rings; many rings before the thread looks are one.
    pub fn wake(&self) {
        if !self.inner.rung.swap(true, Ordering::AcqRel) {
            // A full counter is readable all the same.
            let _ = rustix::io::write(&self.inner.fd, &1u64.to_ne_bytes());
        }
    }

    /// The thread is awake and will look at everything: later rings count again.
    pub fn answered(&self) {
        // In this order: a ring between the two lines is lost, but what it rang for is seen all the same.
        let _ = rustix::io::read(&self.inner.fd, &mut [0u8; 8]);
        self.inner.rung.store(false, Ordering::Release);
    }
}

impl AsFd for Waker {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.inner.fd.as_fd()
    }
}

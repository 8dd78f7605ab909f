//! Wakes a thread that waits on file descriptors: an eventfd, written at most once until it is read.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::event::{EventfdFlags, eventfd};

/// A waker of one thread. Clones wake the same thread.
#[derive(Debug, Clone)]
pub struct Waker {
    inner: Arc<WakerInner>,
}

#[derive(Debug)]
struct WakerInner {
    fd: OwnedFd,
    pending: AtomicBool,
}

impl Waker {
    /// Creates a waker.
    ///
    /// # Errors
    /// When the system gives no file descriptor.
    pub fn new() -> std::io::Result<Self> {
        let fd = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Self {
            inner: Arc::new(WakerInner {
                fd,
                pending: AtomicBool::new(false),
            }),
        })
    }

    /// Wakes the thread. Several calls before [`Waker::answered`] count as one.
    pub fn wake(&self) {
        if !self.inner.pending.swap(true, Ordering::AcqRel) {
            // Errors are ignored: a full counter is readable too.
            let _ = rustix::io::write(&self.inner.fd, &1u64.to_ne_bytes());
        }
    }

    /// Called by the thread when it is awake, before it reads the shared state. Later calls of [`Waker::wake`] count again.
    pub fn answered(&self) {
        // In this order: a wake-up between the two lines is lost, but the thread reads its cause afterwards.
        let _ = rustix::io::read(&self.inner.fd, &mut [0u8; 8]);
        self.inner.pending.store(false, Ordering::Release);
    }
}

impl AsFd for Waker {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.inner.fd.as_fd()
    }
}

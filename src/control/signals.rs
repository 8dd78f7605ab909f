//! Signals as requests to a role: SIGTERM and SIGINT end it, SIGHUP reloads its configuration, SIGUSR1 asks for a picture.

use tokio::signal::unix::{Signal, SignalKind, signal};

/// The request of a signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignalRequest {
    /// End the process.
    End,
    /// Read the configuration again.
    Reload,
    /// Save a snapshot.
    Snapshot,
}

/// The signals of this process, from the call of [`Signals::new`] on.
#[derive(Debug)]
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
    user: Signal,
}

impl Signals {
    /// Installs the signal handlers. Needs a tokio runtime.
    ///
    /// # Errors
    /// When the system refuses a handler.
    pub fn new() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
            user: signal(SignalKind::user_defined1())?,
        })
    }

    /// The next request.
    pub async fn next(&mut self) -> SignalRequest {
        tokio::select! {
            _ = self.terminate.recv() => SignalRequest::End,
            _ = self.interrupt.recv() => SignalRequest::End,
            _ = self.hangup.recv() => SignalRequest::Reload,
            _ = self.user.recv() => SignalRequest::Snapshot,
        }
    }

    /// The next request to end.
    pub async fn end(&mut self) {
        while !matches!(self.next().await, SignalRequest::End) {}
    }
}

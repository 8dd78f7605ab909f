//! The parts that both roles share. [`Role`] says what a role does, [`run`] starts one and supervises it until its end,
//! [`Sources`] keeps its sessions, [`changes()`] compares two configurations, and [`nearest_class`] explains a misspelt class.
//!
//! A role has no supervision of its own: signals, reload, watchdog, control socket, page and drain are in `supervisor` and
//! `controls`, on tokio tasks. Frames never pass through this room.

mod changes;
mod classes;
mod controls;
mod sources;
mod supervisor;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;

use crate::base::{Clock, Heartbeats, SessionId, SourceId};
use crate::bus::{BusError, ClientRole, Link, LinkOptions};
use crate::config::{Secret, Settings};
use crate::control::{Capabilities, Changes, Problem, Status, not_supported};
use crate::detect::DetectError;
use crate::health::MetricsSource;
use crate::media::MediaError;
use crate::web::{Page, PageError};

pub use changes::changes;
pub use classes::nearest_class;
pub use sources::{Sources, source_of};
pub use supervisor::{RunError, run};

/// A process of `nvr` that runs unattended: a processor or a wall. Its [`MetricsSource`] gives the samples of `/metrics`.
///
/// The supervisor calls the methods in this order: [`Role::start`], [`Role::started`], then any of the others in any
/// order and from several threads, [`Role::stop`], [`Role::release`]. Methods that are not `async` may block.
pub trait Role: MetricsSource + Sized + Send + Sync + 'static {
    /// Its name: in the control socket, the log, and the paths of problems.
    const NAME: &'static str;
    /// The key of its sources in the answer to `apply`.
    const SOURCES: &'static str;

    /// Starts all its parts. Needs no camera, no broker and no monitor to be present.
    ///
    /// # Errors
    /// When the settings can't be used on this machine.
    fn start(settings: Settings, runtime: Handle, clock: Clock) -> Result<Arc<Self>, StartError>;

    /// Called once, when the control socket and the page are ready.
    fn started(self: &Arc<Self>) {}

    /// Applies the difference between the present settings and `new`. Sources that did not change do not lose a frame.
    ///
    /// # Errors
    /// When a part can't be started with the new settings; nothing has changed then.
    fn apply(self: &Arc<Self>, new: Settings) -> Result<Changes, Problem>;

    /// Ends the session of one source and starts the next one at once. False if this role does not run that source.
    fn restart(&self, id: SourceId) -> bool;

    /// Pauses the analysis of a source or of all, or ends the pause. Returns the sources that are paused now.
    ///
    /// # Errors
    /// When it does not run the source, or does not analyse.
    fn pause(&self, _: Option<SourceId>, _: bool) -> Result<Vec<SourceId>, Problem> {
        Err(not_supported())
    }

    /// Shows a text large on every monitor for some time.
    ///
    /// # Errors
    /// When it has no monitors.
    fn identify(&self, _: &str, _: Duration) -> Result<(), Problem> {
        Err(not_supported())
    }

    /// Shows lines of text below the cameras for some time.
    ///
    /// # Errors
    /// When it has no monitors.
    fn notice(&self, _: Vec<String>, _: Duration) -> Result<(), Problem> {
        Err(not_supported())
    }

    /// A JPEG of a source or of all that it shows, of at most so many bytes. Blocks for some seconds at most.
    ///
    /// # Errors
    /// When there is no picture.
    fn jpeg(&self, _: Option<SourceId>, _: usize) -> Result<Vec<u8>, Problem> {
        Err(not_supported())
    }

    /// The state of all its parts.
    fn status(&self) -> Status;

    /// The abilities of this build on this machine.
    fn capabilities(&self) -> Capabilities;

    /// One line for `systemctl status`.
    fn summary(&self) -> String;

    /// Publishes statuses that change too often to be published at each change. Called every [`STATUS_INTERVAL`].
    fn publish_statuses(&self) {}

    /// Writes a picture of what it shows, if it shows anything. SIGUSR1 asks for it.
    fn snapshot(self: &Arc<Self>) {}

    /// Its stages.
    fn heartbeats(&self) -> &Heartbeats;

    /// What `settings` ask of the supervisor.
    fn supervision(settings: &Settings) -> Supervision;

    /// The page that `settings` ask for.
    fn page_settings(settings: &Settings) -> Option<PageSettings>;

    /// Serves its page.
    fn serve(
        self: &Arc<Self>,
        page: &PageSettings,
    ) -> impl Future<Output = Result<Page, PageError>> + Send;

    /// Ends all its parts in the order of the data. Names each part that did not end within `limit`.
    fn stop(&self, limit: Duration) -> impl Future<Output = ()> + Send;

    /// Releases devices that a stuck thread still holds. Called last, also when a second signal aborts the stop.
    fn release(&self) {}
}

/// How often a role publishes its statuses and renews the line of `systemctl status`.
pub const STATUS_INTERVAL: Duration = Duration::from_secs(10);

/// Why a role can't start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The model or its backend.
    #[error(transparent)]
    Detector(#[from] DetectError),
    /// The broker's settings (not its absence).
    #[error(transparent)]
    Link(#[from] BusError),
    /// GStreamer.
    #[error(transparent)]
    Media(#[from] MediaError),
    /// The system gives no thread.
    #[error("the system gives no thread: {0}; free memory or raise the limit of tasks")]
    Thread(#[from] std::io::Error),
}

/// The page that a configuration asks for. Two equal ones are served by the same page.
#[derive(Debug, Clone, PartialEq)]
pub struct PageSettings {
    /// Where it listens.
    pub address: SocketAddr,
    /// The token that a viewer has to give.
    pub token: Option<Secret>,
    /// Host names under which it is asked for, besides those of loopback.
    pub hosts: Vec<String>,
    /// The directories of the recordings that it shows, the preferred one first.
    pub recordings: Vec<PathBuf>,
}

impl PageSettings {
    /// A page that needs no token, under the names of loopback alone.
    pub fn open(address: SocketAddr) -> Self {
        Self {
            address,
            token: None,
            hosts: Vec::new(),
            recordings: Vec::new(),
        }
    }
}

/// The settings that the supervisor itself needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Supervision {
    /// Whether systemd's watchdog is fed, and whether the process exits when a stage is stuck beyond recovery.
    pub watchdog: bool,
    /// Longest time that a stage may be stuck.
    pub stage_limit: Duration,
}

/// The time limits of stages and of further attempts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// Longest time without progress before a stage counts as stuck.
    pub stage_limit: Duration,
    /// First wait before a failed source is tried again.
    pub retry_first: Duration,
    /// Longest wait before a failed source is tried again.
    pub retry_longest: Duration,
}

/// Starts the link of a role to its broker, with a heartbeat. The broker need not be present.
///
/// # Errors
/// When the settings of the broker can't be used.
pub fn connect(
    role: ClientRole,
    settings: &Settings,
    session: &SessionId,
    timing: Timing,
    runtime: &Handle,
    heartbeats: &Heartbeats,
) -> Result<Link, BusError> {
    let options = LinkOptions {
        retry_first: timing.retry_first,
        retry_longest: timing.retry_longest,
        ..LinkOptions::new(settings.mqtt.clone(), role, &settings.instance_id, session)
    };
    let heartbeat = heartbeats.stage("mqtt", timing.stage_limit);
    Link::start(options, runtime, Some(heartbeat))
}

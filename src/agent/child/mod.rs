//! The roles of the box as child processes. One task per role (`supervisor`) owns the process: it starts it, is its notify
//! socket, reads its output, asks it for its status, and starts it again when it ends unasked.
//!
//! The agent orders; a role answers with events over one bounded queue. Orders are carried out one after the other.

mod exits;
mod happenings;
mod log_ring;
mod notify;
mod observe;
mod process;
mod request;
mod supervisor;

use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::mpsc::{self, Sender};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub(super) use log_ring::LogRing;
pub(super) use observe::Observation;
pub(super) use process::ending;
pub(super) use request::{RequestError, ask};

use super::cycle::ChildRole;
use super::document::DocumentId;
use crate::base::Clock;
use crate::fleet::DocumentError;
use supervisor::Supervisor;

/// Queue of orders to a role. The cycle gives two at most: apply, and apply again after a revert.
const ORDERS: usize = 8;

/// What all children have in common.
#[derive(Debug, Clone)]
pub(super) struct ChildOptions {
    /// `nvr` itself.
    pub(super) program: PathBuf,
    /// The id of the device: the instance id of its roles.
    pub(super) device: String,
    /// The folder for the configurations of the roles.
    pub(super) configs: PathBuf,
    /// A folder that is private to this user, for the notify sockets.
    pub(super) sockets: PathBuf,
    /// The folder in which the roles look up secrets, where systemd names none.
    pub(super) credentials: Option<PathBuf>,
    /// Maximum time without a sign of life.
    pub(super) watchdog_limit: Duration,
    /// Whether logs are lines of JSON.
    pub(super) json_log: bool,
}

/// An order to a role.
#[derive(Debug)]
pub(super) enum Order {
    /// Run this configuration from now on, also after an end.
    Apply {
        /// The document that it comes from.
        document: DocumentId,
        /// The whole configuration.
        config: Value,
    },
    /// End the process, and do not start it again.
    Stop,
    /// End the process, and start it again.
    Restart,
}

/// An event of a role.
#[derive(Debug)]
pub(super) struct RoleEvent {
    /// The role.
    pub(super) role: ChildRole,
    /// What happened.
    pub(super) event: ChildEvent,
}

/// What happened.
#[derive(Debug)]
pub(super) enum ChildEvent {
    /// The answer to [`Order::Apply`].
    Applied {
        /// The document.
        document: DocumentId,
        /// The reasons of a refusal, with paths below the role.
        result: Result<(), Vec<DocumentError>>,
    },
    /// The process ended unasked.
    Ended {
        /// How it ended.
        how: String,
    },
    /// It wrote a line.
    Logged(String),
    /// It told its state.
    Observed(Observation),
}

/// The condition of a role, for the report of the box.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Condition {
    /// Whether its start is complete.
    pub(super) is_ready: bool,
    /// How it ended the last time, while it is in a crash loop.
    pub(super) crash_loop: Option<String>,
    /// Its status in words.
    pub(super) status: Option<String>,
}

/// The agent's side of a role.
#[derive(Debug)]
pub(super) struct Child {
    orders: Sender<Order>,
    stop: CancellationToken,
    task: JoinHandle<()>,
    /// Its last lines.
    pub(super) log: Arc<LogRing>,
    /// Its condition.
    pub(super) condition: watch::Receiver<Condition>,
    /// How often its state is observed.
    pub(super) pace: watch::Sender<Duration>,
}

impl Child {
    /// Prepares a role. It runs nothing yet. Needs a tokio runtime whose thread lives as long as the agent: the kernel ends
    /// children with the thread that started them.
    ///
    /// # Errors
    /// When its notify socket can't be created.
    pub(super) fn new(
        role: ChildRole,
        options: ChildOptions,
        clock: Clock,
        events: Sender<RoleEvent>,
    ) -> std::io::Result<Self> {
        let (orders, received) = mpsc::channel(ORDERS);
        let (told, condition) = watch::channel(Condition::default());
        let (pace, paces) = watch::channel(supervisor::SLOW_PACE);
        let log = Arc::new(LogRing::default());
        let stop = CancellationToken::new();
        let supervisor = Supervisor::new(role, options, clock, Arc::clone(&log), events, told)?;
        let task = tokio::spawn(supervisor.run(received, paces, stop.clone()));
        Ok(Self {
            orders,
            stop,
            task,
            log,
            condition,
            pace,
        })
    }

    /// Gives an order. False if the queue is full: then the role hangs in an earlier one.
    pub(super) fn order(&self, order: Order) -> bool {
        self.orders.try_send(order).is_ok()
    }

    /// Ends the process and the task.
    pub(super) async fn stop(self) {
        self.stop.cancel();
        let _ = self.task.await;
    }
}

/// Passes a line of a role on to the agent's own log, as it is: it has a time and a level already.
fn log_line(role: ChildRole, is_json: bool, line: &str) {
    let text = match is_json {
        true => format!("{line}\n"),
        false => format!("{role}: {line}\n"),
    };
    // Without standard error there is nobody to tell.
    let _ = std::io::stderr().write_all(text.as_bytes());
}

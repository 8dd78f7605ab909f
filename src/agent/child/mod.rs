//! The roles of the box as child processes. One task per role (`supervisor`) owns the process: it starts it, is its notify
//! socket, reads its output, asks it for its status, and starts it again when it ends unasked.
//!
//! The agent orders; a role answers with events over one bounded queue. Orders are carried out one after the other.

mod exits;
mod happenings;
mod log_ring;
mod messages;
mod notify;
mod observe;
mod process;
mod request;
mod supervisor;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::{self, Sender};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub(super) use log_ring::LogRing;
pub(super) use messages::{ChildEvent, ChildOptions, Condition, Order, RoleEvent};
pub(super) use observe::{Observation, Screen};
pub(super) use request::{Recipient, RequestError};

use super::cycle::ChildRole;
use crate::base::Clock;
use supervisor::Supervisor;

/// Queue of orders to a role. The cycle gives two at most: apply, and apply again after a revert.
const ORDERS: usize = 8;

/// The agent's side of a role.
#[derive(Debug)]
pub(super) struct Child {
    orders: Sender<Order>,
    stop: CancellationToken,
    task: JoinHandle<()>,
    /// The folder of its control socket, where that is not one of the agent's user.
    folder: Option<PathBuf>,
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
        let folder = options.lending(role).map(|lending| lending.runtime.clone());
        let supervisor = Supervisor::new(role, options, clock, Arc::clone(&log), events, told)?;
        let task = tokio::spawn(supervisor.run(received, paces, stop.clone()));
        Ok(Self {
            orders,
            stop,
            task,
            folder,
            log,
            condition,
            pace,
        })
    }

    /// Gives an order. False if the queue is full: then the role hangs in an earlier one.
    pub(super) fn order(&self, order: Order) -> bool {
        self.orders.try_send(order).is_ok()
    }

    /// Its running process, for requests.
    pub(super) fn recipient(&self, role: ChildRole) -> Option<Recipient> {
        let condition = self.condition.borrow();
        Some(Recipient {
            role,
            instance: condition.instance.clone(),
            process: condition.process?,
            folder: self.folder.clone(),
        })
    }

    /// Ends the process and the task.
    pub(super) async fn stop(self) {
        self.stop.cancel();
        let _ = self.task.await;
    }
}

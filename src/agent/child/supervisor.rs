//! The task of one role: waits for orders and for what happens to the process (`happenings`), and carries out the orders.

use std::process::ExitStatus;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::{Receiver, Sender};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use super::exits::Exits;
use super::log_ring::LogRing;
use super::messages::{ChildEvent, ChildOptions, Condition, Order, RoleEvent};
use super::notify::{Notification, NotifySocket};
use super::observe::Observer;
use super::process::Process;
use super::request::{self, Recipient, RequestError, Told};
use crate::agent::codes;
use crate::agent::config_file::{self, ConfigFileError};
use crate::agent::cycle::ChildRole;
use crate::agent::document::DocumentId;
use crate::base::Clock;
use crate::control::Answer;
use crate::fleet::{DocumentError, instance_id};

/// How often the state of a role is observed while no document is tried.
pub(super) const SLOW_PACE: Duration = Duration::from_secs(5);
/// Time limit of an apply by the control socket: a new model has to be loaded. Shorter than the cycle's, so that a role that
/// hangs is started anew before the cycle gives up.
const APPLY_LIMIT: Duration = Duration::from_secs(60);
/// Time limit of a start, as systemd's default.
pub(super) const START_LIMIT: Duration = Duration::from_secs(90);

/// The task of a role.
pub(super) struct Supervisor {
    pub(super) role: ChildRole,
    pub(super) options: ChildOptions,
    pub(super) clock: Clock,
    pub(super) notify: NotifySocket,
    pub(super) log: Arc<LogRing>,
    pub(super) events: Sender<RoleEvent>,
    pub(super) told: watch::Sender<Condition>,
    /// The document that it runs; none after [`Order::Stop`].
    pub(super) wanted: Option<DocumentId>,
    /// The instance id of the configuration that was written last.
    instance: String,
    pub(super) running: Option<Running>,
    /// When it is started again after an end.
    pub(super) restart_at: Option<Instant>,
    pub(super) exits: Exits,
    pub(super) observer: Observer,
    pub(super) applying: Option<(DocumentId, JoinHandle<Result<Answer, RequestError>>)>,
    /// The document that the process has answered for. A state that was asked for later is one of this document.
    pub(super) applied: Option<DocumentId>,
    /// The request for its state, with the document that it had applied by then.
    pub(super) observing: Option<(Option<DocumentId>, JoinHandle<Told>)>,
    pub(super) observe_at: Instant,
}

/// A running process.
pub(super) struct Running {
    pub(super) process: Process,
    pub(super) started: Duration,
    /// The document that it was started with.
    pub(super) document: DocumentId,
    /// The instance id that it was started with.
    pub(super) instance: String,
    pub(super) ready: bool,
    /// Whether its abilities are known.
    pub(super) is_known: bool,
    /// The order that its readiness answers.
    pub(super) answers: Option<DocumentId>,
    /// When it counts as hanging: the end of its start, then the next sign of life.
    pub(super) alive_until: Instant,
}

/// What the task waits for.
enum Happening {
    End,
    Order(Option<Order>),
    Notified(std::io::Result<Notification>),
    Exited(std::io::Result<ExitStatus>),
    Answered(Option<Result<Answer, RequestError>>),
    Told(Option<Told>),
    Time,
}

impl Supervisor {
    pub(super) fn new(
        role: ChildRole,
        options: ChildOptions,
        clock: Clock,
        log: Arc<LogRing>,
        events: Sender<RoleEvent>,
        told: watch::Sender<Condition>,
    ) -> std::io::Result<Self> {
        let name = format!("{role}-{}.notify", options.device);
        let notify = match options.lending(role) {
            None => NotifySocket::bind(options.sockets.join(name))?,
            Some(lending) => {
                let notify = NotifySocket::bind(lending.folder.join(name))?;
                lending.give_file(notify.path(), true)?;
                notify
            }
        };
        Ok(Self {
            role,
            options,
            clock,
            notify,
            log,
            events,
            told,
            wanted: None,
            instance: String::new(),
            running: None,
            restart_at: None,
            exits: Exits::default(),
            observer: Observer::default(),
            applying: None,
            applied: None,
            observing: None,
            observe_at: Instant::now(),
        })
    }

    /// Runs until `stop`, then ends the process.
    pub(super) async fn run(
        mut self,
        mut orders: Receiver<Order>,
        paces: watch::Receiver<Duration>,
        stop: CancellationToken,
    ) {
        loop {
            let deadline = self.deadline();
            let is_free = self.applying.is_none();
            let pace = *paces.borrow();
            let happening = tokio::select! {
                biased;
                () = stop.cancelled() => Happening::End,
                // After the notifications: a child that was ready before its end has answered.
                message = self.notify.recv() => Happening::Notified(message),
                status = exit(&mut self.running) => Happening::Exited(status),
                answer = answer(&mut self.applying) => Happening::Answered(answer),
                status = status(&mut self.observing) => Happening::Told(status),
                order = orders.recv(), if is_free => Happening::Order(order),
                () = sleep_until(deadline) => Happening::Time,
            };
            match happening {
                Happening::End | Happening::Order(None) => break,
                Happening::Order(Some(order)) => self.obey(order).await,
                Happening::Notified(Ok(message)) => self.notified(message).await,
                Happening::Notified(Err(err)) => {
                    warn!(role = %self.role, %err, "the notify socket can't be read");
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
                Happening::Exited(status) => self.exited(status).await,
                Happening::Answered(answer) => self.answered(answer).await,
                Happening::Told(status) => self.observed(status, pace).await,
                Happening::Time => self.time(pace).await,
            }
        }
        if let Some(running) = self.running.take() {
            running.process.end().await;
        }
    }

    /// The next moment at which something is due.
    fn deadline(&self) -> Instant {
        let far = Instant::now() + Duration::from_secs(3600);
        let running = self.running.as_ref();
        let is_observed = running.is_some_and(|running| running.ready)
            && self.observing.is_none()
            && self.applying.is_none();
        let due = [
            running.map(|running| running.alive_until),
            self.restart_at,
            is_observed.then_some(self.observe_at),
        ];
        due.into_iter().flatten().min().unwrap_or(far)
    }

    async fn obey(&mut self, order: Order) {
        match order {
            Order::Apply { document, config } => self.apply(document, config).await,
            Order::Stop => {
                info!(role = %self.role, "stopping the role");
                self.wanted = None;
                self.forget();
                if let Some(running) = self.running.take() {
                    running.process.end().await;
                }
                config_file::remove(&self.options.configs, self.role);
                if let Some(lending) = self.options.lending(self.role)
                    && let Err(err) = lending.lend(&serde_json::Value::Null)
                {
                    warn!(role = %self.role, %err, "the secrets of a stopped role can't be removed");
                }
            }
            Order::Restart => {
                info!(role = %self.role, "restarting the role");
                self.forget();
                if let Some(running) = self.running.take() {
                    running.process.end().await;
                }
                self.start(None).await;
            }
        }
    }

    async fn apply(&mut self, document: DocumentId, config: serde_json::Value) {
        let config = match self.write(&config) {
            Ok(config) => config,
            Err(err) => {
                let problem = DocumentError::new("", codes::STORE, err.to_string());
                return self.reply(document, Err(vec![problem])).await;
            }
        };
        let is_other = self.wanted.as_ref() != Some(&document);
        self.wanted = Some(document.clone());
        self.instance = instance_id(Some(&config), &self.options.device).to_owned();
        match &mut self.running {
            Some(running) if running.ready => {
                // Without a process it has ended, which is seen next.
                if let Some(to) = self.recipient() {
                    self.applying = Some((document, request::apply(to, config, APPLY_LIMIT)));
                }
            }
            Some(running) if running.document == document => running.answers = Some(document),
            _ => {
                if is_other {
                    self.forget();
                }
                // One that is not ready yet has nothing to drain.
                if let Some(running) = self.running.take() {
                    running.process.kill().await;
                }
                self.start(Some(document)).await;
            }
        }
    }

    /// Writes the configuration, and lets another user read it if the role runs as one. Returns it as that user is to have it.
    fn write(&self, config: &serde_json::Value) -> Result<serde_json::Value, ConfigFileError> {
        let path = config_file::path(&self.options.configs, self.role);
        let failed = |source| ConfigFileError {
            path: path.clone(),
            source,
        };
        let lending = self.options.lending(self.role);
        let config = match lending {
            Some(lending) => lending.lend(config).map_err(failed)?,
            None => config.clone(),
        };
        config_file::write(&self.options.configs, self.role, &config)?;
        if let Some(lending) = lending {
            lending.give_file(&path, false).map_err(failed)?;
        }
        Ok(config)
    }

    /// The running process, for requests.
    pub(super) fn recipient(&self) -> Option<Recipient> {
        let running = self.running.as_ref()?;
        Some(Recipient {
            role: self.role,
            instance: running.instance.clone(),
            process: running.process.id()?,
            folder: (self.options.lending(self.role)).map(|lending| lending.runtime.clone()),
        })
    }

    /// Another configuration: earlier ends do not count.
    pub(super) fn forget(&mut self) {
        self.restart_at = None;
        self.exits.reset();
        self.tell(Condition::default());
    }

    /// Starts the process with the present configuration. Its readiness answers the order with `answers`.
    pub(super) async fn start(&mut self, answers: Option<DocumentId>) {
        self.restart_at = None;
        self.applied = None;
        self.observer.forget();
        let Some(document) = self.wanted.clone() else {
            return;
        };
        let config = config_file::path(&self.options.configs, self.role);
        let started = Process::start(
            self.role,
            &self.options,
            &config,
            self.notify.path(),
            &self.log,
            &self.events,
        );
        match started {
            Ok(process) => {
                info!(role = %self.role, process = process.id(), %document, "the role starts");
                self.running = Some(Running {
                    process,
                    started: self.clock.now(),
                    document,
                    instance: self.instance.clone(),
                    ready: false,
                    is_known: false,
                    answers,
                    alive_until: Instant::now() + START_LIMIT,
                });
            }
            Err(err) => {
                let program = self.options.program.display();
                let how = format!("can't start {program}: {err}");
                error!(role = %self.role, how, "the role does not start");
                self.ended(how, Duration::ZERO, answers, false).await;
            }
        }
    }

    pub(super) async fn reply(&self, document: DocumentId, result: Result<(), Vec<DocumentError>>) {
        self.send(ChildEvent::Applied { document, result }).await;
    }

    pub(super) async fn send(&self, event: ChildEvent) {
        let role = self.role;
        // The receiver ends before this task only at the end of the agent.
        let _ = self.events.send(RoleEvent { role, event }).await;
    }

    pub(super) fn tell(&self, condition: Condition) {
        self.told.send_if_modified(|told| {
            let is_other = *told != condition;
            *told = condition;
            is_other
        });
    }
}

async fn exit(running: &mut Option<Running>) -> std::io::Result<ExitStatus> {
    match running {
        Some(running) => running.process.wait().await,
        None => std::future::pending().await,
    }
}

type Applying = Option<(DocumentId, JoinHandle<Result<Answer, RequestError>>)>;

async fn answer(applying: &mut Applying) -> Option<Result<Answer, RequestError>> {
    match applying {
        Some((_, request)) => request.await.ok(),
        None => std::future::pending().await,
    }
}

type Observing = Option<(Option<DocumentId>, JoinHandle<Told>)>;

async fn status(observing: &mut Observing) -> Option<Told> {
    match observing {
        Some((_, request)) => request.await.ok(),
        None => std::future::pending().await,
    }
}

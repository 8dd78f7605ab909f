//! What happens to the process of a role: it tells something, answers, ends, or is silent for too long.

use std::process::ExitStatus;
use std::time::Duration;

use tokio::time::Instant;
use tracing::{error, info, warn};

use super::messages::{ChildEvent, Condition};
use super::notify::Notification;
use super::request::{self, RequestError, Told};
use super::supervisor::{START_LIMIT, Supervisor};
use crate::agent::codes;
use crate::agent::document::DocumentId;
use crate::base::ending;
use crate::control::Answer;
use crate::fleet::DocumentError;

/// Time limit of a status.
const STATUS_LIMIT: Duration = Duration::from_secs(3);
/// The exit code of a configuration that can't be used.
const CONFIG_CODE: i32 = 2;
/// Lines of the log that a refusal quotes.
const QUOTED_LINES: usize = 5;

impl Supervisor {
    pub(super) async fn notified(&mut self, message: Notification) {
        let watchdog_limit = self.options.watchdog_limit;
        let Some(running) = &mut self.running else {
            return;
        };
        if running.process.id() != Some(message.process) {
            return;
        }
        if message.ready && !running.ready {
            running.ready = true;
            running.alive_until = Instant::now() + watchdog_limit;
            self.observe_at = Instant::now();
            self.applied = Some(running.document.clone());
            info!(role = %self.role, "the role is ready");
            self.told.send_modify(|told| {
                told.process = Some(message.process);
                told.instance.clone_from(&running.instance);
                told.taken_by = None;
            });
            if let Some(document) = running.answers.take() {
                self.reply(document, Ok(())).await;
            }
        } else if message.watchdog && running.ready {
            running.alive_until = Instant::now() + watchdog_limit;
        }
        if let Some(status) = message.status {
            self.told.send_if_modified(|told| {
                let is_other = told.status.as_ref() != Some(&status);
                told.status = Some(status);
                is_other
            });
        }
    }

    pub(super) async fn exited(&mut self, status: std::io::Result<ExitStatus>) {
        let Some(running) = self.running.take() else {
            return;
        };
        let ran = self.clock.now().saturating_sub(running.started);
        let (how, is_config) = match status {
            Ok(status) => (ending(status), status.code() == Some(CONFIG_CODE)),
            Err(err) => (format!("an unknown status ({err})"), false),
        };
        let is_config = is_config && !running.ready;
        // The last lines come before the end.
        running.process.finish().await;
        self.ended(how, ran, running.answers, is_config).await;
    }

    /// Notes which process answers at the control socket in place of the role, for the report of the box.
    fn note_taken(&self, process: Option<i32>) {
        self.told.send_if_modified(|told| {
            let is_other = told.taken_by != process;
            told.taken_by = process;
            is_other
        });
    }

    /// The process has ended unasked, or could not be started.
    pub(super) async fn ended(
        &mut self,
        how: String,
        ran: Duration,
        answers: Option<DocumentId>,
        is_config: bool,
    ) {
        // An apply that it was asked for has no answer: its end is the answer.
        self.applying = None;
        self.observing = None;
        let now = self.clock.now();
        let wait = self.exits.note(now, ran);
        let crash_loop = self.exits.is_loop(now);
        warn!(
            role = %self.role,
            how,
            ran_s = ran.as_secs(),
            wait_ms = wait.as_millis() as u64,
            crash_loop,
            "the role ended; it is started again"
        );
        self.restart_at = Some(Instant::now() + wait);
        self.tell(Condition {
            crash_loop: crash_loop.then(|| how.clone()),
            ..Condition::default()
        });
        match answers.filter(|_| is_config) {
            Some(document) => {
                let told = self.log.last(QUOTED_LINES).join("; ");
                let message = format!("the {} refuses the configuration: {told}", self.role);
                let problem = DocumentError::new(self.role.to_string(), codes::REFUSED, message);
                self.reply(document, Err(vec![problem])).await;
            }
            None => self.send(ChildEvent::Ended { how }).await,
        }
    }

    pub(super) async fn answered(&mut self, answer: Option<Result<Answer, RequestError>>) {
        let Some((document, _)) = self.applying.take() else {
            return;
        };
        self.observe_at = Instant::now();
        match answer {
            Some(Ok(Answer::Ok(_))) => {
                self.applied = Some(document.clone());
                self.reply(document, Ok(())).await;
            }
            Some(Ok(Answer::Refused(problems))) => {
                let problems = problems.into_iter().map(|problem| {
                    let path = match problem.path.as_str() {
                        "" => self.role.to_string(),
                        path => format!("{}.{path}", self.role),
                    };
                    DocumentError::new(path, codes::REFUSED, problem.message)
                });
                self.reply(document, Err(problems.collect())).await;
            }
            Some(Err(err)) => self.start_anew(document, &err.to_string()).await,
            None => self.start_anew(document, "its answer was lost").await,
        }
    }

    /// A role that does not answer is started anew, with the document that it did not take over.
    async fn start_anew(&mut self, document: DocumentId, reason: &str) {
        warn!(role = %self.role, reason, "the role does not apply its configuration; starting it anew");
        if let Some(running) = self.running.take() {
            running.process.abort().await;
        }
        self.start(Some(document)).await;
    }

    pub(super) async fn observed(&mut self, status: Option<Told>, pace: Duration) {
        let asked = self.observing.take().and_then(|(document, _)| document);
        // A document that was ordered meanwhile may or may not be in what the role has told.
        let document = asked.filter(|_| self.applying.is_none());
        let document = document.filter(|asked| self.applied.as_ref() == Some(asked));
        self.observe_at = Instant::now() + pace;
        match status {
            Some(Ok((status, able))) => {
                self.note_taken(None);
                if let Some(able) = able {
                    let running = self.running.iter_mut();
                    running.for_each(|running| running.is_known = true);
                    self.send(ChildEvent::Able(able)).await;
                }
                let observation = Box::new(self.observer.observe(&status));
                self.send(ChildEvent::Observed(document, observation)).await;
            }
            Some(Err(err)) => {
                warn!(role = %self.role, %err, "the state of the role is unknown");
                if let RequestError::Taken { process, .. } = err {
                    self.note_taken(Some(process));
                }
            }
            None => {}
        }
    }

    pub(super) async fn time(&mut self, pace: Duration) {
        let now = Instant::now();
        if let Some(running) = self.running.take_if(|running| now >= running.alive_until) {
            let what = match running.ready {
                true => "no sign of life",
                false => "no complete start",
            };
            let limit = match running.ready {
                true => self.options.watchdog_limit,
                false => START_LIMIT,
            };
            let how = format!("{what} within {} s", limit.as_secs());
            error!(role = %self.role, how, "the role hangs; aborting it");
            let ran = self.clock.now().saturating_sub(running.started);
            let answers = running.answers.clone();
            running.process.abort().await;
            return self.ended(how, ran, answers, false).await;
        }
        if self.restart_at.is_some_and(|at| now >= at) {
            return self.start(None).await;
        }
        if now >= self.observe_at {
            // Until it has answered nothing is due.
            self.observe_at = now + pace;
            let ready = self.running.as_ref().filter(|running| running.ready);
            if let Some(running) = ready
                && self.observing.is_none()
                && self.applying.is_none()
                && let Some(to) = self.recipient()
            {
                let request = request::status(to, running.is_known, STATUS_LIMIT);
                self.observing = Some((self.applied.clone(), request));
            }
        }
    }
}

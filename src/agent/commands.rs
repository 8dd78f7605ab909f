//! Commands of the desk: imperative verbs that leave no state. Each is answered by its id, within a time limit.
//!
//! Quick ones are answered at once; the others on a task of their own, at most [`MOST_RUNNING`] at a time. A message that is no
//! command is answered if its id can be read.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tracing::{info, warn};

use super::acts::{self, Act};
use super::child::{Order, Recipient};
use super::cycle::ChildRole;
use super::driver::{Children, wall_time};
use super::identity::Identity;
use super::refusal::{Refused, codes};
use crate::base::Clock;
use crate::bus::Link;
use crate::fleet::{
    Command, CommandRefused, DocumentErrors, Keyring, PayloadType, Response, RoleName, Verb, open,
};

/// Commands that are carried out at the same time.
const MOST_RUNNING: usize = 4;
/// Ids that are remembered: a broker may deliver a message twice.
const KNOWN_IDS: usize = 64;
/// How long they are remembered. A broker delivers a message again at the next connection.
const REMEMBERED: Duration = Duration::from_secs(60);
/// Number of lines of logs where the command names none.
const LINES: u32 = 100;
/// Duration of identify where the command names none.
const IDENTIFY: Duration = Duration::from_secs(30);
/// Maximum length of all log lines of an answer in bytes.
const LOG_BYTES: usize = 256 * 1024;

/// The commands of a box.
pub(super) struct Commands {
    identity: Arc<Identity>,
    clock: Clock,
    link: Link,
    /// The topic of the answers.
    topic: String,
    acts: Arc<acts::Settings>,
    /// The last ids, and when they came.
    known: VecDeque<(String, Duration)>,
    running: Arc<Semaphore>,
}

/// The answer, now or later.
enum Outcome {
    Now(Result<Option<Value>, Refused>),
    Later(Act),
}

impl Commands {
    pub(super) fn new(
        identity: Arc<Identity>,
        clock: Clock,
        link: Link,
        topic: String,
        acts: acts::Settings,
    ) -> Self {
        Self {
            identity,
            clock,
            link,
            topic,
            acts: Arc::new(acts),
            known: VecDeque::new(),
            running: Arc::new(Semaphore::new(MOST_RUNNING)),
        }
    }

    /// Takes a message of the topic `command`.
    pub(super) fn received(
        &mut self,
        message: &[u8],
        is_retained: bool,
        keys: &Keyring,
        children: &Children,
    ) {
        if message.is_empty() {
            return;
        }
        let (command, signers) = match read(message, keys) {
            Ok(read) => read,
            Err(CommandRefused { id, errors }) => {
                warn!(%errors, "a command is refused");
                if let Some(id) = id {
                    self.answer(&Response::unreadable(id, &errors));
                }
                return;
            }
        };
        let id = command.id.clone();
        if is_retained {
            let message = "a retained command would be obeyed again at every connection; publish it without retain";
            warn!(id, "a retained command is refused");
            return self.answer(&Response::refused(id, codes::RETAINED, message));
        }
        let now = self.clock.now();
        self.known
            .retain(|(_, at)| now.saturating_sub(*at) < REMEMBERED);
        if self.known.iter().any(|(known, _)| *known == id) {
            let message = format!(
                "a command with this id came within the last {} s; choose another id for another command",
                REMEMBERED.as_secs()
            );
            return self.answer(&Response::refused(id, codes::DUPLICATE, message));
        }
        self.known.push_back((id.clone(), now));
        if self.known.len() > KNOWN_IDS {
            self.known.pop_front();
        }
        let synchronised = wall_time().is_some();
        let permitted = command.permit(
            &self.identity.device,
            &signers,
            Timestamp::now(),
            synchronised,
        );
        if let Err(error) = permitted {
            warn!(id, verb = command.verb.as_str(), %error, "a command is refused");
            return self.answer(&Response::unreadable(id, &error.into()));
        }
        info!(id, verb = command.verb.as_str(), "obeying a command");
        match self.begin(&command, children) {
            Outcome::Now(Ok(data)) => self.answer(&Response::ok(id, data)),
            Outcome::Now(Err((code, message))) => {
                self.answer(&Response::refused(id, code, message));
            }
            Outcome::Later(act) => self.begin_act(id, act),
        }
    }

    /// Carries out an act on a task of its own.
    fn begin_act(&self, id: String, act: Act) {
        let Ok(place) = self.running.clone().try_acquire_owned() else {
            let message = format!("{MOST_RUNNING} commands are being carried out; try again later");
            return self.answer(&Response::refused(id, codes::BUSY, message));
        };
        let (link, topic, settings) = (self.link.clone(), self.topic.clone(), self.acts.clone());
        tokio::spawn(async move {
            let limit = act.limit();
            let response = match tokio::time::timeout(limit, acts::carry_out(act, &settings)).await
            {
                Ok(Ok(data)) => Response::ok(id, data),
                Ok(Err((code, message))) => Response::refused(id, code, message),
                Err(_) => {
                    let message = format!("it did not end within {} s", limit.as_secs());
                    Response::refused(id, codes::TIMED_OUT, message)
                }
            };
            send(&link, &topic, &response);
            drop(place);
        });
    }

    fn answer(&self, response: &Response) {
        send(&self.link, &self.topic, response);
    }

    fn begin(&self, command: &Command, children: &Children) -> Outcome {
        let args = &command.args;
        match command.verb {
            Verb::Ping => Outcome::Now(Ok(Some(self.ping(children)))),
            Verb::Logs => Outcome::Now(logs(
                children,
                args.role,
                args.lines.unwrap_or(LINES) as usize,
            )),
            Verb::Restart => Outcome::Now(restart(children, args.role)),
            Verb::Identify => {
                let name = self.identity.name.as_ref();
                let text = name.unwrap_or(&self.identity.device).clone();
                let limit = args.limit.map_or(IDENTIFY, |limit| limit.0);
                let act = |roles| Act::Identify { roles, text, limit };
                match self.acts.led {
                    // It is seen without a wall too.
                    Some(_) => Outcome::Later(act(self.running(children, &[ChildRole::Wall]))),
                    None => self.of_roles(children, &[ChildRole::Wall], act),
                }
            }
            Verb::Snapshot => {
                // A wall shows all its sources at once, or has the larger picture of one.
                let roles = [ChildRole::Wall, ChildRole::Processor];
                self.of_roles(children, &roles, |roles| Act::Snapshot {
                    roles,
                    source: args.source,
                })
            }
            Verb::Pause | Verb::Resume => {
                let paused = command.verb == Verb::Pause;
                self.of_roles(children, &[ChildRole::Processor], |roles| Act::Pause {
                    roles,
                    source: args.source,
                    paused,
                })
            }
            Verb::RestartSource => {
                let roles = [ChildRole::Processor, ChildRole::Wall];
                let source = args.source.unwrap_or_default();
                self.of_roles(children, &roles, |roles| Act::RestartSource {
                    roles,
                    source,
                })
            }
            Verb::Doctor => Outcome::Later(Act::Doctor),
            Verb::Reboot => Outcome::Later(Act::Reboot),
        }
    }

    /// Those roles of `wanted` that run.
    fn running(&self, children: &Children, wanted: &[ChildRole]) -> Vec<Recipient> {
        let recipient = |role: &ChildRole| children.get(role)?.recipient(*role);
        wanted.iter().filter_map(recipient).collect()
    }

    /// An act of those roles of `wanted` that run.
    fn of_roles(
        &self,
        children: &Children,
        wanted: &[ChildRole],
        act: impl FnOnce(Vec<Recipient>) -> Act,
    ) -> Outcome {
        let roles = self.running(children, wanted);
        if !roles.is_empty() {
            return Outcome::Later(act(roles));
        }
        let names: Vec<String> = wanted.iter().map(ToString::to_string).collect();
        let message = format!("no {} runs on this device", names.join(" or "));
        Outcome::Now(Err((codes::NOT_RUNNING, message)))
    }

    fn ping(&self, children: &Children) -> Value {
        let roles = children.iter().filter_map(|(role, child)| {
            let condition = child.condition.borrow();
            let status = condition.status.clone();
            condition
                .process
                .map(|_| (role.to_string(), json!({ "status": status })))
        });
        json!({
            "device": self.identity.device,
            "version": env!("CARGO_PKG_VERSION"),
            "uptime_s": self.clock.now().as_secs(),
            "time": Timestamp::now(),
            "clock_synchronised": wall_time().is_some(),
            "roles": roles.collect::<serde_json::Map<_, _>>(),
        })
    }
}

fn read(
    message: &[u8],
    keys: &Keyring,
) -> Result<(Command, Vec<crate::fleet::KeyId>), CommandRefused> {
    let refused = |errors: DocumentErrors| CommandRefused { id: None, errors };
    let opened = open(message, PayloadType::Command, keys).map_err(refused)?;
    Ok((Command::read(&opened.payload)?, opened.signers))
}

fn send(link: &Link, topic: &str, response: &Response) {
    if !link.publish_event(topic, response.to_json()) {
        warn!(
            id = response.id,
            "an answer was dropped: the broker is away, or the answer is too large"
        );
    }
}

fn is_meant(role: ChildRole, wanted: Option<RoleName>) -> bool {
    match wanted {
        None => true,
        Some(RoleName::Processor) => role == ChildRole::Processor,
        Some(RoleName::Wall) => role == ChildRole::Wall,
    }
}

fn logs(
    children: &Children,
    wanted: Option<RoleName>,
    lines: usize,
) -> Result<Option<Value>, Refused> {
    let mut left = LOG_BYTES;
    let logs = children
        .iter()
        .filter(|(role, _)| is_meant(**role, wanted))
        .map(|(role, child)| {
            let mut last = child.log.last(lines);
            // The newest lines count.
            let fits = |line: &&String| {
                let fits = line.len() <= left;
                left = left.saturating_sub(line.len());
                fits
            };
            let kept = last.iter().rev().take_while(fits).count();
            last.drain(..last.len() - kept);
            (role.to_string(), Value::from(last))
        });
    let logs: serde_json::Map<String, Value> = logs.collect();
    Ok(Some(Value::Object(logs)))
}

fn restart(children: &Children, wanted: Option<RoleName>) -> Result<Option<Value>, Refused> {
    let runs = |role: &ChildRole| {
        let condition = children
            .get(role)
            .map(|child| child.condition.borrow().clone());
        condition
            .is_some_and(|condition| condition.process.is_some() || condition.crash_loop.is_some())
    };
    let meant = children.keys().filter(|role| is_meant(**role, wanted));
    let roles: Vec<ChildRole> = meant.copied().filter(runs).collect();
    if roles.is_empty() {
        return Err((
            codes::NOT_RUNNING,
            "no such role runs on this device".to_owned(),
        ));
    }
    let mut restarted = Vec::new();
    for role in roles {
        if !children[&role].order(Order::Restart) {
            let message = format!("the {role} is busy with earlier orders; try again later");
            return Err((codes::BUSY, message));
        }
        restarted.push(role.to_string());
    }
    Ok(Some(json!({ "restarted": restarted })))
}

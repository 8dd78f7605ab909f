//! What the agent and the tasks of its roles tell each other.

use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::observe::Observation;
use crate::agent::cycle::ChildRole;
use crate::agent::document::DocumentId;
use crate::agent::lending::Lending;
use crate::control::Capabilities;
use crate::fleet::DocumentError;

/// What all children have in common.
#[derive(Debug, Clone)]
pub(in crate::agent) struct ChildOptions {
    /// `nvr` itself.
    pub(in crate::agent) program: PathBuf,
    /// The id of the device.
    pub(in crate::agent) device: String,
    /// The folder for the configurations of the roles.
    pub(in crate::agent) configs: PathBuf,
    /// A folder that is private to this user, for the notify sockets.
    pub(in crate::agent) sockets: PathBuf,
    /// The folder in which the roles look up secrets, where systemd names none.
    pub(in crate::agent) credentials: Option<PathBuf>,
    /// For the role that runs as another user, the processor.
    pub(in crate::agent) lending: Option<Arc<Lending>>,
    /// Maximum time without a sign of life.
    pub(in crate::agent) watchdog_limit: Duration,
    /// Whether logs are lines of JSON.
    pub(in crate::agent) json_log: bool,
}

impl ChildOptions {
    /// What another user than the agent's may reach, if `role` runs as one.
    pub(super) fn lending(&self, role: ChildRole) -> Option<&Lending> {
        let lending = self.lending.as_deref();
        lending.filter(|_| role == ChildRole::Processor)
    }
}

/// An order to a role.
#[derive(Debug)]
pub(in crate::agent) enum Order {
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
pub(in crate::agent) struct RoleEvent {
    /// The role.
    pub(in crate::agent) role: ChildRole,
    /// What happened.
    pub(in crate::agent) event: ChildEvent,
}

/// What happened.
#[derive(Debug)]
pub(in crate::agent) enum ChildEvent {
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
    /// It told its state, and ran this document by then; none while it takes over another one.
    Observed(Option<DocumentId>, Box<Observation>),
    /// It told what it can do here, once after its start.
    Able(Box<Capabilities>),
}

/// The condition of a role, for the report of the box.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(in crate::agent) struct Condition {
    /// The id of its process, once its start is complete.
    pub(in crate::agent) process: Option<i32>,
    /// The instance id with which the process started: its control socket has this name until its end.
    pub(in crate::agent) instance: String,
    /// Another process that has its role and id, and its control socket.
    pub(in crate::agent) taken_by: Option<i32>,
    /// How it ended the last time, while it is in a crash loop.
    pub(in crate::agent) crash_loop: Option<String>,
    /// Its status in words.
    pub(in crate::agent) status: Option<String>,
}

/// Passes a line of a role on to the agent's own log, as it is: it has a time and a level already.
pub(super) fn log_line(role: ChildRole, is_json: bool, line: &str) {
    let text = match is_json {
        true => format!("{line}\n"),
        false => format!("{role}: {line}\n"),
    };
    // Without standard error there is nobody to tell.
    let _ = std::io::stderr().write_all(text.as_bytes());
}

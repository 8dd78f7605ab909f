//! The local control socket: status, capabilities, apply, restart; and the signals that ask for the same.
//!
//! One request a line, one answer a line, both JSON. It is for programs on the box: a supervisor, `nvr control`, a support
//! bundle. Only the user that runs the process, and root, can connect; and nobody is asked but those two.

mod client;
mod connect;
mod connection;
mod path;
mod server;
mod signals;
mod status;
pub mod wall_state;

pub use client::{ClientError, request};
pub use connect::reach;
pub use connection::ControlHandler;
pub use path::{Found, find, socket_path, sockets_in};
pub use server::{ServeError, Server};
pub use signals::{SignalRequest, Signals};
pub use status::{
    Capabilities, Change, Changes, DecoderFound, DecoderWorks, DetectorStatus, DisplayStatus,
    EventCounters, ProcessorCapabilities, ProcessorStatus, Status, WallCapabilities, WallStatus,
};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::base::SourceId;
use crate::config::ConfigProblems;

/// Longest request and longest answer: a document is as long as a configuration file may be, and a wall tells some 700 bytes of
/// each camera.
const LONGEST_MESSAGE_BYTES: u64 = 8 << 20;

/// What can be asked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Request {
    /// What runs, and how it fares.
    Status,
    /// What this build and this box can do.
    Capabilities,
    /// Replace the configuration by this document, whose structure is the file's; refused whole or applied.
    Apply {
        /// The document.
        document: Value,
    },
    /// End a source's session, or its wait for the next one, and begin the next one at once.
    Restart {
        /// Which source.
        source_id: SourceId,
    },
}

/// What comes back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// It was done; what it gave.
    Ok(Value),
    /// It was refused; every problem.
    Refused(Vec<Problem>),
}

/// One reason for a refusal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// Where in the document, `camera[2].uri`; empty where the whole is meant.
    pub path: String,
    /// What is wrong, and what to do.
    pub message: String,
}

impl Problem {
    /// A problem at `path`, in the words of `message`.
    pub fn new(path: impl Into<String>, message: impl std::fmt::Display) -> Self {
        Self {
            path: path.into(),
            message: message.to_string(),
        }
    }
}

/// What a configuration's check found, as an answer tells it.
pub fn problems(found: ConfigProblems) -> Vec<Problem> {
    found
        .iter()
        .map(|problem| Problem {
            path: problem.path.clone(),
            message: problem.message.clone(),
        })
        .collect()
}

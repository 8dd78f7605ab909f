//! The local control socket with the requests status, capabilities, apply, restart, pause, resume, identify, notice
//! and snapshot; and signals as requests.
//!
//! Requests and answers are lines of JSON. The socket is for programs on the same machine: a supervisor, `nvr control`, a support
//! bundle. Only the user of the process and root can connect. Clients send requests only to processes of these two users.

mod client;
mod connect;
mod connection;
mod path;
mod server;
mod signals;
mod status;
pub mod wall_state;

pub use client::{ClientError, request, request_to};
pub use connect::{is_stale, reach};
pub use connection::{ControlHandler, not_supported};
pub use path::{Found, find, socket_path, sockets_in};
pub use server::{ServeError, Server};
pub use signals::{SignalRequest, Signals};
pub use status::{
    Capabilities, Change, Changes, DecoderFound, DecoderWorks, DetectorStatus, DetectorWork,
    DisplayStatus, EventCounters, ProcessorCapabilities, ProcessorStatus, RecordedCameras,
    RecorderStatus, Status, WallCapabilities, WallStatus,
};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::base::SourceId;
use crate::config::ConfigProblems;

/// Maximum length of a request or an answer: a document may be as long as a configuration file, and the status of a wall has
/// about 700 bytes per camera.
const LONGEST_MESSAGE_BYTES: u64 = 8 << 20;

/// A request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Request {
    /// The state of the role and its parts.
    Status,
    /// The abilities of this build on this machine.
    Capabilities,
    /// Replace the configuration by this document, which has the structure of the file. If it has a problem, nothing changes.
    Apply {
        /// The document.
        document: Value,
    },
    /// Restart the session of a source now, without waiting for the next attempt.
    Restart {
        /// The source.
        source_id: SourceId,
    },
    /// Stop the analysis of a source, or of all. It stays paused until [`Request::Resume`] or the end of the process.
    Pause {
        /// The source; absent for all.
        source_id: Option<SourceId>,
    },
    /// End the pause of a source, or of all.
    Resume {
        /// The source; absent for all.
        source_id: Option<SourceId>,
    },
    /// Show a text large on every monitor.
    Identify {
        /// The text.
        text: String,
        /// For so many seconds.
        seconds: u64,
    },
    /// Show lines of text below the cameras of every monitor, in place of earlier ones. Without lines, show none.
    Notice {
        /// The lines; the first one is the headline.
        lines: Vec<String>,
        /// For so many seconds.
        seconds: u64,
    },
    /// A picture as JPEG, in base64.
    Snapshot {
        /// The source; absent for all that is shown.
        source_id: Option<SourceId>,
        /// Maximum length of the JPEG in bytes.
        most_bytes: usize,
    },
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// The request succeeded; its result.
    Ok(Value),
    /// The request was refused; all problems.
    Refused(Vec<Problem>),
}

/// A reason for a refusal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// Path in the document, such as `camera[2].uri`; empty for the whole document.
    pub path: String,
    /// The fault and its remedy.
    pub message: String,
}

impl Problem {
    /// A problem at `path` with the text `message`.
    pub fn new(path: impl Into<String>, message: impl std::fmt::Display) -> Self {
        Self {
            path: path.into(),
            message: message.to_string(),
        }
    }
}

/// Converts the problems of a configuration into those of an answer.
pub fn problems(found: ConfigProblems) -> Vec<Problem> {
    found
        .iter()
        .map(|problem| Problem {
            path: problem.path.clone(),
            message: problem.message.clone(),
        })
        .collect()
}

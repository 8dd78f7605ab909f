//! Commands: imperative verbs that leave no state, each answered by its id.

use std::time::Duration;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::desired::check_device;
use super::{DocumentError, DocumentErrors, KeyId, codes, strict};
use crate::base::SourceId;
use crate::config::{Span, is_instance_id};

/// Maximum number of log lines of an answer.
const MOST_LINES: u32 = 1000;
/// Maximum duration of `identify`.
const LONGEST_IDENTIFY: Duration = Duration::from_secs(3600);

/// A command. On `{root}/fleet/{device}/command`, not retained, bare or in an envelope.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "command")]
pub struct Command {
    /// Chosen by the sender, 1 to 64 letters, digits, `-`, `_` and `.`. The response has it.
    #[schemars(length(min = 1, max = 64))]
    pub id: String,
    /// What the device does.
    pub verb: Verb,
    /// Arguments of the verb.
    #[serde(default, skip_serializing_if = "CommandArgs::is_empty")]
    pub args: CommandArgs,
    /// The device for which the command is meant. Absent: any device. `reboot` needs it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// The command is refused after this time. Counts only while the clock is synchronised. `reboot` needs it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub expires: Option<Timestamp>,
}

/// What a device does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Verb {
    /// Answers.
    Ping,
    /// Shows its name on its wall, and blinks a light where it has one. `for` says how long.
    Identify,
    /// Answers with a JPEG of a source or of a wall.
    Snapshot,
    /// Pauses the analysis of a source, or of all.
    Pause,
    /// Ends a pause.
    Resume,
    /// Restarts the session of a source.
    RestartSource,
    /// Restarts a role, or all.
    Restart,
    /// Answers with the last lines of the log.
    Logs,
    /// Answers with the report of `nvr doctor`.
    Doctor,
    /// Restarts the machine. Signed only.
    Reboot,
}

/// Arguments of commands. Each verb takes some of them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CommandArgs {
    /// A source: of snapshot, pause, resume and restart-source.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<SourceId>,
    /// A role: of restart and logs. Absent: all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<RoleName>,
    /// Number of lines of logs, 1 to 1000. Absent: 100.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    pub lines: Option<u32>,
    /// Duration of identify, up to 1h. Absent: 30s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<Span>,
}

/// One role of a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum RoleName {
    /// It analyses cameras.
    Processor,
    /// It shows cameras.
    Wall,
}

/// A command that can't be read, with its id if that can be read, so that it can be answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandRefused {
    /// The id of the command.
    pub id: Option<String>,
    /// Every problem.
    pub errors: DocumentErrors,
}

impl CommandArgs {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl Verb {
    /// Every verb.
    pub const ALL: [Self; 10] = [
        Self::Ping,
        Self::Identify,
        Self::Snapshot,
        Self::Pause,
        Self::Resume,
        Self::RestartSource,
        Self::Restart,
        Self::Logs,
        Self::Doctor,
        Self::Reboot,
    ];

    /// The value on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ping => "ping",
            Self::Identify => "identify",
            Self::Snapshot => "snapshot",
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::RestartSource => "restart-source",
            Self::Restart => "restart",
            Self::Logs => "logs",
            Self::Doctor => "doctor",
            Self::Reboot => "reboot",
        }
    }

    /// The arguments that it takes.
    fn takes(self) -> &'static [&'static str] {
        match self {
            Self::Ping | Self::Doctor | Self::Reboot => &[],
            Self::Identify => &["limit"],
            Self::Snapshot | Self::Pause | Self::Resume | Self::RestartSource => &["source"],
            Self::Restart => &["role"],
            Self::Logs => &["role", "lines"],
        }
    }
}

impl Command {
    /// A command without arguments.
    pub fn new(id: impl Into<String>, verb: Verb) -> Self {
        Self {
            id: id.into(),
            verb,
            args: CommandArgs::default(),
            device: None,
            expires: None,
        }
    }

    /// JSON.
    pub fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("invariant: a command has string keys and no failing field")
    }

    /// Reads a payload: JSON, at most 64 KiB.
    ///
    /// # Errors
    /// Every problem at once, with the id if it can be read.
    pub fn read(payload: &[u8]) -> Result<Self, CommandRefused> {
        let refused = |id, errors| CommandRefused { id, errors };
        let mut tree = strict::parse(payload).map_err(|errors| refused(None, errors))?;
        let id = tree.get("id").and_then(Value::as_str);
        let id = id.filter(|id| is_instance_id(id)).map(str::to_owned);
        let mut errors = Vec::new();
        if let Some(verb) = tree.get("verb").and_then(Value::as_str)
            && !Verb::ALL.iter().any(|known| known.as_str() == verb)
        {
            let known = Verb::ALL.map(Verb::as_str).join(", ");
            let message = format!("this firmware does not know it; it knows {known}");
            let error = DocumentError::new("verb", codes::UNKNOWN_VERB, message);
            return Err(refused(id, error.into()));
        }
        strict::refuse_lists(&mut tree, &["args"], &mut errors);
        let read = strict::read::<Self>(tree, "", &["id", "verb"], &mut errors);
        if let Some(command) = &read {
            command.check(&mut errors);
        }
        match read {
            Some(command) if errors.is_empty() => Ok(command),
            _ => {
                let none = || DocumentError::new("", codes::BAD_VALUE, "can't be read").into();
                let errors = DocumentErrors::or(errors, ()).err().unwrap_or_else(none);
                Err(refused(id, errors))
            }
        }
    }

    fn check(&self, errors: &mut Vec<DocumentError>) {
        let mut add = |path: &str, code, message: String| {
            errors.push(DocumentError::new(path, code, message));
        };
        if !is_instance_id(&self.id) {
            let message = "must be 1 to 64 letters, digits, `-`, `_` and `.`";
            add("id", codes::BAD_VALUE, message.to_owned());
        }
        let args = &self.args;
        let verb = self.verb.as_str();
        for (name, is_given) in [
            ("source", args.source.is_some()),
            ("role", args.role.is_some()),
            ("lines", args.lines.is_some()),
            ("limit", args.limit.is_some()),
        ] {
            if is_given && !self.verb.takes().contains(&name) {
                let message = format!("{verb} does not take it");
                add(&format!("args.{name}"), codes::UNKNOWN_FIELD, message);
            }
        }
        if self.verb == Verb::RestartSource && args.source.is_none() {
            let message = format!("is missing; {verb} needs the id of a source");
            add("args.source", codes::MISSING_FIELD, message);
        }
        if let Some(lines) = args.lines.filter(|lines| !(1..=MOST_LINES).contains(lines)) {
            let message = format!("must be 1 to {MOST_LINES}, got {lines}");
            add("args.lines", codes::BAD_VALUE, message);
        }
        if let Some(limit) = args.limit.filter(|limit| limit.0 > LONGEST_IDENTIFY) {
            add(
                "args.limit",
                codes::BAD_VALUE,
                format!("must be at most 1h, got {limit}"),
            );
        }
        if self.verb == Verb::Reboot {
            // A signed command that names no device and never ends could be sent again, and to others.
            for (name, is_given) in [
                ("device", self.device.is_some()),
                ("expires", self.expires.is_some()),
            ] {
                if !is_given {
                    add(
                        name,
                        codes::MISSING_FIELD,
                        format!("is missing; {verb} needs it"),
                    );
                }
            }
        }
    }

    /// Whether the device `device` may obey now. `signers` are the keys that signed the command.
    ///
    /// # Errors
    /// `wrong-device`, `expired` or, for a reboot, `unsigned` or an unknown time.
    pub fn permit(
        &self,
        device: &str,
        signers: &[KeyId],
        now: Timestamp,
        synchronised: bool,
    ) -> Result<(), DocumentError> {
        check_device(self.device.as_deref(), device)?;
        if self.verb == Verb::Reboot && signers.is_empty() {
            let message = "reboot is obeyed only with a signature of a trusted key";
            return Err(DocumentError::new("", codes::UNSIGNED, message));
        }
        let Some(expires) = self.expires else {
            return Ok(());
        };
        if synchronised && now > expires {
            let message = format!("the command ended at {expires}, it is {now}; send it again");
            return Err(DocumentError::new("expires", codes::EXPIRED, message));
        }
        if !synchronised && self.verb == Verb::Reboot {
            let message = "the clock is not synchronised, so the age of the command is unknown";
            return Err(DocumentError::new("expires", codes::CLOCK_UNKNOWN, message));
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "command_tests.rs"]
mod tests;

//! The desired document: what an operator wants a device to run.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::parts::{FirmwareRef, ModelRef, Probation};
use super::{DocumentError, DocumentHash, KeyChange, SCHEMA, codes};

/// Maximum generation: the largest whole number that every reader of JSON represents exactly, 2^53 - 1.
pub(super) const MOST_GENERATION: u64 = (1 << 53) - 1;

/// What an operator wants a device to run. Retained on `{root}/fleet/{device}/desired`, bare or in an [`Envelope`].
///
/// [`Envelope`]: super::Envelope
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "desired document", extend("$comment" = "at most 64 KiB with its envelope"))]
pub struct Desired {
    /// Version of this schema: 1.
    #[schemars(range(min = 1, max = 1))]
    pub schema: u32,
    /// Number of this document, from 1 to 2^53 - 1. Each new document of a device has a higher one.
    #[schemars(range(min = 1, max = 9_007_199_254_740_991_u64))]
    pub generation: u64,
    /// Hash of the document that this one replaces. Absent: it replaces any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<DocumentHash>,
    /// The device for which the document is meant. Absent: any device. A device refuses a document for another one, so that a
    /// signed document can't be copied to another topic.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// Who published the document, such as `user@host`: 1 to 128 bytes without control characters. For people; it is not verified
    /// and decides nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128))]
    pub by: Option<String>,
    /// What the device runs. Each role that is named needs its body.
    pub role: DeviceRole,
    /// Configuration of the processor, with the structure of the local file, without `mqtt`.
    /// Without `instance_id` it has the id of the device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<serde_json::Map<String, Value>>")]
    pub processor: Option<Value>,
    /// Configuration of the wall, with the structure of the local file, without `mqtt`.
    /// Without `instance_id` it has the id of the device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<serde_json::Map<String, Value>>")]
    pub wall: Option<Value>,
    /// The document is not applied before this time. Counts only while the clock is synchronised.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub not_before: Option<Timestamp>,
    /// The document is not applied after this time. Counts only while the clock is synchronised.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub not_after: Option<Timestamp>,
    /// Erases the configuration of the device. Bodies are not needed then.
    #[serde(default, skip_serializing_if = "is_false")]
    pub decommission: bool,
    /// Makes warnings of the errors of the capacity check.
    #[serde(default, skip_serializing_if = "is_false")]
    pub overcommit: bool,
    /// Models that the device fetches and installs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub models: Vec<ModelRef>,
    /// How the document is tried before it becomes the last known good one.
    #[serde(default)]
    pub probation: Probation,
    /// The firmware that the device installs. Absent: it keeps what it has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub firmware: Option<FirmwareRef>,
    /// A change of the keys that the device trusts. Counts only in a signed document.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keys: Option<KeyChange>,
}

/// Maximum length of the name of a publisher in bytes.
const PUBLISHER_BYTES: usize = 128;

/// Checks the name of a publisher, the field `by` of a document. It is shown on terminals.
///
/// # Errors
/// Names the limit, when the name is empty, too long or has control characters.
pub fn check_publisher(name: &str) -> Result<(), String> {
    match name.len() {
        0 => Err("must not be empty".to_owned()),
        bytes if bytes > PUBLISHER_BYTES => Err(format!(
            "must be at most {PUBLISHER_BYTES} bytes long, has {bytes}"
        )),
        _ if name.contains(char::is_control) => {
            Err("must not contain control characters".to_owned())
        }
        _ => Ok(()),
    }
}

/// The roles that a device runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum DeviceRole {
    /// It analyses cameras.
    Processor,
    /// It shows cameras.
    Wall,
    /// It does both.
    Both,
}

impl DeviceRole {
    /// Whether a processor runs.
    pub fn has_processor(self) -> bool {
        self != Self::Wall
    }

    /// Whether a wall runs.
    pub fn has_wall(self) -> bool {
        self != Self::Processor
    }
}

/// How a document's time window lies to the present.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Window {
    /// The document may be applied.
    Open,
    /// It begins later.
    NotYet(Timestamp),
    /// It has ended.
    Expired(Timestamp),
    /// The clock is not synchronised; the document waits.
    ClockUnknown,
}

fn is_false(value: &bool) -> bool {
    !value
}

/// A role in a document.
#[derive(Debug, Clone, Copy)]
pub struct RoleBody<'a> {
    /// The role, and the key of its body.
    pub name: &'static str,
    /// Whether the device runs it.
    pub is_run: bool,
    /// Its configuration.
    pub body: Option<&'a Value>,
}

impl Desired {
    /// A document with nothing but its role.
    pub fn new(generation: u64, role: DeviceRole) -> Self {
        Self {
            schema: SCHEMA,
            generation,
            base: None,
            device: None,
            by: None,
            role,
            processor: None,
            wall: None,
            not_before: None,
            not_after: None,
            decommission: false,
            overcommit: false,
            models: Vec::new(),
            probation: Probation::default(),
            firmware: None,
            keys: None,
        }
    }

    /// Each role, with its body.
    pub fn bodies(&self) -> [RoleBody<'_>; 2] {
        let of = |name, is_run, body| RoleBody { name, is_run, body };
        [
            of(
                "processor",
                self.role.has_processor(),
                self.processor.as_ref(),
            ),
            of("wall", self.role.has_wall(), self.wall.as_ref()),
        ]
    }

    /// JSON. Its bytes are the payload that is signed and hashed.
    pub fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self)
            .expect("invariant: a document has string keys and no failing field")
    }

    /// How the time window lies to `now`, the time of a clock that is `synchronised` or not.
    pub fn window(&self, now: Timestamp, synchronised: bool) -> Window {
        Window::of(self.not_before, self.not_after, synchronised.then_some(now))
    }

    /// Whether the document is for the device `device`.
    ///
    /// # Errors
    /// `wrong-device`, at `device`.
    pub fn check_device(&self, device: &str) -> Result<(), DocumentError> {
        check_device(self.device.as_deref(), device)
    }
}

/// Whether a document that is `meant` for a device is for `device`.
pub(super) fn check_device(meant: Option<&str>, device: &str) -> Result<(), DocumentError> {
    match meant {
        Some(meant) if meant != device => {
            let message = format!("is for {meant}, but this device is {device}");
            Err(DocumentError::new("device", codes::WRONG_DEVICE, message))
        }
        _ => Ok(()),
    }
}

impl Window {
    /// How a time window lies to `now`, which is absent while the clock is not synchronised.
    pub(super) fn of(
        not_before: Option<Timestamp>,
        not_after: Option<Timestamp>,
        now: Option<Timestamp>,
    ) -> Self {
        match (not_before, not_after, now) {
            (None, None, _) => Self::Open,
            (_, _, None) => Self::ClockUnknown,
            (_, Some(end), Some(now)) if now > end => Self::Expired(end),
            (Some(begin), _, Some(now)) if now < begin => Self::NotYet(begin),
            _ => Self::Open,
        }
    }

    /// Why a document outside its window is not applied: `not-yet`, `expired` or `clock-unknown`. Absent inside.
    pub fn problem(self) -> Option<DocumentError> {
        let (path, code, message) = match self {
            Self::Open => return None,
            Self::NotYet(begin) => (
                "not_before",
                codes::NOT_YET,
                format!("the document waits until {begin}"),
            ),
            Self::Expired(end) => (
                "not_after",
                codes::EXPIRED,
                format!("the document ended at {end}; publish a new one"),
            ),
            Self::ClockUnknown => (
                "",
                codes::CLOCK_UNKNOWN,
                "the document has a time window, and the clock is not synchronised; it waits"
                    .to_owned(),
            ),
        };
        Some(DocumentError::new(path, code, message))
    }
}

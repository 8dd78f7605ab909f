//! The answer to a command.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::DocumentErrors;
use crate::event::{DecodeError, decode_json};

/// The answer to a command, on `{root}/fleet/{device}/response`, not retained.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(title = "response")]
pub struct Response {
    /// The id of the command.
    pub id: String,
    /// Whether the device obeyed.
    pub ok: bool,
    /// The reason if it did not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<ResponseError>,
    /// The result, by the verb.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<Value>,
}

/// Why a device did not obey.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ResponseError {
    /// A stable word for programs.
    pub code: String,
    /// The reason and its remedy, for people.
    #[serde(default)]
    pub message: String,
}

impl Response {
    /// A device obeyed.
    pub fn ok(id: impl Into<String>, data: Option<Value>) -> Self {
        Self {
            id: id.into(),
            ok: true,
            error: None,
            data,
        }
    }

    /// A device did not obey.
    pub fn refused(
        id: impl Into<String>,
        code: impl Into<String>,
        message: impl Into<String>,
    ) -> Self {
        Self {
            id: id.into(),
            ok: false,
            error: Some(ResponseError {
                code: code.into(),
                message: message.into(),
            }),
            data: None,
        }
    }

    /// A device could not read a command: the code of the first problem, and all messages.
    pub fn unreadable(id: impl Into<String>, errors: &DocumentErrors) -> Self {
        let code = errors.iter().next().map(|error| error.code.to_string());
        Self::refused(id, code.unwrap_or_default(), errors.to_string())
    }

    /// JSON.
    pub fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self)
            .expect("invariant: a response has string keys and no failing field")
    }

    /// Reads JSON. Unknown fields are ignored.
    ///
    /// # Errors
    /// When the payload is over 1 MiB or not of the schema.
    pub fn from_json(payload: &[u8]) -> Result<Self, DecodeError> {
        decode_json(payload)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet::{DocumentError, codes};

    #[test]
    fn a_response_says_yes_with_data_or_no_with_a_reason() {
        let yes = Response::ok("7", Some(serde_json::json!({"lines": ["a"]})));
        assert_eq!(
            String::from_utf8(yes.to_json()).expect("JSON is text"),
            r#"{"id":"7","ok":true,"data":{"lines":["a"]}}"#
        );
        assert_eq!(Response::from_json(&yes.to_json()).expect("own JSON"), yes);
        let error = DocumentError::new("verb", codes::UNKNOWN_VERB, "no such verb");
        let no = Response::unreadable("8", &error.into());
        assert_eq!(
            String::from_utf8(no.to_json()).expect("JSON is text"),
            r#"{"id":"8","ok":false,"error":{"code":"unknown-verb","message":"verb: no such verb (unknown-verb)"}}"#
        );
    }

    #[test]
    fn responses_of_newer_firmware_are_read() {
        let text = br#"{"id":"7","ok":false,"error":{"code":"busy","since":3},"took_ms":4}"#;
        let read = Response::from_json(text).expect("a reader is lenient");
        assert_eq!(read, Response::refused("7", "busy", ""));
    }
}

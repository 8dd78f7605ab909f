//! The firmware part of a desired document, read apart from the rest: a device that refuses the document for another reason
//! obeys it all the same. Neither blocks the other.

use jiff::Timestamp;
use serde_json::Value;

use super::desired::check_device;
use super::desired_check::firmware_of;
use super::{DocumentErrors, FirmwareRef, SCHEMA, Window};

/// What a desired document says of the firmware.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FirmwareOrder {
    /// The generation of the document.
    pub document: u64,
    /// The image; absent if the document names none.
    pub firmware: Option<FirmwareRef>,
    not_before: Option<Timestamp>,
    not_after: Option<Timestamp>,
}

impl FirmwareOrder {
    /// Reads the payload of a document for `device`. Absent for a document of another schema or device, or without a generation:
    /// its report tells that.
    ///
    /// # Errors
    /// Every problem of `firmware`.
    pub fn read(payload: &[u8], device: &str) -> Result<Option<Self>, DocumentErrors> {
        let Ok(document) = serde_json::from_slice::<Value>(payload) else {
            return Ok(None);
        };
        let number = |key: &str| document.get(key).and_then(Value::as_u64);
        let meant = document.get("device").and_then(Value::as_str);
        let time = |key: &str| document.get(key)?.as_str()?.parse::<Timestamp>().ok();
        let is_meant = check_device(meant, device).is_ok();
        let (Some(generation), true) = (number("generation"), is_meant) else {
            return Ok(None);
        };
        if number("schema") != Some(u64::from(SCHEMA)) {
            return Ok(None);
        }
        Ok(Some(Self {
            document: generation,
            firmware: firmware_of(&document)?,
            not_before: time("not_before"),
            not_after: time("not_after"),
        }))
    }

    /// The generation of the firmware: its own, else that of the document.
    pub fn generation(&self) -> u64 {
        let own = self
            .firmware
            .as_ref()
            .and_then(|firmware| firmware.generation);
        own.unwrap_or(self.document)
    }

    /// How the time window of the document lies to `now`, which is absent while the clock is not synchronised.
    pub fn window(&self, now: Option<Timestamp>) -> Window {
        Window::of(self.not_before, self.not_after, now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet::DocumentHash;

    fn order(text: &str) -> Result<Option<FirmwareOrder>, DocumentErrors> {
        let hash = DocumentHash::of(b"image").to_string();
        FirmwareOrder::read(text.replace("HASH", &hash).as_bytes(), "box-1")
    }

    #[test]
    fn firmware_is_read_from_a_document_that_is_otherwise_refused() {
        let text = r#"{"schema":1,"generation":7,"role":"none","new":1,
            "firmware":{"url":"https://a/i","sha256":"HASH","version":"2.0","generation":3}}"#;
        let order = order(text).expect("good").expect("it is for this device");
        assert_eq!((order.document, order.generation()), (7, 3));
        let version = order.firmware.map(|firmware| firmware.version);
        assert_eq!(version.as_deref(), Some("2.0"));
        let without = text.replace(r#","generation":3"#, "");
        let order = super::tests::order(&without).expect("good").expect("meant");
        assert_eq!(order.generation(), 7);
    }

    #[test]
    fn another_device_and_another_schema_order_nothing() {
        for text in [
            r#"{"schema":1,"generation":7,"device":"box-2"}"#,
            r#"{"schema":2,"generation":7}"#,
            r#"{"schema":1}"#,
            "[]",
        ] {
            assert_eq!(order(text), Ok(None), "{text}");
        }
    }

    #[test]
    fn every_problem_of_the_firmware_is_told() {
        let text = r#"{"schema":1,"generation":7,
            "firmware":{"url":"ftp://a/i","sha256":"HASH","version":"a b","size":0,"generation":0}}"#;
        let errors = order(text).expect_err("bad").into_vec();
        let paths: Vec<&str> = errors.iter().map(|error| error.path.as_str()).collect();
        let all = ["url", "version", "size", "generation"].map(|key| format!("firmware.{key}"));
        assert_eq!(paths, all);
    }
}

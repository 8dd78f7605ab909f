//! JSON Schema of each document of a fleet, as [`event`](crate::event::schema_json) has those of the other documents.

use super::{Command, Desired, DeviceCapabilities, Reported, Response};
use crate::event::schema_of;

/// Name of each document of a fleet; its file is `docs/schema/{name}.schema.json`.
pub const SCHEMAS: [&str; 5] = ["desired", "reported", "capabilities", "command", "response"];

/// The schema of the document `name`, one of [`SCHEMAS`], as pretty JSON (draft 2020-12).
pub fn schema_json(name: &str) -> Option<String> {
    match name {
        "desired" => Some(schema_of::<Desired>()),
        "reported" => Some(schema_of::<Reported>()),
        "capabilities" => Some(schema_of::<DeviceCapabilities>()),
        "command" => Some(schema_of::<Command>()),
        "response" => Some(schema_of::<Response>()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::assert_committed;

    #[test]
    fn the_committed_schemas_are_those_of_the_types() {
        for name in SCHEMAS {
            assert_committed(name, &schema_json(name).expect("a published name"));
        }
        assert_eq!(schema_json("presence"), None);
    }
}

//! JSON Schema of each published document, generated from the types.
//!
//! The files are in `docs/schema/`. A test compares them with the types; `NVR_UPDATE=1 cargo test schema` updates them.

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};

use super::{DetectionEvent, Presence, SourceStatus};

/// Name of each published document; its file is `docs/schema/{name}.schema.json`.
pub const SCHEMAS: [&str; 3] = ["detection-event", "presence", "source-status"];

/// The schema of the document `name`, one of [`SCHEMAS`], as pretty JSON (draft 2020-12).
pub fn schema_json(name: &str) -> Option<String> {
    match name {
        "detection-event" => Some(schema_of::<DetectionEvent>()),
        "presence" => Some(schema_of::<Presence>()),
        "source-status" => Some(schema_of::<SourceStatus>()),
        _ => None,
    }
}

/// The schema of a document, as pretty JSON. Generated for deserialisation: fields that a reader needs are required, optional
/// ones are not.
pub(crate) fn schema_of<T: JsonSchema>() -> String {
    let settings = SchemaSettings::draft2020_12().for_deserialize();
    let schema = SchemaGenerator::new(settings).into_root_schema_for::<T>();
    // Of the schema, not of its value: its keys have the order of the type then.
    let text = serde_json::to_string_pretty(&schema);
    text.expect("invariant: a schema has string keys and finite numbers") + "\n"
}

/// Compares the committed schema of the document `name` with `generated`, or writes it where `NVR_UPDATE` is set.
#[cfg(test)]
pub(crate) fn assert_committed(name: &str, generated: &str) {
    let root = env!("CARGO_MANIFEST_DIR");
    let path = format!("{root}/docs/schema/{name}.schema.json");
    if std::env::var_os("NVR_UPDATE").is_some() {
        std::fs::write(&path, generated).expect("docs/schema is writable");
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == generated,
        "{path} is not the schema of the type; write it anew with NVR_UPDATE=1"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_committed_schemas_are_those_of_the_types() {
        for name in SCHEMAS {
            assert_committed(name, &schema_json(name).expect("a published name"));
        }
        assert_eq!(schema_json("fleet"), None);
    }
}

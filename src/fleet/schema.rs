//! JSON Schema of each document, generated from the types.
//!
//! The files are in `docs/schema/`. A test compares them with the types; `NVR_UPDATE=1 cargo test schema` updates them.

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};

use super::{Command, Desired, DeviceCapabilities, Reported, Response};

/// Name of each document of a fleet; its file is `docs/schema/{name}.schema.json`.
pub const SCHEMAS: [&str; 5] = ["desired", "reported", "capabilities", "command", "response"];

/// The schema of the document `name`, one of [`SCHEMAS`], as pretty JSON (draft 2020-12).
pub fn schema_json(name: &str) -> Option<String> {
    let schema = match name {
        "desired" => of::<Desired>(),
        "reported" => of::<Reported>(),
        "capabilities" => of::<DeviceCapabilities>(),
        "command" => of::<Command>(),
        "response" => of::<Response>(),
        _ => return None,
    };
    let mut text = serde_json::to_string_pretty(&schema).ok()?;
    text.push('\n');
    Some(text)
}

/// Generated for deserialisation: fields that a reader needs are required, optional ones are not.
fn of<T: JsonSchema>() -> schemars::Schema {
    SchemaGenerator::new(SchemaSettings::draft2020_12().for_deserialize())
        .into_root_schema_for::<T>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_committed_schemas_are_those_of_the_types() {
        for name in SCHEMAS {
            let root = env!("CARGO_MANIFEST_DIR");
            let path = format!("{root}/docs/schema/{name}.schema.json");
            let generated = schema_json(name).expect("a published name");
            if std::env::var_os("NVR_UPDATE").is_some() {
                std::fs::write(&path, &generated).expect("docs/schema is writable");
            }
            let committed = std::fs::read_to_string(&path).unwrap_or_default();
            assert!(
                committed == generated,
                "{path} is not the schema of the type; write it anew with NVR_UPDATE=1"
            );
        }
        assert_eq!(schema_json("presence"), None);
    }
}

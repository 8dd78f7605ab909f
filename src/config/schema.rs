//! The file as others see it: a commented example, and a JSON Schema.

use super::RawSettings;

/// A commented configuration file in which every key stands with its default.
pub const TEMPLATE: &str = include_str!("template.toml");

/// The JSON Schema (draft 2020-12) of the file, and of the documents that the control socket takes.
pub fn json_schema() -> serde_json::Value {
    schemars::schema_for!(RawSettings).to_value()
}

//! The JSON Schema of the configuration file.

use super::RawSettings;

/// The JSON Schema (draft 2020-12) of the file, and of the documents that the control socket accepts.
pub fn json_schema() -> serde_json::Value {
    schemars::schema_for!(RawSettings).to_value()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_committed_schema_is_that_of_the_types() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/config.schema.json");
        let schema = serde_json::to_string_pretty(&json_schema()).expect("JSON") + "\n";
        if std::env::var_os("NVR_UPDATE").is_some() {
            std::fs::write(path, &schema).expect("written");
        }
        let committed = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            committed == schema,
            "docs/config.schema.json differs from the types; regenerate it: NVR_UPDATE=1 cargo test --lib config::schema"
        );
    }

    #[test]
    fn every_description_of_a_key_ends_with_its_default() {
        let schema = json_schema();
        let definitions = schema["$defs"].as_object().expect("definitions");
        let tables = definitions.values().chain([&schema]);
        for properties in tables.filter_map(|table| table["properties"].as_object()) {
            for (key, property) in properties {
                let description = property["description"].as_str().unwrap_or_default();
                let is_table = ["mqtt", "processor", "record", "wall"].contains(&key.as_str());
                let told = description.contains("Default: ") || description.contains("No default.");
                // A variant of a secret is no key of the file.
                let is_reference = ["env", "file"].contains(&key.as_str());
                assert!(told || is_table || is_reference, "{key}: {description}");
            }
        }
    }
}

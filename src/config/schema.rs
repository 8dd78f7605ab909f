//! The file as others see it: a commented example, and a JSON Schema.

use super::RawSettings;

/// A commented configuration file in which every key stands with its default.
pub const TEMPLATE: &str = include_str!("template.toml");

/// The JSON Schema (draft 2020-12) of the file, and of the documents that the control socket takes.
pub fn json_schema() -> serde_json::Value {
    schemars::schema_for!(RawSettings).to_value()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::config::{ConfigSource, Environment, ProcessorFlags, WallFlags, WallSettings};

    /// The template with the keys uncommented that stand behind a bare `#`.
    fn uncommented() -> String {
        let is_key = |line: &&str| line.starts_with(|c: char| c.is_ascii_lowercase());
        let lines = TEMPLATE.lines().map(|line| {
            line.strip_prefix('#')
                .filter(is_key)
                .filter(|line| line.contains(" = "))
                .unwrap_or(line)
        });
        lines.collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn the_template_is_a_good_configuration_as_it_stands() {
        let source = ConfigSource::new(ProcessorFlags::default(), Environment::default());
        let settings = source.with_toml(TEMPLATE).load().expect("no problem");
        assert_eq!(settings.sources.len(), 1);
        let source = ConfigSource::new(WallFlags::default(), Environment::default());
        let settings = source.with_toml(TEMPLATE).load().expect("no problem");
        assert_eq!(settings.wall, WallSettings::default());
    }

    #[test]
    fn the_template_names_every_key_of_the_schema_and_no_other() {
        fn keys(schema: &serde_json::Value, name: &str) -> BTreeSet<String> {
            let of = if name.is_empty() {
                schema
            } else {
                &schema["$defs"][name]
            };
            let properties = of["properties"].as_object().expect("properties");
            properties.keys().cloned().collect()
        }
        let written: toml::Table = uncommented().parse().expect("TOML");
        let table = |value: &toml::Value| -> BTreeSet<String> {
            value.as_table().expect("a table").keys().cloned().collect()
        };
        let schema = json_schema();
        assert_eq!(
            written.keys().cloned().collect::<BTreeSet<_>>(),
            keys(&schema, "")
        );
        assert_eq!(table(&written["mqtt"]), keys(&schema, "Mqtt"));
        assert_eq!(table(&written["mqtt"]["tls"]), keys(&schema, "Tls"));
        assert_eq!(table(&written["camera"][0]), keys(&schema, "Camera"));
        assert_eq!(table(&written["processor"]), keys(&schema, "Processor"));
        let wall = &written["wall"];
        assert_eq!(table(wall), keys(&schema, "Wall"));
        assert_eq!(table(&wall["head"][0]), keys(&schema, "Head"));
        assert_eq!(table(&wall["layout"]["tall"]), keys(&schema, "Layout"));
    }

    #[test]
    fn the_template_shows_the_defaults() {
        let mut written: toml::Table = uncommented().parse().expect("TOML");
        let defaults = toml::Table::try_from(RawSettings::default()).expect("a table");
        for name in ["mqtt", "processor", "wall"] {
            let table = written[name].as_table_mut().expect("a table");
            let defaults = defaults[name].as_table().expect("a table");
            table.retain(|key, _| defaults.contains_key(key));
            assert_eq!(table, defaults, "{name}");
        }
    }

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
            "docs/config.schema.json differs from the types; write it anew: NVR_UPDATE=1 cargo test --lib config::schema"
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
                let is_table = ["mqtt", "processor", "wall"].contains(&key.as_str());
                let told = description.contains("Default: ") || description.contains("No default.");
                // A variant of a secret is no key of the file.
                let is_reference = ["env", "file"].contains(&key.as_str());
                assert!(told || is_table || is_reference, "{key}: {description}");
            }
        }
    }
}

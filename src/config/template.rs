//! The commented configuration file that `nvr config init` writes.

use super::declare::{Section, defaults};
use super::{RawCamera, RawHead, RawMqtt, RawProcessor, RawRecord, RawSettings, RawWall};

/// Comments and examples. A line `#key` without a value gets the default of the key.
const TEXT: &str = include_str!("template.toml");

/// A commented configuration file that lists every key with its default.
pub fn template() -> String {
    let mut written = String::new();
    let mut rest = TEXT;
    while !rest.is_empty() {
        let end = rest[1..].find("\n[").map_or(rest.len(), |at| at + 2);
        let (table, behind) = rest.split_at(end);
        rest = behind;
        written += &match table.lines().next() {
            Some("[mqtt]") => filled::<RawMqtt>(table),
            Some("[[camera]]") => filled::<RawCamera>(table),
            Some("[processor]") => filled::<RawProcessor>(table),
            Some("[record]") => filled::<RawRecord>(table),
            Some("[wall]") => filled::<RawWall>(table),
            Some("[[wall.head]]") => filled::<RawHead>(table),
            Some(header) if header.starts_with('[') => table.to_owned(),
            _ => filled::<RawSettings>(table),
        };
    }
    written
}

/// A table's lines with the defaults of its keys. Keys with a default that are missing in the table are appended, each below
/// its description.
fn filled<T: Section>(table: &str) -> String {
    let defaults = defaults::<T>();
    let with_default = |name: &str| {
        let value = defaults.get(name).filter(|value| !value.is_object())?;
        Some(format!("#{name} = {value}"))
    };
    let lines = table.lines().map(|line| match line.strip_prefix('#') {
        Some(name) => with_default(name).unwrap_or_else(|| line.to_owned()),
        None => line.to_owned(),
    });
    let mut lines: Vec<String> = lines.collect();
    let keys = lines.iter().filter_map(|line| key_of(line));
    let keys: Vec<String> = keys.map(str::to_owned).collect();
    let last = lines.iter().rposition(|line| key_of(line).is_some());
    let missing = T::KEYS
        .iter()
        .filter(|key| !keys.iter().any(|known| known == key.name));
    let missing = missing.filter_map(|key| Some((key, with_default(key.name)?)));
    let added = missing.flat_map(|(key, line)| {
        let comment = wrapped(&key.with_range(&key.text()));
        std::iter::once(String::new()).chain(comment).chain([line])
    });
    let added: Vec<String> = added.collect();
    let at = last.map_or(lines.len(), |last| last + 1);
    lines.splice(at..at, added);
    lines.join("\n") + "\n"
}

/// The key of a line, commented or not.
fn key_of(line: &str) -> Option<&str> {
    let line = line.strip_prefix('#').unwrap_or(line);
    let (key, _) = line.split_once(" = ")?;
    let is_key = |letter: char| letter.is_ascii_lowercase() || letter == '_';
    key.chars().all(is_key).then_some(key)
}

/// A sentence as comment lines.
fn wrapped(text: &str) -> Vec<String> {
    const WIDTH: usize = 119;
    let mut lines = vec!["#".to_owned()];
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() < WIDTH => {
                line.extend([" ", word]);
            }
            _ => lines.push(format!("# {word}")),
        }
    }
    if let Some(line) = lines.last_mut() {
        line.push('.');
    }
    lines
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::config::{
        ConfigSource, Environment, ProcessorFlags, WallFlags, WallSettings, json_schema,
    };

    /// The template with every `#key = value` uncommented.
    fn uncommented() -> String {
        let is_key = |line: &&str| line.starts_with(|c: char| c.is_ascii_lowercase());
        let template = template();
        let lines = template.lines().map(|line| {
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
        let settings = source.with_toml(template()).load().expect("no problem");
        assert_eq!(settings.sources.len(), 1);
        let source = ConfigSource::new(WallFlags::default(), Environment::default());
        let settings = source.with_toml(template()).load().expect("no problem");
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
    fn a_key_that_stands_nowhere_is_added_with_its_description() {
        let table =
            "[[wall.head]]\n# Words.\n#rotate\n#layout = \"focus\"\n\n# Of the next table.\n";
        assert_eq!(
            filled::<RawHead>(table),
            "[[wall.head]]\n# Words.\n#rotate = 0\n#layout = \"focus\"\n\n\
             # Margin that the television cuts off at each edge, as a fraction of the screen, 0 to 0.1.\n#overscan = 0.0\n\n\
             # Range of RGB code values: full (0–255), limited (16–235), or auto (chosen by the driver).\n\
             #range = \"auto\"\n\n\
             # Of the next table.\n"
        );
    }
}

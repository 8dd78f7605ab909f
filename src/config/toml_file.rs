//! TOML files of other commands, read with the origin of each value, and their broker settings.
//!
//! Such a file is no configuration of a role, but its broker table has the keys and the checks of `[mqtt]`.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::check::Checker;
use super::document::Document;
use super::overrides::{FlagOrigin, of_environment};
use super::problem::{ConfigProblems, Problems};
use super::text::{LONGEST_CONFIG, read_text};
use super::{Environment, MqttFlags, MqttSettings, layers, read};

/// A TOML file as JSON values, each with its place in the file.
#[derive(Clone)]
pub struct TomlFile {
    document: Document,
    base: PathBuf,
}

impl TomlFile {
    /// Reads a file of at most 8 MB.
    ///
    /// # Errors
    /// Every syntax problem at once. The text of the file, which may contain secrets, is not quoted.
    pub fn read(path: &Path) -> Result<Self, ConfigProblems> {
        let name = path.display().to_string();
        let text = read_text(path, LONGEST_CONFIG).map_err(|reason| {
            let mut problems = Problems::default();
            problems.add("", Some(&name), format!("can't read the file: {reason}"));
            problems.into_error()
        })?;
        let base = std::path::absolute(path).ok();
        let base = base.as_deref().and_then(Path::parent).map(Path::to_owned);
        Self::parse(&text, &name, base.unwrap_or_default())
    }

    /// Reads a text; `name` is the name of the file in messages, `base` the start of relative paths.
    ///
    /// # Errors
    /// Every syntax problem at once.
    pub fn parse(text: &str, name: &str, base: PathBuf) -> Result<Self, ConfigProblems> {
        match Document::from_toml(text, name) {
            Ok(document) => Ok(Self { document, base }),
            Err(found) => {
                let mut problems = Problems::default();
                for problem in found {
                    problems.add(&problem.path, problem.origin.as_deref(), problem.message);
                }
                Err(problems.into_error())
            }
        }
    }

    /// The values.
    pub fn tree(&self) -> &Map<String, Value> {
        &self.document.tree
    }

    /// `file:line:column` of the value at a path such as `device[2].vars`, or of the nearest one above it.
    pub fn origin(&self, path: &str) -> Option<&str> {
        self.document.origin(path)
    }

    /// The broker settings of the table `key`, which has the keys of `[mqtt]`. Environment variables and options override it.
    ///
    /// # Errors
    /// Every problem at once.
    pub fn broker(
        &self,
        key: &str,
        flags: &MqttFlags,
        environment: &Environment,
    ) -> Result<MqttSettings, ConfigProblems> {
        let mut problems = Problems::default();
        let mut document = Document::default();
        if let Some(table) = self.tree().get(key) {
            document.tree.insert("mqtt".to_owned(), table.clone());
            self.note(&mut document, table, key, "mqtt");
        }
        layers::apply_file(&mut document, &mut problems);
        layers::apply_login(&mut document, environment);
        let variables = of_environment(environment, &mut problems);
        let (variable, option) = (FlagOrigin::Variable, FlagOrigin::Option);
        layers::apply_mqtt(&mut document, &variables, variable, &mut problems);
        layers::apply_mqtt(&mut document, flags, option, &mut problems);
        let mut raw = read::read(&mut document, &mut problems);
        raw.make_absolute(&self.base);
        let mut checker = Checker {
            document: &document,
            environment,
            base: &self.base,
            for_wall: false,
            on_this_machine: true,
            problems: &mut problems,
            warnings: Vec::new(),
        };
        let settings = checker.mqtt(&raw.mqtt, raw.processor.encoding);
        problems
            .or(settings)
            .map_err(|found| found.below("mqtt", key))
    }

    /// Records the origins of `value`, which stands at `from` in this file, for the path `to`.
    fn note(&self, document: &mut Document, value: &Value, from: &str, to: &str) {
        if let Some(origin) = self.origin(from) {
            document.note(to, origin);
        }
        for (key, below) in value.as_object().into_iter().flatten() {
            let (from, to) = (format!("{from}.{key}"), format!("{to}.{key}"));
            self.note(document, below, &from, &to);
        }
    }
}

impl std::fmt::Debug for TomlFile {
    /// Files may hold secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TomlFile")
            .field("keys", &self.tree().keys().collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn broker(text: &str) -> Result<MqttSettings, String> {
        TomlFile::parse(text, "fleet.toml", PathBuf::from("/site"))
            .expect("TOML")
            .broker("broker", &MqttFlags::default(), &Environment::default())
            .map_err(|problems| problems.to_string())
    }

    #[test]
    fn the_broker_table_has_the_keys_of_mqtt() {
        let settings =
            broker("[broker]\nhost = \"mqtts://b.example\"\ntopic_root = \"site\"\n[broker.tls]\n")
                .map(|settings| {
                    (
                        settings.host.clone(),
                        settings.port,
                        settings.topic_root.clone(),
                    )
                });
        assert_eq!(settings, Ok(("b.example".into(), 8883, "site".into())));
        assert!(broker("").is_ok(), "every key has a default");
    }

    #[test]
    fn problems_of_the_broker_have_their_own_path_and_line() {
        let told = broker("[broker]\nport = 0\nprot = 1\n").expect_err("two problems");
        assert!(told.contains("broker.port: must be "), "{told}");
        assert!(told.contains("[fleet.toml:2:1]"), "{told}");
        assert!(told.contains("broker.prot: unknown key"), "{told}");
    }
}

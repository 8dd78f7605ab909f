//! Collects every secret of this machine's configuration, so that the redaction can search for each by its value.
//!
//! It collects more than a role reads: a value of the file under a key that names a secret counts also if the file has
//! problems, or if another layer overrides it.

use std::collections::BTreeSet;
use std::fs::Metadata;
use std::path::Path;

use super::Machine;
use crate::config::{
    AddressSecret, Credentials, Environment, Loaded, Secret, UriText, address_secrets,
    read_config_text, toml_as_meant,
};

/// The secrets, by the way in which they are searched.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Secrets {
    /// Passwords and tokens: searched anywhere, also within words and in other encodings.
    pub(super) values: BTreeSet<String>,
    /// User names: searched as whole words, because they may be ordinary words.
    pub(super) names: BTreeSet<String>,
}

/// Parts of names of variables and keys whose values are secrets.
const SECRET_NAMES: [&str; 6] = ["password", "passwd", "token", "secret", "pwd", "credential"];
/// Parts of names of variables and keys whose values are user names.
const USER_NAMES: [&str; 2] = ["username", "user_name"];

/// Secret files are smaller; larger files are not read.
const MAX_FILE_BYTES: u64 = 4096;

impl Secrets {
    /// All secrets that the configuration and the environment know.
    pub(super) fn of(machine: &Machine) -> Self {
        let mut secrets = Self::default();
        for loaded in machine.config.loaded() {
            secrets.of_loaded(loaded);
        }
        secrets.of_environment(&machine.environment);
        if let Some(file) = &machine.config.file
            && let Ok(text) = read_config_text(Path::new(&file.path))
        {
            let base = Path::new(&file.path).parent();
            let base = base.unwrap_or(Path::new("."));
            secrets.of_file(&text, base, &machine.environment);
        }
        secrets.clean()
    }

    fn of_loaded(&mut self, loaded: &Loaded) {
        let settings = &loaded.settings;
        let sources = settings.sources.values();
        let logins = sources.filter_map(|source| source.stream.credentials.as_ref());
        let logins: Vec<&Credentials> = logins.collect();
        let reveal = |secret: &Secret| secret.reveal().to_owned();
        let names = logins.iter().map(|login| &login.username);
        self.names
            .extend(names.chain(&settings.mqtt.username).map(reveal));
        let passwords = logins.iter().map(|login| &login.password);
        let tokens = [&settings.mqtt.password, &settings.wall.http_token];
        let values = passwords.chain(tokens.into_iter().flatten());
        self.values.extend(values.map(reveal));
        for camera in loaded.raw.camera.iter().flatten() {
            for uri in [&camera.uri, &camera.sub_uri].into_iter().flatten() {
                self.uri(uri);
            }
        }
    }

    fn of_environment(&mut self, environment: &Environment) {
        for name in environment.names() {
            // The shell's folders and the user's name are not secret, and are part of every path.
            let is_shells = ["PWD", "OLDPWD"].contains(&name);
            let is_ours = name.starts_with("MQTT_") || name.starts_with("NVR_");
            if let Some(value) = environment.get(name)
                && !is_shells
                && (is_ours || !is_user(name))
            {
                self.keyed(name, value);
            }
        }
        if let Some(folder) = environment.get("CREDENTIALS_DIRECTORY") {
            for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
                self.keyed_file("secret", &entry.path());
            }
        }
    }

    /// By the structure of the file, also if the file has problems.
    fn of_file(&mut self, text: &str, base: &Path, environment: &Environment) {
        let Ok(table) = toml::from_str::<toml::Table>(&toml_as_meant(text)) else {
            // Addresses can be found by their form.
            for word in text.split(['"', '\'', '\n', '\r']) {
                if word.contains("://") {
                    self.uri(&UriText::new(word));
                }
            }
            return;
        };
        self.of_value("", &toml::Value::Table(table), base, environment);
    }

    fn of_value(&mut self, key: &str, value: &toml::Value, base: &Path, environment: &Environment) {
        match value {
            toml::Value::String(text) => {
                self.keyed(key, text);
                if text.contains("://") {
                    self.uri(&UriText::new(text.as_str()));
                }
            }
            toml::Value::Array(values) => {
                for value in values {
                    self.of_value(key, value, base, environment);
                }
            }
            toml::Value::Table(table) => {
                for (name, value) in table {
                    // A reference is below the key that names the secret.
                    match (name.as_str(), value.as_str()) {
                        ("file", Some(file)) if is_secret(key) || is_user(key) => {
                            let credentials = environment.get("CREDENTIALS_DIRECTORY");
                            let folders = credentials.map(Path::new).into_iter().chain([base]);
                            for folder in folders {
                                self.keyed_file(key, &folder.join(file));
                            }
                        }
                        ("env", Some(name)) if is_secret(key) || is_user(key) => {
                            if let Some(value) = environment.get(name) {
                                self.keyed(key, value);
                            }
                        }
                        _ => self.of_value(name, value, base, environment),
                    }
                }
            }
            _ => {}
        }
    }

    fn keyed(&mut self, key: &str, value: &str) {
        if is_user(key) {
            self.names.insert(value.to_owned());
        } else if is_secret(key) {
            self.values.insert(value.to_owned());
            // A log shows a text of several lines line by line.
            self.values.extend(value.lines().map(str::to_owned));
        }
    }

    /// Adds the lines of a small file.
    fn keyed_file(&mut self, key: &str, path: &Path) {
        let is_small = |meta: Metadata| meta.is_file() && meta.len() <= MAX_FILE_BYTES;
        if std::fs::metadata(path).is_ok_and(is_small)
            && let Ok(text) = std::fs::read_to_string(path)
        {
            for line in text.lines() {
                self.keyed(key, line);
            }
        }
    }

    fn uri(&mut self, uri: &UriText) {
        for secret in address_secrets(uri.reveal()) {
            let is_common = secret.is_common();
            let AddressSecret { key, value } = secret;
            if is_user(&key) || key == "user" {
                self.names.insert(value);
            } else if is_secret(&key) || !is_common {
                self.values.insert(value);
            }
        }
    }

    /// Without the mask, white space, and the name of this program, which identifies nobody.
    fn clean(mut self) -> Self {
        let is_secret = |text: &str| !text.trim().is_empty() && text.trim() != "***";
        self.values.retain(|value| is_secret(value));
        self.names.retain(|name| is_secret(name) && name != "nvr");
        self
    }
}

fn is_secret(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    SECRET_NAMES.iter().any(|part| key.contains(part)) && key != "credentials_directory"
}

fn is_user(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    USER_NAMES.iter().any(|part| key.contains(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_of_a_file_are_found_checked_or_not() {
        let dir = tempfile::tempdir().expect("a folder");
        std::fs::write(dir.path().join("mqtt-pass"), "of-a-file\n").expect("written");
        let text = r#"
            no_such_key = 1
            [mqtt]
            username = "siteuser"
            password = { file = "mqtt-pass" }
            [[camera]]
            uri = "rtsp://cam:of%20a%20uri@10.0.0.1/x"
            sub_uri = "rtsp://10.0.0.1/username=adm&password=of-a-path&channel=1"
            password = { env = "CAMERA" }
            [wall]
            http_token = "of-a-wall"
        "#;
        let environment = Environment::from_pairs([
            ("CAMERA", "of-a-variable"),
            ("MQTT_PASSWORD", "of-mqtt"),
            ("HOME", "/root"),
            ("PWD", "/root/work"),
            ("USERNAME", "root"),
            ("MQTT_USERNAME", "broker-user"),
        ]);
        let mut secrets = Secrets::default();
        secrets.of_file(text, dir.path(), &environment);
        secrets.of_environment(&environment);
        let joined = |texts: BTreeSet<String>| Vec::from_iter(texts).join(", ");
        assert_eq!(
            joined(secrets.values),
            "of a uri, of-a-file, of-a-path, of-a-variable, of-a-wall, of-mqtt"
        );
        assert_eq!(joined(secrets.names), "adm, broker-user, cam, siteuser");
    }

    #[test]
    fn the_mask_and_the_name_of_this_program_are_no_secrets() {
        let texts = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect();
        let secrets = Secrets {
            values: texts(&["***", " ", "x"]),
            names: texts(&["nvr", "bob"]),
        };
        let expected = Secrets {
            values: texts(&["x"]),
            names: texts(&["bob"]),
        };
        assert_eq!(secrets.clean(), expected);
    }
}

//! Collects every secret of this machine's configuration, so that the redaction can search for each by its value.
//!
//! It collects more than a role reads: a value of the file under a key that names a secret counts also if the file has
//! problems, or if another layer overrides it.

use std::collections::BTreeSet;
use std::fs::Metadata;
use std::path::Path;

use toml::Value;

use crate::config::{
    AddressSecret, Environment, Loaded, Secret, UriText, address_secrets, read_config_text,
    toml_as_meant,
};
use crate::doctor::Machine;

/// The secrets, by the way in which they are searched.
#[derive(Debug, Default, PartialEq, Eq)]
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
        let reveal = |secret: &Secret| secret.reveal().to_owned();
        let sources = settings.sources.values();
        for login in sources.filter_map(|source| source.stream.credentials.as_ref()) {
            self.names.insert(reveal(&login.username));
            self.values.insert(reveal(&login.password));
        }
        self.names.extend(settings.mqtt.username.iter().map(reveal));
        let tokens = [
            &settings.mqtt.password,
            &settings.http_token,
            &settings.wall.http_token,
        ];
        self.values.extend(tokens.into_iter().flatten().map(reveal));
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
        let (table, mut found) = (Value::Table(table), Vec::new());
        texts("", "", &table, &mut found);
        for [table, key, text] in found {
            // A reference is below the key that names the secret.
            let is_reference = is_secret(table) || is_user(table);
            match key {
                "file" if is_reference => {
                    let credentials = environment.get("CREDENTIALS_DIRECTORY");
                    for folder in credentials.map(Path::new).into_iter().chain([base]) {
                        self.keyed_file(table, &folder.join(text));
                    }
                }
                "env" if is_reference => {
                    self.keyed(table, environment.get(text).unwrap_or_default());
                }
                _ => self.keyed(key, text),
            }
            if text.contains("://") {
                self.uri(&UriText::new(text));
            }
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

/// Adds each text in `value` to `found`: the key of its table, its own key, and the text.
fn texts<'a>(table: &'a str, key: &'a str, value: &'a Value, found: &mut Vec<[&'a str; 3]>) {
    match value {
        Value::String(text) => found.push([table, key, text]),
        Value::Array(list) => list
            .iter()
            .for_each(|value| texts(table, key, value, found)),
        Value::Table(pairs) => {
            let pairs = pairs.iter();
            pairs.for_each(|(name, value)| texts(key, name, value, found));
        }
        _ => {}
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
impl Secrets {
    /// These values and names.
    pub(super) fn known(values: &[&str], names: &[&str]) -> Self {
        let texts = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect();
        Self {
            values: texts(values),
            names: texts(names),
        }
    }
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
        let secrets = Secrets::known(&["***", " ", "x"], &["nvr", "bob"]);
        assert_eq!(secrets.clean(), Secrets::known(&["x"], &["bob"]));
    }
}

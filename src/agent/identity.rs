//! The identity of the box: its device id, its broker, and the public keys of its fleet. From `device.toml`, never from a
//! document: a document must not be able to cut the box off.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use crate::config::{
    CommonFlags, ConfigProblems, ConfigSource, Environment, MqttSettings, ProcessorFlags,
    is_instance_id, read_document, unknown_key,
};
use crate::fleet::{Keyring, PublicKey};

/// The name of the file, in the folder of the configuration or in that of the state.
pub const DEVICE_FILE: &str = "device.toml";
/// Maximum length of a name in characters: it is shown on a wall.
const NAME_CHARS: usize = 64;
/// Its keys.
pub(super) const IDENTITY_KEYS: [&str; 5] = ["device", "name", "identify_led", "keys", "mqtt"];

/// The identity of a box.
#[derive(Debug, Clone)]
pub struct Identity {
    /// The id of the device, also the instance id of its roles.
    pub device: String,
    /// Its name for people.
    pub name: Option<String>,
    /// The LED that blinks at the command identify, as in `/sys/class/leds`.
    pub identify_led: Option<String>,
    /// Its broker.
    pub mqtt: MqttSettings,
    /// The table `mqtt` for the configurations of its roles. Contains logins. Its paths are absolute.
    pub(super) mqtt_table: Value,
    /// The keys that it was provisioned with.
    pub keys: Keyring,
}

/// The device file, or the provisioning file, can't be used.
#[derive(Debug, thiserror::Error)]
pub enum DeviceFileError {
    /// It can't be read, or is not TOML.
    #[error(transparent)]
    Syntax(ConfigProblems),
    /// It has these problems.
    #[error("{}:\n{}", path.display(), problems.join("\n"))]
    Problems {
        /// The file.
        path: PathBuf,
        /// Every problem, with the key.
        problems: Vec<String>,
    },
}

/// Reads `path`; without it the defaults hold: the id of the machine, and a broker on this machine.
///
/// # Errors
/// Every problem at once.
pub fn read_identity(path: &Path, environment: &Environment) -> Result<Identity, DeviceFileError> {
    let document = match path.exists() {
        true => read_document(path).map_err(DeviceFileError::Syntax)?,
        false => json!({}),
    };
    of_document(document, path, environment).map_err(|problems| DeviceFileError::Problems {
        path: path.to_owned(),
        problems,
    })
}

fn of_document(
    document: Value,
    path: &Path,
    environment: &Environment,
) -> Result<Identity, Vec<String>> {
    let Value::Object(mut table) = document else {
        return Err(vec!["must be a table".to_owned()]);
    };
    let mut problems = Vec::new();
    let is_known = |key: &str| IDENTITY_KEYS.contains(&key);
    for key in table.keys().filter(|key| !is_known(key)) {
        problems.push(format!("{key}: {}", unknown_key(key, &IDENTITY_KEYS)));
    }
    let device = text(&mut table, "device", &mut problems);
    if device.as_deref().is_some_and(|id| !is_instance_id(id)) {
        problems.push("device: must be 1 to 64 letters, digits, `-`, `_` and `.`".to_owned());
    }
    let name = text(&mut table, "name", &mut problems);
    if name
        .as_ref()
        .is_some_and(|name| name.chars().count() > NAME_CHARS)
    {
        problems.push(format!("name: must be at most {NAME_CHARS} characters"));
    }
    let identify_led = text(&mut table, "identify_led", &mut problems);
    if identify_led
        .as_ref()
        .is_some_and(|led| led.is_empty() || led.starts_with('.') || led.contains('/'))
    {
        problems.push("identify_led: must be a name in /sys/class/leds".to_owned());
    }
    let keys = keys(&mut table, &mut problems);
    let mut mqtt = table.remove("mqtt").unwrap_or_else(|| json!({}));
    let folder = path.parent().unwrap_or(Path::new("/"));
    make_absolute(&mut mqtt, folder);
    let settings = {
        let flags = ProcessorFlags {
            common: CommonFlags {
                config: path.to_str().map(str::to_owned),
                ..CommonFlags::default()
            },
            ..ProcessorFlags::default()
        };
        let mut document = Map::from_iter([("mqtt".to_owned(), mqtt.clone())]);
        if let Some(device) = device.clone().filter(|id| is_instance_id(id)) {
            document.insert("instance_id".to_owned(), device.into());
        }
        ConfigSource::new(flags, environment.clone())
            .with_document(Value::Object(document))
            .load()
    };
    match settings {
        Ok(settings) if problems.is_empty() => Ok(Identity {
            device: settings.instance_id,
            name,
            identify_led,
            mqtt: settings.mqtt,
            mqtt_table: mqtt,
            keys: Keyring::new(keys),
        }),
        Ok(_) => Err(problems),
        Err(found) => {
            let found = found.iter();
            problems.extend(found.map(|problem| format!("{}: {}", problem.path, problem.message)));
            Err(problems)
        }
    }
}

fn text(table: &mut Map<String, Value>, key: &str, problems: &mut Vec<String>) -> Option<String> {
    match table.remove(key)? {
        Value::String(text) => Some(text),
        _ => {
            problems.push(format!("{key}: must be a text"));
            None
        }
    }
}

fn keys(table: &mut Map<String, Value>, problems: &mut Vec<String>) -> Vec<PublicKey> {
    let list = match table.remove("keys") {
        None => return Vec::new(),
        Some(Value::Array(list)) => list,
        Some(_) => {
            problems.push("keys: must be a list of public keys".to_owned());
            return Vec::new();
        }
    };
    let mut keys = Vec::new();
    for (index, key) in list.iter().enumerate() {
        match key.as_str().map(str::parse) {
            Some(Ok(key)) => keys.push(key),
            Some(Err(err)) => problems.push(format!("keys[{index}]: {err}")),
            None => problems.push(format!("keys[{index}]: must be a text")),
        }
    }
    keys
}

/// Makes the paths of the broker's files absolute, so that they hold in the folder of the roles' configurations too.
fn make_absolute(mqtt: &mut Value, folder: &Path) {
    let join = |path: &mut Value| {
        if let Some(joined) = path.as_str().map(|path| folder.join(path))
            && let Some(joined) = joined.to_str()
        {
            *path = joined.into();
        }
    };
    for key in ["ca", "certificate", "key"] {
        mqtt.pointer_mut(&format!("/tls/{key}"))
            .into_iter()
            .for_each(join);
    }
    for key in ["username", "password"] {
        let Some(file) = mqtt.pointer_mut(&format!("/{key}/file")) else {
            continue;
        };
        // A name that is not in this folder is one of systemd's credentials.
        if file.as_str().is_some_and(|name| folder.join(name).exists()) {
            join(file);
        }
    }
}

#[cfg(test)]
impl Identity {
    /// An identity with a broker on this machine.
    pub(super) fn for_tests(device: &str) -> Self {
        let document = json!({"device": device, "mqtt": {"host": "localhost"}});
        let path = Path::new("/nonexistent/device.toml");
        of_document(document, path, &Environment::default()).expect("an identity")
    }
}

#[cfg(test)]
#[path = "identity_tests.rs"]
mod tests;

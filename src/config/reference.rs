//! References to secrets, so that files and documents need not contain user names and passwords.

use std::path::{Path, PathBuf};

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::text::{first_line, read_text};
use super::{Environment, Secret};

/// A secret or a reference to it. A plain secret is printed as `***`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretRef {
    /// The text itself.
    Plain(Secret),
    /// An environment variable.
    Env(String),
    /// The first line of a file. A relative name is looked up in `$CREDENTIALS_DIRECTORY` (in which systemd puts the
    /// credentials of a unit), then in the directory of the configuration file.
    File(PathBuf),
}

/// Text that replaces a secret in output.
pub(super) const MASK: &str = "***";

/// Maximum length of a secret. A longer file is probably another file.
const LONGEST_BYTES: u64 = 4096;

impl SecretRef {
    /// Reads the secret. `base` is the directory that a relative file name starts from.
    ///
    /// # Errors
    /// A message with the reference and the remedy, never with the value.
    pub fn resolve(&self, environment: &Environment, base: &Path) -> Result<Secret, String> {
        let text = match self {
            Self::Plain(secret) => {
                if secret.reveal() == MASK {
                    return Err(
                        "is ***, the mask of a secret; give the secret, { env = … } or { file = … }".to_owned()
                    );
                }
                return Ok(secret.clone());
            }
            Self::Env(name) => environment.get(name).map(str::to_owned).ok_or_else(|| {
                format!("the environment variable {name} is not set; set it for this process")
            })?,
            Self::File(name) => read(name, environment, base)?,
        };
        if text.is_empty() {
            return Err(format!("{} is empty", self.place()));
        }
        Ok(Secret::new(text))
    }

    fn place(&self) -> String {
        match self {
            Self::Plain(_) => "the secret".to_owned(),
            Self::Env(name) => format!("the environment variable {name}"),
            Self::File(name) => format!("the file {}", name.display()),
        }
    }
}

fn read(name: &Path, environment: &Environment, base: &Path) -> Result<String, String> {
    let credentials = environment.get("CREDENTIALS_DIRECTORY");
    let path = credentials
        .map(|directory| Path::new(directory).join(name))
        .filter(|path| path.exists())
        .unwrap_or_else(|| base.join(name));
    let shown = path.display();
    let hint = match credentials {
        None if name.is_relative() => " (CREDENTIALS_DIRECTORY is not set)",
        _ => "",
    };
    let text = read_text(&path, LONGEST_BYTES)
        .map_err(|reason| format!("can't read the secret file {shown}: {reason}{hint}"))?;
    Ok(first_line(&text).to_owned())
}

impl Serialize for SecretRef {
    /// Always writes the mask, also for references.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(MASK)
    }
}

impl<'de> Deserialize<'de> for SecretRef {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // By hand: serde's own messages would quote the value.
        let value = serde_json::Value::deserialize(deserializer)?;
        let refused = || {
            D::Error::custom(
                "must be a text, { env = \"NAME\" } or { file = \"NAME\" }; the value is not shown",
            )
        };
        if let serde_json::Value::String(text) = value {
            return Ok(Self::Plain(Secret::new(text)));
        }
        let table = value.as_object().filter(|table| table.len() == 1);
        let (kind, name) = table
            .and_then(|table| table.iter().next())
            .ok_or_else(refused)?;
        match (kind.as_str(), name.as_str()) {
            ("env", Some(name)) if !name.is_empty() => Ok(Self::Env(name.to_owned())),
            ("file", Some(name)) if !name.is_empty() => Ok(Self::File(name.into())),
            _ => Err(refused()),
        }
    }
}

impl schemars::JsonSchema for SecretRef {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Secret".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let reference = |kind: &str, description: &str| {
            serde_json::json!({
                "type": "object", "description": description, "additionalProperties": false,
                "properties": { kind: { "type": "string", "minLength": 1 } }, "required": [kind]
            })
        };
        schemars::json_schema!({
            "description": "A secret by reference, or in plain text.",
            "anyOf": [
                reference("env", "An environment variable."),
                reference("file", "The first line of a file. A relative name is looked up in $CREDENTIALS_DIRECTORY, then in the directory of the configuration file."),
                { "type": "string" }
            ]
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reference(json: serde_json::Value) -> Result<SecretRef, String> {
        serde_json::from_value(json).map_err(|error| error.to_string())
    }

    #[test]
    fn a_secret_comes_from_the_environment_or_its_absence_is_told_by_name() {
        let environment = Environment::from_pairs([("CAM_PW", "hunter2")]);
        let resolve =
            |name: &str| SecretRef::Env(name.to_owned()).resolve(&environment, Path::new("/"));
        assert_eq!(resolve("CAM_PW"), Ok(Secret::new("hunter2")));
        assert_eq!(
            resolve("CAM_PX"),
            Err("the environment variable CAM_PX is not set; set it for this process".to_owned())
        );
    }

    #[test]
    fn a_file_is_sought_in_the_credentials_directory_then_beside_the_configuration() {
        let credentials = tempfile::tempdir().expect("a directory");
        let base = tempfile::tempdir().expect("a directory");
        std::fs::write(base.path().join("camera-0"), "beside\n").expect("written");
        let environment = Environment::from_pairs([(
            "CREDENTIALS_DIRECTORY",
            credentials.path().to_str().expect("text"),
        )]);
        let secret = SecretRef::File("camera-0".into());
        assert_eq!(
            secret.resolve(&environment, base.path()),
            Ok(Secret::new("beside"))
        );
        std::fs::write(credentials.path().join("camera-0"), "systemd's\n").expect("written");
        assert_eq!(
            secret.resolve(&environment, base.path()),
            Ok(Secret::new("systemd's"))
        );
    }

    #[test]
    fn a_secret_file_is_read_whichever_system_wrote_it() {
        let base = tempfile::tempdir().expect("a directory");
        let secret = SecretRef::File("camera-0".into());
        let resolve = || secret.resolve(&Environment::default(), base.path());
        for bytes in [
            &b"hunter 2 "[..],
            b"hunter 2 \n",
            b"hunter 2 \r\n",
            b"hunter 2 \r",
            b"\xef\xbb\xbfhunter 2 \r\n\r\n",
        ] {
            std::fs::write(base.path().join("camera-0"), bytes).expect("written");
            assert_eq!(resolve(), Ok(Secret::new("hunter 2 ")), "{bytes:?}");
        }
        std::fs::write(base.path().join("camera-0"), b"\xff\xfeh\0").expect("written");
        let error = resolve().expect_err("UTF-16");
        assert!(
            error.ends_with(
                "camera-0: it is UTF-16; save it as UTF-8 (CREDENTIALS_DIRECTORY is not set)"
            ),
            "{error}"
        );
    }

    #[test]
    fn an_error_never_quotes_the_value() {
        for json in [
            serde_json::json!(4711),
            serde_json::json!({ "env": 4711 }),
            serde_json::json!({ "value": "4711" }),
            serde_json::json!({ "env": "A", "file": "4711" }),
        ] {
            let error = reference(json).expect_err("no reference");
            assert!(!error.contains("4711"), "{error}");
        }
    }

    #[test]
    fn a_shown_mask_is_not_taken_for_a_password() {
        let shown = SecretRef::Plain(Secret::new("***"));
        let error = shown
            .resolve(&Environment::default(), Path::new("/"))
            .expect_err("masked");
        assert!(error.contains("mask of a secret"), "{error}");
    }
}

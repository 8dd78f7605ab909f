//! The check of a document's bodies by the checks of the local configuration.

use std::borrow::Cow;

use serde_json::Value;

use super::{Desired, DocumentError, DocumentErrors, RoleBody, codes};
use crate::config::{
    ConfigProblems, ConfigSource, Environment, Loaded, ProblemKind, ProcessorFlags, WallFlags,
    address_secrets,
};

const INSTANCE_ID: &str = "instance_id";

/// The options and the environment that the roles of a device have, below which a body takes the place of the file.
#[derive(Debug, Clone)]
pub struct BodySources {
    /// Of `nvr processor`.
    pub processor: ConfigSource,
    /// Of `nvr wall`.
    pub wall: ConfigSource,
    /// The id of the device, which a role has whose body names no `instance_id`. `None` at the desk, which checks those of many.
    pub device: Option<String>,
}

/// The checked bodies.
#[derive(Debug, Clone, PartialEq)]
pub struct CheckedBodies {
    /// Settings of the processor, if the device runs one.
    pub processor: Option<Loaded>,
    /// Settings of the wall, if the device runs one.
    pub wall: Option<Loaded>,
    /// Problems that do not stop a device: warnings of the checks, and logins in plain text.
    pub warnings: Vec<DocumentError>,
}

impl BodySources {
    /// For the desk, which checks bodies of other machines: secrets by reference are not resolved, and files are not looked up.
    pub fn of_desk() -> Self {
        let environment = Environment::default;
        Self {
            processor: ConfigSource::new(ProcessorFlags::default(), environment())
                .for_another_machine(),
            wall: ConfigSource::new(WallFlags::default(), environment()).for_another_machine(),
            device: None,
        }
    }

    /// Checks the bodies of the roles that the document names. Paths begin with `processor.` or `wall.`.
    ///
    /// # Errors
    /// Every problem at once.
    pub fn check(&self, desired: &Desired) -> Result<CheckedBodies, DocumentErrors> {
        let mut errors = Vec::new();
        let mut warnings = plain_secrets(desired);
        let mut load = |role: RoleBody<'_>, source: &ConfigSource| {
            let name = role.name;
            let mut body = role.body.filter(|_| role.is_run)?.clone();
            if let Some(device) = &self.device {
                name_instance(&mut body, device);
            }
            match source.with_document(body).load_all() {
                Ok(loaded) => {
                    let warned = loaded.warnings.iter().map(|text| warning(name, text));
                    warnings.extend(warned);
                    Some(loaded)
                }
                Err(problems) => {
                    errors.extend(below(name, &problems));
                    None
                }
            }
        };
        let [processor, wall] = desired.bodies();
        let processor = load(processor, &self.processor);
        let wall = load(wall, &self.wall);
        DocumentErrors::or(
            errors,
            CheckedBodies {
                processor,
                wall,
                warnings,
            },
        )
    }
}

/// The name of a role on the broker: that of its body, else the id of its device.
pub fn instance_id<'a>(body: Option<&'a Value>, device: &'a str) -> &'a str {
    let named = body.and_then(|body| body.get(INSTANCE_ID)?.as_str());
    named.unwrap_or(device)
}

/// Gives a body that names no instance the id of its device.
pub fn name_instance(body: &mut Value, device: &str) {
    if let Value::Object(body) = body {
        let id = body.entry(INSTANCE_ID);
        id.or_insert_with(|| device.into());
    }
}

/// The problems of a configuration as those of the body `name`.
fn below(name: &str, problems: &ConfigProblems) -> Vec<DocumentError> {
    problems
        .iter()
        .map(|problem| DocumentError {
            path: match problem.path.as_str() {
                "" => name.to_owned(),
                path => format!("{name}.{path}"),
            },
            code: Cow::Borrowed(match problem.kind {
                ProblemKind::Value => codes::BAD_VALUE,
                ProblemKind::UnknownKey => codes::UNKNOWN_FIELD,
                ProblemKind::Type => codes::WRONG_TYPE,
                ProblemKind::Scheme => codes::BAD_SCHEME,
            }),
            message: problem.message.clone(),
        })
        .collect()
}

fn warning(name: &str, text: &str) -> DocumentError {
    DocumentError::new(name, codes::BAD_VALUE, text)
}

/// Logins in plain text in the bodies: in addresses of cameras, and as values instead of references. A desk refuses to publish
/// them unless the operator insists; a device warns.
pub fn plain_secrets(desired: &Desired) -> Vec<DocumentError> {
    let mut found = Vec::new();
    let mut add = |path: String| {
        let message =
            "is a secret in plain text; use { \"file\": \"NAME\" } or { \"env\": \"NAME\" }";
        found.push(DocumentError::new(path, codes::PLAIN_SECRET, message));
    };
    for RoleBody { name, body, .. } in desired.bodies() {
        let Some(body) = body else { continue };
        let cameras = body.get("camera").and_then(Value::as_array);
        for (index, camera) in cameras.into_iter().flatten().enumerate() {
            let at = |key: &str| format!("{name}.camera[{index}].{key}");
            let text = |key: &str| camera.get(key).and_then(Value::as_str);
            for key in ["username", "password"] {
                if text(key).is_some() {
                    add(at(key));
                }
            }
            for key in ["uri", "sub_uri"] {
                if text(key).is_some_and(|uri| !address_secrets(uri).is_empty()) {
                    add(at(key));
                }
            }
        }
        // The body of a role has its table under the role's own name.
        let token = body.pointer(&format!("/{name}/http_token"));
        if token.is_some_and(Value::is_string) {
            add(format!("{name}.{name}.http_token"));
        }
    }
    found
}

#[cfg(test)]
#[path = "bodies_tests.rs"]
mod tests;

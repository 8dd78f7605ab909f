//! The checks of a desired document, except the contents of its bodies.

use serde_json::Value;

use super::desired::{MOST_GENERATION, check_publisher};
use super::{
    Desired, DocumentError, DocumentErrors, FirmwareRef, KeyChange, ModelRef, RoleBody, SCHEMA,
    codes, strict,
};
use crate::config::is_instance_id;

/// Range of the probation in seconds.
const PROBATION_SECONDS: std::ops::RangeInclusive<u64> = 1..=3600;
/// Maximum number of models of a document.
const MOST_MODELS: usize = 32;
/// Maximum length of a version in bytes.
const VERSION_BYTES: usize = 64;
/// Maximum length of an address in bytes.
const ADDRESS_BYTES: usize = 2048;
/// The key of the local configuration that belongs to the device.
const FOREIGN: &str = "mqtt";

impl Desired {
    /// Reads a payload: JSON, at most 64 KiB. The contents of the bodies are checked by [`BodySources::check`].
    ///
    /// [`BodySources::check`]: super::BodySources::check
    ///
    /// # Errors
    /// Every problem at once.
    pub fn read(payload: &[u8]) -> Result<Self, DocumentErrors> {
        read(payload)
    }
}

fn read(payload: &[u8]) -> Result<Desired, DocumentErrors> {
    let mut tree = strict::parse(payload)?;
    let mut errors = Vec::new();
    if let Some(schema) = tree.get("schema").and_then(Value::as_u64)
        && schema != u64::from(SCHEMA)
    {
        // The rest follows rules that this firmware does not know.
        let message = format!(
            "this firmware knows schema {SCHEMA}, got {schema}; update the firmware or write the older schema"
        );
        return Err(DocumentError::new("schema", codes::UNSUPPORTED_SCHEMA, message).into());
    }
    // Parts with required keys are read alone, so that an error in one hides none in another.
    parts(&mut tree, &mut errors);
    let desired = strict::read::<Desired>(tree, "", &["schema", "generation", "role"], &mut errors);
    match desired {
        Some(desired) => {
            let errors = check(&desired, errors);
            DocumentErrors::or(errors, desired)
        }
        None => DocumentErrors::or(errors, ()).and_then(|()| unreadable()),
    }
}

/// `strict::read` reports a problem whenever it returns nothing.
fn unreadable<T>() -> Result<T, DocumentErrors> {
    Err(DocumentError::new("", codes::BAD_VALUE, "can't be read").into())
}

/// Reads each part alone; removes those that can't be read.
fn parts(tree: &mut Value, errors: &mut Vec<DocumentError>) {
    strict::refuse_lists(tree, &["probation", "firmware", "keys"], errors);
    let known = errors.len();
    if let Some(Value::Array(models)) = tree.get("models") {
        for (index, model) in models.clone().into_iter().enumerate() {
            let required = ["id", "url", "sha256"];
            strict::read::<ModelRef>(model, &format!("models[{index}]"), &required, errors);
        }
        if errors.len() > known {
            strict::take(tree, "models");
        }
    }
    let before = errors.len();
    if let Some(firmware @ Value::Object(_)) = tree.get("firmware") {
        let required = ["url", "sha256", "version"];
        strict::read::<FirmwareRef>(firmware.clone(), "firmware", &required, errors);
    }
    if errors.len() > before {
        strict::take(tree, "firmware");
    }
    let before = errors.len();
    if let Some(keys @ Value::Object(_)) = tree.get("keys") {
        strict::read::<KeyChange>(keys.clone(), "keys", &[], errors);
    }
    if errors.len() > before {
        strict::take(tree, "keys");
    }
}

fn check(desired: &Desired, errors: Vec<DocumentError>) -> Vec<DocumentError> {
    let mut check = Check { errors };
    check.head(desired);
    check.bodies(desired);
    check.models(desired);
    if let Some(firmware) = &desired.firmware {
        check.firmware(firmware);
    }
    check.errors
}

/// The firmware of a payload alone. The rest of the document may be one that this device refuses: it may need that firmware.
pub(super) fn firmware_of(document: &Value) -> Result<Option<FirmwareRef>, DocumentErrors> {
    let mut errors = Vec::new();
    let mut document = document.clone();
    strict::refuse_lists(&mut document, &["firmware"], &mut errors);
    let firmware = match document.get("firmware") {
        Some(value @ Value::Object(_)) => {
            let required = ["url", "sha256", "version"];
            strict::read::<FirmwareRef>(value.clone(), "firmware", &required, &mut errors)
        }
        _ => None,
    };
    let mut check = Check { errors };
    if let Some(firmware) = &firmware {
        check.firmware(firmware);
    }
    DocumentErrors::or(check.errors, firmware)
}

struct Check {
    errors: Vec<DocumentError>,
}

impl Check {
    fn add(&mut self, path: &str, code: &'static str, message: impl Into<String>) {
        self.errors.push(DocumentError::new(path, code, message));
    }

    fn head(&mut self, desired: &Desired) {
        let generation = desired.generation;
        if !(1..=MOST_GENERATION).contains(&generation) {
            let message = format!("must be 1 to {MOST_GENERATION}, got {generation}");
            self.add("generation", codes::BAD_VALUE, message);
        }
        if let Some(device) = &desired.device
            && !is_instance_id(device)
        {
            let message = "must be the id of a device: 1 to 64 letters, digits, `-`, `_` and `.`";
            self.add("device", codes::BAD_VALUE, message);
        }
        if let Some(Err(message)) = desired.by.as_deref().map(check_publisher) {
            self.add("by", codes::BAD_VALUE, message);
        }
        if let (Some(begin), Some(end)) = (desired.not_before, desired.not_after)
            && end <= begin
        {
            let message = format!("must be after not_before, {begin}, got {end}");
            self.add("not_after", codes::BAD_VALUE, message);
        }
        let limit = desired.probation.limit;
        let (least, most) = PROBATION_SECONDS.into_inner();
        let range = std::time::Duration::from_secs(least)..=std::time::Duration::from_secs(most);
        if !range.contains(&limit.0) {
            let message = format!("must be 1s to 1h, got {limit}");
            self.add("probation.limit", codes::BAD_VALUE, message);
        }
    }

    fn bodies(&mut self, desired: &Desired) {
        for RoleBody { name, is_run, body } in desired.bodies() {
            match body {
                None if is_run && !desired.decommission => {
                    let message = format!("the role needs the body `{name}`; add it");
                    self.add(name, codes::MISSING_BODY, message);
                }
                None => {}
                Some(Value::Object(body)) if body.contains_key(FOREIGN) => {
                    let message = "belongs to the device, which a document could cut off with it; remove the key";
                    self.add(&format!("{name}.{FOREIGN}"), codes::FOREIGN_KEY, message);
                }
                Some(Value::Object(_)) => {}
                Some(_) => self.add(name, codes::WRONG_TYPE, "must be an object"),
            }
        }
    }

    fn models(&mut self, desired: &Desired) {
        let count = desired.models.len();
        if count > MOST_MODELS {
            let message = format!("must be at most {MOST_MODELS} models, got {count}");
            self.add("models", codes::BAD_VALUE, message);
        }
        for (index, model) in desired.models.iter().enumerate() {
            let at = format!("models[{index}]");
            let begins_well = model
                .id
                .starts_with(|first: char| first.is_ascii_alphanumeric());
            if !(is_instance_id(&model.id) && begins_well) {
                let message = "must be the id of a model: 1 to 64 letters, digits, `-`, `_` and `.`, beginning with a letter or digit";
                self.add(&format!("{at}.id"), codes::BAD_VALUE, message);
            }
            if desired.models[..index]
                .iter()
                .any(|other| other.id == model.id)
            {
                let message = "is already the id of a model above; ids must be unique";
                self.add(&format!("{at}.id"), codes::BAD_VALUE, message);
            }
            if model.size == Some(0) {
                let message = "must be the length of the file in bytes, above 0";
                self.add(&format!("{at}.size"), codes::BAD_VALUE, message);
            }
            self.address(&format!("{at}.url"), &model.url);
        }
    }

    fn firmware(&mut self, firmware: &FirmwareRef) {
        self.address("firmware.url", &firmware.url);
        let (version, limit) = (&firmware.version, VERSION_BYTES);
        let is_good = |byte: u8| byte.is_ascii_alphanumeric() || b".-_+~".contains(&byte);
        if version.is_empty() || version.len() > limit || !version.bytes().all(is_good) {
            let message =
                format!("must be 1 to {limit} letters, digits, `.`, `-`, `_`, `+` and `~`");
            self.add("firmware.version", codes::BAD_VALUE, message);
        }
        if firmware.size == Some(0) {
            let message = "must be the length of the image in bytes, above 0";
            self.add("firmware.size", codes::BAD_VALUE, message);
        }
        if let Some(generation) = firmware.generation
            && !(1..=MOST_GENERATION).contains(&generation)
        {
            let message = format!("must be 1 to {MOST_GENERATION}, got {generation}");
            self.add("firmware.generation", codes::BAD_VALUE, message);
        }
    }

    /// Checks an address of a download.
    fn address(&mut self, path: &str, address: &str) {
        let bytes = address.len();
        match url::Url::parse(address) {
            _ if bytes > ADDRESS_BYTES => {
                let message = format!("must be at most {ADDRESS_BYTES} bytes long, has {bytes}");
                self.add(path, codes::BAD_VALUE, message);
            }
            Ok(url) if !["http", "https"].contains(&url.scheme()) => {
                let message = format!("scheme must be https or http, got {}", url.scheme());
                self.add(path, codes::BAD_SCHEME, message);
            }
            Ok(url) if !url.username().is_empty() || url.password().is_some() => {
                let message = "contains a login; serve the file without one";
                self.add(path, codes::PLAIN_SECRET, message);
            }
            Ok(_) => {}
            Err(err) => self.add(path, codes::BAD_VALUE, format!("is not a URL: {err}")),
        }
    }
}

#[cfg(test)]
#[path = "desired_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "desired_property_tests.rs"]
mod properties;

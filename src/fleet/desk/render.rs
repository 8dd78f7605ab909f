//! The body of each device's document, from the layers of the file.

use serde_json::{Map, Value, json};

use super::fleet_file::FleetFile;
use super::fleet_reader::DeviceEntry;
use super::layers::{Merged, VariableProblem, substitute};
use crate::fleet::{Desired, DocumentError, DocumentErrors, SCHEMA, codes};

/// The body of a device before its checks.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Rendered {
    pub(super) merged: Merged,
    pub(super) problems: Vec<VariableProblem>,
}

/// Merges the layers of a device. Variables are replaced before, so that ids made from variables are merged as well.
pub(super) fn render(fleet: &FleetFile, device: &DeviceEntry) -> Rendered {
    let groups = device
        .groups
        .iter()
        .filter_map(|name| fleet.groups.get(name));
    let layers: Vec<_> = std::iter::once(&fleet.defaults)
        .chain(groups)
        .chain([&device.layer])
        .collect();
    let mut vars = fleet.vars.clone();
    for layer in &layers {
        vars.extend(layer.vars.clone());
    }
    vars.insert("device".to_owned(), Value::from(device.id.as_str()));
    let mut merged = Merged::default();
    let mut problems = Vec::new();
    for layer in layers {
        let body = Value::Object(layer.body.clone());
        if let Value::Object(body) = substitute(&body, &layer.at, &vars, &mut problems) {
            merged.merge(&body, &layer.at);
        }
    }
    Rendered { merged, problems }
}

/// The document of a body, with the least generation.
///
/// # Errors
/// Every problem at once.
pub(super) fn document(device: &str, body: &Map<String, Value>) -> Result<Desired, DocumentErrors> {
    if body
        .get("firmware")
        .is_some_and(|firmware| firmware.get("generation").is_some())
    {
        let message = "is set by the desk in each document; remove the key";
        let path = "firmware.generation";
        return Err(DocumentError::new(path, codes::UNKNOWN_FIELD, message).into());
    }
    let mut document = body.clone();
    document.insert("schema".to_owned(), json!(SCHEMA));
    document.insert("generation".to_owned(), json!(1));
    document.insert("device".to_owned(), json!(device));
    Desired::read(Value::Object(document).to_string().as_bytes())
}

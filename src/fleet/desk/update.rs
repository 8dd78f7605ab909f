//! The plan of `nvr fleet update`: the documents that the broker has, with another firmware.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{DeskError, DeviceEntry, DeviceView, FleetFile, Plan, Signer};
use crate::fleet::FirmwareRef;

/// The documents of `devices` on the broker, with `firmware`. Devices without one are left out. `retry` orders the firmware again
/// where it has failed.
///
/// # Errors
/// When the file of the fleet names the firmware of a device, or a document is too large with its signature.
pub fn plan_update(
    fleet: &FleetFile,
    devices: &[&DeviceEntry],
    firmware: &FirmwareRef,
    views: &BTreeMap<String, DeviceView>,
    signer: &Signer,
    retry: bool,
) -> Result<Plan, DeskError> {
    let mut plan = Plan::default();
    let ordered = FirmwareRef {
        generation: None,
        ..firmware.clone()
    };
    let ordered = serde_json::to_value(ordered).unwrap_or_default();
    for device in devices {
        if let Some(place) = declares(fleet, device) {
            return Err(DeskError::Usage(format!(
                "{}: the file of the fleet names its firmware, at {place}; change it there and run `nvr fleet apply`",
                device.id
            )));
        }
        let view = views.get(&device.id);
        let retained = view.and_then(|view| view.desired.as_ref());
        match (view, retained.and_then(|desired| desired.body.as_ref())) {
            (Some(view), Some(body)) => {
                let body = with(body, &ordered);
                plan.add(&device.id, &body, view, signer, retry)?;
            }
            _ => plan.notes.push(format!(
                "{}: has no readable document on the broker; run `nvr fleet apply` first",
                device.id
            )),
        }
    }
    Ok(plan)
}

fn with(body: &Map<String, Value>, firmware: &Value) -> Map<String, Value> {
    let mut body = body.clone();
    body.insert("firmware".to_owned(), firmware.clone());
    body
}

/// The place in the file that names the firmware of a device.
fn declares(fleet: &FleetFile, device: &DeviceEntry) -> Option<String> {
    let groups = device
        .groups
        .iter()
        .filter_map(|name| fleet.groups.get(name));
    let mut layers = [&fleet.defaults, &device.layer].into_iter().chain(groups);
    let layer = layers.find(|layer| layer.body.contains_key("firmware"))?;
    Some(format!("{}.firmware", layer.at))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::bus::FleetTopic;
    use crate::fleet::{Desired, DocumentHash};

    const FLEET: &str = r#"
        [defaults]
        role = "processor"
        [[device]]
        id = "a"
        [[device]]
        id = "b"
        "#;

    fn firmware(version: &str) -> FirmwareRef {
        FirmwareRef {
            url: "https://a/i".to_owned(),
            sha256: DocumentHash::of(version.as_bytes()),
            version: version.to_owned(),
            size: None,
            generation: None,
        }
    }

    fn planned(text: &str, views: &BTreeMap<String, DeviceView>) -> Result<Plan, DeskError> {
        let fleet = FleetFile::parse(text, Path::new("fleet.toml")).expect("a good file");
        let devices: Vec<&DeviceEntry> = fleet.devices.iter().collect();
        plan_update(
            &fleet,
            &devices,
            &firmware("2"),
            views,
            &Signer::default(),
            false,
        )
    }

    #[test]
    fn the_document_of_the_broker_gets_the_firmware_and_nothing_else_changes() {
        let mut view = DeviceView::default();
        let document =
            br#"{"schema":1,"generation":7,"role":"processor","processor":{"camera":[]}}"#;
        view.take(FleetTopic::Desired, document);
        let views = BTreeMap::from([("a".to_owned(), view)]);
        let plan = planned(FLEET, &views).expect("a plan");
        let [change] = &plan.changes[..] else {
            panic!("{:?}", plan.changes);
        };
        let read = Desired::read(&change.next.message).expect("valid");
        let ordered = read.firmware.expect("it is named");
        assert_eq!((read.generation, ordered.generation), (8, Some(1)));
        assert_eq!(read.processor, Some(serde_json::json!({"camera": []})));
        assert_eq!(
            plan.notes,
            ["b: has no readable document on the broker; run `nvr fleet apply` first"]
        );
    }

    #[test]
    fn a_firmware_of_the_file_is_not_overruled() {
        let text = FLEET.replace(
            "role = \"processor\"",
            "role = \"processor\"\nfirmware = { version = \"1\" }",
        );
        let told = planned(&text, &BTreeMap::new())
            .expect_err("declared")
            .to_string();
        assert!(
            told.contains("at defaults.firmware; change it there"),
            "{told}"
        );
    }
}

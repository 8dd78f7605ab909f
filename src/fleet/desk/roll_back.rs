//! The way back to the documents before a rollout: a rollout of the former bodies, with new generations.

use std::collections::BTreeMap;

use super::{DeskError, DeviceView, Journal, Plan, Signer};

/// The plan that restores the documents before a rollout. Devices that had none are left out.
///
/// # Errors
/// When a document is too large with its signature.
pub fn roll_back(
    journal: &Journal,
    views: &BTreeMap<String, DeviceView>,
    signer: &Signer,
) -> Result<Plan, DeskError> {
    let mut plan = Plan::default();
    let none = DeviceView::default();
    for entry in journal.entries() {
        let view = views.get(&entry.device).unwrap_or(&none);
        let device = &entry.device;
        match entry.former().and_then(|former| former.body) {
            Some(body) => plan.add(device, &body, view, signer, false)?,
            None => plan.notes.push(format!(
                "{device}: had no readable document before the rollout {} and is left as it is",
                journal.id()
            )),
        }
    }
    Ok(plan)
}

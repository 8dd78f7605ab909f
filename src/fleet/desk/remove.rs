//! Removes a device from the broker: every retained topic that it owned is cleared.

use std::collections::BTreeSet;
use std::time::Duration;

use super::audit::Act;
use super::operation::Operation;
use super::status::sources;
use super::{DeskError, DeviceView};
use crate::bus::{ClientRole, FleetTopic};
use crate::event::SourceStatus;
use crate::fleet::instance_id;

/// Maximum time until the broker has confirmed.
const LIMIT: Duration = Duration::from_secs(30);

/// Clears the topics of a device: its documents, and the sources and presences of its roles. Returns the cleared topics.
///
/// # Errors
/// When the device is online, unless `force`, or the broker does not confirm.
pub async fn remove(
    operation: &mut Operation<'_>,
    device: &str,
    force: bool,
) -> Result<Vec<String>, DeskError> {
    let view = operation
        .session
        .views()
        .get(device)
        .cloned()
        .unwrap_or_default();
    if view.is_online() && !force {
        return Err(DeskError::Usage(format!(
            "{device} is online and would publish its topics again; stop its agent first, or use --force"
        )));
    }
    operation.audit.write(&[Act {
        act: "remove",
        device: Some(device.to_owned()),
        ..Act::default()
    }])?;
    let owned = owned_topics(operation, device, &view).await;
    let retained: Vec<FleetTopic> = FleetTopic::ALL
        .into_iter()
        .filter(|topic| topic.is_retained())
        .collect();
    let session = &mut operation.session;
    for topic in &retained {
        session.publish(device, *topic, &[]);
    }
    for topic in &owned {
        session.clear(topic);
    }
    session.confirm(retained.len(), LIMIT).await?;
    let left = session.read(owned.clone()).await;
    if let Some((topic, _)) = left.iter().find(|(_, payload)| !payload.is_empty()) {
        let message = format!("{topic} has a message again; a process of {device} still runs");
        return Err(DeskError::Device(message));
    }
    let topics = session.topics();
    let documents = retained.iter().map(|topic| topics.fleet(device, *topic));
    Ok(documents.chain(owned).collect())
}

/// Topics of the device's roles. A source that another processor has taken over stays.
async fn owned_topics(
    operation: &mut Operation<'_>,
    device: &str,
    view: &DeviceView,
) -> BTreeSet<String> {
    let session = &operation.session;
    let topics = session.topics();
    let body = |role: &str| view.desired.as_ref()?.body.as_ref()?.get(role);
    let roles = [
        (ClientRole::Processor, body("processor")),
        (ClientRole::Wall, body("wall")),
    ];
    // A role that its document has renamed still has a presence with the id of the device.
    let instances: BTreeSet<(ClientRole, &str)> = roles
        .into_iter()
        .flat_map(|(role, body)| [(role, device), (role, instance_id(body, device))])
        .collect();
    let presences = instances.iter().copied();
    let presences = presences.filter_map(|(role, instance)| topics.presence(role, instance));
    let mut asked: BTreeSet<String> = presences.collect();
    asked.extend(sources(view).into_iter().map(|id| topics.source(id)));
    let found = session.read(asked).await;
    let is_own = |payload: &[u8]| match SourceStatus::from_json(payload) {
        Ok(status) => instances.contains(&(ClientRole::Processor, &*status.instance_id)),
        // A presence.
        Err(_) => true,
    };
    let own = found.into_iter().filter(|(_, payload)| is_own(payload));
    own.map(|(topic, _)| topic).collect()
}

//! Users and access rules of a fleet for a broker.

use std::collections::BTreeMap;

use super::fleet_file::FleetFile;
use crate::bus::{ClientRole, FleetTopic, Topics};
use crate::fleet::{Desired, instance_id};

/// The users besides the devices.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AclUsers {
    /// May read and write everything of the fleet.
    pub operators: Vec<String>,
    /// Walls that are no devices of the fleet: may read detections and statuses.
    pub walls: Vec<String>,
}

/// The access list of a fleet for mosquitto (`acl_file`). The user of each device is its id.
///
/// A device reads its own desired documents and commands, and writes its own reports. A processor writes the detections and
/// statuses of its own sources; a wall only reads them.
pub fn mosquitto_acl(
    fleet: &FleetFile,
    documents: &BTreeMap<String, Desired>,
    topics: &Topics,
    users: &AclUsers,
) -> String {
    let mut text = format!(
        "# Access rules of {} for mosquitto, made by `nvr fleet export-acl`. Make the users with mosquitto_passwd.\n",
        fleet.path().display()
    );
    let mut user = |name: &str, rules: &[(&str, String)]| {
        text += &format!("\nuser {name}\n");
        for (access, topic) in rules {
            text += &format!("topic {access} {topic}\n");
        }
    };
    for operator in &users.operators {
        user(operator, &operator_rules(topics));
    }
    for wall in &users.walls {
        user(wall, &wall_rules(topics, wall));
    }
    for device in &fleet.devices {
        let rules = device_rules(topics, &device.id, documents.get(&device.id));
        user(&device.id, &rules);
    }
    text
}

type Rules = Vec<(&'static str, String)>;

fn operator_rules(topics: &Topics) -> Rules {
    let everything = [
        format!("{}/#", topics.root()),
        topics.all_detections(),
        topics.all_detections_postcard(),
    ];
    everything
        .into_iter()
        .map(|topic| ("readwrite", topic))
        .collect()
}

fn device_rules(topics: &Topics, device: &str, document: Option<&Desired>) -> Rules {
    let mut rules: Rules = FleetTopic::ALL
        .into_iter()
        .map(|topic| {
            let access = match topic {
                FleetTopic::Desired | FleetTopic::Command => "read",
                // By its own presence a client notices another one with its id.
                FleetTopic::Presence => "readwrite",
                _ => "write",
            };
            (access, topics.fleet(device, topic))
        })
        .collect();
    let Some(document) = document else {
        return rules;
    };
    if document.role.has_processor() {
        rules.extend(processor_rules(topics, device, document));
    }
    if document.role.has_wall() {
        let instance = instance_id(document.wall.as_ref(), device);
        rules.extend(wall_rules(topics, instance));
    }
    rules.sort_unstable();
    rules.dedup();
    rules
}

/// A processor reads statuses and presences, because a source that another one has is refused.
fn processor_rules(topics: &Topics, device: &str, document: &Desired) -> Rules {
    let mut rules: Rules = vec![
        ("read", topics.all_sources()),
        ("read", topics.all_processors()),
    ];
    let instance = instance_id(document.processor.as_ref(), device);
    rules.extend(
        topics
            .presence(ClientRole::Processor, instance)
            .map(|topic| ("write", topic)),
    );
    let cameras = document
        .processor
        .as_ref()
        .and_then(|body| body.get("camera")?.as_array());
    let ids = cameras.into_iter().flatten().filter_map(|camera| {
        let id = camera.get("id")?.as_u64()?;
        u32::try_from(id).ok().map(crate::base::SourceId)
    });
    for id in ids {
        for topic in [
            topics.source(id),
            topics.detections(id),
            topics.detections_postcard(id),
        ] {
            rules.push(("write", topic));
        }
    }
    rules
}

fn wall_rules(topics: &Topics, name: &str) -> Rules {
    let mut rules: Rules = [
        topics.all_detections(),
        topics.all_detections_postcard(),
        topics.all_sources(),
        topics.all_processors(),
    ]
    .into_iter()
    .map(|topic| ("read", topic))
    .collect();
    rules.extend(
        topics
            .presence(ClientRole::Wall, name)
            .map(|topic| ("readwrite", topic)),
    );
    rules
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::fleet::DeviceRole;

    #[test]
    fn each_device_has_its_own_subtree_and_walls_only_read_detections() {
        let fleet = FleetFile::parse(
            "[[device]]\nid = \"box\"\n[[device]]\nid = \"wall\"\n",
            Path::new("fleet.toml"),
        )
        .expect("valid");
        let mut documents = BTreeMap::from([
            (
                "box".to_owned(),
                Desired {
                    processor: Some(serde_json::json!({ "camera": [{ "id": 7 }] })),
                    ..Desired::new(1, DeviceRole::Processor)
                },
            ),
            ("wall".to_owned(), Desired::new(1, DeviceRole::Wall)),
        ]);
        let users = AclUsers {
            operators: vec!["op".to_owned()],
            walls: Vec::new(),
        };
        let topics = Topics::new("nvr", "nvr/detections");
        let text = mosquitto_acl(&fleet, &documents, &topics, &users);
        let of = |user: &str| -> Vec<String> {
            let block = text
                .split(&format!("user {user}\n"))
                .nth(1)
                .expect("the user");
            block
                .lines()
                .take_while(|line| !line.is_empty())
                .map(str::to_owned)
                .collect()
        };
        assert_eq!(
            of("op"),
            [
                "topic readwrite nvr/#",
                "topic readwrite nvr/detections/+",
                "topic readwrite nvr/detections-postcard/+"
            ]
        );
        assert_eq!(
            of("box"),
            [
                "topic read nvr/fleet/box/command",
                "topic read nvr/fleet/box/desired",
                "topic read nvr/processors/+",
                "topic read nvr/sources/+",
                "topic readwrite nvr/fleet/box/presence",
                "topic write nvr/detections-postcard/7",
                "topic write nvr/detections/7",
                "topic write nvr/fleet/box/capabilities",
                "topic write nvr/fleet/box/reported",
                "topic write nvr/fleet/box/response",
                "topic write nvr/processors/box",
                "topic write nvr/sources/7",
            ]
        );
        // A processor that is renamed by its document writes its presence under the new name.
        let body = documents
            .get_mut("box")
            .and_then(|desired| desired.processor.as_mut());
        body.expect("its body")["instance_id"] = "gate-2".into();
        let named = mosquitto_acl(&fleet, &documents, &topics, &users);
        assert!(
            named.contains("topic write nvr/processors/gate-2\n"),
            "{named}"
        );
        assert!(!named.contains("nvr/processors/box"), "{named}");
        let wall = of("wall");
        assert!(wall.contains(&"topic read nvr/detections/+".to_owned()));
        assert!(
            !wall
                .iter()
                .any(|rule| rule.starts_with("topic write nvr/detections")),
            "{wall:?}"
        );
    }
}

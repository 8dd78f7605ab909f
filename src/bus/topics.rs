//! Topics and client ids. No other file builds or parses them.

use crate::base::{SessionId, SourceId};
use crate::config::{MqttSettings, is_instance_id};

/// The role of an MQTT client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ClientRole {
    /// Publishes detections.
    Processor,
    /// Shows cameras.
    Wall,
    /// Only reads; has no presence.
    Watch,
    /// Probes the broker; has no presence.
    Doctor,
    /// Steers a device of a fleet. Its instance id is the id of the device.
    Agent,
    /// The desk of a fleet; has no presence.
    Fleet,
}

impl ClientRole {
    fn name(self) -> &'static str {
        match self {
            Self::Processor => "processor",
            Self::Wall => "wall",
            Self::Watch => "watch",
            Self::Doctor => "doctor",
            Self::Agent => "agent",
            Self::Fleet => "fleet",
        }
    }

    /// `nvr-{role}-{instance_id}`; for watch, doctor and fleet `nvr-{role}-{session}`, because several may run on one machine.
    pub fn client_id(self, instance_id: &str, session: &SessionId) -> String {
        match self {
            Self::Watch | Self::Doctor | Self::Fleet => format!("nvr-{}-{session}", self.name()),
            _ => format!("nvr-{}-{instance_id}", self.name()),
        }
    }
}

/// Maximum length of a topic in bytes.
const LONGEST_BYTES: usize = 65_535;

/// The topics below a root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topics {
    root: String,
    detections: String,
}

/// The kind of a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Topic {
    /// Events of a source, JSON.
    Detections(SourceId),
    /// Events of a source, postcard.
    DetectionsPostcard(SourceId),
    /// Presence of a processor, by its instance id.
    Processor(String),
    /// Presence of a wall, by its instance id.
    Wall(String),
    /// Status of a source.
    Source(SourceId),
    /// A document of a device of a fleet, by the id of the device.
    Fleet(String, FleetTopic),
}

/// The documents of a device of a fleet, each with a topic of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FleetTopic {
    /// What the operator wants the device to run; retained.
    Desired,
    /// What the device says of it; retained.
    Reported,
    /// What the device can do; retained.
    Capabilities,
    /// Presence of the device's agent; retained.
    Presence,
    /// Commands to the device.
    Command,
    /// Its answers.
    Response,
}

impl FleetTopic {
    /// Every document.
    pub const ALL: [Self; 6] = [
        Self::Desired,
        Self::Reported,
        Self::Capabilities,
        Self::Presence,
        Self::Command,
        Self::Response,
    ];

    /// The last level of the topic.
    pub fn level(self) -> &'static str {
        match self {
            Self::Desired => "desired",
            Self::Reported => "reported",
            Self::Capabilities => "capabilities",
            Self::Presence => "presence",
            Self::Command => "command",
            Self::Response => "response",
        }
    }

    /// Whether its messages are retained.
    pub fn is_retained(self) -> bool {
        !matches!(self, Self::Command | Self::Response)
    }
}

impl Topics {
    /// Topics below `root`, detections below `detections_prefix`.
    pub fn new(root: impl Into<String>, detections_prefix: impl Into<String>) -> Self {
        Self {
            root: root.into(),
            detections: detections_prefix.into(),
        }
    }

    /// The topics of the settings.
    pub fn of(settings: &MqttSettings) -> Self {
        Self::new(&*settings.topic_root, &*settings.detections_prefix)
    }

    /// The first levels of every topic, except those of detections.
    pub fn root(&self) -> &str {
        &self.root
    }

    /// The topic of a source's events in JSON.
    pub fn detections(&self, source: SourceId) -> String {
        format!("{}/{source}", self.detections)
    }

    /// The topic of a source's events in postcard. It is separate, so a consumer of `{detections}/#` gets only JSON.
    pub fn detections_postcard(&self, source: SourceId) -> String {
        format!("{}-postcard/{source}", self.detections)
    }

    /// The topic of a role's presence; absent for watch, doctor and fleet.
    pub fn presence(&self, role: ClientRole, instance_id: &str) -> Option<String> {
        match role {
            ClientRole::Processor => Some(format!("{}/processors/{instance_id}", self.root)),
            ClientRole::Wall => Some(format!("{}/walls/{instance_id}", self.root)),
            ClientRole::Agent => Some(self.fleet(instance_id, FleetTopic::Presence)),
            ClientRole::Watch | ClientRole::Doctor | ClientRole::Fleet => None,
        }
    }

    /// The topic of a document of a device. `device` must be a valid instance id.
    pub fn fleet(&self, device: &str, document: FleetTopic) -> String {
        format!("{}/fleet/{device}/{}", self.root, document.level())
    }

    /// The topic of a source's status.
    pub fn source(&self, source: SourceId) -> String {
        format!("{}/sources/{source}", self.root)
    }

    /// Filter of all events in JSON.
    pub fn all_detections(&self) -> String {
        format!("{}/+", self.detections)
    }

    /// Filter of all events in postcard.
    pub fn all_detections_postcard(&self) -> String {
        format!("{}-postcard/+", self.detections)
    }

    /// Filter of all processors' presences.
    pub fn all_processors(&self) -> String {
        format!("{}/processors/+", self.root)
    }

    /// Filter of all walls' presences.
    pub fn all_walls(&self) -> String {
        format!("{}/walls/+", self.root)
    }

    /// Filter of all sources' statuses.
    pub fn all_sources(&self) -> String {
        format!("{}/sources/+", self.root)
    }

    /// Filter of one document of all devices. Brokers send a new subscriber only a part of many retained messages; a desk
    /// subscribes to the topics of its devices by name.
    pub fn all_fleet(&self, document: FleetTopic) -> String {
        self.fleet("+", document)
    }

    /// Filter of all documents of a device.
    pub fn all_of_device(&self, device: &str) -> String {
        format!("{}/fleet/{device}/+", self.root)
    }

    /// The kind of `topic`; absent for topics of other programs.
    pub fn parse(&self, topic: &str) -> Option<Topic> {
        if let Some(rest) = topic.strip_prefix(&self.detections) {
            if let Some(id) = rest.strip_prefix('/').and_then(source_id) {
                return Some(Topic::Detections(id));
            }
            if let Some(id) = rest.strip_prefix("-postcard/").and_then(source_id) {
                return Some(Topic::DetectionsPostcard(id));
            }
        }
        let (kind, name) = topic
            .strip_prefix(&self.root)?
            .strip_prefix('/')?
            .split_once('/')?;
        if kind == "fleet" {
            return fleet_topic(name);
        }
        if name.is_empty() || name.contains('/') {
            return None;
        }
        match kind {
            "processors" => Some(Topic::Processor(name.to_owned())),
            "walls" => Some(Topic::Wall(name.to_owned())),
            "sources" => source_id(name).map(Topic::Source),
            _ => None,
        }
    }
}

/// Parses the levels behind `fleet`. A device id that no configuration accepts belongs to another program.
fn fleet_topic(levels: &str) -> Option<Topic> {
    let (device, level) = levels.split_once('/')?;
    let document = FleetTopic::ALL
        .into_iter()
        .find(|document| document.level() == level)?;
    is_instance_id(device).then(|| Topic::Fleet(device.to_owned(), document))
}

/// Parses an id in its canonical form only: `+3` and `03` are topics of other programs.
fn source_id(level: &str) -> Option<SourceId> {
    let id: u32 = level.parse().ok()?;
    (id.to_string() == level).then_some(SourceId(id))
}

/// Whether a message can be published on `topic`, by section 4.7 of MQTT 3.1.1.
pub(super) fn is_topic(topic: &str) -> bool {
    (1..=LONGEST_BYTES).contains(&topic.len()) && !topic.contains(['+', '#', '\0'])
}

/// Whether `filter` can be subscribed to, by the same section.
pub(super) fn is_filter(filter: &str) -> bool {
    let mut levels = filter.split('/').peekable();
    let mut is_good = true;
    while let Some(level) = levels.next() {
        is_good &= match level {
            "+" => true,
            "#" => levels.peek().is_none(),
            level => !level.contains(['+', '#', '\0']),
        };
    }
    is_good && (1..=LONGEST_BYTES).contains(&filter.len())
}

/// Whether a subscription to `filter` receives `topic`, by section 4.7 of MQTT 3.1.1.
pub fn filter_matches(filter: &str, topic: &str) -> bool {
    let (mut wanted, mut given) = (filter.split('/'), topic.split('/'));
    if topic.starts_with('$') && filter.starts_with(['+', '#']) {
        return false;
    }
    loop {
        match (wanted.next(), given.next()) {
            (Some("#"), _) | (None, None) => return true,
            (Some("+"), Some(_)) => {}
            (Some(want), Some(level)) if want == level => {}
            _ => return false,
        }
    }
}

#[cfg(test)]
#[path = "topics_tests.rs"]
mod tests;

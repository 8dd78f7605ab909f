//! The desk's connection to the broker. It subscribes to the topics of each device by name: for a wildcard, brokers deliver only
//! about a thousand retained messages. The link asks for them in portions.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;

use super::retained::retained;
use super::{DeskError, DeviceView};
use crate::base::SessionId;
use crate::bus::{
    ClientRole, Delivery, FleetTopic, Link, LinkOptions, LinkState, Message, Subscription, Topic,
    Topics,
};
use crate::config::MqttSettings;

/// Maximum time until the connection.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);
/// Maximum time of an orderly end.
const STOP_LIMIT: Duration = Duration::from_secs(2);

/// A connection that follows the topics of some devices.
#[derive(Debug)]
pub struct Session {
    link: Link,
    topics: Topics,
    broker: String,
    subscription: Subscription,
    views: BTreeMap<String, DeviceView>,
    /// Published documents that the broker has not sent back yet.
    awaited: BTreeMap<(String, &'static str), Vec<u8>>,
}

/// A message about a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) device: String,
    pub(super) document: FleetTopic,
    pub(super) payload: Vec<u8>,
}

impl Session {
    /// Connects and reads the retained messages of the devices: `documents` of each.
    ///
    /// # Errors
    /// When there is no connection in time, or the broker refuses topics.
    pub async fn open(
        mqtt: &MqttSettings,
        devices: &[String],
        documents: &[FleetTopic],
    ) -> Result<Self, DeskError> {
        let mqtt = MqttSettings {
            // Commands must arrive.
            qos: 1,
            ..mqtt.clone()
        };
        let topics = Topics::of(&mqtt);
        let broker = mqtt.address();
        let options = LinkOptions::new(mqtt, ClientRole::Fleet, "desk", &SessionId::random());
        let link = Link::start(options, &Handle::current(), None)?;
        connected(&link, &broker).await?;
        let filters: Vec<String> = devices
            .iter()
            .flat_map(|device| {
                documents
                    .iter()
                    .map(|document| topics.fleet(device, *document))
            })
            .collect();
        let asked = filters.len();
        let subscription = link.subscribe(filters, Delivery::AtLeastOnce);
        let views = devices
            .iter()
            .map(|device| (device.clone(), DeviceView::default()));
        let mut session = Self {
            link,
            topics,
            broker,
            subscription,
            views: views.collect(),
            awaited: BTreeMap::new(),
        };
        for message in retained(&session.link, &mut session.subscription, asked).await {
            session.take(message);
        }
        match session.link.counters().subscriptions_refused {
            0 => Ok(session),
            refused => Err(DeskError::Refused { refused, asked }),
        }
    }

    /// What the broker has of the devices.
    pub fn views(&self) -> &BTreeMap<String, DeviceView> {
        &self.views
    }

    /// The topics of the broker.
    pub(super) fn topics(&self) -> &Topics {
        &self.topics
    }

    /// Host and port of the broker.
    pub(super) fn broker(&self) -> &str {
        &self.broker
    }

    /// Whether there is a connection.
    pub(super) fn is_connected(&self) -> bool {
        self.link.counters().connected
    }

    /// Waits for the next message about a device. Absent after the end of the link.
    pub(super) async fn next(&mut self) -> Option<Seen> {
        loop {
            let message = self.subscription.recv().await?;
            if let Some(seen) = self.take(message) {
                return Some(seen);
            }
        }
    }

    /// A message that has already arrived.
    pub(super) fn try_next(&mut self) -> Option<Seen> {
        loop {
            let message = self.subscription.try_recv()?;
            if let Some(seen) = self.take(message) {
                return Some(seen);
            }
        }
    }

    fn take(&mut self, message: Message) -> Option<Seen> {
        let Some(Topic::Fleet(device, document)) = self.topics.parse(&message.topic) else {
            return None;
        };
        let place = (device, document.level());
        if self
            .awaited
            .get(&place)
            .is_some_and(|awaited| *awaited == message.payload)
        {
            self.awaited.remove(&place);
            // Another desk may publish a newer one: ours must not return at a later connection.
            self.link.forget(&message.topic);
        }
        let (device, _) = place;
        self.views
            .entry(device.clone())
            .or_default()
            .take(document, &message.payload);
        Some(Seen {
            device,
            document,
            payload: message.payload,
        })
    }

    /// Publishes a retained document, now or at the next connection; an empty one clears the topic.
    pub(super) fn publish(&mut self, device: &str, document: FleetTopic, payload: &[u8]) {
        let place = (device.to_owned(), document.level());
        self.awaited.insert(place, payload.to_vec());
        let topic = self.topics.fleet(device, document);
        self.link.retain(&topic, payload.to_vec());
    }

    /// Waits until the broker has sent back everything that was published.
    ///
    /// # Errors
    /// When it has not done so within `limit`.
    pub(super) async fn confirm(&mut self, all: usize, limit: Duration) -> Result<(), DeskError> {
        let deadline = Instant::now() + limit;
        while !self.awaited.is_empty() {
            let left = deadline.saturating_duration_since(Instant::now());
            if !matches!(tokio::time::timeout(left, self.next()).await, Ok(Some(_))) {
                return Err(DeskError::Unconfirmed {
                    broker: self.broker.clone(),
                    missing: self.awaited.len(),
                    all,
                    limit_s: limit.as_secs(),
                });
            }
        }
        Ok(())
    }

    /// Publishes a message that is not retained. False if there is no connection.
    pub(super) fn send(&self, device: &str, document: FleetTopic, payload: Vec<u8>) -> bool {
        let topic = self.topics.fleet(device, document);
        self.link.publish_event(&topic, payload)
    }

    /// Clears a retained topic outside of the devices' own ones.
    pub(super) fn clear(&self, topic: &str) {
        self.link.clear(topic);
    }

    /// The retained messages of other topics.
    pub(super) async fn read(&self, topics: BTreeSet<String>) -> BTreeMap<String, Vec<u8>> {
        if topics.is_empty() {
            return BTreeMap::new();
        }
        let asked = topics.len();
        let mut subscription = self.link.subscribe(topics, Delivery::AtLeastOnce);
        let messages = retained(&self.link, &mut subscription, asked).await;
        let messages = messages.into_iter();
        messages
            .map(|message| (message.topic, message.payload))
            .collect()
    }

    /// Ends the connection in order.
    pub async fn close(self) {
        self.link.stop(STOP_LIMIT).await;
    }
}

async fn connected(link: &Link, broker: &str) -> Result<(), DeskError> {
    let mut changes = link.state_changes();
    let deadline = tokio::time::Instant::now() + CONNECT_LIMIT;
    loop {
        let reason = match &*changes.borrow_and_update() {
            LinkState::Connected { .. } => return Ok(()),
            LinkState::Disconnected { reason, .. } => reason.clone(),
        };
        let changed = tokio::time::timeout_at(deadline, changes.changed()).await;
        if !matches!(changed, Ok(Ok(()))) {
            return Err(DeskError::NoBroker {
                broker: broker.to_owned(),
                limit_s: CONNECT_LIMIT.as_secs(),
                reason: reason
                    .map_or_else(|| "it does not answer".to_owned(), |one| one.to_string()),
            });
        }
    }
}

//! Simulated devices with real connections to a broker, to try a rollout and to measure a broker: one of the agent, and one of the
//! processor.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::DeskError;
use super::operation::devices;
use super::simulated::{Behaviour, Simulated};
use super::simulated_processor::SimulatedProcessor;
use crate::base::SessionId;
use crate::bus::{
    ClientRole, Delivery, FleetTopic, Link, LinkOptions, LinkState, Message, Subscription, Topics,
};
use crate::config::MqttSettings;
use crate::fleet::{BodySources, DeviceCapabilities, Machine, Verb};

/// Pause between the starts of two groups of devices. Brokers accept a limited number of new connections at once.
const START_PAUSE: Duration = Duration::from_millis(20);
/// Number of devices that start together.
const START_GROUP: usize = 10;
/// Period of the line about the connections.
const REPORT: Duration = Duration::from_secs(1);
/// Maximum time of an orderly end of a device.
const STOP_LIMIT: Duration = Duration::from_secs(2);

/// What is simulated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SimulateOptions {
    /// The ids of the devices.
    pub devices: Vec<String>,
    /// Time from a document to its result.
    pub apply_time: Duration,
    /// Documents that contain this text fail on trial.
    pub reverts: Option<String>,
}

/// Runs simulated devices until `end` is ready. `say` is told how many are connected.
///
/// # Errors
/// When the settings of the broker can't be used.
pub async fn simulate(
    mqtt: &MqttSettings,
    options: &SimulateOptions,
    end: impl Future<Output = ()>,
    say: &mut dyn FnMut(&str),
) -> Result<(), DeskError> {
    let mqtt = MqttSettings {
        qos: 1,
        ..mqtt.clone()
    };
    let sources = Arc::new(BodySources::of_desk());
    let behaviour = Behaviour {
        apply_time: options.apply_time,
        reverts: options.reverts.clone(),
    };
    let stop = CancellationToken::new();
    let mut tasks = JoinSet::new();
    let mut links = Vec::new();
    let mut end = std::pin::pin!(end);
    let mut starting = options.devices.chunks(START_GROUP);
    let mut told = (0, Instant::now());
    loop {
        for id in starting.next().unwrap_or_default() {
            let device = Device::start(&mqtt, id, behaviour.clone(), sources.clone())?;
            links.push(device.link.clone());
            tasks.spawn(device.run(stop.clone()));
        }
        let online = links.iter().filter(|link| is_connected(link)).count();
        if online != told.0 && (told.1.elapsed() >= REPORT || online == options.devices.len()) {
            say(&format!(
                "{online} of {} connected",
                devices(options.devices.len())
            ));
            told = (online, Instant::now());
        }
        tokio::select! {
            () = tokio::time::sleep(START_PAUSE) => {}
            () = &mut end => break,
        }
    }
    stop.cancel();
    while tasks.join_next().await.is_some() {}
    Ok(())
}

fn is_connected(link: &Link) -> bool {
    matches!(&*link.state_changes().borrow(), LinkState::Connected { .. })
}

struct Device {
    mqtt: MqttSettings,
    link: Link,
    /// Once a document has given it sources.
    processor: Option<SimulatedProcessor>,
    topics: Topics,
    id: String,
    model: Simulated,
    sources: Arc<BodySources>,
    subscription: Subscription,
    began: Instant,
}

impl Device {
    fn start(
        mqtt: &MqttSettings,
        id: &str,
        behaviour: Behaviour,
        sources: Arc<BodySources>,
    ) -> Result<Self, DeskError> {
        let topics = Topics::of(mqtt);
        let session = SessionId::random();
        let options = LinkOptions::new(mqtt.clone(), ClientRole::Agent, id, &session);
        let link = Link::start(options, &Handle::current(), None)?;
        let filters =
            [FleetTopic::Desired, FleetTopic::Command].map(|topic| topics.fleet(id, topic));
        let subscription = link.subscribe(filters, Delivery::AtLeastOnce);
        let device = Self {
            model: Simulated::new(id, behaviour),
            mqtt: mqtt.clone(),
            processor: None,
            id: id.to_owned(),
            link,
            topics,
            sources,
            subscription,
            began: Instant::now(),
        };
        device.retain(FleetTopic::Capabilities, capabilities().to_json());
        device.report();
        Ok(device)
    }

    fn retain(&self, topic: FleetTopic, payload: Vec<u8>) {
        self.link
            .retain(&self.topics.fleet(&self.id, topic), payload);
    }

    fn report(&self) {
        self.retain(FleetTopic::Reported, self.model.report().to_json());
    }

    /// Runs the sources of the applied document.
    fn process(&mut self) {
        let sources = self.model.sources();
        if self.processor.is_none() && !sources.is_empty() {
            // The settings have made a link already.
            self.processor = SimulatedProcessor::start(&self.mqtt, &self.id).ok();
        }
        if let Some(processor) = &mut self.processor {
            processor.run(sources);
        }
    }

    async fn run(mut self, stop: CancellationToken) {
        loop {
            let due = self.model.due().map(|due| self.began + due);
            let trial = async {
                match due {
                    Some(due) => tokio::time::sleep_until(due.into()).await,
                    None => std::future::pending().await,
                }
            };
            let is_news = tokio::select! {
                message = self.subscription.recv() => match message {
                    Some(message) => self.take(&message),
                    None => return,
                },
                () = trial => self.model.advance(self.began.elapsed()),
                () = stop.cancelled() => break,
            };
            if is_news {
                self.process();
                self.report();
            }
        }
        if let Some(processor) = self.processor {
            processor.stop(STOP_LIMIT).await;
        }
        self.link.stop(STOP_LIMIT).await;
    }

    /// Takes a message. True if the report has changed.
    fn take(&mut self, message: &Message) -> bool {
        if message.topic == self.topics.fleet(&self.id, FleetTopic::Desired) {
            let now = self.began.elapsed();
            return self.model.desired(&message.payload, &self.sources, now);
        }
        if let Some(response) = self.model.command(&message.payload) {
            let topic = self.topics.fleet(&self.id, FleetTopic::Response);
            self.link.publish_event(&topic, response.to_json());
        }
        false
    }
}

fn capabilities() -> DeviceCapabilities {
    DeviceCapabilities {
        machine: Machine {
            board: "simulated".to_owned(),
            ..Machine::default()
        },
        verbs: [Verb::Ping, Verb::Identify]
            .map(|verb| verb.as_str().to_owned())
            .to_vec(),
        ..DeviceCapabilities::new()
    }
}

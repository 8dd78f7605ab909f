//! MQTT: the link to a broker, topics, claims, and the built-in broker. The only room that uses MQTT libraries.
//!
//! While the broker is away, events are dropped and counted, because they would be stale when it returns. Retained messages are
//! never dropped: the link keeps the newest value of each topic and publishes it again at every connection.

mod broker;
mod claims;
mod connection;
mod encode;
mod error;
mod flight;
mod link;
mod outbox;
mod packets;
mod pem;
mod probe;
mod reach;
mod refusal_log;
mod session;
mod socket;
mod subscription;
mod subscriptions;
mod tls;
mod tls_errors;
mod topics;
mod traffic;
mod twins;

pub use broker::{Broker, BrokerCore, BrokerLimits, BrokerOptions};
pub use claims::{Claims, Holder};
pub use error::{BusError, LinkError};
pub use link::{Link, LinkCounters, LinkOptions, MESSAGE_QUEUE};
pub use probe::{ProbeStep, ReceivedMessage, StepResult, probe_broker};
pub use session::LinkState;
pub use subscription::{Delivery, Message, Subscription};
pub use tls::{BrokerTls, Trust};
pub use topics::{ClientRole, FleetTopic, Topic, Topics, filter_matches};
pub use twins::Twin;

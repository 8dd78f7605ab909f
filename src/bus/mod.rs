//! The broker: the link to it, its topics, and one of our own. The only room that names MQTT libraries.
//!
//! Detections are dropped while the broker is away, and counted: they are stale by the time it comes back. What is
//! retained is never dropped: the link keeps the last value of each topic that is ours and publishes it again at every
//! connection.

mod broker;
mod claims;
mod connection;
mod encode;
mod error;
mod flight;
mod link;
mod outbox;
mod packets;
mod probe;
mod refusal_log;
mod session;
mod socket;
mod subscription;
mod subscriptions;
mod tls;
mod tls_errors;
mod topics;
mod traffic;

pub use broker::{Broker, BrokerCore, BrokerLimits, BrokerOptions};
pub use claims::{Claims, Holder};
pub use error::{BusError, LinkError};
pub use link::{Link, LinkCounters, LinkOptions, MESSAGE_QUEUE};
pub use probe::{ProbeStep, ReceivedMessage, StepResult, probe_broker};
pub use session::LinkState;
pub use subscription::{Delivery, Message, Subscription};
pub use tls::BrokerTls;
pub use topics::{ClientRole, Topic, Topics, filter_matches};

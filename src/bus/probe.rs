//! A probe of a broker in steps, for the doctor: name, TCP, TLS, login and subscription, then some seconds of receiving.
//!
//! The probe publishes nothing. Its subscriptions are those of a wall, and end with the connection.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio::time::{timeout, timeout_at};

use super::connection::Connection;
use super::packets::Qos;
use super::socket::{CONNECT_LIMIT, KEEP_ALIVE, Target};
use super::traffic::{ConnectionEvent, Request};
use super::{ClientRole, Topic, Topics, reach, tls};
use crate::base::{SessionId, unix_now};
use crate::config::MqttSettings;

/// A step of the probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProbeStep {
    /// The broker's name has an address.
    Name,
    /// Its port accepts connections.
    Tcp,
    /// The TLS handshake succeeds.
    Tls,
    /// It accepts the login.
    Login,
    /// It acknowledges subscriptions.
    Subscription,
}

/// The result of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepResult {
    /// The step.
    pub step: ProbeStep,
    /// Its duration.
    pub took: Duration,
    /// A description of the success, or the reason of the failure with the remedy after a semicolon.
    pub outcome: Result<String, String>,
}

/// A received message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceivedMessage {
    /// The kind of its topic.
    pub topic: Topic,
    /// Its payload.
    pub payload: Vec<u8>,
    /// Whether it was a retained message, which may be old.
    pub retained: bool,
    /// Time of arrival by this machine's clock, since the Unix epoch.
    pub at: Duration,
}

/// Longest wait for the acknowledgement of a subscription.
const ACK_LIMIT: Duration = Duration::from_secs(5);
/// Longest wait for the broker to close the connection.
const LEAVE_LIMIT: Duration = Duration::from_millis(500);
/// Maximum number of kept messages: enough to compare clocks.
const MOST_MESSAGES: usize = 2000;
/// Maximum size of the kept messages.
const MOST_BYTES: usize = 32 * 1024 * 1024;

/// Probes the broker of `settings`, and then receives messages for the time `listen`. `told` is called with the result of each
/// step. Ends at the first step that fails, and after 30 s plus `listen` at the latest.
pub async fn probe_broker(
    settings: &MqttSettings,
    listen: Duration,
    told: &mut dyn FnMut(StepResult),
) -> Vec<ReceivedMessage> {
    let mut probe = Probe { settings, told };
    let Some(addresses) = probe.resolve().await else {
        return Vec::new();
    };
    let Some(address) = probe.connect(addresses).await else {
        return Vec::new();
    };
    if settings.tls.is_some() && probe.shake_hands(address).await.is_none() {
        return Vec::new();
    }
    let Some((target, mut connection)) = probe.log_in().await else {
        return Vec::new();
    };
    let (queue, mut requests) = mpsc::channel(4);
    let heard = probe
        .listen(&target, &mut connection, (&queue, &mut requests), listen)
        .await;
    let leave = async {
        let _ = queue.try_send(Request::Disconnect);
        while connection.next_event(&mut requests).await.is_ok() {}
    };
    let _ = timeout(LEAVE_LIMIT, leave).await;
    heard
}

struct Probe<'a> {
    settings: &'a MqttSettings,
    told: &'a mut dyn FnMut(StepResult),
}

impl Probe<'_> {
    fn broker(&self) -> String {
        self.settings.address()
    }

    /// Reports the result of a step and returns its value.
    fn tell<T>(
        &mut self,
        step: ProbeStep,
        since: Instant,
        outcome: Result<(T, String), String>,
    ) -> Option<T> {
        let (gained, outcome) = match outcome {
            Ok((gained, words)) => (Some(gained), Ok(words)),
            Err(reason) => (None, Err(reason)),
        };
        (self.told)(StepResult {
            step,
            took: since.elapsed(),
            outcome,
        });
        gained
    }

    async fn resolve(&mut self) -> Option<Vec<SocketAddr>> {
        let since = Instant::now();
        let host = &self.settings.host;
        let looked = timeout(
            CONNECT_LIMIT,
            tokio::net::lookup_host((host.as_str(), self.settings.port)),
        );
        let outcome = match looked.await {
            Ok(Ok(addresses)) => {
                let addresses: Vec<SocketAddr> = addresses.collect();
                let words: Vec<String> = addresses
                    .iter()
                    .map(|address| address.ip().to_string())
                    .collect();
                let words = format!("{host} is {}", words.join(", "));
                Ok((addresses, words))
            }
            Ok(Err(error)) => Err(format!(
                "{host} has no address ({error}); check --mqtt-host and the name server (`resolvectl query {host}`)"
            )),
            Err(_) => Err(format!(
                "the name server did not answer for {host} within {} s; check the network and /etc/resolv.conf",
                CONNECT_LIMIT.as_secs()
            )),
        };
        self.tell(ProbeStep::Name, since, outcome)
    }

    async fn connect(&mut self, addresses: Vec<SocketAddr>) -> Option<SocketAddr> {
        let since = Instant::now();
        let reached = match timeout(CONNECT_LIMIT, reach::connect(addresses)).await {
            Ok(connected) => connected
                .and_then(|stream| stream.peer_addr())
                .map_err(|error| error.to_string()),
            Err(_) => Err(format!(
                "no answer within {} s: a firewall may drop the packets, or the machine is off",
                CONNECT_LIMIT.as_secs()
            )),
        };
        let outcome = match reached {
            Ok(address) => Ok((address, format!("{address} listens"))),
            Err(reason) => Err(format!(
                "can't reach {}: {reason}; check --mqtt-host and --mqtt-port, firewalls, and that the broker runs",
                self.broker()
            )),
        };
        self.tell(ProbeStep::Tcp, since, outcome)
    }

    async fn shake_hands(&mut self, address: SocketAddr) -> Option<()> {
        let since = Instant::now();
        let config = self.settings.tls.as_ref().map(tls::client)?;
        let host = self.settings.host.clone();
        let outcome = match config {
            Err(error) => Err(with_causes(&error)),
            Ok(config) => {
                let shaking = tokio::task::spawn_blocking(move || {
                    tls::handshake(address, &host, config, CONNECT_LIMIT)
                });
                match timeout(2 * CONNECT_LIMIT, shaking).await {
                    Ok(ended) => ended.unwrap_or_else(|error| Err(error.to_string())),
                    Err(_) => Err(format!(
                        "no answer to a handshake within {} s",
                        2 * CONNECT_LIMIT.as_secs()
                    )),
                }
            }
        };
        let outcome = outcome.map_err(|reason| format!("TLS fails: {reason}"));
        self.tell(ProbeStep::Tls, since, outcome.map(|words| ((), words)))
    }

    async fn log_in(&mut self) -> Option<(Target, Connection)> {
        let since = Instant::now();
        let client_id = ClientRole::Doctor.client_id("", &SessionId::random());
        let target = match Target::of(self.settings, &client_id, KEEP_ALIVE) {
            Ok(target) => target,
            Err(error) => return self.tell(ProbeStep::Login, since, Err(with_causes(&error))),
        };
        let outcome = match target.log_in(CONNECT_LIMIT).await {
            Ok((socket, packets)) => {
                let whom = match self.settings.username {
                    Some(_) => "the login",
                    None => "connections without a login",
                };
                let connection = Connection::new(&target, socket, packets);
                Ok(((target, connection), format!("the broker accepts {whom}")))
            }
            Err(error) => Err(error.to_string()),
        };
        self.tell(ProbeStep::Login, since, outcome)
    }

    /// Subscribes, waits for the acknowledgement, and collects messages for the time `listen` after it. QoS 0, because brokers
    /// then deliver more retained messages than with QoS 1.
    async fn listen(
        &mut self,
        target: &Target,
        connection: &mut Connection,
        (queue, requests): (&mpsc::Sender<Request>, &mut mpsc::Receiver<Request>),
        listen: Duration,
    ) -> Vec<ReceivedMessage> {
        let topics = Topics::of(self.settings);
        let filters = [
            topics.all_processors(),
            topics.all_walls(),
            topics.all_sources(),
            topics.all_detections(),
        ];
        let since = Instant::now();
        let asked = filters.map(|filter| (filter, Qos::AtMostOnce)).to_vec();
        if let Err(error) = queue.try_send(Request::Subscribe(asked)) {
            self.tell::<()>(
                ProbeStep::Subscription,
                since,
                Err(format!("{error}; run the command again")),
            );
            return Vec::new();
        }
        let (mut heard, mut heard_bytes) = (Vec::new(), 0);
        let mut acknowledged = false;
        let mut deadline = tokio::time::Instant::now() + ACK_LIMIT;
        loop {
            let moved = match timeout_at(deadline, connection.next_event(requests)).await {
                Ok(Ok(moved)) => moved,
                Ok(Err(broken)) => {
                    if !acknowledged {
                        let (suspect, waiting) = (connection.suspect(), connection.waiting());
                        let error = broken.into_link_error(target, suspect, waiting);
                        self.tell::<()>(ProbeStep::Subscription, since, Err(error.to_string()));
                    }
                    return heard;
                }
                Err(_) => {
                    if !acknowledged {
                        self.tell::<()>(ProbeStep::Subscription, since, Err(unacknowledged()));
                    }
                    return heard;
                }
            };
            match moved {
                ConnectionEvent::Subscribed(answers) => {
                    acknowledged = true;
                    deadline = tokio::time::Instant::now() + listen;
                    let outcome = self.permitted(&answers);
                    self.tell(ProbeStep::Subscription, since, outcome);
                }
                ConnectionEvent::Message(message) => {
                    if let Some(topic) = topics.parse(&message.topic)
                        && heard.len() < MOST_MESSAGES
                        && heard_bytes < MOST_BYTES
                    {
                        heard_bytes += message.payload.len();
                        heard.push(ReceivedMessage {
                            topic,
                            payload: message.payload,
                            retained: message.retained,
                            at: unix_now(),
                        });
                    }
                }
                ConnectionEvent::Sent | ConnectionEvent::Refused(_) => {}
            }
        }
    }

    /// What the broker said to the subscriptions.
    fn permitted(&self, answers: &[(String, u8)]) -> Result<((), String), String> {
        let refused: Vec<&str> = answers
            .iter()
            .filter(|(_, code)| *code > 2)
            .map(|(filter, _)| filter.as_str())
            .collect();
        if refused.is_empty() {
            Ok((
                (),
                format!("the broker permits reading {}/…", self.settings.topic_root),
            ))
        } else {
            Err(format!(
                "the broker does not permit reading {}; change its access list for this user",
                refused.join(", ")
            ))
        }
    }
}

fn unacknowledged() -> String {
    format!(
        "the broker did not acknowledge a subscription within {} s; check its load",
        ACK_LIMIT.as_secs()
    )
}

fn with_causes(error: &dyn std::error::Error) -> String {
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        words = format!("{words}: {error}");
        cause = error.source();
    }
    words
}

//! A broker reached step by step, for people: its name, TCP, TLS, our login, a subscription's round trip; then some seconds of
//! listening.
//!
//! Nothing is published: topics belong to those who run. The subscriptions are those of a wall, and end with the connection.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio::time::{timeout, timeout_at};

use super::connection::Connection;
use super::packets::Qos;
use super::socket::{CONNECT_LIMIT, KEEP_ALIVE, Target};
use super::traffic::{ConnectionEvent, Request};
use super::{ClientRole, Topic, Topics, tls};
use crate::base::{SessionId, unix_now};
use crate::config::MqttSettings;

/// One step of the probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProbeStep {
    /// The broker's name has an address.
    Name,
    /// Something listens at its port.
    Tcp,
    /// Its certificate is trusted, and ours by it.
    Tls,
    /// It takes our login.
    Login,
    /// It lets us read, and acknowledges that.
    Subscription,
}

/// How a step went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepResult {
    /// Which.
    pub step: ProbeStep,
    /// How long it took.
    pub took: Duration,
    /// What was found; or why it ends here, with the remedy behind a semicolon.
    pub outcome: Result<String, String>,
}

/// A message that came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceivedMessage {
    /// What it is about.
    pub topic: Topic,
    /// It.
    pub payload: Vec<u8>,
    /// Whether the broker had kept it: then it says nothing about now.
    pub retained: bool,
    /// When it came, by this machine's clock, since the Unix epoch.
    pub at: Duration,
}

/// Longest that the broker may take to acknowledge a subscription.
const ACK_LIMIT: Duration = Duration::from_secs(5);
/// Longest that it may take to hang up.
const LEAVE_LIMIT: Duration = Duration::from_millis(500);
/// A broker may have thousands of messages for us; these are enough to compare clocks.
const MOST_MESSAGES: usize = 2000;
/// And so are these, whatever strangers publish.
const MOST_BYTES: usize = 32 * 1024 * 1024;

/// Reaches the broker of `settings` and then listens for `listen`; `told` hears of every step as soon as it is done. Ends at
/// the first step that fails; within 30 s and `listen` in any case.
pub async fn probe_broker(
    settings: &MqttSettings,
    listen: Duration,
    told: &mut dyn FnMut(StepResult),
) -> Vec<ReceivedMessage> {
    let mut probe = Probe { settings, told };
    let Some(addresses) = probe.resolve().await else {
        return Vec::new();
    };
    let Some(address) = probe.connect(&addresses).await else {
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

    /// Tells of a step and gives what it gained.
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

    async fn connect(&mut self, addresses: &[SocketAddr]) -> Option<SocketAddr> {
        let since = Instant::now();
        let deadline = tokio::time::Instant::now() + CONNECT_LIMIT;
        let mut reason = "it has no address".to_owned();
        let mut reached = None;
        for address in addresses {
            match timeout_at(deadline, tokio::net::TcpStream::connect(address)).await {
                Ok(Ok(_)) => {
                    reached = Some(*address);
                    break;
                }
                Ok(Err(error)) => reason = error.to_string(),
                Err(_) => {
                    reason = format!(
                        "no answer within {} s: a firewall drops it, or the machine is off",
                        CONNECT_LIMIT.as_secs()
                    );
                }
            }
        }
        let outcome = match reached {
            Some(address) => Ok((address, format!("{address} listens"))),
            None => Err(format!(
                "can't reach {}: {reason}; check --mqtt-host and --mqtt-port, firewalls, and that the broker runs (`nvr broker` is one)",
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
                    Some(_) => "our login",
                    None => "us without a login",
                };
                let connection = Connection::new(&target, socket, packets);
                Ok(((target, connection), format!("the broker takes {whom}")))
            }
            Err(error) => Err(error.to_string()),
        };
        self.tell(ProbeStep::Login, since, outcome)
    }

    /// Subscribes, waits for the acknowledgement, and gathers what comes within `listen` after it. At quality of service 0
    /// a broker hands out more retained messages than at 1.
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
                Err(format!("{error}; start this again")),
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
                        let error = broken.into_link_error(target, connection.suspect());
                        self.tell::<()>(ProbeStep::Subscription, since, Err(error.to_string()));
                    }
                    return heard;
                }
                Err(_) => {
                    if !acknowledged {
                        let late = format!(
                            "the broker did not acknowledge a subscription within {} s; check its load",
                            ACK_LIMIT.as_secs()
                        );
                        self.tell::<()>(ProbeStep::Subscription, since, Err(late));
                    }
                    return heard;
                }
            };
            match moved {
                ConnectionEvent::Subscribed(answers) => {
                    acknowledged = true;
                    deadline = tokio::time::Instant::now() + listen;
                    let refused: Vec<&str> = answers
                        .iter()
                        .filter(|(_, code)| *code > 2)
                        .map(|(filter, _)| filter.as_str())
                        .collect();
                    let outcome = if refused.is_empty() {
                        Ok((
                            (),
                            format!("the broker lets us read {}/…", self.settings.topic_root),
                        ))
                    } else {
                        Err(format!(
                            "the broker refuses to let us read {}; its access list has to let this user read them",
                            refused.join(", ")
                        ))
                    };
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

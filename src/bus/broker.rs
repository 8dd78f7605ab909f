//! A broker of our own for a desk or a small site: rumqttd inside this process.
//!
//! It listens on loopback unless told otherwise, keeps what is retained in memory only, and is slow nowhere that a dozen
//! cameras would notice. rumqttd has no way to stop: a broker lives until its process ends. Known of rumqttd 0.20: a
//! subscription with quality of service 1 is given at most 100 retained messages; a wrong login is answered by hanging up;
//! its own TLS handshakes one client at a time, so that TLS is ended here instead (see `front`).

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use rumqttd::{Config, ConnectionSettings, RouterConfig, ServerSettings};
use sha2::{Digest, Sha256};
use tracing::warn;

use super::{BusError, front};
use crate::config::Secret;
use crate::event::PAYLOAD_LIMIT_BYTES;

/// Of what a filter's subscribers have not read yet, at most twice this is kept; who reads slower misses messages.
const SEGMENT_BYTES: usize = 4 * 1024 * 1024;

/// Clients at the same time.
const MOST_CLIENTS: usize = 512;

/// How long the listener may take to come up.
const START_LIMIT: Duration = Duration::from_secs(5);

/// How a broker is reached.
#[derive(Debug, Clone)]
pub struct BrokerOptions {
    /// Where it listens; port 0 takes a free one.
    pub listen: SocketAddr,
    /// The one login that it accepts; everybody where absent.
    pub login: Option<(String, Secret)>,
    /// TLS, where set; plain connections are refused then.
    pub tls: Option<BrokerTls>,
}

/// Files of a TLS server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokerTls {
    /// Certificate chain in PEM.
    pub certificate: PathBuf,
    /// Its private key in PEM.
    pub key: PathBuf,
    /// Where set, clients have to show a certificate of these authorities.
    pub ca: Option<PathBuf>,
}

impl Default for BrokerOptions {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 1883)),
            login: None,
            tls: None,
        }
    }
}

/// A broker that runs.
#[derive(Debug)]
pub struct Broker {
    address: SocketAddr,
    ended: mpsc::Receiver<String>,
}

impl Broker {
    /// Starts a broker in threads of its own and returns when it takes connections.
    ///
    /// # Errors
    /// When the address is taken or not ours, or a TLS file can't be used.
    pub fn start(options: &BrokerOptions) -> Result<Self, BusError> {
        let listener = bind(options.listen)?;
        let address = listener
            .local_addr()
            .map_err(|source| listen_error(options.listen, source))?;
        let (inside, front) = match &options.tls {
            None => {
                // rumqttd binds for itself: the port is given back to it, which SO_REUSEADDR allows at once.
                drop(listener);
                (address, None)
            }
            Some(tls) => {
                let config = super::tls::server(tls)?;
                let inside = bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?
                    .local_addr()
                    .map_err(|source| listen_error(options.listen, source))?;
                (inside, Some((listener, config)))
            }
        };
        let (end, ended) = mpsc::channel();
        run_inside(options, inside, end.clone())?;
        await_listener(inside, &ended)?;
        if let Some((listener, config)) = front {
            front::start(listener, config, inside, end)
                .map_err(|source| listen_error(address, source))?;
        }
        Ok(Self { address, ended })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Waits until it ends, which it should not, and says why it did. Blocks.
    pub fn wait(&self) -> String {
        self.ended
            .recv()
            .unwrap_or_else(|_| "its threads are gone".to_owned())
    }
}

fn bind(address: SocketAddr) -> Result<TcpListener, BusError> {
    TcpListener::bind(address).map_err(|source| listen_error(address, source))
}

fn listen_error(address: SocketAddr, source: std::io::Error) -> BusError {
    let remedy = match source.kind() {
        std::io::ErrorKind::AddrInUse => {
            "another program, perhaps a broker, has this port; use that, end it, or choose another port"
        }
        std::io::ErrorKind::AddrNotAvailable => "the address is not one of this machine's",
        std::io::ErrorKind::PermissionDenied => "ports below 1024 need privileges",
        _ => "choose another address or port",
    };
    BusError::Listen {
        address,
        source,
        remedy,
    }
}

/// Runs rumqttd in a thread; it comes back only when it fails.
fn run_inside(
    options: &BrokerOptions,
    listen: SocketAddr,
    end: mpsc::Sender<String>,
) -> Result<(), BusError> {
    let mut server = ServerSettings {
        name: "mqtt".to_owned(),
        listen,
        tls: None,
        next_connection_delay_ms: 1,
        connections: ConnectionSettings {
            connection_timeout_ms: 5000,
            // rumqttd compares the whole packet: topic and header need room above the payload.
            max_payload_size: PAYLOAD_LIMIT_BYTES + 66 * 1024,
            max_inflight_count: 100,
            auth: None,
            external_auth: None,
            dynamic_filters: true,
        },
    };
    if let Some((user, password)) = options.login.clone() {
        // Digests are compared, so that the time that takes says nothing of the password.
        let login = (user, digest(password.reveal()));
        server.set_auth_handler(move |client_id: String, user: String, password: String| {
            let accepted = (user, digest(&password)) == login;
            async move {
                if !accepted {
                    warn!(
                        client_id,
                        "a client was refused: wrong user name or password"
                    );
                }
                accepted
            }
        });
    }
    let config = Config {
        router: RouterConfig {
            max_connections: MOST_CLIENTS,
            max_outgoing_packet_count: 1024,
            max_segment_size: SEGMENT_BYTES,
            max_segment_count: 2,
            ..RouterConfig::default()
        },
        v4: Some([("mqtt".to_owned(), server)].into()),
        ..Config::default()
    };
    thread::Builder::new()
        .name("broker".to_owned())
        .spawn(move || {
            let ended = rumqttd::Broker::new(config).start();
            let reason = match ended {
                Ok(()) => "its listener ended".to_owned(),
                Err(error) => error.to_string(),
            };
            let _ = end.send(reason);
        })
        .map(drop)
        .map_err(|error| BusError::Broker(error.to_string()))
}

fn digest(text: &str) -> [u8; 32] {
    Sha256::digest(text).into()
}

/// rumqttd does not say when it listens.
fn await_listener(address: SocketAddr, ended: &mpsc::Receiver<String>) -> Result<(), BusError> {
    let mut target = address;
    if target.ip().is_unspecified() {
        target.set_ip(Ipv4Addr::LOCALHOST.into());
    }
    let deadline = Instant::now() + START_LIMIT;
    while Instant::now() < deadline {
        if TcpStream::connect_timeout(&target, START_LIMIT).is_ok() {
            return Ok(());
        }
        match ended.recv_timeout(Duration::from_millis(10)) {
            Ok(reason) => return Err(BusError::Broker(reason)),
            Err(mpsc::RecvTimeoutError::Timeout) => {}
            Err(mpsc::RecvTimeoutError::Disconnected) => break,
        }
    }
    Err(BusError::Broker(format!(
        "no connection to {target} within {} s",
        START_LIMIT.as_secs()
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn on_a_free_port() -> BrokerOptions {
        BrokerOptions {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            ..BrokerOptions::default()
        }
    }

    #[test]
    fn a_free_port_is_found_and_listened_on() {
        let broker = Broker::start(&on_a_free_port()).expect("it starts");
        assert_ne!(broker.port(), 0);
        TcpStream::connect(broker.address()).expect("it listens");
    }

    #[test]
    fn a_taken_port_is_an_error_that_says_so() {
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let listen = taken.local_addr().expect("it has one");
        let error = Broker::start(&BrokerOptions {
            listen,
            ..BrokerOptions::default()
        })
        .expect_err("two can't listen");
        assert_eq!(
            error.to_string(),
            format!(
                "can't listen on {listen}: another program, perhaps a broker, has this port; use that, end it, or choose \
                 another port"
            )
        );
    }
}

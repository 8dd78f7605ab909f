//! The built-in broker for tests and small sites: MQTT 3.1.1 with retained messages, wills and sessions, all in memory.
//!
//! rumqttc's codec reads and writes the packets; routing, the retained store and the sessions are here. The broker has one
//! thread with its own runtime, and one task per client. Everything that clients can fill has a limit (`limits`): a client
//! beyond the limit gets an error code, a retained message beyond it is refused, and a client that does not read its messages is
//! disconnected. The log reports each case.
//!
//! Reasons against the existing crates: rumqttd 0.20, which was used before, delivers 100 retained messages to a new
//! subscription, refuses keep-alive 0 and limits neither store nor clients, without settings for any of it. rmqtt is a broker
//! for clusters with plug-ins and about two hundred dependencies. ntex-mqtt is only a protocol layer, on a separate runtime.

mod client;
mod filters;
mod limits;
mod listen;
mod log_limit;
mod outgoing;
mod retained;
mod router;
mod session;
mod wire;

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::{Arc, mpsc};
use std::thread;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::sync::CancellationToken;

use self::client::accept_client;
use self::router::Router;
use super::{BrokerTls, BusError};
use crate::config::Secret;

pub use self::limits::BrokerLimits;

/// Settings of a broker.
#[derive(Debug, Clone)]
pub struct BrokerOptions {
    /// Address to listen on; port 0 chooses a free port.
    pub listen: SocketAddr,
    /// The only accepted login; absent: no login is needed.
    pub login: Option<(String, Secret)>,
    /// TLS; if set, connections without TLS are refused.
    pub tls: Option<BrokerTls>,
    /// Its limits.
    pub limits: BrokerLimits,
}

impl Default for BrokerOptions {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 1883)),
            login: None,
            tls: None,
            limits: BrokerLimits::default(),
        }
    }
}

/// A running broker. Dropping it closes its port and all connections.
#[derive(Debug)]
pub struct Broker {
    address: SocketAddr,
    ended: mpsc::Receiver<String>,
    stop: CancellationToken,
    thread: Option<thread::JoinHandle<()>>,
}

impl Broker {
    /// Starts a broker on a separate thread. Returns when it accepts connections.
    ///
    /// # Errors
    /// When the address is in use or not one of this machine's, or a TLS file can't be used.
    pub fn start(options: &BrokerOptions) -> Result<Self, BusError> {
        let failed = |source| listen_error(options.listen, source);
        let tls = options.tls.as_ref().map(super::tls::server).transpose()?;
        let listener = TcpListener::bind(options.listen).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| BusError::Broker(error.to_string()))?;
        let router = Arc::new(Router::new(options.limits.clone(), options.login.as_ref()));
        let stop = CancellationToken::new();
        let (end, ended) = mpsc::channel();
        let stopped = stop.clone();
        let thread = thread::Builder::new()
            .name("broker".to_owned())
            .spawn(move || {
                let reason = runtime.block_on(async {
                    tokio::select! {
                        () = stopped.cancelled() => "it was stopped".to_owned(),
                        ended = listen::listen(listener, tls, router) => match ended {
                            Ok(never) => match never {},
                            Err(error) => error.to_string(),
                        },
                    }
                });
                let _ = end.send(reason);
            })
            .map_err(|error| BusError::Broker(error.to_string()))?;
        Ok(Self {
            address,
            ended,
            stop,
            thread: Some(thread),
        })
    }

    /// The address on which it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Waits for the end of the broker, which is always a fault, and returns the reason. Blocks.
    pub fn wait(&self) -> String {
        self.ended
            .recv()
            .unwrap_or_else(|_| "its thread panicked".to_owned())
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.stop.cancel();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// A broker without a listener. Tests and the fuzzer pass it streams with arbitrary bytes.
#[derive(Debug, Clone)]
pub struct BrokerCore(Arc<Router>);

impl BrokerCore {
    /// A broker without a login.
    pub fn new(limits: BrokerLimits) -> Self {
        Self(Arc::new(Router::new(limits, None)))
    }

    /// Serves one client until its stream ends or it breaks the protocol. Needs a tokio runtime with time.
    pub async fn serve(&self, stream: impl AsyncRead + AsyncWrite + Unpin) {
        if let Some(client) = accept_client(&self.0, stream, "a stream").await {
            client.run().await;
        }
    }
}

fn listen_error(address: SocketAddr, source: std::io::Error) -> BusError {
    let remedy = match source.kind() {
        std::io::ErrorKind::AddrInUse => {
            "another program, perhaps a broker, uses this port; use that broker, stop the program, or choose another port"
        }
        std::io::ErrorKind::AddrNotAvailable => "this machine does not have the address",
        std::io::ErrorKind::PermissionDenied => "ports below 1024 need privileges",
        _ => "choose another address or port",
    };
    BusError::Listen {
        address,
        source,
        remedy,
    }
}

#[cfg(test)]
#[path = "broker_tests.rs"]
mod tests;

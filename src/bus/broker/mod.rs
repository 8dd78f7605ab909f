//! A broker of our own for a desk or a small site: MQTT 3.1.1 with retained messages, wills and sessions, all in memory.
//!
//! rumqttc's codec reads and writes the packets; what is here is routing, the retained store and the sessions. One thread
//! with a runtime of its own; each client is one task. Everything that strangers can fill has a limit (`limits`): a client
//! beyond the limit is told so, a retained message beyond it is refused, a client that does not read what it subscribed to is
//! disconnected, and each of these is a line in the log.
//!
//! Why none of the crates: rumqttd 0.20, which was here before, hands 100 retained messages to a new subscription, refuses
//! keep-alive 0 and bounds neither store nor clients, with no way to set any of it; rmqtt is a cluster's broker with plug-ins
//! and some two hundred dependencies; ntex-mqtt is a protocol layer on a runtime of its own, and leaves all of this to write.

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

/// How a broker is reached.
#[derive(Debug, Clone)]
pub struct BrokerOptions {
    /// Where it listens; port 0 takes a free one.
    pub listen: SocketAddr,
    /// The one login that it accepts; everybody where absent.
    pub login: Option<(String, Secret)>,
    /// TLS, where set; plain connections are refused then.
    pub tls: Option<BrokerTls>,
    /// What it bounds.
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

/// A broker that runs; dropping it closes its port and every connection.
#[derive(Debug)]
pub struct Broker {
    address: SocketAddr,
    ended: mpsc::Receiver<String>,
    stop: CancellationToken,
    thread: Option<thread::JoinHandle<()>>,
}

impl Broker {
    /// Starts a broker in a thread of its own and returns when it takes connections.
    ///
    /// # Errors
    /// When the address is taken or not ours, or a TLS file can't be used.
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
            .unwrap_or_else(|_| "its thread is gone".to_owned())
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

/// A broker without a listener, for streams that come from elsewhere: tests and the fuzzer feed it any bytes.
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

#[cfg(test)]
#[path = "broker_tests.rs"]
mod tests;

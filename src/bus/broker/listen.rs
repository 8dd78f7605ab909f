//! Accepts connections and TLS handshakes. Each handshake has its own task and deadline, so a silent connection does not
//! block others.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use super::client::accept_client;
use super::limits::PENDING_LIMIT;
use super::router::Router;
use crate::base::sync::lock;

/// Pause after a failed accept; the most likely cause is a lack of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// TCP keep-alive: the system probes a connection after this silence. A client without MQTT keep-alive whose cable was cut is
/// detected a minute later.
const PROBE_AFTER: Duration = Duration::from_secs(60);
const PROBE_EVERY: Duration = Duration::from_secs(15);
const PROBES: u32 = 4;

/// Accepts connections until a permanent error.
pub(super) async fn listen(
    listener: std::net::TcpListener,
    tls: Option<Arc<ServerConfig>>,
    router: Arc<Router>,
) -> io::Result<Infallible> {
    let listener = TcpListener::from_std(listener)?;
    let tls = tls.map(TlsAcceptor::from);
    let waiting = Arc::new(PendingConnections::default());
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                prepare(&stream);
                let (tls, router) = (tls.clone(), router.clone());
                let place = waiting.enter();
                tokio::spawn(async move {
                    let peer = peer.to_string();
                    match tls {
                        None => serve(&router, stream, &peer, place).await,
                        Some(tls) => {
                            let handshake = timeout(router.limits.connect, tls.accept(stream));
                            let stream = tokio::select! {
                                () = place.cut.cancelled() => return,
                                stream = handshake => stream,
                            };
                            match stream {
                                Ok(Ok(stream)) => serve(&router, stream, &peer, place).await,
                                Ok(Err(error)) => debug!(%peer, %error, "a TLS handshake failed"),
                                Err(_) => {
                                    debug!(%peer, "a connection without TLS handshake is closed")
                                }
                            }
                        }
                    }
                });
            }
            Err(error) => {
                if let Some(more) = router.log_limit.due("accept") {
                    warn!(%error, more, "a connection could not be accepted");
                }
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn serve(
    router: &Arc<Router>,
    stream: impl AsyncRead + AsyncWrite + Unpin,
    peer: &str,
    place: Pending,
) {
    let client = tokio::select! {
        () = place.cut.cancelled() => return,
        client = accept_client(router, stream, peer) => client,
    };
    drop(place);
    if let Some(client) = client {
        client.run().await;
    }
}

fn prepare(stream: &TcpStream) {
    let probes = || -> io::Result<()> {
        stream.set_nodelay(true)?;
        rustix::net::sockopt::set_socket_keepalive(stream, true)?;
        rustix::net::sockopt::set_tcp_keepidle(stream, PROBE_AFTER)?;
        rustix::net::sockopt::set_tcp_keepintvl(stream, PROBE_EVERY)?;
        rustix::net::sockopt::set_tcp_keepcnt(stream, PROBES)?;
        Ok(())
    };
    if let Err(error) = probes() {
        debug!(%error, "a connection has no TCP keep-alive");
    }
}

/// The connections without CONNECT. Their number is limited; the oldest is closed for a new one.
#[derive(Debug, Default)]
struct PendingConnections {
    places: Mutex<BTreeMap<u64, CancellationToken>>,
}

/// The registration of one connection, until it is dropped.
#[derive(Debug)]
struct Pending {
    waiting: Arc<PendingConnections>,
    number: u64,
    cut: CancellationToken,
}

impl PendingConnections {
    fn enter(self: &Arc<Self>) -> Pending {
        let mut places = lock(&self.places);
        if places.len() >= PENDING_LIMIT
            && let Some((_, oldest)) = places.pop_first()
        {
            oldest.cancel();
        }
        let number = places.last_key_value().map_or(0, |(last, _)| last + 1);
        let cut = CancellationToken::new();
        places.insert(number, cut.clone());
        Pending {
            waiting: self.clone(),
            number,
            cut,
        }
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        let mut places = lock(&self.waiting.places);
        // After a forced close, the entry is already removed and its number may be in use again.
        if !self.cut.is_cancelled() {
            places.remove(&self.number);
        }
    }
}

//! TLS in front of the broker inside: ends it, and passes plain bytes on over loopback.
//!
//! rumqttd shakes hands in its accept loop, one client at a time and without a limit: one that connects and says nothing
//! would keep all others out. Here each handshake has a task and a deadline. The broker behind listens on loopback: with a
//! login it asks for it there too; a client certificate is asked for here only, so that it keeps out other machines, not
//! other users of this one.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use rumqttc::tokio_rustls::TlsAcceptor;
use rustls::ServerConfig;
use tokio::net::TcpStream;
use tracing::{debug, info};

/// From the connection to the end of the handshake.
const HANDSHAKE_LIMIT: Duration = Duration::from_secs(5);

/// After a failed accept, most likely for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Accepts on `listener` in a thread of its own, for as long as the process lives.
pub(super) fn start(
    listener: TcpListener,
    config: Arc<ServerConfig>,
    inside: SocketAddr,
    end: mpsc::Sender<String>,
) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    thread::Builder::new()
        .name("broker-tls".to_owned())
        .spawn(move || {
            if let Err(error) = runtime.block_on(accept(listener, config, inside)) {
                let _ = end.send(error.to_string());
            }
        })?;
    Ok(())
}

async fn accept(
    listener: TcpListener,
    config: Arc<ServerConfig>,
    inside: SocketAddr,
) -> io::Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let acceptor = TlsAcceptor::from(config);
    loop {
        match listener.accept().await {
            Ok((client, peer)) => {
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    if let Err(error) = pass(client, acceptor, inside).await {
                        debug!(%peer, %error, "TLS client left");
                    }
                });
            }
            Err(error) => {
                info!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn pass(client: TcpStream, acceptor: TlsAcceptor, inside: SocketAddr) -> io::Result<()> {
    client.set_nodelay(true)?;
    let mut client = tokio::time::timeout(HANDSHAKE_LIMIT, acceptor.accept(client)).await??;
    let mut broker = TcpStream::connect(inside).await?;
    broker.set_nodelay(true)?;
    tokio::io::copy_bidirectional(&mut client, &mut broker).await?;
    Ok(())
}

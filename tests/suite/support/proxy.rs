//! A TCP proxy that simulates a cut cable.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::sync::watch;

/// Forwards connections to another port of this machine.
#[derive(Debug)]
pub(crate) struct Cable {
    port: u16,
    cut: watch::Sender<bool>,
    runtime: Option<Runtime>,
}

impl Cable {
    /// A proxy to `target` with an intact cable.
    pub(crate) fn to(target: u16) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        let listener = runtime
            .block_on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))
            .expect("a free port");
        let port = listener.local_addr().expect("it has one").port();
        let (cut, is_cut) = watch::channel(false);
        runtime.spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let mut is_cut = is_cut.clone();
                tokio::spawn(async move {
                    // A cut cable does not even refuse.
                    if is_cut.wait_for(|cut| !cut).await.is_err() {
                        return;
                    }
                    let target = SocketAddr::from((Ipv4Addr::LOCALHOST, target));
                    if let Ok(far) = TcpStream::connect(target).await {
                        let (near_in, near_out) = near.into_split();
                        let (far_in, far_out) = far.into_split();
                        tokio::join!(
                            pass(near_in, far_out, is_cut.clone()),
                            pass(far_in, near_out, is_cut)
                        );
                    }
                });
            }
        });
        Self {
            port,
            cut,
            runtime: Some(runtime),
        }
    }

    /// Its port.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Cuts the cable: from now on nothing passes in either direction, and no connection is closed.
    pub(crate) fn cut(&self) {
        self.cut.send_replace(true);
    }

    /// Mends the cable: held-back data passes again.
    pub(crate) fn mend(&self) {
        self.cut.send_replace(false);
    }
}

impl Drop for Cable {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_timeout(Duration::ZERO);
        }
    }
}

async fn pass(
    mut from: tokio::net::tcp::OwnedReadHalf,
    mut to: tokio::net::tcp::OwnedWriteHalf,
    mut is_cut: watch::Receiver<bool>,
) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(length) = from.read(&mut buffer).await {
        // Neither bytes nor the end of a connection get through.
        if is_cut.wait_for(|cut| !cut).await.is_err() || length == 0 {
            break;
        }
        if to.write_all(&buffer[..length]).await.is_err() {
            break;
        }
    }
}

//! Where a camera is, and why it can't be connected to.

use std::io;
use std::net::TcpStream;
use std::time::Duration;

use url::Url;

/// How long the second look at a camera that could not be connected to may take.
const DIAGNOSIS_LIMIT: Duration = Duration::from_secs(1);

/// Why a connection fails, found out by trying once more: rtspsrc says "Generic error" of every cause.
pub(super) fn diagnosis(url: &Url) -> (&'static str, &'static str) {
    let addresses = url.socket_addrs(|| Some(default_port(url)));
    let Some(address) = addresses
        .ok()
        .and_then(|addresses| addresses.first().copied())
    else {
        return (
            "unreachable",
            "has a host name that nobody knows; check its address and the name server",
        );
    };
    let connected = TcpStream::connect_timeout(&address, DIAGNOSIS_LIMIT);
    match connected.map_err(|err| err.kind()) {
        Ok(_) if url.scheme() == "rtsps" => (
            "tls",
            "takes the connection but does not speak TLS; check that its port is the one for rtsps",
        ),
        Ok(_) => (
            "unreachable",
            "did not take the connection at first, and takes one now",
        ),
        Err(io::ErrorKind::ConnectionRefused) => (
            "unreachable",
            "refused the connection; check its port, and that RTSP is switched on",
        ),
        Err(io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable) => (
            "unreachable",
            "is not to be found in the network; check its address and the route to it",
        ),
        Err(_) => (
            "unreachable",
            "can't be connected to; check its address, power and network",
        ),
    }
}

fn default_port(url: &Url) -> u16 {
    if url.scheme() == "rtsps" { 322 } else { 554 }
}

/// Host and port, without anything that a URL may hide before or behind them.
pub(super) fn host(url: &Url) -> String {
    let host = url.host_str().unwrap_or("an unnamed host");
    let default = default_port(url);
    format!("{host}:{}", url.port().unwrap_or(default))
}

//! The host of a camera, and the reason why a connection to it fails.

use std::io;
use std::net::TcpStream;
use std::time::Duration;

use url::Url;

/// Limit for the second attempt to connect.
const DIAGNOSIS_LIMIT: Duration = Duration::from_secs(1);

/// The reason why a connection fails, found by a second attempt: rtspsrc reports "Generic error" for every cause.
pub(super) fn diagnosis(url: &Url) -> (&'static str, &'static str) {
    let addresses = url.socket_addrs(|| Some(default_port(url)));
    let Some(address) = addresses
        .ok()
        .and_then(|addresses| addresses.first().copied())
    else {
        return (
            "unreachable",
            "has a host name that can't be resolved; check its address and the name server",
        );
    };
    let connected = TcpStream::connect_timeout(&address, DIAGNOSIS_LIMIT);
    match connected.map_err(|err| err.kind()) {
        Ok(_) if url.scheme() == "rtsps" => (
            "tls",
            "accepts the connection but does not speak TLS; check that its port is the one for rtsps",
        ),
        Ok(_) => (
            "unreachable",
            "refused the first connection but accepts one now",
        ),
        Err(io::ErrorKind::ConnectionRefused) => (
            "unreachable",
            "refused the connection; check its port, and that RTSP is switched on",
        ),
        // The kernel's own answer: nothing was sent.
        Err(io::ErrorKind::NetworkUnreachable) => (
            "unreachable",
            "can't be reached: this machine has no route to it; check the cable and the address of this machine",
        ),
        Err(io::ErrorKind::HostUnreachable) => (
            "unreachable",
            "can't be found on the network; check its address and the route to it",
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

/// Host and port, without the login and the path of the URL.
pub(super) fn host(url: &Url) -> String {
    let host = url.host_str().unwrap_or("an unnamed host");
    let default = default_port(url);
    format!("{host}:{}", url.port().unwrap_or(default))
}

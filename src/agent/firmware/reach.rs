//! Whether cameras answer at all: a connection to their port, and nothing more. One that does not answer is switched off or cut off,
//! which no image is to blame for.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use crate::base::{SourceId, Stop};
use crate::config::{Location, Settings};

/// Time limit of a connection.
const LIMIT: Duration = Duration::from_secs(3);
/// The ports of RTSP, and of RTSP over TLS.
const RTSP: u16 = 554;
const RTSPS: u16 = 322;

/// Host and port of each camera on the network. Other sources, such as USB cameras and files, always answer.
pub(super) fn hosts(settings: &Settings) -> BTreeMap<SourceId, (String, u16)> {
    let cameras = settings.sources.iter();
    let host = |(id, source): (&SourceId, &crate::config::SourceSettings)| {
        let Location::Rtsp(url) = &source.stream.location else {
            return None;
        };
        let port = match url.scheme() {
            "rtsps" => RTSPS,
            _ => RTSP,
        };
        let host = url.host_str()?.trim_matches(['[', ']']).to_owned();
        Some((*id, (host, url.port().unwrap_or(port))))
    };
    cameras.filter_map(host).collect()
}

/// Those of the cameras that accept no connection. Blocks three seconds for each.
pub(super) fn silent(hosts: &BTreeMap<SourceId, (String, u16)>, stop: &Stop) -> BTreeSet<SourceId> {
    let asked = hosts.iter().take_while(|_| !stop.is_raised());
    asked
        .filter(|(_, (host, port))| !answers(host, *port))
        .map(|(id, _)| *id)
        .collect()
}

fn answers(host: &str, port: u16) -> bool {
    let addresses = (host, port).to_socket_addrs().into_iter().flatten();
    let mut addresses = addresses.take(2);
    addresses.any(|address| TcpStream::connect_timeout(&address, LIMIT).is_ok())
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, SocketAddr, TcpListener};

    use tokio::net::TcpSocket;

    use super::*;

    #[test]
    fn a_camera_that_listens_answers_and_a_port_where_none_listens_does_not() {
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let camera = TcpListener::bind(any).expect("a port");
        // Bound, so that no other program takes the port meanwhile, and not listening.
        let silent_one = TcpSocket::new_v4().expect("a socket");
        silent_one.bind(any).expect("a port");
        let place = |address: SocketAddr| ("127.0.0.1".to_owned(), address.port());
        let hosts = BTreeMap::from([
            (SourceId(1), place(camera.local_addr().expect("bound"))),
            (SourceId(2), place(silent_one.local_addr().expect("bound"))),
        ]);
        assert_eq!(silent(&hosts, &Stop::default()), [SourceId(2)].into());
    }
}

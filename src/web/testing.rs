//! Requests to pages, for their tests.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// A received answer.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) head: String,
    pub(super) body: Vec<u8>,
}

impl Answer {
    /// A header's value.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (found, value) = line.split_once(": ")?;
            found.eq_ignore_ascii_case(name).then_some(value)
        })
    }

    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// Sends one GET request with the header lines `lines`.
pub(super) async fn ask(address: SocketAddr, path: &str, lines: &[&str]) -> Answer {
    send(address, "GET", path, lines).await
}

/// As [`ask`], with another method.
pub(super) async fn send(address: SocketAddr, method: &str, path: &str, lines: &[&str]) -> Answer {
    let mut stream = TcpStream::connect(address).await.expect("it listens");
    let mut question = format!("{method} {path} HTTP/1.1\r\nConnection: close\r\n");
    if !lines.iter().any(|line| line.starts_with("Host:")) {
        question += "Host: localhost\r\n";
    }
    for line in lines {
        question += &format!("{line}\r\n");
    }
    stream
        .write_all(format!("{question}\r\n").as_bytes())
        .await
        .expect("it reads");
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await.expect("it answers");
    let end = bytes
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .expect("a head");
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let status = head.split(' ').nth(1).and_then(|word| word.parse().ok());
    Answer {
        status: status.expect("a status"),
        head,
        body: bytes[end + 4..].to_vec(),
    }
}

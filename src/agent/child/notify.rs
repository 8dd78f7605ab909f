//! The notify socket of a child, as systemd has one: the child tells that it is ready, that it lives, and a line of status.
//!
//! The kernel tells the sender's process id with each message. The supervisor ignores messages of other processes.

use std::io::{self, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use rustix::cmsg_space;
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg, sockopt};
use tokio::io::Interest;
use tokio::net::UnixDatagram;

/// Maximum length of a message in bytes. systemd's own limit is 4 KiB.
const LONGEST_BYTES: usize = 4096;

/// The socket. Dropping it removes its file.
#[derive(Debug)]
pub(super) struct NotifySocket {
    socket: UnixDatagram,
    path: PathBuf,
}

/// A message of a process.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Notification {
    /// The sender's process id.
    pub(super) process: i32,
    /// Its start is complete.
    pub(super) ready: bool,
    /// A sign of life.
    pub(super) watchdog: bool,
    /// Its status in words.
    pub(super) status: Option<String>,
}

impl NotifySocket {
    /// Creates the socket, in place of one that an earlier run has left. Its folder must be private.
    ///
    /// # Errors
    /// Those of the system.
    pub(super) fn bind(path: PathBuf) -> io::Result<Self> {
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let socket = UnixDatagram::bind(&path)?;
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600))?;
        sockopt::set_socket_passcred(&socket, true)?;
        Ok(Self { socket, path })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The next message. Safe to cancel.
    ///
    /// # Errors
    /// Those of the system.
    pub(super) async fn recv(&self) -> io::Result<Notification> {
        let receive = || receive(&self.socket);
        self.socket.async_io(Interest::READABLE, receive).await
    }
}

impl Drop for NotifySocket {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

fn receive(socket: &UnixDatagram) -> io::Result<Notification> {
    let mut bytes = [0; LONGEST_BYTES];
    let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmCredentials(1))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let mut parts = [IoSliceMut::new(&mut bytes)];
    let received = recvmsg(socket, &mut parts, &mut ancillary, RecvFlags::CMSG_CLOEXEC)?;
    let process = ancillary.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmCredentials(sender) => Some(sender.pid.as_raw_nonzero().get()),
        _ => None,
    });
    Ok(parse(process.unwrap_or_default(), &bytes[..received.bytes]))
}

/// Reads the lines `KEY=VALUE` of a message. Unknown ones are ignored.
fn parse(process: i32, message: &[u8]) -> Notification {
    let mut parsed = Notification {
        process,
        ..Notification::default()
    };
    for line in String::from_utf8_lossy(message).lines() {
        match line.split_once('=') {
            Some(("READY", "1")) => parsed.ready = true,
            Some(("WATCHDOG", "1")) => parsed.watchdog = true,
            Some(("STATUS", text)) => parsed.status = Some(text.to_owned()),
            _ => {}
        }
    }
    parsed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_read_by_line_and_unknown_ones_are_ignored() {
        let parsed = parse(
            7,
            b"READY=1\nSTATUS=2 of 2 sources live\nMAINPID=8\nnonsense",
        );
        let expected = Notification {
            process: 7,
            ready: true,
            watchdog: false,
            status: Some("2 of 2 sources live".to_owned()),
        };
        assert_eq!(parsed, expected);
        assert!(parse(7, b"WATCHDOG=1").watchdog);
        assert!(!parse(7, b"WATCHDOG=trigger\xff").watchdog);
    }

    #[tokio::test]
    async fn the_kernel_names_the_sender() {
        let dir = tempfile::tempdir().expect("a folder");
        let socket = NotifySocket::bind(dir.path().join("n")).expect("bound");
        let sender = std::os::unix::net::UnixDatagram::unbound().expect("a socket");
        sender.send_to(b"READY=1", socket.path()).expect("sent");
        let received = socket.recv().await.expect("received");
        assert_eq!(received.process, std::process::id() as i32);
        assert!(received.ready);
    }
}

//! Connecting to control sockets with a time limit, and the user at the other end.

use std::io::{Error, ErrorKind};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};

/// Time limit of a connection. A running process accepts within it; the queue of one that hangs is full.
const CONNECT_LIMIT: Duration = Duration::from_secs(1);
const TRY_EVERY: Duration = Duration::from_millis(20);

/// Connects to a socket. Blocks for at most one second; a plain connect would never return if the process hangs.
///
/// # Errors
/// Those of the system: [`ErrorKind::ConnectionRefused`] if the process has ended, [`ErrorKind::TimedOut`] if it hangs.
pub fn reach(path: &Path) -> std::io::Result<UnixStream> {
    let address = SocketAddrUnix::new(path)?;
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let deadline = Instant::now() + CONNECT_LIMIT;
    loop {
        let socket =
            rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
        match rustix::net::connect(&socket, &address) {
            Ok(()) => {
                let stream = UnixStream::from(socket);
                stream.set_nonblocking(false)?;
                return Ok(stream);
            }
            Err(Errno::AGAIN) if Instant::now() < deadline => std::thread::sleep(TRY_EVERY),
            Err(Errno::AGAIN) => {
                let words = "the process hangs: it accepts no connections";
                return Err(Error::new(ErrorKind::TimedOut, words));
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// Whether a socket remains from a process that was killed, so that nothing listens at it. Blocks as [`reach`].
pub fn is_stale(path: &Path) -> bool {
    reach(path).is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused)
}

/// User id and process id of the listening process.
pub(super) fn peer(stream: &UnixStream) -> std::io::Result<(u32, i32)> {
    let peer = rustix::net::sockopt::socket_peercred(stream)?;
    Ok((peer.uid.as_raw(), peer.pid.as_raw_nonzero().get()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_accepts_nobody_is_told_from_one_that_is_gone() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("wall-box.sock");
        let listener = std::os::unix::net::UnixListener::bind(&path).expect("bound");
        assert!(!is_stale(&path));
        let ours = (
            rustix::process::geteuid().as_raw(),
            rustix::process::getpid().as_raw_nonzero().get(),
        );
        let mut waiting = Vec::new();
        let error = loop {
            match reach(&path) {
                Ok(stream) => {
                    assert_eq!(peer(&stream).expect("it is known"), ours);
                    waiting.push(stream);
                }
                Err(error) => break error,
            }
        };
        assert_eq!(error.kind(), ErrorKind::TimedOut, "{error}");
        drop((listener, waiting));
        let error = reach(&path).expect_err("nobody listens");
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused, "{error}");
        assert!(is_stale(&path));
    }
}

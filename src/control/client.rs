//! The client of a control socket.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::Deserialize;

use super::connect::{peer, reach};
use super::{Answer, LONGEST_MESSAGE_BYTES, Request};
use crate::base::folder::{FolderError, trusted_owner, user};

/// A request failed.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The connection failed: nothing listens, or it is not permitted.
    #[error(
        "can't connect to {path}: {source}; check that the process runs, and under the same user"
    )]
    Connect {
        /// The socket.
        path: PathBuf,
        /// The system's word.
        source: std::io::Error,
    },
    /// Another user may have created the socket.
    #[error(
        "request not sent, because another user could answer: {0}; remove it, or run this command as the user of the process"
    )]
    Folder(#[from] FolderError),
    /// Another user's process listens.
    #[error(
        "request not sent: the process at {path} belongs to user {owner}, not to user {user}; run this command as that user"
    )]
    Peer {
        /// The socket.
        path: PathBuf,
        /// The user of that process.
        owner: u32,
        /// The user of this process.
        user: u32,
    },
    /// Another process than the wanted one listens.
    #[error(
        "request not sent: process {found} answers at {path}, not process {wanted}; end process {found}, or give it another --instance-id"
    )]
    OtherProcess {
        /// The socket.
        path: PathBuf,
        /// The process that listens.
        found: i32,
        /// The process that the request is for.
        wanted: i32,
    },
    /// The process serves too many connections.
    #[error("{path} is busy: {message}")]
    Busy {
        /// The socket.
        path: PathBuf,
        /// The reason and the remedy.
        message: String,
    },
    /// The answer is invalid.
    #[error("invalid answer from {path}: {message}")]
    Answer {
        /// The socket.
        path: PathBuf,
        /// The reason.
        message: String,
    },
}

/// The reply: an answer, or busy.
#[derive(Deserialize)]
#[serde(untagged)]
enum Reply {
    Busy { busy: String },
    Answer(Answer),
}

/// How long a busy process is retried. It closes idle connections sooner than this.
const BUSY_LIMIT: Duration = Duration::from_secs(4);
const ASK_AGAIN: Duration = Duration::from_millis(200);

/// Sends a request and waits at most `limit` for the answer. A busy process is retried for up to four seconds. Blocks.
///
/// # Errors
/// When there is no answer in time, or the process belongs to another user.
pub fn request(path: &Path, request: &Request, limit: Duration) -> Result<Answer, ClientError> {
    send(path, None, request, limit)
}

/// As [`request`], but only to the process with the id `process`.
///
/// # Errors
/// As [`request`]; also if another process listens, which gets nothing then.
pub fn request_to(
    process: i32,
    path: &Path,
    request: &Request,
    limit: Duration,
) -> Result<Answer, ClientError> {
    send(path, Some(process), request, limit)
}

fn send(
    path: &Path,
    process: Option<i32>,
    request: &Request,
    limit: Duration,
) -> Result<Answer, ClientError> {
    let mut line = serde_json::to_vec(request).map_err(|err| unreadable(path, err))?;
    line.push(b'\n');
    let deadline = Instant::now() + limit.min(BUSY_LIMIT);
    loop {
        match ask(path, process, &line, limit)? {
            Reply::Answer(answer) => return Ok(answer),
            Reply::Busy { .. } if Instant::now() + ASK_AGAIN < deadline => {
                std::thread::sleep(ASK_AGAIN);
            }
            Reply::Busy { busy } => {
                return Err(ClientError::Busy {
                    path: path.to_owned(),
                    message: busy,
                });
            }
        }
    }
}

fn ask(
    path: &Path,
    process: Option<i32>,
    line: &[u8],
    limit: Duration,
) -> Result<Reply, ClientError> {
    let connect = |source| ClientError::Connect {
        path: path.to_owned(),
        source,
    };
    let folder = path.parent().unwrap_or(Path::new("/"));
    let owner = trusted_owner(folder, user())?;
    let mut stream = reach(path).map_err(connect)?;
    let (found, listening) = peer(&stream).map_err(connect)?;
    if !is_trusted(found, user(), owner) {
        return Err(ClientError::Peer {
            path: path.to_owned(),
            owner: found,
            user: user(),
        });
    }
    if let Some(wanted) = process.filter(|wanted| *wanted != listening) {
        return Err(ClientError::OtherProcess {
            path: path.to_owned(),
            found: listening,
            wanted,
        });
    }
    stream.set_read_timeout(Some(limit)).map_err(connect)?;
    stream.set_write_timeout(Some(limit)).map_err(connect)?;
    // A busy process answers without reading, so the write may fail.
    let written = stream.write_all(line);
    let mut answer = String::new();
    let read = BufReader::new(stream)
        .take(LONGEST_MESSAGE_BYTES)
        .read_line(&mut answer);
    match (written, read) {
        (_, Ok(1..)) => serde_json::from_str(&answer).map_err(|err| unreadable(path, err)),
        (Err(error), _) => Err(connect(error)),
        (Ok(()), Ok(_)) => Err(unreadable(
            path,
            "the connection was closed without an answer",
        )),
        (Ok(()), Err(error)) => Err(unreadable(path, error)),
    }
}

/// Whether `user` may send requests to a process of the user `peer`, whose socket is in a trusted folder of `owner`.
fn is_trusted(peer: u32, user: u32, owner: u32) -> bool {
    [0, user, owner].contains(&peer)
}

fn unreadable(path: &Path, message: impl std::fmt::Display) -> ClientError {
    ClientError::Answer {
        path: path.to_owned(),
        message: message.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_sent_to_trusted_users_only() {
        let (us, other, root) = (1000, 1001, 0);
        assert!(is_trusted(us, us, us) && is_trusted(root, us, us) && is_trusted(root, us, root));
        assert!(!is_trusted(other, us, us) && !is_trusted(other, us, root));
        // Root may send requests to a unit that runs as another user.
        assert!(is_trusted(us, root, us) && !is_trusted(other, root, us));
    }

    #[test]
    fn a_socket_in_a_folder_that_others_can_write_in_is_not_asked() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().expect("a folder");
        let open = std::fs::Permissions::from_mode(0o777);
        std::fs::set_permissions(dir.path(), open).expect("set");
        let path = dir.path().join("processor-box.sock");
        let listener = std::os::unix::net::UnixListener::bind(&path).expect("bound");
        let refused = request(&path, &Request::Status, Duration::from_secs(5));
        assert!(
            matches!(refused, Err(ClientError::Folder(_))),
            "{refused:?}"
        );
        listener.set_nonblocking(true).expect("set");
        let asked = listener.accept().expect_err("nobody connected");
        assert_eq!(asked.kind(), std::io::ErrorKind::WouldBlock);
    }

    #[test]
    fn a_process_that_is_not_meant_gets_no_request() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("processor-box.sock");
        let listener = std::os::unix::net::UnixListener::bind(&path).expect("bound");
        let ours = rustix::process::getpid().as_raw_nonzero().get();
        let limit = Duration::from_secs(5);
        let refused = request_to(ours + 1, &path, &Request::Status, limit);
        let Err(ClientError::OtherProcess { found, wanted, .. }) = refused else {
            panic!("{refused:?}");
        };
        assert_eq!((found, wanted), (ours, ours + 1));
        let mut read = Vec::new();
        let (mut stream, _) = listener.accept().expect("a connection");
        stream.read_to_end(&mut read).expect("its end");
        assert_eq!(read, b"");
    }
}

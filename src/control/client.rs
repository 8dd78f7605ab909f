//! The asking side.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{Answer, Request};

/// Why there was no answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody listens, or we may not connect.
    #[error("can't ask at {path}: {source}; is the process running, and under the same user?")]
    Connect {
        /// The socket.
        path: PathBuf,
        /// The system's word.
        source: std::io::Error,
    },
    /// What came back is no answer.
    #[error("the answer at {path} can't be read: {message}")]
    Answer {
        /// The socket.
        path: PathBuf,
        /// What is wrong with it.
        message: String,
    },
}

/// Asks once and waits for the answer, `limit` at most. Blocks.
///
/// # Errors
/// When nobody answers, or not in time.
pub fn request(path: &Path, request: &Request, limit: Duration) -> Result<Answer, ClientError> {
    let connect = |source| ClientError::Connect {
        path: path.to_owned(),
        source,
    };
    let unreadable = |message| ClientError::Answer {
        path: path.to_owned(),
        message,
    };
    let mut stream = UnixStream::connect(path).map_err(connect)?;
    stream.set_read_timeout(Some(limit)).map_err(connect)?;
    let mut line = serde_json::to_vec(request).map_err(|err| unreadable(err.to_string()))?;
    line.push(b'\n');
    stream.write_all(&line).map_err(connect)?;
    let mut answer = String::new();
    BufReader::new(stream)
        .read_line(&mut answer)
        .map_err(|err| unreadable(err.to_string()))?;
    serde_json::from_str(&answer).map_err(|err| unreadable(err.to_string()))
}

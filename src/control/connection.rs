//! One connection: requests and answers line by line, each with a time limit.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::net::unix::OwnedReadHalf;
use tokio::time::timeout;

use super::{Answer, Capabilities, LONGEST_MESSAGE_BYTES, Problem, Request, Status};
use crate::base::SourceId;
use crate::base::folder::user;

/// The handler of requests. Its methods may block; they run on blocking threads.
pub trait ControlHandler: Send + Sync + 'static {
    /// The state of the role and its parts.
    fn status(&self) -> Status;
    /// The abilities of this build on this machine.
    fn capabilities(&self) -> Capabilities;
    /// Applies a configuration document. If it has a problem, nothing changes.
    ///
    /// # Errors
    /// All problems of the document.
    fn apply(&self, document: Value) -> Result<Value, Vec<Problem>>;
    /// Restarts the session of a source now. False if this process does not run the source.
    fn restart(&self, id: SourceId) -> bool;

    /// Pauses the analysis of a source or of all, or ends the pause. Returns the sources that are paused now.
    ///
    /// # Errors
    /// When this process does not run the source, or does not analyse.
    fn pause(&self, _: Option<SourceId>, _: bool) -> Result<Value, Problem> {
        Err(not_supported())
    }

    /// Shows a text large on every monitor for some time.
    ///
    /// # Errors
    /// When this process has no monitors.
    fn identify(&self, _: &str, _: Duration) -> Result<Value, Problem> {
        Err(not_supported())
    }

    /// Shows lines of text below the cameras for some time.
    ///
    /// # Errors
    /// When this process has no monitors.
    fn notice(&self, _: Vec<String>, _: Duration) -> Result<Value, Problem> {
        Err(not_supported())
    }

    /// A picture as JPEG of at most so many bytes.
    ///
    /// # Errors
    /// When there is no picture, or this process has none.
    fn jpeg(&self, _: Option<SourceId>, _: usize) -> Result<Value, Problem> {
        Err(not_supported())
    }
}

/// The refusal of a request that only other roles carry out.
pub fn not_supported() -> Problem {
    Problem::new("", "not supported by this role")
}

/// Time limits of the other side.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// For the first byte of a request.
    idle: Duration,
    /// For the rest of a request.
    request: Duration,
    /// For reading an answer.
    answer: Duration,
}

/// The limits. An idle connection is closed before a client that found the process busy stops retrying (`client`).
pub(super) const LIMITS: Limits = Limits {
    idle: Duration::from_secs(3),
    request: Duration::from_secs(10),
    answer: Duration::from_secs(10),
};

/// The result of reading a request.
enum Input {
    Line(Vec<u8>),
    /// The connection is refused or ended; the reason.
    Refused(String),
    End,
}

/// Answers requests until the other side closes the connection or is silent.
pub(super) async fn serve_connection(
    stream: UnixStream,
    controlled: Arc<dyn ControlHandler>,
    limits: Limits,
) -> std::io::Result<()> {
    // The permissions of socket and folder exclude other users; this check also holds if somebody changed them.
    let peer = stream.peer_cred()?.uid();
    let (read, mut write) = stream.into_split();
    if ![0, user()].contains(&peer) {
        let words = format!(
            "user {peer} is not permitted; send requests as user {} or as root",
            user()
        );
        return answer(&mut write, &refusal(words), limits).await;
    }
    let mut read = BufReader::new(read);
    loop {
        match read_line(&mut read, limits).await? {
            Input::End => return Ok(()),
            Input::Refused(why) => return answer(&mut write, &refusal(why), limits).await,
            Input::Line(line) => {
                let given = answer_to(&line, controlled.clone()).await;
                answer(&mut write, &given, limits).await?;
                if !line.ends_with(b"\n") {
                    return Ok(());
                }
            }
        }
    }
}

/// Refuses a connection because too many are open.
pub(super) async fn refuse_busy(mut stream: UnixStream, places: usize) {
    let words = format!("{places} connections are open; try again in some seconds");
    let mut line = serde_json::json!({ "busy": words }).to_string();
    line.push('\n');
    // It fits into the socket's empty buffer, so it does not wait.
    let _ = timeout(
        Duration::from_millis(100),
        stream.write_all(line.as_bytes()),
    )
    .await;
}

async fn read_line(read: &mut BufReader<OwnedReadHalf>, limits: Limits) -> std::io::Result<Input> {
    let Ok(begun) = timeout(limits.idle, read.fill_buf()).await else {
        return Ok(silence("no request", limits.idle));
    };
    if begun?.is_empty() {
        return Ok(Input::End);
    }
    let mut line = Vec::new();
    let mut limited = read.take(LONGEST_MESSAGE_BYTES);
    match timeout(limits.request, limited.read_until(b'\n', &mut line)).await {
        Ok(bytes) => bytes?,
        Err(_) => return Ok(silence("incomplete request", limits.request)),
    };
    if line.len() as u64 == LONGEST_MESSAGE_BYTES && !line.ends_with(b"\n") {
        let words = format!("a request may have at most {LONGEST_MESSAGE_BYTES} bytes");
        return Ok(Input::Refused(words));
    }
    Ok(Input::Line(line))
}

fn one(result: Result<Value, Problem>) -> Answer {
    match result {
        Ok(value) => Answer::Ok(value),
        Err(problem) => Answer::Refused(vec![problem]),
    }
}

fn silence(what: &str, limit: Duration) -> Input {
    Input::Refused(format!(
        "{what} within {} ms; connect again and send one",
        limit.as_millis()
    ))
}

async fn answer(
    write: &mut (impl AsyncWriteExt + Unpin),
    answer: &Answer,
    limits: Limits,
) -> std::io::Result<()> {
    let mut line = serde_json::to_vec(answer)?;
    line.push(b'\n');
    timeout(limits.answer, write.write_all(&line)).await?
}

async fn answer_to(line: &[u8], controlled: Arc<dyn ControlHandler>) -> Answer {
    let request = match serde_json::from_slice(line) {
        Ok(request) => request,
        Err(err) => {
            return refusal(format!(
                "not a request: {err}; an example is {{\"command\": \"status\"}}"
            ));
        }
    };
    let answer = tokio::task::spawn_blocking(move || match request {
        Request::Status => ok_answer(&controlled.status()),
        Request::Capabilities => ok_answer(&controlled.capabilities()),
        Request::Apply { document } => match controlled.apply(document) {
            Ok(value) => Answer::Ok(value),
            Err(problems) => Answer::Refused(problems),
        },
        Request::Restart { source_id } if controlled.restart(source_id) => {
            Answer::Ok(serde_json::json!({ "restarted": source_id }))
        }
        Request::Restart { source_id } => refusal(format!(
            "this process runs no source {source_id}; `nvr control status` lists its sources"
        )),
        Request::Pause { source_id } => one(controlled.pause(source_id, true)),
        Request::Resume { source_id } => one(controlled.pause(source_id, false)),
        Request::Identify { text, seconds } => {
            one(controlled.identify(&text, Duration::from_secs(seconds)))
        }
        Request::Notice { lines, seconds } => {
            one(controlled.notice(lines, Duration::from_secs(seconds)))
        }
        Request::Snapshot {
            source_id,
            most_bytes,
        } => one(controlled.jpeg(source_id, most_bytes)),
    });
    answer
        .await
        .unwrap_or_else(|err| refusal(format!("the request failed: {err}")))
}

fn ok_answer(document: &impl Serialize) -> Answer {
    serde_json::to_value(document).map_or_else(
        |err| refusal(format!("the answer can't be encoded: {err}")),
        Answer::Ok,
    )
}

fn refusal(message: String) -> Answer {
    Answer::Refused(vec![Problem::new("", message)])
}

#[cfg(test)]
mod tests {
    use super::super::server::tests::Echo;
    use super::*;

    /// The replies of a connection to these bytes, as text.
    async fn replies(bytes: Vec<u8>, and_ends: bool, limits: Limits) -> String {
        let (near, far) = UnixStream::pair().expect("a pair");
        let served = tokio::spawn(serve_connection(far, Arc::new(Echo), limits));
        let (mut read, mut write) = near.into_split();
        let writer = tokio::spawn(async move {
            // One that is refused need not be read to its end.
            let _ = write.write_all(&bytes).await;
            if and_ends {
                drop(write);
            } else {
                std::future::pending::<()>().await;
            }
        });
        let mut given = Vec::new();
        // Where not all was read the end is a reset connection.
        let _ = read.read_to_end(&mut given).await;
        writer.abort();
        let _ = served.await;
        String::from_utf8_lossy(&given).into_owned()
    }

    fn line(document: &impl Serialize) -> String {
        let value = serde_json::to_value(document).expect("plain data");
        format!("{}\n", serde_json::json!({ "ok": value }))
    }

    #[tokio::test]
    async fn garbage_and_what_is_too_long_are_refused() {
        let garbage = replies(b"garbage\n".to_vec(), true, LIMITS).await;
        assert!(garbage.contains("not a request: "), "{garbage}");
        let long = vec![b'x'; LONGEST_MESSAGE_BYTES as usize + 1];
        let long = replies(long, true, LIMITS).await;
        assert!(long.contains("at most 8388608 bytes"), "{long}");
    }

    #[tokio::test]
    async fn a_request_without_a_line_end_is_answered_and_two_are_answered_in_order() {
        let status = "{\"command\": \"status\"}";
        let one = replies(status.as_bytes().to_vec(), true, LIMITS).await;
        let (status_line, capabilities_line) = (line(&Echo.status()), line(&Echo.capabilities()));
        assert_eq!(one, status_line);
        let two = format!("{status}\n{{\"command\": \"capabilities\"}}\n");
        let two = replies(two.into_bytes(), true, LIMITS).await;
        assert_eq!(two, format!("{status_line}{capabilities_line}"));
    }

    #[tokio::test]
    async fn silence_and_half_a_request_end_the_connection() {
        let short = Limits {
            idle: Duration::from_millis(50),
            request: Duration::from_millis(50),
            ..LIMITS
        };
        let silent = replies(Vec::new(), false, short).await;
        assert!(silent.contains("no request within 50 ms"), "{silent}");
        let half = Limits {
            idle: LIMITS.answer,
            ..short
        };
        let half = replies(b"{\"command\":".to_vec(), false, half).await;
        assert!(half.contains("incomplete request within 50 ms"), "{half}");
    }
}

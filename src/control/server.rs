//! The answering side: one tokio task a connection, few at a time.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tracing::{debug, info, warn};

use super::{Answer, Problem, Request, candidates, socket_path};
use crate::base::SourceId;

/// Whoever can be asked. Its methods may block: they run on threads that may.
pub trait Controlled: Send + Sync + 'static {
    /// What runs, and how it fares.
    fn status(&self) -> Value;
    /// What this build and this box can do.
    fn capabilities(&self) -> Value;
    /// Applies a configuration document, or refuses it whole.
    ///
    /// # Errors
    /// Every problem of the document at once.
    fn apply(&self, document: Value) -> Result<Value, Vec<Problem>>;
    /// Begins a source's session anew, at once; false where there is no such source, or another process has it.
    fn restart(&self, id: SourceId) -> bool {
        let _ = id;
        false
    }
}

/// The socket could not be made.
#[derive(Debug, thiserror::Error)]
#[error(
    "no folder for the control socket: tried {tried}; create /run/nvr for this user (RuntimeDirectory=nvr in a unit), or set XDG_RUNTIME_DIR"
)]
pub struct ServeError {
    tried: String,
}

/// The socket while it answers; dropping it removes it.
#[derive(Debug)]
pub struct Server {
    path: PathBuf,
    task: JoinHandle<()>,
}

/// A document is a configuration file as JSON: a thousand cameras fit with room to spare.
const LONGEST_REQUEST_BYTES: u64 = 1 << 20;
/// A supervisor, an operator and a support bundle at once, and one to spare.
const CONNECTIONS: usize = 4;

impl Server {
    /// Answers for `controlled` at `{role}-{instance_id}.sock` in the first of [`candidates`] that can be written.
    /// Needs a tokio runtime.
    ///
    /// # Errors
    /// When no folder can be used; names each with its reason.
    pub fn start(
        role: &str,
        instance_id: &str,
        controlled: Arc<dyn Controlled>,
    ) -> Result<Self, ServeError> {
        let mut tried = Vec::new();
        for dir in candidates() {
            let path = socket_path(&dir, role, instance_id);
            match listen(&dir, &path) {
                Ok(listener) => {
                    info!(path = %path.display(), "control socket is ready");
                    let task = tokio::spawn(accept(listener, controlled));
                    return Ok(Self { path, task });
                }
                Err(err) => tried.push(format!("{} ({err})", dir.display())),
            }
        }
        Err(ServeError {
            tried: tried.join(", "),
        })
    }

    /// Where it answers.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
        let _ = std::fs::remove_file(&self.path);
    }
}

fn listen(dir: &Path, path: &Path) -> std::io::Result<UnixListener> {
    if !dir.is_dir() {
        std::fs::create_dir_all(dir)?;
        std::fs::set_permissions(dir, PermissionsExt::from_mode(0o700))?;
    }
    // A socket that nobody answers at is what a killed process left behind; one that answers belongs to a twin.
    if std::os::unix::net::UnixStream::connect(path).is_ok() {
        return Err(std::io::Error::new(
            std::io::ErrorKind::AddrInUse,
            "another process of this instance answers there",
        ));
    }
    match std::fs::remove_file(path) {
        Err(err) if err.kind() != std::io::ErrorKind::NotFound => return Err(err),
        _ => {}
    }
    let listener = UnixListener::bind(path)?;
    std::fs::set_permissions(path, PermissionsExt::from_mode(0o600))?;
    Ok(listener)
}

async fn accept(listener: UnixListener, controlled: Arc<dyn Controlled>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(place) = places.clone().acquire_owned().await else {
            return;
        };
        match listener.accept().await {
            Ok((stream, _)) => {
                let controlled = controlled.clone();
                tokio::spawn(async move {
                    if let Err(err) = converse(stream, controlled).await {
                        debug!(%err, "a control connection ended");
                    }
                    drop(place);
                });
            }
            Err(err) => warn!(%err, "the control socket can't accept"),
        }
    }
}

async fn converse(stream: UnixStream, controlled: Arc<dyn Controlled>) -> std::io::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut read = BufReader::new(read);
    loop {
        let mut line = Vec::new();
        let bytes = (&mut read)
            .take(LONGEST_REQUEST_BYTES)
            .read_until(b'\n', &mut line)
            .await?;
        if bytes == 0 {
            return Ok(());
        }
        let whole = line.ends_with(b"\n");
        let answer = if whole || (bytes as u64) < LONGEST_REQUEST_BYTES {
            answer_to(&line, controlled.clone()).await
        } else {
            refusal(format!(
                "a request is at most {LONGEST_REQUEST_BYTES} bytes long"
            ))
        };
        let mut answer = serde_json::to_vec(&answer)?;
        answer.push(b'\n');
        write.write_all(&answer).await?;
        if !whole {
            return Ok(());
        }
    }
}

async fn answer_to(line: &[u8], controlled: Arc<dyn Controlled>) -> Answer {
    let request = match serde_json::from_slice(line) {
        Ok(request) => request,
        Err(err) => {
            return refusal(format!(
                "not a request: {err}; send {{\"command\": \"status\"}} for one"
            ));
        }
    };
    let answer = tokio::task::spawn_blocking(move || match request {
        Request::Status => Answer::Ok(controlled.status()),
        Request::Capabilities => Answer::Ok(controlled.capabilities()),
        Request::Apply { document } => match controlled.apply(document) {
            Ok(value) => Answer::Ok(value),
            Err(problems) => Answer::Refused(problems),
        },
        Request::Restart { source_id } if controlled.restart(source_id) => {
            Answer::Ok(serde_json::json!({ "restarted": source_id }))
        }
        Request::Restart { source_id } => refusal(format!(
            "no source {source_id} runs here; `nvr control status` lists those that do"
        )),
    });
    answer
        .await
        .unwrap_or_else(|err| refusal(format!("the request failed: {err}")))
}

fn refusal(message: String) -> Answer {
    Answer::Refused(vec![Problem {
        path: String::new(),
        message,
    }])
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    struct Echo;

    impl Controlled for Echo {
        fn status(&self) -> Value {
            "well".into()
        }
        fn capabilities(&self) -> Value {
            Value::Null
        }
        fn restart(&self, id: SourceId) -> bool {
            id == SourceId(3)
        }

        fn apply(&self, document: Value) -> Result<Value, Vec<Problem>> {
            Err(vec![Problem {
                path: "camera[0].uri".to_owned(),
                message: document.to_string(),
            }])
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn requests_are_answered_and_garbage_is_refused() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let path = socket_path(dir.path(), "processor", "box-1");
        let listener = listen(dir.path(), &path).expect("a socket");
        let _task = tokio::spawn(accept(listener, Arc::new(Echo)));
        let ask = |request: Request| {
            let path = path.clone();
            tokio::task::spawn_blocking(move || {
                super::super::request(&path, &request, Duration::from_secs(5))
            })
        };
        let status = ask(Request::Status)
            .await
            .expect("joined")
            .expect("answered");
        assert_eq!(status, Answer::Ok("well".into()));
        let document = serde_json::json!({"a": 1});
        let refused = ask(Request::Apply { document })
            .await
            .expect("joined")
            .expect("answered");
        assert_eq!(
            refused,
            Answer::Refused(vec![Problem {
                path: "camera[0].uri".to_owned(),
                message: "{\"a\":1}".to_owned(),
            }])
        );
        assert!(matches!(
            answer_to(b"garbage\n", Arc::new(Echo)).await,
            Answer::Refused(_)
        ));
    }

    #[tokio::test]
    async fn a_dead_socket_is_replaced_and_a_live_one_is_not() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let path = socket_path(dir.path(), "processor", "box-1");
        drop(listen(dir.path(), &path).expect("a socket"));
        assert!(path.exists(), "the dead socket is still there");
        let _alive = listen(dir.path(), &path).expect("the dead one is replaced");
        let twin = listen(dir.path(), &path).expect_err("the live one stays");
        assert_eq!(twin.kind(), std::io::ErrorKind::AddrInUse);
    }
}

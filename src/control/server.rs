//! The server of a control socket. One tokio task per connection; their number is limited.

use std::fs::File;
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};
use tokio::net::UnixListener;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tracing::{debug, info, warn};

use super::connect::{peer, reach};
use super::connection::{ControlHandler, LIMITS, refuse_busy, serve_connection};
use super::socket_path;
use crate::base::folder::{folders, user};

/// The control socket can't be created.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// No folder is private to this user.
    #[error(
        "no folder for the control socket: tried {tried}; create /run/nvr for this user (RuntimeDirectory=nvr in a unit), or set NVR_RUNTIME_DIR to a folder of this user"
    )]
    Folder {
        /// The folders with their reasons.
        tried: String,
    },
    /// Another process of this role and instance runs.
    #[error(
        "another {role} with the instance id {instance_id} runs on this machine, process {process}, with the socket {path}; give one of them another --instance-id"
    )]
    AlreadyRunning {
        /// Its role.
        role: String,
        /// The common instance id.
        instance_id: String,
        /// Its process id.
        process: String,
        /// Its socket.
        path: PathBuf,
    },
}

/// A running control socket. Dropping it removes the socket.
#[derive(Debug)]
pub struct Server {
    path: PathBuf,
    task: JoinHandle<()>,
}

/// Maximum number of connections: a supervisor, an operator, a support bundle, and some that were left open.
const CONNECTIONS: usize = 16;
/// Pause after a failed accept; the likely cause is a lack of file descriptors.
const ACCEPT_AGAIN: Duration = Duration::from_millis(200);

impl Server {
    /// Serves `controlled` at `{role}-{instance_id}.sock` in the first of [`folders`] that is private to this user. Replaces the
    /// socket of a killed process. Needs a tokio runtime.
    ///
    /// # Errors
    /// When no folder can be used, or a process of this role and instance runs already.
    pub fn start(
        role: &str,
        instance_id: &str,
        controlled: Arc<dyn ControlHandler>,
    ) -> Result<Self, ServeError> {
        let mut tried = Vec::new();
        for folder in folders().iter().filter(|folder| folder.is_for(role)) {
            let path = socket_path(&folder.path, role, instance_id);
            let listener = match folder.prepare(user()) {
                Ok(()) => listen(&folder.path, &path),
                // The folder of a systemd unit exists only while the unit runs.
                Err(error) if error.is_absence() => continue,
                Err(error) => {
                    tried.push(error.to_string());
                    continue;
                }
            };
            match listener {
                Ok(listener) => {
                    info!(path = %path.display(), "control socket is ready");
                    let task = tokio::spawn(accept(listener, controlled));
                    return Ok(Self { path, task });
                }
                Err(ListenError::AlreadyRunning(process)) => {
                    return Err(ServeError::AlreadyRunning {
                        role: role.to_owned(),
                        instance_id: instance_id.to_owned(),
                        process,
                        path,
                    });
                }
                Err(ListenError::System(error)) => {
                    tried.push(format!("{} ({error})", path.display()));
                }
            }
        }
        Err(ServeError::Folder {
            tried: tried.join(", "),
        })
    }

    /// The path of the socket.
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

#[derive(Debug)]
enum ListenError {
    /// Another process uses the socket; its id.
    AlreadyRunning(String),
    System(std::io::Error),
}

impl From<std::io::Error> for ListenError {
    fn from(error: std::io::Error) -> Self {
        Self::System(error)
    }
}

fn listen(dir: &Path, path: &Path) -> Result<UnixListener, ListenError> {
    // The lock prevents two processes that start together from taking each other's socket for one that was left behind.
    let dir = File::open(dir)?;
    flock(&dir, FlockOperation::LockExclusive).map_err(std::io::Error::from)?;
    match reach(path) {
        Ok(twin) => {
            let process =
                peer(&twin).map_or_else(|_| "unknown".to_owned(), |(_, id)| id.to_string());
            return Err(ListenError::AlreadyRunning(process));
        }
        Err(error) if error.kind() == ErrorKind::TimedOut => {
            return Err(ListenError::AlreadyRunning("unknown (it hangs)".to_owned()));
        }
        // No socket, or that of a killed process.
        Err(error)
            if matches!(
                error.kind(),
                ErrorKind::ConnectionRefused | ErrorKind::NotFound
            ) => {}
        Err(error) => return Err(error.into()),
    }
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error.into()),
        _ => {}
    }
    let listener = UnixListener::bind(path)?;
    std::fs::set_permissions(path, PermissionsExt::from_mode(0o600))?;
    Ok(listener)
}

async fn accept(listener: UnixListener, controlled: Arc<dyn ControlHandler>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        match listener.accept().await {
            // Every connection is accepted, so that a client gets the reason instead of waiting in the kernel's queue.
            Ok((stream, _)) => match places.clone().try_acquire_owned() {
                Ok(place) => {
                    let controlled = controlled.clone();
                    tokio::spawn(async move {
                        if let Err(error) = serve_connection(stream, controlled, LIMITS).await {
                            debug!(%error, "a control connection ended");
                        }
                        drop(place);
                    });
                }
                Err(_) => refuse_busy(stream, CONNECTIONS).await,
            },
            Err(error) => {
                warn!(%error, "the control socket can't accept; free descriptors");
                tokio::time::sleep(ACCEPT_AGAIN).await;
            }
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::base::SourceId;
    use crate::control::{
        Answer, Capabilities, Problem, Request, Status, WallCapabilities, WallStatus, request,
    };
    use serde_json::Value;
    use std::os::unix::net::UnixStream;
    use std::time::Instant;

    pub(in crate::control) struct Echo;

    impl ControlHandler for Echo {
        fn status(&self) -> Status {
            Status::Wall(WallStatus {
                version: "well".to_owned(),
                ..WallStatus::default()
            })
        }
        fn capabilities(&self) -> Capabilities {
            Capabilities::Wall(WallCapabilities::default())
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

    fn well() -> Answer {
        Answer::Ok(serde_json::to_value(Echo.status()).expect("plain data"))
    }

    /// A folder as a socket's has to be, and a socket in it.
    fn place() -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let path = socket_path(dir.path(), "processor", "box-1");
        (dir, path)
    }

    async fn ask(path: &Path, what: Request) -> Result<Answer, crate::control::ClientError> {
        let path = path.to_owned();
        let asked = move || request(&path, &what, Duration::from_secs(20));
        tokio::task::spawn_blocking(asked).await.expect("joined")
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn requests_are_answered_and_documents_refused() {
        let (dir, path) = place();
        let listener = listen(dir.path(), &path).expect("a socket");
        let _task = tokio::spawn(accept(listener, Arc::new(Echo)));
        let status = ask(&path, Request::Status).await.expect("answered");
        assert_eq!(status, well());
        let document = serde_json::json!({"a": 1});
        let refused = ask(&path, Request::Apply { document }).await;
        assert_eq!(
            refused.expect("answered"),
            Answer::Refused(vec![Problem {
                path: "camera[0].uri".to_owned(),
                message: "{\"a\":1}".to_owned(),
            }])
        );
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn idle_connections_keep_nobody_from_an_answer() {
        let (dir, path) = place();
        let listener = listen(dir.path(), &path).expect("a socket");
        let _task = tokio::spawn(accept(listener, Arc::new(Echo)));
        for idle in [1, CONNECTIONS - 1, CONNECTIONS, 4 * CONNECTIONS] {
            let _held: Vec<UnixStream> = (0..idle)
                .map(|_| reach(&path).expect("it accepts"))
                .collect();
            let status = ask(&path, Request::Status).await;
            assert_eq!(status.expect("answered"), well(), "{idle}");
        }
    }

    struct Hanging;

    impl ControlHandler for Hanging {
        fn status(&self) -> Status {
            std::thread::sleep(Duration::from_secs(30));
            Echo.status()
        }
        fn capabilities(&self) -> Capabilities {
            Echo.capabilities()
        }
        fn restart(&self, _: SourceId) -> bool {
            false
        }
        fn apply(&self, _: Value) -> Result<Value, Vec<Problem>> {
            Ok(Value::Null)
        }
    }

    #[test]
    fn a_connection_beyond_the_limit_is_answered_as_busy() {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        let (dir, path) = place();
        runtime.block_on(async {
            let listener = listen(dir.path(), &path).expect("a socket");
            tokio::spawn(accept(listener, Arc::new(Hanging)));
        });
        let _held: Vec<UnixStream> = (0..CONNECTIONS)
            .map(|_| {
                use std::io::Write;
                let mut stream = reach(&path).expect("it accepts");
                let line = b"{\"command\": \"status\"}\n";
                stream.write_all(line).expect("it is read");
                stream
            })
            .collect();
        let begun = Instant::now();
        let refused = request(&path, &Request::Capabilities, Duration::from_secs(20));
        let words = refused.expect_err("all places are taken").to_string();
        assert!(words.contains("16 connections are open"), "{words}");
        // Five seconds are promised; a machine that is busy has some more.
        assert!(begun.elapsed() < Duration::from_secs(15));
        runtime.shutdown_background();
    }

    #[tokio::test]
    async fn a_dead_socket_is_replaced_and_a_live_one_is_not() {
        let (dir, path) = place();
        drop(listen(dir.path(), &path).expect("a socket"));
        assert!(path.exists(), "the dead socket is still there");
        let _alive = listen(dir.path(), &path).expect("the dead one is replaced");
        match listen(dir.path(), &path) {
            Err(ListenError::AlreadyRunning(process)) => {
                assert_eq!(process, std::process::id().to_string())
            }
            other => panic!("the live one stays: {other:?}"),
        }
    }
}

//! The process of a role: start, signals, output, end.

use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::mpsc::Sender;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::log_ring::LogRing;
use super::messages::{ChildEvent, ChildOptions, RoleEvent, log_line};
use crate::agent::child_end::PARENT_VARIABLE;
use crate::agent::cycle::ChildRole;

/// Time limit of an ordered end: the roles drain for 5 s.
const END_LIMIT: Duration = Duration::from_secs(8);
/// Time limit of the end of a child that was aborted: it may write a core dump.
const ABORT_LIMIT: Duration = Duration::from_secs(5);
/// Time limit for the rest of the output after the end. A process that the child has started may hold the pipe open.
const OUTPUT_LIMIT: Duration = Duration::from_secs(1);
/// Maximum length of a line in bytes; a longer one is cut into several.
const LINE_BYTES: u64 = 8192;

/// A running process. Killed on drop.
pub(super) struct Process {
    child: Child,
    output: Vec<JoinHandle<()>>,
}

impl Process {
    /// Starts `nvr ROLE --config FILE`.
    ///
    /// # Errors
    /// Those of the system.
    pub(super) fn start(
        role: ChildRole,
        options: &ChildOptions,
        config: &Path,
        notify: &Path,
        ring: &Arc<LogRing>,
        events: &Sender<RoleEvent>,
    ) -> std::io::Result<Self> {
        let mut command = Command::new(&options.program);
        if options.json_log {
            command.args(["--log-format", "json"]);
        }
        command
            .arg(role.to_string())
            .arg("--config")
            .arg(config)
            .env_remove("NVR_CONFIG")
            // It would take the place of the folders in the configuration, which has these too.
            .env_remove("NVR_MODELS_DIR")
            .env_remove("WATCHDOG_PID")
            .env("NOTIFY_SOCKET", notify)
            .env(
                "WATCHDOG_USEC",
                options.watchdog_limit.as_micros().to_string(),
            )
            .env(PARENT_VARIABLE, std::process::id().to_string())
            .envs(
                options
                    .credentials
                    .iter()
                    .map(|path| ("CREDENTIALS_DIRECTORY", path)),
            )
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        if let Some(lending) = options.lending(role) {
            lending.run(&mut command);
        }
        let mut child = command.spawn()?;
        let reader = Reader {
            role,
            json_log: options.json_log,
            ring: Arc::clone(ring),
            events: events.clone(),
        };
        let mut output = Vec::new();
        output.extend(child.stdout.take().map(|out| reader.clone().spawn(out)));
        output.extend(child.stderr.take().map(|err| reader.spawn(err)));
        Ok(Self { child, output })
    }

    /// Its id; `None` after its end.
    pub(super) fn id(&self) -> Option<i32> {
        self.child.id().and_then(|id| i32::try_from(id).ok())
    }

    /// Waits for its end. Safe to cancel.
    pub(super) async fn wait(&mut self) -> std::io::Result<ExitStatus> {
        self.child.wait().await
    }

    /// Reads the rest of its output, after its end: nothing new comes, and what is left is already in the pipe.
    pub(super) async fn finish(self) {
        for output in self.output {
            let _ = timeout(OUTPUT_LIMIT, output).await;
        }
    }

    /// Sends a signal.
    pub(super) fn signal(&self, signal: Signal) {
        if let Some(pid) = self.id().and_then(Pid::from_raw) {
            // It is not waited for yet, so the id is not that of another process.
            let _ = kill_process(pid, signal);
        }
    }

    /// Ends it in an orderly way; kills it after the limit.
    pub(super) async fn end(self) {
        self.signal(Signal::TERM);
        self.wait_or_kill(END_LIMIT).await;
    }

    /// Aborts it, with a core dump where the system makes them; kills it after the limit.
    pub(super) async fn abort(self) {
        self.signal(Signal::ABORT);
        self.wait_or_kill(ABORT_LIMIT).await;
    }

    /// Kills it: it has nothing to drain.
    pub(super) async fn kill(self) {
        self.wait_or_kill(Duration::ZERO).await;
    }

    async fn wait_or_kill(mut self, limit: Duration) {
        if timeout(limit, self.child.wait()).await.is_err() {
            self.signal(Signal::KILL);
            let _ = self.child.wait().await;
        }
        self.finish().await;
    }
}

/// How a process ended: `exit status 1`, `signal 11`.
pub(in crate::agent) fn ending(status: ExitStatus) -> String {
    match (status.signal(), status.code()) {
        (Some(signal), _) => format!("signal {signal}"),
        (None, Some(code)) => format!("exit status {code}"),
        (None, None) => "an unknown status".to_owned(),
    }
}

#[derive(Clone)]
struct Reader {
    role: ChildRole,
    json_log: bool,
    ring: Arc<LogRing>,
    events: Sender<RoleEvent>,
}

impl Reader {
    fn spawn(self, stream: impl AsyncRead + Unpin + Send + 'static) -> JoinHandle<()> {
        tokio::spawn(self.read(stream))
    }

    async fn read(self, stream: impl AsyncRead + Unpin) {
        let mut stream = BufReader::with_capacity(1024, stream);
        let mut line = Vec::new();
        loop {
            line.clear();
            let mut limited = (&mut stream).take(LINE_BYTES);
            match limited.read_until(b'\n', &mut line).await {
                Ok(0) | Err(_) => return,
                Ok(_) => {}
            }
            let text = String::from_utf8_lossy(&line);
            let kept = self.ring.push(text.trim_end_matches(['\n', '\r']));
            log_line(self.role, self.json_log, &kept);
            let event = RoleEvent {
                role: self.role,
                event: ChildEvent::Logged(kept),
            };
            // When the agent is busy, the line stays in the ring alone.
            let _ = self.events.try_send(event);
        }
    }
}

//! The processes of the demonstration. Their logs are files in its folder.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::time::{Instant, timeout_at};

use super::error::FleetDemoError;
use crate::agent::PARENT_VARIABLE;

/// Maximum time of an orderly end of all processes that end together.
const STOP_LIMIT: Duration = Duration::from_secs(10);
/// Lines of a log that are shown when its process has ended before its time.
const LOG_LINES: usize = 10;

/// Processes that run until they are stopped, and short ones.
pub(super) struct Children {
    folder: PathBuf,
    program: PathBuf,
    running: Vec<Running>,
}

struct Running {
    command: String,
    log: PathBuf,
    child: Child,
}

/// A short process that has ended.
pub(super) struct Ran {
    /// Its exit code; absent after a signal.
    pub(super) code: Option<i32>,
    /// Its end in words.
    pub(super) status: String,
    /// Its output, without its errors.
    pub(super) lines: Vec<String>,
}

/// A command as an operator types it.
pub(super) fn typed(args: &[&str]) -> String {
    format!("nvr {}", args.join(" "))
}

impl Children {
    pub(super) fn new(folder: &Path) -> std::io::Result<Self> {
        Ok(Self {
            folder: folder.to_owned(),
            program: std::env::current_exe()?,
            running: Vec::new(),
        })
    }

    /// A command in the folder, without the settings of this user.
    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            let is_setting = text.starts_with("NVR_") || text.starts_with("MQTT_");
            if (is_setting && text != "NVR_CACHE") || text == "STREAM_SERVER" {
                command.env_remove(&name);
            }
        }
        command
            .args(args)
            .current_dir(&self.folder)
            .env("NVR_RUNTIME_DIR", self.folder.join("run"))
            .env(PARENT_VARIABLE, std::process::id().to_string())
            .stdin(Stdio::null())
            .kill_on_drop(true);
        command
    }

    /// Starts a process that runs until it is stopped.
    pub(super) fn start(&mut self, args: &[&str]) -> Result<(), FleetDemoError> {
        let number = self.running.len() + 1;
        let log = self.folder.join(format!("{number}-{}.log", args[0]));
        let file = File::create(&log)?;
        let mut command = self.command(args);
        command.stdout(file.try_clone()?).stderr(file);
        self.running.push(Running {
            command: typed(args),
            log,
            child: command.spawn()?,
        });
        Ok(())
    }

    /// Checks that every process still runs.
    pub(super) fn check(&mut self) -> Result<(), FleetDemoError> {
        for running in &mut self.running {
            if let Some(status) = running.child.try_wait()? {
                let log = std::fs::read_to_string(&running.log).unwrap_or_default();
                let lines: Vec<&str> = log.lines().collect();
                let last = lines.len().saturating_sub(LOG_LINES);
                return Err(FleetDemoError::Ended {
                    command: running.command.clone(),
                    status: status.to_string(),
                    log: lines[last..].join("\n"),
                });
            }
        }
        Ok(())
    }

    /// Runs a process to its end and passes each line of its output on.
    pub(super) async fn run(
        &self,
        args: &[&str],
        print: &impl Fn(&str),
    ) -> Result<Ran, FleetDemoError> {
        let mut command = self.command(args);
        let mut child = command.stdout(Stdio::piped()).spawn()?;
        let mut lines = Vec::new();
        if let Some(output) = child.stdout.take() {
            let mut output = BufReader::new(output).lines();
            while let Some(line) = output.next_line().await? {
                print(&line);
                lines.push(line);
            }
        }
        let status: ExitStatus = child.wait().await?;
        Ok(Ran {
            code: status.code(),
            status: status.to_string(),
            lines,
        })
    }

    /// Ends every process: the boxes first, so that they can say that they stop.
    pub(super) async fn stop(mut self) {
        let (boxes, others): (Vec<Running>, Vec<Running>) = self
            .running
            .drain(..)
            .partition(|running| running.command.starts_with("nvr agent"));
        stop(boxes).await;
        stop(others).await;
    }
}

async fn stop(mut running: Vec<Running>) {
    for one in &running {
        let id = one.child.id().and_then(|id| i32::try_from(id).ok());
        if let Some(id) = id.and_then(Pid::from_raw) {
            let _ = kill_process(id, Signal::TERM);
        }
    }
    let deadline = Instant::now() + STOP_LIMIT;
    for one in &mut running {
        if timeout_at(deadline, one.child.wait()).await.is_err() {
            let _ = one.child.kill().await;
        }
    }
}

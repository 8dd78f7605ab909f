//! Child processes that end with their test, and waiting for lines of their output.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::scratch::fresh;
use super::wait::until;

/// Longest wait for the last lines of a process that has ended.
const LAST_LINES: Duration = Duration::from_secs(2);

/// A child process, killed on drop.
#[derive(Debug)]
pub(crate) struct Running {
    child: Child,
    out: Lines,
    err: Lines,
}

/// The lines that a process has written so far.
#[derive(Debug, Clone, Default)]
pub(crate) struct Lines(Arc<Written>);

#[derive(Debug, Default)]
struct Written {
    lines: Mutex<Vec<String>>,
    has_ended: AtomicBool,
}

/// The program under test.
pub(crate) fn nvr() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_nvr"));
    clean(&mut command);
    command
}

/// Removes the program's settings from the environment of `command`, and sets a separate folder for its control socket, so that
/// tests are independent of each other and of other processes. A test of the control socket sets `NVR_RUNTIME_DIR` itself.
pub(crate) fn clean(command: &mut Command) {
    // Settings of the machine's user must not affect tests.
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if (text.starts_with("NVR_") && text != "NVR_CACHE")
            || text.starts_with("MQTT_")
            || text == "STREAM_SERVER"
        {
            command.env_remove(&name);
        }
    }
    command.env("NVR_RUNTIME_DIR", fresh());
}

impl Running {
    /// Starts `command`; its output and error lines are kept.
    pub(crate) fn start(mut command: Command) -> Self {
        command.stdin(Stdio::null());
        Self::spawn(command)
    }

    /// As [`Running::start`], with a writable standard input.
    pub(crate) fn interactive(mut command: Command) -> Self {
        command.stdin(Stdio::piped());
        Self::spawn(command)
    }

    fn spawn(mut command: Command) -> Self {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?} does not start: {error}"));
        let out = Lines::of(child.stdout.take().expect("it is piped"));
        let err = Lines::of(child.stderr.take().expect("it is piped"));
        Self { child, out, err }
    }

    /// Lines of its standard output.
    pub(crate) fn out(&self) -> &Lines {
        &self.out
    }

    /// Lines of its standard error.
    pub(crate) fn err(&self) -> &Lines {
        &self.err
    }

    /// Writes to its standard input.
    pub(crate) fn type_in(&mut self, keys: &[u8]) {
        let input = self.child.stdin.as_mut().expect("it is interactive");
        input.write_all(keys).expect("it reads");
        input.flush().expect("it reads");
    }

    /// Ends its standard input.
    pub(crate) fn close_input(&mut self) {
        self.child.stdin = None;
    }

    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal by name, such as `TERM`.
    pub(crate) fn signal(&self, name: &str) {
        let status = Command::new("kill")
            .args(["-s", name, &self.id().to_string()])
            .status()
            .expect("kill runs");
        assert!(status.success(), "the process takes SIG{name}");
    }

    /// Kills it with SIGKILL.
    pub(crate) fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Whether it has ended.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("it is our child").is_some()
    }

    /// Waits for its end, and then for its last lines, which are read a moment later. What it has started may hold its streams
    /// longer; nobody waits for that.
    pub(crate) fn end(&mut self, limit: Duration) -> ExitStatus {
        let child = &mut self.child;
        let status = until("the process ends", limit, || {
            child.try_wait().expect("it is our child")
        });
        let deadline = Instant::now() + LAST_LINES;
        while !(self.out.has_ended() && self.err.has_ended()) && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(5));
        }
        status
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Lines {
    /// Reads `stream` to its end on a separate thread.
    pub(crate) fn of(stream: impl Read + Send + 'static) -> Self {
        let lines = Self::default();
        let filled = lines.clone();
        std::thread::spawn(move || {
            for line in BufReader::new(stream).split(b'\n').map_while(Result::ok) {
                let line = String::from_utf8_lossy(&line).into_owned();
                filled.lock().push(line);
            }
            filled.0.has_ended.store(true, Ordering::Release);
        });
        lines
    }

    /// Whether all has been read.
    fn has_ended(&self) -> bool {
        self.0.has_ended.load(Ordering::Acquire)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<String>> {
        let lines = &self.0.lines;
        lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All lines so far.
    pub(crate) fn all(&self) -> Vec<String> {
        self.lock().clone()
    }

    /// All lines after the end of the process.
    pub(crate) fn settled(&self) -> Vec<String> {
        until("the stream ends", super::wait::SOON, || {
            self.has_ended().then(|| self.all())
        })
    }

    /// Waits for the first line that `wanted` accepts.
    pub(crate) fn find(
        &self,
        what: &str,
        limit: Duration,
        wanted: impl Fn(&str) -> bool,
    ) -> String {
        let deadline = Instant::now() + limit;
        loop {
            if let Some(line) = self.lock().iter().find(|line| wanted(line)) {
                return line.clone();
            }
            assert!(
                Instant::now() < deadline,
                "{what}: not within {limit:?}; lines: {:#?}",
                self.all()
            );
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

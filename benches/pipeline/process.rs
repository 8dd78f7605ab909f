//! A child process, with its CPU time and memory from the kernel.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};

/// Unit of the CPU times in /proc (USER_HZ), which does not depend on the kernel's clock.
const TICKS_PER_SECOND: f64 = 100.0;

/// A child that dies with its owner.
pub(crate) struct Process {
    child: Child,
}

/// Use of the machine over a window of time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Use {
    /// CPU seconds a second.
    pub(crate) cores: f64,
    /// VmHWM.
    pub(crate) peak_mb: f64,
    /// VmRSS at the end.
    pub(crate) resident_mb: f64,
    /// Voluntary context switches of all threads, a second.
    pub(crate) wakeups_per_second: f64,
}

impl Process {
    pub(crate) fn start(command: &mut Command) -> Self {
        let child = command.stdin(Stdio::null()).spawn().unwrap_or_else(|err| {
            panic!("{command:?} can't be started: {err}; run `make setup` and `make build`")
        });
        Self { child }
    }

    pub(crate) fn output(&mut self) -> Option<std::process::ChildStdout> {
        self.child.stdout.take()
    }

    /// Makes it read its file again.
    pub(crate) fn reload(&self) {
        rustix::process::kill_process(Pid::from_child(&self.child), Signal::HUP)
            .expect("the process runs");
    }

    /// Watches the process for `window`.
    pub(crate) fn watch(&self, window: Duration) -> Use {
        let (cpu, switches, start) = (self.cpu_seconds(), self.switches(), Instant::now());
        std::thread::sleep(window);
        let seconds = start.elapsed().as_secs_f64();
        Use {
            cores: (self.cpu_seconds() - cpu) / seconds,
            peak_mb: self.field("status", "VmHWM:") / 1024.0,
            resident_mb: self.field("status", "VmRSS:") / 1024.0,
            wakeups_per_second: (self.switches() - switches) / seconds,
        }
    }

    fn cpu_seconds(&self) -> f64 {
        let stat = self.read("stat");
        // The name in parentheses may hold anything; fields are counted behind it.
        let fields: Vec<f64> = stat
            .rsplit(')')
            .next()
            .unwrap_or_default()
            .split_whitespace()
            .skip(11)
            .take(2)
            .filter_map(|field| field.parse().ok())
            .collect();
        fields.iter().sum::<f64>() / TICKS_PER_SECOND
    }

    fn switches(&self) -> f64 {
        let tasks =
            fs::read_dir(format!("/proc/{}/task", self.child.id())).expect("the process runs");
        tasks
            .flatten()
            .filter_map(|task| fs::read_to_string(task.path().join("status")).ok())
            .map(|status| value(&status, "voluntary_ctxt_switches:"))
            .sum()
    }

    fn field(&self, file: &str, name: &str) -> f64 {
        value(&self.read(file), name)
    }

    fn read(&self, file: &str) -> String {
        fs::read_to_string(format!("/proc/{}/{file}", self.child.id())).expect("the process runs")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn value(text: &str, name: &str) -> f64 {
    text.lines()
        .find_map(|line| line.strip_prefix(name))
        .and_then(|rest| rest.split_whitespace().next())
        .and_then(|number| number.parse().ok())
        .unwrap_or(0.0)
}

/// A port that nobody listens on.
pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("it has an address").port()
}

/// The mean of one figure of several runs.
pub(crate) fn mean<T>(runs: &[T], figure: impl Fn(&T) -> f64) -> f64 {
    runs.iter().map(figure).sum::<f64>() / runs.len() as f64
}

/// The program that is measured.
pub(crate) fn nvr() -> Command {
    Command::new(env!("CARGO_BIN_EXE_nvr"))
}

/// A broker, and its port.
pub(crate) fn broker() -> (Process, u16) {
    let port = free_port();
    let broker = Process::start(
        nvr()
            .args(["broker", "--port", &port.to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::null()),
    );
    let deadline = Instant::now() + Duration::from_secs(10);
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(Instant::now() < deadline, "the broker did not come up");
        std::thread::sleep(Duration::from_millis(50));
    }
    (broker, port)
}

/// What a program at `port` counts under `name`, for all its labels together.
pub(crate) fn figure(port: u16, name: &str) -> f64 {
    let page = page(port, "/metrics");
    page.lines()
        .filter(|line| line.starts_with(name))
        .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
        .sum()
}

/// The whole answer of a page.
pub(crate) fn page(port: u16, path: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("the program's page");
    let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("a request");
    let mut text = String::new();
    stream.read_to_string(&mut text).expect("an answer");
    text
}

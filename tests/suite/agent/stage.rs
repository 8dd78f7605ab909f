//! A broker, a box with its folders, and the agent on it.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::broker::{Broker, Kind, Setup};
use crate::support::process::{Running, nvr};
use crate::support::scratch::fresh;
use crate::support::wait::{SOON, until};

/// Time for the first start of a role on a busy machine.
pub(crate) const FIRST: Duration = Duration::from_secs(45);
/// Length of the probation in these tests.
pub(crate) const TRIAL: Duration = Duration::from_secs(6);

/// A box and its broker.
pub(crate) struct Stage {
    pub(crate) broker: Broker,
    pub(crate) config: PathBuf,
    pub(crate) state: PathBuf,
    pub(crate) runtime: PathBuf,
    observer: Running,
    agent: Option<Running>,
}

impl Stage {
    pub(crate) fn new() -> Self {
        Self::of(Kind::Mosquitto)
    }

    pub(crate) fn of(kind: Kind) -> Self {
        let setup = Setup {
            persistence: true,
            ..Setup::default()
        };
        Self::with(kind, setup)
    }

    /// A box at a broker with the given settings.
    pub(crate) fn with(kind: Kind, setup: Setup) -> Self {
        let broker = Broker::start_with(kind, setup);
        let (config, state, runtime) = (fresh(), fresh(), fresh());
        std::fs::create_dir_all(&config).expect("a folder");
        let stage = Self {
            observer: broker.observe("nvr/fleet/#"),
            broker,
            config,
            state,
            runtime,
            agent: None,
        };
        stage.write_device("");
        stage
    }

    /// A box that runs a first document with these sources.
    pub(crate) fn applied(ids: &[u32]) -> Self {
        Self::applied_with(&[], ids)
    }

    /// The same with further arguments of the agent.
    pub(crate) fn applied_with(arguments: &[&str], ids: &[u32]) -> Self {
        let mut stage = Self::new();
        stage.start_with(arguments);
        stage.desire(&document(1, sources(ids)));
        stage.phase(1, "applied");
        stage
    }

    /// Writes `device.toml` with further lines at its head.
    pub(crate) fn write_device(&self, head: &str) {
        let port = self.broker.port();
        let text = format!(
            "device = \"box-1\"\nname = \"Dock\"\n{head}\n[mqtt]\nhost = \"127.0.0.1\"\nport = {port}\n"
        );
        std::fs::write(self.config.join("device.toml"), text).expect("written");
    }

    pub(crate) fn start(&mut self) {
        self.start_with(&[]);
    }

    pub(crate) fn start_with(&mut self, arguments: &[&str]) {
        self.start_command(self.command_with(arguments));
    }

    /// Starts the agent by a command that a test has changed.
    pub(crate) fn start_command(&mut self, command: Command) {
        self.agent = Some(Running::start(command));
    }

    /// The command of the agent, with further arguments.
    pub(crate) fn command_with(&self, arguments: &[&str]) -> Command {
        let mut command = nvr();
        command
            .arg("agent")
            .arg("--config-dir")
            .arg(&self.config)
            .arg("--state-dir")
            .arg(&self.state)
            .args(arguments)
            .env("NVR_RUNTIME_DIR", &self.runtime);
        command
    }

    pub(crate) fn agent(&mut self) -> &mut Running {
        self.agent.as_mut().expect("it was started")
    }

    /// Forgets what was observed; retained messages come again.
    pub(crate) fn observe_again(&mut self) {
        self.observer = self.broker.observe("nvr/fleet/#");
    }

    /// Publishes a desired document.
    pub(crate) fn desire(&self, document: &Value) {
        self.desire_bytes(document.to_string().as_bytes());
    }

    pub(crate) fn desire_bytes(&self, payload: &[u8]) {
        self.broker
            .publish("nvr/fleet/box-1/desired", payload, true);
    }

    /// Has a document of generation `generation` refused. All documents before it are answered then.
    pub(crate) fn refuse(&self, generation: u64) {
        let mut bad = document(generation, sources(&[0]));
        bad["processor"]["camera"][0]["uri"] = "http://10.0.0.20/".into();
        self.desire(&bad);
        self.phase(generation, "rejected");
    }

    /// Starts a processor beside the agent, with the same folder for sockets.
    pub(crate) fn processor(&self, settings: &Value) -> Running {
        let path = self.config.join("processor.json");
        std::fs::write(&path, settings.to_string()).expect("written");
        let mut command = nvr();
        command
            .args(["processor", "--config"])
            .arg(path)
            .env("NVR_RUNTIME_DIR", &self.runtime);
        Running::start(command)
    }

    /// Payloads of one topic so far.
    pub(crate) fn all(&self, document: &str) -> Vec<Value> {
        let topic = format!("nvr/fleet/box-1/{document} ");
        let lines = self.observer.out().all();
        let payloads = lines.iter().filter_map(|line| line.strip_prefix(&topic));
        payloads
            .filter_map(|rest| serde_json::from_str(&rest[2..]).ok())
            .collect()
    }

    /// Waits for a payload of `document` whose text `wanted` accepts.
    pub(crate) fn next(&self, document: &str, wanted: impl Fn(&str) -> bool) -> Value {
        until(document, FIRST, || {
            let mut all = self.all(document).into_iter();
            all.find(|payload| wanted(&payload.to_string()))
        })
    }

    /// Waits for the newest presence to be in `state`.
    pub(crate) fn presence(&self, state: &str) {
        until(state, FIRST, || {
            let all = self.all("presence");
            all.last().filter(|last| last["state"] == state).map(|_| ())
        });
    }

    /// Waits for the newest report that `wanted` accepts.
    pub(crate) fn reported(&self, wanted: impl Fn(&Value) -> bool) -> Value {
        self.reported_within(FIRST + TRIAL, wanted)
    }

    /// The same with another limit.
    pub(crate) fn reported_within(
        &self,
        limit: Duration,
        wanted: impl Fn(&Value) -> bool,
    ) -> Value {
        let deadline = std::time::Instant::now() + limit;
        loop {
            let all = self.all("reported");
            if let Some(last) = all.last().filter(|last| wanted(last)) {
                return last.clone();
            }
            assert!(
                std::time::Instant::now() < deadline,
                "reports: {:#?}\nlog: {:#?}",
                all,
                self.agent.as_ref().map(|agent| agent.err().all())
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits for generation `generation` to be in `phase`.
    pub(crate) fn phase(&self, generation: u64, phase: &str) -> Value {
        self.reported(|reported| reported["generation"] == generation && reported["phase"] == phase)
    }

    /// The phases of a generation so far, in order, each once.
    pub(crate) fn phases(&self, generation: u64) -> Vec<String> {
        let all = self.all("reported").into_iter();
        let of = all.filter(|reported| reported["generation"] == generation);
        let mut phases: Vec<String> = of
            .filter_map(|reported| Some(reported["phase"].as_str()?.to_owned()))
            .filter(|phase| phase != "waiting")
            .collect();
        phases.dedup();
        phases
    }

    /// Sends a command, and waits for its answer.
    pub(crate) fn command(&self, command: &Value) -> Value {
        let id = command["id"].as_str().expect("it has an id").to_owned();
        self.send(command.to_string().as_bytes());
        self.answer(&id)
    }

    pub(crate) fn send(&self, payload: &[u8]) {
        self.broker
            .publish("nvr/fleet/box-1/command", payload, false);
    }

    pub(crate) fn answer(&self, id: &str) -> Value {
        until("an answer", FIRST, || {
            let mut all = self.all("response").into_iter();
            all.find(|answer| answer["id"] == id)
        })
    }

    /// Runs `nvr control` for a role of the box.
    pub(crate) fn control(&self, role: &str, arguments: &[&str]) -> Option<Value> {
        let mut command = nvr();
        command
            .args(["control", "--role", role])
            .args(arguments)
            .env("NVR_RUNTIME_DIR", &self.runtime);
        let output = command.output().expect("it runs");
        serde_json::from_slice(&output.stdout).ok()
    }

    /// Waits until a source of the processor is live.
    pub(crate) fn flows(&self, source: u64) {
        until("the source flows", FIRST, || {
            let status = self.control("processor", &["status"])?;
            let sources = status["sources"].as_array()?.iter();
            let mut live = sources.filter(|one| one["state"] == "live");
            live.find(|one| one["source_id"] == source).map(|_| ())
        });
    }

    /// The process of the processor, if it runs.
    pub(crate) fn find_role_process(&self) -> Option<u32> {
        let agent = self.agent.as_ref()?.id();
        let path = format!("/proc/{agent}/task/{agent}/children");
        let children = std::fs::read_to_string(path).ok()?;
        let mut ids = children.split_whitespace().filter_map(|id| id.parse().ok());
        ids.next()
    }

    pub(crate) fn role_process(&self) -> u32 {
        until("the role runs", SOON, || self.find_role_process())
    }

    /// Processor time that the agent has used.
    pub(crate) fn agent_cpu(&mut self) -> Duration {
        let id = self.agent().id();
        let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).expect("it runs");
        let fields: Vec<&str> = stat
            .rsplit(") ")
            .next()
            .expect("fields")
            .split(' ')
            .collect();
        let ticks: u64 = [11, 12]
            .iter()
            .map(|at| fields[*at].parse::<u64>().expect("ticks"))
            .sum();
        Duration::from_millis(ticks * 10)
    }

    /// Its memory.
    pub(crate) fn agent_memory(&mut self) -> Memory {
        let id = self.agent().id();
        let path = format!("/proc/{id}/smaps_rollup");
        let text = std::fs::read_to_string(path).expect("it runs");
        let kilobytes = |name: &str| {
            let line = text.lines().find(|line| line.starts_with(name));
            let value = line.and_then(|line| line.split_whitespace().nth(1));
            value
                .and_then(|value| value.parse().ok())
                .expect("a number")
        };
        Memory {
            resident: kilobytes("Rss:"),
            shared_out: kilobytes("Pss:"),
            anonymous: kilobytes("Anonymous:"),
        }
    }
}

/// Memory of a process in kB.
#[derive(Debug)]
pub(crate) struct Memory {
    /// All of it.
    pub(crate) resident: u64,
    /// With each page divided by the number of processes that use it.
    pub(crate) shared_out: u64,
    /// That which is not a page of a file.
    pub(crate) anonymous: u64,
}

/// Sends a signal to a process.
pub(crate) fn kill(process: u32, signal: &str) {
    let status = Command::new("kill")
        .args(["-s", signal, &process.to_string()])
        .status()
        .expect("kill runs");
    assert!(status.success());
}

/// The codes of a list of errors.
pub(crate) fn codes(errors: &Value) -> Vec<String> {
    let errors = errors.as_array().into_iter().flatten();
    errors
        .filter_map(|error| Some(error["code"].as_str()?.to_owned()))
        .collect()
}

/// The body of a processor with a scripted detector.
pub(crate) fn sources(ids: &[u32]) -> Value {
    let camera = |id: &u32| json!({"id": id, "uri": "test-pattern:?width=320&height=240&fps=5"});
    json!({
        "camera": ids.iter().map(camera).collect::<Vec<_>>(),
        "processor": {"backend": "scripted"},
    })
}

/// A desired document for a processor.
pub(crate) fn document(generation: u64, processor: Value) -> Value {
    json!({
        "schema": 1,
        "generation": generation,
        "role": "processor",
        "processor": processor,
        "probation": {"limit": format!("{}s", TRIAL.as_secs())},
    })
}

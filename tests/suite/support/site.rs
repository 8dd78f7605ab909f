//! A fleet in a folder of its own, its broker, and `nvr fleet` on it.

use std::path::PathBuf;
use std::process::{Command, Output};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use super::broker::{Broker, Kind};
use super::process::{Running, nvr};

/// Longest wait for a rollout of a few devices on a busy machine.
pub(crate) const ROLLOUT: Duration = Duration::from_secs(90);

/// A fleet of devices `d1` to `dN` and its broker.
pub(crate) struct Site {
    pub(crate) dir: TempDir,
    pub(crate) broker: Broker,
    pub(crate) devices: usize,
}

impl Site {
    /// A fleet on a mosquitto; `name` is that of its cameras.
    pub(crate) fn new(devices: usize, name: &str) -> Self {
        Self::on(Broker::start(Kind::Mosquitto), devices, name)
    }

    /// A fleet on this broker.
    pub(crate) fn on(broker: Broker, devices: usize, name: &str) -> Self {
        let dir = TempDir::new().expect("a folder");
        let site = Self {
            dir,
            broker,
            devices,
        };
        site.write(name);
        site
    }

    /// The file of the fleet.
    pub(crate) fn file(&self) -> PathBuf {
        self.dir.path().join("fleet.toml")
    }

    /// Writes the fleet with cameras of this name.
    pub(crate) fn write(&self, name: &str) {
        let mut text = format!(
            r#"
[broker]
host = "127.0.0.1"
port = {}
[defaults]
role = "processor"
probation = {{ limit = "2s" }}
[[defaults.processor.camera]]
id = "{{first}}"
uri = "rtsp://{{host}}/main"
name = "{name}"
[defaults.processor.processor]
backend = "scripted"
"#,
            self.broker.port()
        );
        for number in 1..=self.devices {
            let (high, low) = (number / 250, number % 250);
            text += &format!(
                "[[device]]\nid = \"d{number}\"\nvars = {{ first = {number}, host = \"10.0.{high}.{low}\" }}\n"
            );
        }
        std::fs::write(self.file(), text).expect("written");
    }

    /// A subcommand.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = nvr();
        command
            .arg("fleet")
            .args(args)
            .arg("--file")
            .arg(self.file());
        command
    }

    /// Runs a subcommand to its end: exit code, and both outputs.
    pub(crate) fn run(&self, args: &[&str]) -> (i32, String) {
        let Output {
            status,
            stdout,
            stderr,
        } = self.command(args).output().expect("it runs");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (status.code().unwrap_or(-1), text(&stdout) + &text(&stderr))
    }

    /// Starts some simulated devices and waits until they are connected.
    pub(crate) fn simulate(&self, devices: &[&str], args: &[&str]) -> Running {
        let selected = devices.iter().flat_map(|device| ["--device", device]);
        let selected: Vec<&str> = selected.chain(args.iter().copied()).collect();
        Self::connected(self.command(&["simulate"]), &selected, devices.len())
    }

    /// Starts every device and waits until all are connected.
    pub(crate) fn simulate_all(&self, args: &[&str]) -> Running {
        Self::connected(self.command(&["simulate"]), args, self.devices)
    }

    fn connected(mut command: Command, args: &[&str], all: usize) -> Running {
        command.args(args);
        let running = Running::start(command);
        running
            .out()
            .find("the devices are connected", ROLLOUT, |line| {
                line.starts_with(&format!("{all} of {all} device"))
            });
        running
    }

    /// The retained documents of a device: payload by the last level of the topic.
    pub(crate) fn retained(&self, device: &str) -> Value {
        let (_, text) = self.run(&["show", device]);
        serde_json::from_str(&text).unwrap_or_else(|err| panic!("{err}: {text}"))
    }

    /// The state of the devices: those that are online with this generation applied, of all.
    pub(crate) fn applied(&self, generation: u64) -> usize {
        let (_, text) = self.run(&["status", "--format", "json"]);
        let status: Value = serde_json::from_str(&text).unwrap_or_default();
        let rows = status["rows"].as_array().cloned().unwrap_or_default();
        let is_one = |row: &&Value| row["presence"] == "online" && row["applied"] == generation;
        rows.iter().filter(is_one).count()
    }
}

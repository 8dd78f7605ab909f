//! Options and helpers of several subcommands of `nvr fleet`.

use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use rustix::termios::QueueSelector;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;

use crate::config::{Environment, MqttFlags, MqttSettings};
use crate::fleet::desk::{
    Amount, Audit, DeskError, DeviceEntry, Exit, FleetFile, Limits, Selection, Signer,
};
use crate::fleet::{check_publisher, read_private_key};

/// Options of every subcommand that reads the fleet.
#[derive(Debug, Args)]
pub(super) struct FleetFlags {
    /// File of the fleet; journal, history and audit file are beside it
    #[arg(
        long,
        short,
        value_name = "FILE",
        default_value = "fleet.toml",
        env = "NVR_FLEET"
    )]
    pub(super) file: PathBuf,

    #[command(flatten)]
    pub(super) mqtt: MqttFlags,
}

/// Some of the devices.
#[derive(Debug, Args)]
pub(super) struct SelectionFlags {
    /// Only this device; repeatable [default: all devices]
    #[arg(long, value_name = "ID")]
    device: Vec<String>,

    /// Only the devices of this group; repeatable
    #[arg(long, value_name = "NAME")]
    group: Vec<String>,
}

/// The operator, for those who look at the fleet later.
#[derive(Debug, Args)]
pub(super) struct OperatorFlags {
    /// Name of the operator in documents and in the audit file, at most 128 bytes; by default USER@HOST
    #[arg(long, value_name = "NAME", env = "NVR_FLEET_BY", value_parser = publisher)]
    by: Option<String>,
}

/// Keys of the operator.
#[derive(Debug, Args)]
pub(super) struct KeyFlags {
    /// Private key that signs what is published; repeatable [default: none, documents are not signed]
    #[arg(long, value_name = "FILE", env = "NVR_FLEET_KEY")]
    key: Vec<PathBuf>,
}

/// Who publishes, and signs what is published.
#[derive(Debug, Args)]
pub(super) struct PublisherFlags {
    #[command(flatten)]
    pub(super) operator: OperatorFlags,

    #[command(flatten)]
    pub(super) keys: KeyFlags,
}

/// How carefully a rollout goes.
#[derive(Debug, Args)]
pub(super) struct LimitFlags {
    /// Number of devices that must have applied before batches begin
    #[arg(long, value_name = "N", default_value_t = 1)]
    canary: u32,

    /// Size of each batch: a number of devices, or a part of all
    #[arg(long, value_name = "N|P%", default_value_t = Amount::Percent(10))]
    batch: Amount,

    /// Maximum time that a device may be online without a result [default: 5m, of an update 1h]
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    timeout: Option<Duration>,

    /// Wait between two stages
    #[arg(long, value_name = "DURATION", default_value = "1m", value_parser = humantime::parse_duration)]
    soak: Duration,

    /// Pause between two stages, in place of the wait: ask for Enter on a terminal, otherwise end with exit code 5; `apply --resume`
    /// goes on
    #[arg(long, conflicts_with = "soak")]
    pause_between_stages: bool,

    /// Stop, and take back, at so many failures: a number, or a part of the devices that have finished
    #[arg(long, value_name = "N|P%", default_value_t = Amount::Count(1))]
    max_failures: Amount,

    /// Number of devices that must have finished before a part of failures counts
    #[arg(long, value_name = "N", default_value_t = 10)]
    min_sample: u32,
}

impl LimitFlags {
    /// The limits.
    pub(super) fn limits(&self) -> Limits {
        self.limits_with(Limits::default().timeout)
    }

    /// The limits of an update: a device fetches and writes an image, restarts, and must prove itself.
    pub(super) fn limits_of_update(&self) -> Limits {
        self.limits_with(Duration::from_secs(3600))
    }

    fn limits_with(&self, timeout: Duration) -> Limits {
        Limits {
            canary: self.canary,
            batch: self.batch,
            timeout: self.timeout.unwrap_or(timeout),
            soak: self.soak,
            pause_between_stages: self.pause_between_stages,
            max_failures: self.max_failures,
            min_sample: self.min_sample,
        }
    }
}

/// Output format of listings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(super) enum Form {
    /// For people
    #[default]
    Text,
    /// For programs
    Json,
}

impl FleetFlags {
    /// The file of the fleet.
    pub(super) fn fleet(&self) -> Result<FleetFile, DeskError> {
        Ok(FleetFile::read(&self.file)?)
    }

    /// The settings of the broker.
    pub(super) fn broker(&self, fleet: &FleetFile) -> Result<MqttSettings, DeskError> {
        Ok(fleet.broker(&self.mqtt, &Environment::of_process())?)
    }

    /// The audit file.
    pub(super) fn audit(&self, operator: &OperatorFlags) -> Audit {
        Audit::beside(&self.file, operator.name())
    }
}

impl SelectionFlags {
    /// The selected devices.
    pub(super) fn of<'a>(&self, fleet: &'a FleetFile) -> Result<Vec<&'a DeviceEntry>, DeskError> {
        fleet.select(&Selection {
            devices: self.device.clone(),
            groups: self.group.clone(),
        })
    }
}

impl OperatorFlags {
    /// The name: that of the options, else `user@host`.
    pub(super) fn name(&self) -> String {
        self.by.clone().unwrap_or_else(user_at_host)
    }
}

impl KeyFlags {
    /// Reads the keys.
    pub(super) fn signer(&self) -> Result<Signer, DeskError> {
        let keys = self.key.iter().map(|path| read_private_key(path));
        Ok(Signer::new(keys.collect::<Result<_, _>>()?))
    }
}

fn user_at_host() -> String {
    let environment = Environment::of_process();
    let user = ["SUDO_USER", "USER", "LOGNAME"]
        .into_iter()
        .find_map(|name| environment.get(name).map(str::to_owned))
        .unwrap_or_else(|| format!("uid-{}", rustix::process::getuid().as_raw()));
    let host = rustix::system::uname();
    let name = format!("{user}@{}", host.nodename().to_string_lossy());
    match check_publisher(&name) {
        Ok(()) => name,
        // A name that no device accepts in a document.
        Err(_) => "unknown".to_owned(),
    }
}

fn publisher(text: &str) -> Result<String, String> {
    check_publisher(text).map(|()| text.to_owned())
}

/// The ids of devices.
pub(super) fn ids(devices: &[&DeviceEntry]) -> Vec<String> {
    devices.iter().map(|device| device.id.clone()).collect()
}

/// Ready at SIGINT or SIGTERM.
pub(super) async fn interrupt() {
    let (Ok(mut interrupt), Ok(mut terminate)) = (
        signal(SignalKind::interrupt()),
        signal(SignalKind::terminate()),
    ) else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}

/// The exit code of a listing: missing if a device has not answered.
pub(super) fn complete(is_complete: bool) -> Exit {
    match is_complete {
        true => Exit::Done,
        false => Exit::Missing,
    }
}

/// Asks for Enter on the terminal; absent if standard input is none.
pub(super) fn terminal() -> Option<impl FnMut() -> oneshot::Receiver<()>> {
    std::io::stdin().is_terminal().then_some(ask_for_enter)
}

/// The answer is ready after Enter, and fails at the end of the input. The thread may outlive the question: a read can't be
/// cancelled.
fn ask_for_enter() -> oneshot::Receiver<()> {
    let (answer, receiver) = oneshot::channel();
    // Keys that were pressed before the question are no answer.
    let _ = rustix::termios::tcflush(std::io::stdin(), QueueSelector::IFlush);
    std::thread::spawn(move || {
        let read = std::io::stdin().read_line(&mut String::new());
        if read.is_ok_and(|bytes| bytes > 0) {
            let _ = answer.send(());
        }
    });
    receiver
}

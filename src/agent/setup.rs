//! A box without a usable identity. With `--setup-notice` its monitor shows that it is not set up, its id, its addresses, what is wrong
//! with its provisioning file, and the next step. The wall of the box shows it, as a child of the agent.
//!
//! Once there is an identity, the agent goes on with it: a stick that is plugged in sets up a running box.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval};
use tracing::{error, info, warn};

use super::addresses::addresses;
use super::child::{Child, ChildEvent, ChildOptions, Order, RoleEvent};
use super::config_file;
use super::cycle::ChildRole;
use super::document::DocumentId;
use super::identity::{DEVICE_FILE, DeviceFileError, Identity, read_identity};
use super::options::{AgentError, AgentOptions};
use super::outputs::outputs;
use super::provision::{first_problems, problems, provision};
use crate::base::{Clock, Heartbeats};
use crate::config::Environment;
use crate::control::{SignalRequest, Signals};
use crate::fleet::DocumentHash;
use crate::health::{Watchdog, notify_ready, notify_status, notify_stopping};

/// How often the state of the box is looked at.
const PACE: Duration = Duration::from_secs(1);
/// Queue of events of the wall; they are only read.
const EVENTS: usize = 64;
/// Problems that are shown at once: the screen has no room for more.
const SHOWN: usize = 6;

/// The identity of the box. Without `options.setup_root` a box without a file has the default one. With it, the monitor asks for
/// a file until there is one. `None` if a signal ends the agent meanwhile.
///
/// # Errors
/// When the identity can't be used, and no notice is wanted.
pub(super) async fn identity(
    options: &AgentOptions,
    environment: &Environment,
    clock: &Clock,
    sockets: &Path,
    signals: &mut Signals,
) -> Result<Option<Identity>, AgentError> {
    let Some(root) = &options.setup_root else {
        return Ok(Some(find(options, environment)?.1));
    };
    let mut notice: Option<Notice> = None;
    let mut watchdog = Watchdog::new(Heartbeats::new(clock.clone()), true);
    let mut tick = interval(PACE);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            request = signals.next() => if request == SignalRequest::End {
                notify_stopping();
                end(notice).await;
                return Ok(None);
            },
            _ = tick.tick() => {
                watchdog.check(|_| false);
                let (device, faults) = match find(options, environment) {
                    Ok((true, identity)) => {
                        end(notice).await;
                        return Ok(Some(identity));
                    }
                    Ok((false, identity)) => (identity.device, problems(root)),
                    Err(err) => (default_device(environment), lines(&err)),
                };
                let shown = text(&device, &faults, root);
                let output = output(&options.sys_dir);
                match &mut notice {
                    Some(notice) => notice.show(shown, output),
                    None => {
                        let mut new = Notice::new(options, &device, sockets, clock)?;
                        new.show(shown, output);
                        notice = Some(new);
                        notify_ready();
                        notify_status("not set up");
                    }
                }
            }
        }
    }
}

/// The identity, and whether a file has it.
fn find(options: &AgentOptions, environment: &Environment) -> Result<(bool, Identity), AgentError> {
    if let Some(file) = &options.provision {
        provision(file, &options.state_dir, environment)?;
    }
    let provisioned = options.state_dir.join(DEVICE_FILE);
    let path = match provisioned.exists() {
        true => provisioned,
        false => options.config_dir.join(DEVICE_FILE),
    };
    Ok((path.exists(), read_identity(&path, environment)?))
}

/// The id of a box that has none.
fn default_device(environment: &Environment) -> String {
    let absent = read_identity(Path::new("/nonexistent"), environment);
    absent.map_or_else(|_| "unknown".to_owned(), |identity| identity.device)
}

fn lines(err: &AgentError) -> Vec<String> {
    match err {
        AgentError::Identity(DeviceFileError::Problems { path, problems }) => {
            let path = path.display();
            problems
                .iter()
                .map(|problem| format!("{path}: {problem}"))
                .collect()
        }
        _ => err.to_string().lines().map(str::to_owned).collect(),
    }
}

/// The lines on the monitor.
fn text(device: &str, faults: &[String], root: &Path) -> Vec<String> {
    let found = addresses(&root.join("proc"));
    let found: Vec<String> = found.iter().map(ToString::to_string).collect();
    let address = match found.is_empty() {
        true => "none: no cable, or no DHCP server".to_owned(),
        false => found.join(", "),
    };
    let mut lines = vec![
        "NOT SET UP".to_owned(),
        format!("device {device}"),
        format!("address {address}"),
    ];
    lines.extend(first_problems(faults, SHOWN, "problem: "));
    lines.push(match faults.is_empty() {
        true => "next: plug in a USB stick with the file nvr-provision.toml".to_owned(),
        false => {
            "next: correct the file nvr-provision.toml, and plug the USB stick in again".to_owned()
        }
    });
    lines
}

/// The monitor, if the kernel has an output. Else a picture that only snapshots show.
fn output(sys: &Path) -> &'static str {
    match outputs(sys).is_empty() {
        true => "headless",
        false => "kms",
    }
}

async fn end(notice: Option<Notice>) {
    if let Some(notice) = notice {
        notice.child.stop().await;
        config_file::remove(&notice.configs, ChildRole::Wall);
    }
}

/// The wall that shows the notice.
struct Notice {
    child: Child,
    device: String,
    configs: PathBuf,
    /// What it shows.
    config: Value,
    generation: u64,
}

impl Notice {
    fn new(
        options: &AgentOptions,
        device: &str,
        sockets: &Path,
        clock: &Clock,
    ) -> Result<Self, AgentError> {
        let (events, happened) = mpsc::channel(EVENTS);
        let configs = config_file::make_folder(sockets, device)?;
        let common = ChildOptions {
            program: options.program.clone(),
            device: device.to_owned(),
            configs: configs.clone(),
            sockets: sockets.to_owned(),
            credentials: None,
            lending: None,
            watchdog_limit: options.watchdog_limit,
            json_log: options.json_log,
        };
        let child = Child::new(ChildRole::Wall, common, clock.clone(), events)?;
        tokio::spawn(read(happened));
        Ok(Self {
            child,
            device: device.to_owned(),
            configs,
            config: Value::Null,
            generation: 0,
        })
    }

    /// Whether the wall starts. A change would end it and start another one, and the first address comes while it starts.
    fn is_starting(&self) -> bool {
        let condition = self.child.condition.borrow();
        self.generation > 0 && condition.process.is_none() && condition.crash_loop.is_none()
    }

    /// Shows `lines`, if it shows others and the wall does not start.
    fn show(&mut self, lines: Vec<String>, output: &str) {
        let config = json!({
            "instance_id": self.device,
            // Else the wall has the cameras of a demonstration.
            "camera": [],
            "wall": { "output": output, "notice": lines },
            // A wall needs a broker, and none is known yet: nothing listens at the port discard.
            "mqtt": { "host": "127.0.0.1", "port": 9 },
        });
        if config == self.config || self.is_starting() {
            return;
        }
        let first = lines.first().cloned().unwrap_or_default();
        for fault in lines.iter().filter(|line| line.starts_with("problem: ")) {
            error!("{fault}");
        }
        info!(device = self.device, "{first}");
        self.generation += 1;
        let document = DocumentId {
            generation: self.generation,
            sha256: DocumentHash::of(config.to_string().as_bytes()),
        };
        let order = Order::Apply {
            document,
            config: config.clone(),
        };
        match self.child.order(order) {
            true => self.config = config,
            false => warn!("the wall does not take the notice; it is tried again"),
        }
    }
}

/// Reads what the wall tells. It is started again by itself.
async fn read(mut happened: mpsc::Receiver<RoleEvent>) {
    while let Some(event) = happened.recv().await {
        match event.event {
            ChildEvent::Applied {
                result: Err(problems),
                ..
            } => {
                for problem in problems {
                    warn!(problem = problem.message, "the wall refuses the notice");
                }
            }
            ChildEvent::Ended { how } => warn!(how, "the wall with the notice ended"),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_notice_has_the_id_the_addresses_the_problems_and_the_next_step() {
        let nowhere = Path::new("/nonexistent");
        assert_eq!(
            text("box-1", &[], nowhere),
            [
                "NOT SET UP",
                "device box-1",
                "address none: no cable, or no DHCP server",
                "next: plug in a USB stick with the file nvr-provision.toml",
            ]
        );
        let faults: Vec<String> = (0..8).map(|number| format!("fault {number}")).collect();
        let shown = text("box-1", &faults, nowhere);
        assert_eq!(shown[3], "problem: fault 0");
        assert_eq!(shown[9], "and 2 more problems, in the journal");
        assert!(shown[10].starts_with("next: correct the file"));
        assert_eq!(output(nowhere), "headless");
    }
}

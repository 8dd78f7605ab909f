//! The services of systemd that a provisioning file concerns.

use std::process::{Command, Stdio};

use tracing::{info, warn};

/// The agent of the box.
const AGENT: &str = "nvr-agent.service";
/// Services of the system that read what a provisioning file changes.
const SYSTEM: [&str; 3] = [
    "systemd-networkd.service",
    "systemd-timesyncd.service",
    "systemd-resolved.service",
];

/// Stops the agent before a new identity is written, and starts it again when this is dropped. An agent that takes the identity over while
/// it runs, and is restarted afterwards, may have begun a document of its fleet in between, which counts as failed then.
#[derive(Debug)]
pub(super) struct Services {
    /// Whether services are touched at all.
    is_wanted: bool,
    has_stopped_agent: bool,
}

impl Services {
    pub(super) fn new(is_wanted: bool) -> Self {
        Self {
            is_wanted,
            has_stopped_agent: false,
        }
    }

    /// Ends the agent, if it runs or starts, and waits for its end.
    pub(super) fn stop_agent(&mut self) {
        if self.is_wanted && is_running(AGENT) {
            info!("the agent ends, since its identity changes");
            systemctl(&["stop", AGENT]);
            self.has_stopped_agent = true;
        }
    }

    /// Has the services of the system read their settings again.
    pub(super) fn restart(&self) {
        if self.is_wanted {
            info!("the services that the file concerns restart");
            let arguments = [&["--no-block", "try-restart"], &SYSTEM[..]].concat();
            systemctl(&arguments);
        }
    }
}

impl Drop for Services {
    fn drop(&mut self) {
        if self.has_stopped_agent {
            systemctl(&["--no-block", "start", AGENT]);
        }
    }
}

fn is_running(unit: &str) -> bool {
    let mut command = Command::new("systemctl");
    command.args(["show", "--value", "--property", "ActiveState", unit]);
    match command.stdin(Stdio::null()).output() {
        Ok(output) => {
            let state = String::from_utf8_lossy(&output.stdout);
            !matches!(state.trim(), "" | "inactive" | "failed")
        }
        Err(err) => {
            warn!(%err, "systemctl does not run; restart the machine");
            false
        }
    }
}

fn systemctl(arguments: &[&str]) {
    let mut command = Command::new("systemctl");
    command.args(arguments);
    let status = command.stdin(Stdio::null()).stdout(Stdio::null()).status();
    match status {
        Ok(status) if status.success() => {}
        Ok(status) => {
            warn!(%status, ?arguments, "systemctl failed; restart the machine");
        }
        Err(err) => warn!(%err, "systemctl does not run; restart the machine"),
    }
}

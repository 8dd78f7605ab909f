//! The firmware and the rest of the agent: what documents order, what the roles tell, and the restart of the machine.

use std::time::{Duration, Instant};

use rustix::process::{Pid, test_kill_process};
use tracing::{info, warn};

use super::acts::reboot;
use super::child::Order;
use super::driver::{Driver, wall_time};
use super::firmware::{Circumstances, FirmwareEvent};
use crate::fleet::{FirmwareOrder, Phase};

/// Time limit for the roles to drain before a restart. They drain for 5 s.
const DRAIN_LIMIT: Duration = Duration::from_secs(12);
/// Time limit for the machine to go down. After it the roles run again.
const RESTART_LIMIT: Duration = Duration::from_secs(120);
/// How often it is looked whether they have ended.
const LOOK: Duration = Duration::from_millis(100);

impl Driver {
    /// A desired document has come. Its firmware counts also where the rest is refused, so that neither blocks the other.
    pub(super) fn firmware_ordered(&mut self, message: &[u8]) {
        let Some(read) = self.reader.firmware(message, self.keys.keys()) else {
            return;
        };
        match read {
            Ok(order) => {
                let at = self.circumstances();
                if self.firmware.order(order, &at) {
                    self.restart_machine();
                }
                self.publish();
            }
            // The report of the document has the same problems.
            Err(errors) => warn!(%errors, "the firmware of a document is refused"),
        }
    }

    /// A thread of the firmware has told something.
    pub(super) fn firmware_event(&mut self, event: FirmwareEvent) {
        let has_failed = matches!(event, FirmwareEvent::NotRebooted(_));
        let at = self.circumstances();
        let is_restart = self.firmware.event(event, &at);
        if has_failed {
            self.start_roles_again();
        }
        if is_restart {
            self.restart_machine();
        }
        self.publish();
    }

    pub(super) fn firmware_tick(&mut self) {
        let at = self.circumstances();
        let (reader, running) = (&self.reader, self.cycle.running());
        let settings = || {
            let checked = running.and_then(|running| reader.bodies.check(&running.desired).ok());
            let loaded = checked
                .into_iter()
                .flat_map(|bodies| [bodies.processor, bodies.wall]);
            loaded.flatten().map(|loaded| loaded.settings).collect()
        };
        if self.firmware.tick(&at, settings) {
            self.restart_machine();
        }
    }

    fn circumstances(&self) -> Circumstances {
        let running = self.cycle.running();
        Circumstances {
            wall: wall_time(),
            is_tried: matches!(self.report.phase, Phase::Applying | Phase::Probation),
            roles: running
                .map(|running| running.roles.clone())
                .unwrap_or_default(),
        }
    }

    /// Drains the roles, then restarts the machine. It ends the agent.
    fn restart_machine(&mut self) {
        let conditions = self.children.values().map(|child| &child.condition);
        let processes: Vec<Pid> = conditions
            .filter_map(|condition| Pid::from_raw(condition.borrow().process?))
            .collect();
        info!(
            roles = processes.len(),
            "the machine restarts; the roles end before"
        );
        for role in self.children.keys() {
            self.order(*role, Order::Stop);
        }
        let command = self.reboot.clone();
        let events = self.firmware.events();
        tokio::spawn(async move {
            let until = Instant::now() + DRAIN_LIMIT;
            let runs = |process: &Pid| test_kill_process(*process).is_ok();
            while processes.iter().any(runs) && Instant::now() < until {
                tokio::time::sleep(LOOK).await;
            }
            let reason = match reboot(&command).await {
                Ok(_) => {
                    tokio::time::sleep(RESTART_LIMIT).await;
                    let limit = RESTART_LIMIT.as_secs();
                    format!("the machine did not restart within {limit} s after the order")
                }
                Err((_, reason)) => reason,
            };
            let _ = events.send(FirmwareEvent::NotRebooted(reason)).await;
        });
    }

    /// The machine did not restart: the roles go on until it does.
    fn start_roles_again(&mut self) {
        let Some(running) = self.cycle.running().cloned() else {
            return;
        };
        for role in running.roles.keys() {
            if let Err(errors) = self.apply(*role, &running.document) {
                for problem in errors {
                    warn!(%problem, "a role does not start again");
                }
            }
        }
    }
}

impl super::reading::Reader {
    /// What a received message says of the firmware, after the check of its signature. Absent if it says nothing that counts.
    fn firmware(
        &self,
        message: &[u8],
        keys: &crate::fleet::Keyring,
    ) -> Option<Result<FirmwareOrder, crate::fleet::DocumentErrors>> {
        let opened = crate::fleet::open(message, crate::fleet::PayloadType::Desired, keys).ok()?;
        FirmwareOrder::read(&opened.payload, &self.device).transpose()
    }
}

//! The firmware of a simulated device: it is installed and confirmed after a while, or returned from.

use std::time::Duration;

use crate::fleet::{DocumentError, Firmware, FirmwareOrder, FirmwarePhase};

/// How simulated devices behave.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Behaviour {
    /// Time from a document to its result.
    pub(super) apply_time: Duration,
    /// Documents that contain this text are reverted.
    pub(super) reverts: Option<String>,
}

/// An update in memory.
#[derive(Debug, Default)]
pub(super) struct SimulatedFirmware {
    until: Option<Duration>,
    is_bad: bool,
}

impl SimulatedFirmware {
    /// The time of the next change, if one is due.
    pub(super) fn due(&self) -> Option<Duration> {
        self.until
    }

    /// Takes an order. True if the report has changed.
    pub(super) fn order(
        &mut self,
        order: &FirmwareOrder,
        behaviour: &Behaviour,
        report: &mut Firmware,
        now: Duration,
    ) -> bool {
        let known = report.generation.unwrap_or(0);
        let Some(target) = order
            .firmware
            .as_ref()
            .filter(|_| order.generation() > known)
        else {
            return false;
        };
        let reverts = behaviour.reverts.as_ref();
        self.is_bad = reverts.is_some_and(|text| target.version.contains(&**text));
        self.until = Some(now + behaviour.apply_time);
        report.generation = Some(order.generation());
        report.target = Some(target.version.clone());
        report.phase = FirmwarePhase::Downloading;
        report.error = None;
        true
    }

    /// Ends an update whose time is over. True if the report has changed.
    pub(super) fn advance(&mut self, report: &mut Firmware, now: Duration) -> bool {
        if self.until.take_if(|until| *until <= now).is_none() {
            return false;
        }
        if self.is_bad {
            report.phase = FirmwarePhase::RolledBack;
            let message = "new slot did not boot";
            report.error = Some(DocumentError::new("firmware", "did-not-boot", message));
        } else {
            report.phase = FirmwarePhase::Confirmed;
            report.image.clone_from(&report.target);
        }
        true
    }
}

//! The report of a card: its connectors and planes, for people and for the choice of an output.

use std::path::PathBuf;

use serde::Serialize;

/// The report of a card.
#[derive(Debug, Clone, Serialize)]
pub struct CardReport {
    /// `/dev/dri/card1`.
    pub path: PathBuf,
    /// Name of the kernel driver. Empty if the card can't be opened.
    pub driver: String,
    /// Why the card can't be used, with the remedy.
    pub problem: Option<String>,
    /// Its connectors, in the order in which heads use them; by name, if the card was not opened.
    pub connectors: Vec<ConnectorReport>,
    /// Its planes, ordered by id. `None` if they can't be read, or were not, because the card was not opened.
    pub planes: Option<Vec<PlaneReport>>,
}

/// The report of a connector.
#[derive(Debug, Clone, Serialize)]
pub struct ConnectorReport {
    /// `HDMI-A-1`.
    pub name: String,
    /// `connected`, `no monitor` or `unknown`.
    pub state: String,
    /// Maker and name from the monitor's EDID.
    pub monitor: Option<String>,
    /// `1920x1080@60`, as the kernel lists them.
    pub modes: Vec<String>,
    /// The mode that is used if none is configured.
    pub chosen_mode: Option<String>,
    /// The plans that are tried for six tiles, best first. None if the planes were not read.
    pub plans: Vec<String>,
}

/// The report of a plane.
#[derive(Debug, Clone, Serialize)]
pub struct PlaneReport {
    /// The kernel's id.
    pub id: u32,
    /// `primary`, `overlay` or `cursor`.
    pub kind: String,
    /// `XR24`, `NV12+3`: the format, with the number of tilings other than linear.
    pub formats: Vec<String>,
    /// Indices of the CRTCs that can use it.
    pub crtcs: Vec<u32>,
    /// Its position in the stack. `None` if the driver does not give it.
    pub zpos: Option<u64>,
}

impl CardReport {
    /// Whether the card is usable and has a connected monitor.
    pub fn has_monitor(&self) -> bool {
        self.problem.is_none()
            && self
                .connectors
                .iter()
                .any(|connector| connector.state == "connected")
    }
}

//! The state of a fleet: what each device says of itself, and how many of its sources are live.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::Value;

use super::{DeviceView, Session};
use crate::base::SourceId;
use crate::bus::{ClientRole, Topics};
use crate::event::{Presence, PresenceState, SourceState, SourceStatus};
use crate::fleet::{Firmware, ModelPhase, ModelState, RecordingEstimate};

/// The state of a fleet.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FleetStatus {
    /// Number of devices of the file that were asked for.
    pub devices: usize,
    /// Number of devices that have ever said anything.
    pub answered: usize,
    /// Number of devices that are connected to the broker.
    pub online: usize,
    /// The devices in the order of the file.
    pub rows: Vec<DeviceStatus>,
}

/// The state of a device.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DeviceStatus {
    /// Its id.
    pub device: String,
    /// `online`, `stopped`, `offline`, or `missing` if it has never said anything.
    pub presence: &'static str,
    /// Version of its software.
    pub firmware: String,
    /// The update of its firmware, such as `2.1 downloading`; empty if there is none.
    pub update: String,
    /// Why that does not go on, or has failed.
    pub update_error: Option<String>,
    /// Generation that the operator wants.
    pub desired: Option<u64>,
    /// Generation in force.
    pub applied: Option<u64>,
    /// What became of the last document.
    pub phase: &'static str,
    /// Number of its sources that are live; absent without a processor.
    pub live: Option<usize>,
    /// Number of its sources.
    pub sources: Option<usize>,
    /// Inferred frames per second, all sources together.
    pub fps: f32,
    /// The first error of its report.
    pub error: Option<String>,
    /// The models of its document that are not ready.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub models: Vec<ModelState>,
    /// How long its recordings are kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recording: Option<RecordingEstimate>,
}

impl FleetStatus {
    /// Whether every device has answered.
    pub fn is_complete(&self) -> bool {
        self.answered == self.devices
    }
}

/// Reads the state of the devices. Sources are read by name, and count only while their processor is online.
pub async fn read_status(session: &mut Session, devices: &[String]) -> FleetStatus {
    while session.try_next().is_some() {}
    let topics = session.topics().clone();
    let ids = devices
        .iter()
        .filter_map(|device| session.views().get(device));
    let ids: BTreeSet<SourceId> = ids.flat_map(sources).collect();
    let asked = ids.iter().map(|id| topics.source(*id)).collect();
    let statuses: BTreeMap<SourceId, SourceStatus> = session
        .read(asked)
        .await
        .values()
        .filter_map(|payload| SourceStatus::from_json(payload).ok())
        .map(|status| (status.source_id, status))
        .collect();
    let asked = statuses
        .values()
        .filter_map(|status| topics.presence(ClientRole::Processor, &status.instance_id))
        .collect();
    let presences = session.read(asked).await;
    let is_valid = |status: &SourceStatus| is_valid(status, &presences, &topics);
    let live: BTreeMap<SourceId, f32> = statuses
        .values()
        .filter(|status| status.state == SourceState::Live && is_valid(status))
        .map(|status| (status.source_id, status.metrics.fps_inferred.unwrap_or(0.0)))
        .collect();
    let none = DeviceView::default();
    let rows = devices.iter().map(|device| {
        let view = session.views().get(device).unwrap_or(&none);
        row(device, view, &live)
    });
    let rows: Vec<DeviceStatus> = rows.collect();
    FleetStatus {
        devices: rows.len(),
        answered: rows.iter().filter(|row| row.presence != "missing").count(),
        online: rows.iter().filter(|row| row.presence == "online").count(),
        rows,
    }
}

/// The sources that the retained document gives to the device's processor.
pub(super) fn sources(view: &DeviceView) -> Vec<SourceId> {
    let body = view
        .desired
        .as_ref()
        .and_then(|desired| desired.body.as_ref());
    let cameras = body
        .and_then(|body| body.get("processor")?.get("camera")?.as_array().cloned())
        .unwrap_or_default();
    let id = |camera: &Value| u32::try_from(camera.get("id")?.as_u64()?).ok();
    cameras.iter().filter_map(id).map(SourceId).collect()
}

fn is_valid(status: &SourceStatus, presences: &BTreeMap<String, Vec<u8>>, topics: &Topics) -> bool {
    topics
        .presence(ClientRole::Processor, &status.instance_id)
        .and_then(|topic| presences.get(&topic))
        .and_then(|payload| Presence::from_json(payload).ok())
        .is_some_and(|presence| {
            presence.state == PresenceState::Online && presence.session == status.session
        })
}

fn update(firmware: &Firmware) -> String {
    match &firmware.target {
        Some(target) => format!("{target} {}", firmware.phase.as_str()),
        None => String::new(),
    }
}

fn row(device: &str, view: &DeviceView, live: &BTreeMap<SourceId, f32>) -> DeviceStatus {
    let report = view.reported.as_ref();
    let version = report.map(|report| report.firmware.running().to_owned());
    let version = version.filter(|version| !version.is_empty());
    let of_presence = || {
        view.presence
            .as_ref()
            .map(|presence| presence.version.clone())
    };
    let sources = sources(view);
    let rates: Vec<f32> = sources
        .iter()
        .filter_map(|id| live.get(id).copied())
        .collect();
    let has_sources = !sources.is_empty();
    DeviceStatus {
        device: device.to_owned(),
        presence: match view.presence.as_ref().map(|presence| presence.state) {
            Some(PresenceState::Online) => "online",
            Some(PresenceState::Stopped) => "stopped",
            Some(PresenceState::Offline) => "offline",
            None if view.has_answered() => "offline",
            None => "missing",
        },
        firmware: version.or_else(of_presence).unwrap_or_default(),
        update: report
            .map(|report| update(&report.firmware))
            .unwrap_or_default(),
        update_error: report
            .and_then(|report| report.firmware.error.as_ref())
            .map(ToString::to_string),
        desired: view.desired.as_ref().and_then(|desired| desired.generation),
        applied: report.and_then(|report| report.applied),
        phase: report.map_or("-", |report| report.phase.as_str()),
        live: has_sources.then_some(rates.len()),
        sources: has_sources.then_some(sources.len()),
        // A sum of nothing is -0.0.
        fps: rates.iter().fold(0.0, |sum, rate| sum + rate),
        error: report
            .and_then(|report| report.errors.first())
            .map(ToString::to_string),
        models: report.map_or_else(Vec::new, |report| {
            let missing = report.models.iter();
            let missing = missing.filter(|model| model.phase != ModelPhase::Ready);
            missing.cloned().collect()
        }),
        recording: report.and_then(|report| report.recording),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bus::FleetTopic;

    #[test]
    fn a_row_shows_what_a_device_says() {
        let mut view = DeviceView::default();
        assert_eq!(row("a", &view, &BTreeMap::new()).presence, "missing");
        let document = br#"{"schema":1,"generation":7,"role":"processor","processor":{"camera":[{"id":1},{"id":2}]}}"#;
        view.take(FleetTopic::Desired, document);
        let report = br#"{"schema":1,"generation":7,"applied":6,"phase":"rejected","firmware":{"version":"0.1.0"},"errors":[{"path":"x","code":"c","message":"m"}],"models":[{"id":"a","phase":"ready"},{"id":"b","phase":"building"}],"recording":{"cameras":2,"bytes_per_day":86400000,"kept_s":803520}}"#;
        view.take(FleetTopic::Reported, report);
        let live = BTreeMap::from([(SourceId(2), 12.5), (SourceId(9), 1.0)]);
        let shown = row("a", &view, &live);
        assert_eq!(
            (shown.presence, shown.phase, &*shown.firmware),
            ("offline", "rejected", "0.1.0")
        );
        assert_eq!((shown.desired, shown.applied), (Some(7), Some(6)));
        assert_eq!(
            (shown.live, shown.sources, shown.fps),
            (Some(1), Some(2), 12.5)
        );
        assert_eq!(shown.error.as_deref(), Some("x: m (c)"));
        let missing: Vec<&str> = shown.models.iter().map(|model| &*model.id).collect();
        assert_eq!(missing, ["b"]);
        let recording = shown.recording.expect("it tells one");
        assert_eq!((recording.cameras, recording.kept_s), (2, Some(803_520)));
    }
}

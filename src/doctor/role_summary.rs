//! The status of a role, from its control socket, as one line of the report.

use super::report::{Line, State, counted};
use crate::control::wall_state::{Tile, VideoState};
use crate::control::{self, ProcessorStatus, WallStatus};
use crate::event::SourceState;

/// The reported parts of a status.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct RoleSummary {
    version: String,
    /// Stages without progress.
    stuck: Vec<String>,
    /// Why there is no connection to the broker; none if there is one.
    broker: Option<String>,
    cameras: usize,
    live: usize,
    troubles: Vec<String>,
}

/// The version of this program.
const VERSION: &str = env!("CARGO_PKG_VERSION");

impl RoleSummary {
    /// The summary of an answer.
    pub(super) fn of(answer: &control::Status) -> Self {
        match answer {
            control::Status::Processor(processor) => Self::of_processor(processor),
            control::Status::Wall(wall) => Self::of_wall(wall),
        }
    }

    fn of_processor(processor: &ProcessorStatus) -> Self {
        let sources = &processor.sources;
        let mut troubles = Vec::new();
        for source in sources {
            if !matches!(source.state, SourceState::Live | SourceState::Paused) {
                let reason = source.reason.as_ref();
                let reason = reason.map_or("no frame yet", |reason| &reason.message);
                troubles.push(format!("source {}: {reason}", source.source_id));
            }
        }
        for (id, holder) in &processor.refused_sources {
            troubles.push(format!("source {id} is not published: {holder}"));
        }
        let live = sources
            .iter()
            .filter(|source| source.state == SourceState::Live);
        Self {
            version: processor.version.clone(),
            stuck: processor.stuck.clone(),
            broker: (processor.broker != "connected").then(|| processor.broker.clone()),
            cameras: sources.len(),
            live: live.count(),
            troubles,
        }
    }

    fn of_wall(wall: &WallStatus) -> Self {
        let (broker, tiles) = (&wall.state.broker, &wall.state.tiles);
        let is_live = |tile: &&Tile| tile.video.state == VideoState::Live;
        let mut troubles = Vec::new();
        if let Some(reason) = wall
            .displays
            .as_ref()
            .and_then(|displays| displays.trouble.as_ref())
        {
            troubles.push(format!("display: {reason}"));
        }
        for tile in tiles {
            // A tile without a fault has no text. Without a broker all live tiles have the same text; the broker's reason is shown once.
            if !tile.text.is_empty() && (broker.connected || !is_live(&tile)) {
                let mut trouble = format!("camera {}: {}", tile.source_id, tile.text);
                if let Some(reason) = &tile.video.message {
                    trouble += &format!(": {reason}");
                }
                troubles.push(trouble);
            }
        }
        let reason = || broker.reason.as_deref().unwrap_or("connecting").to_owned();
        Self {
            version: wall.version.clone(),
            stuck: wall.state.stuck.clone(),
            broker: (!broker.connected).then(reason),
            cameras: tiles.len(),
            live: tiles.iter().filter(is_live).count(),
            troubles,
        }
    }

    /// The line of the role `name`, for example `processor-dock`.
    pub(super) fn line(&self, name: &str) -> Line {
        let (version, live) = (&self.version, self.live);
        let cameras = counted(self.cameras, "camera");
        let broker = self.broker.as_deref().unwrap_or("connected");
        let mut found = format!("version {version}, {live} of {cameras} live, broker: {broker}");
        let unit = name.split('-').next().unwrap_or_default();
        let log = format!("`journalctl -u nvr-{unit}` shows more");
        let (state, remedy) = if !self.stuck.is_empty() {
            found += &format!("; stuck: {}", self.stuck.join(", "));
            (State::Fault, log)
        } else if self.broker.is_some() || !self.troubles.is_empty() {
            for trouble in &self.troubles {
                found += &format!("; {trouble}");
            }
            let remedy = format!("test a camera with `nvr camera probe URI`; {log}");
            (State::Warning, remedy)
        } else if version != VERSION {
            found += &format!("; this program is version {VERSION}");
            let remedy =
                format!("restart it to run the installed version: `systemctl restart nvr-{unit}`");
            (State::Warning, remedy)
        } else {
            (State::Ok, String::new())
        };
        Line::new(state, name, found, remedy)
            .with_figure("cameras_live", live as f64)
            .with_figure("cameras", self.cameras as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{cases, short};
    use super::*;
    use serde::Deserialize as _;
    use serde_json::{Value, json};

    // `tests/suite/doctor_roles.rs` tests the answers of real roles. These tests have answers that are rare.
    fn line(name: &str, value: &Value) -> Line {
        let answer = control::Status::deserialize(value).expect("a known form");
        RoleSummary::of(&answer).line(name)
    }

    /// `value` with the fields of the JSON object `more`.
    fn with(mut value: Value, more: &str) -> Value {
        let more: serde_json::Map<String, Value> = serde_json::from_str(more).expect("JSON");
        value.as_object_mut().expect("an object").extend(more);
        value
    }

    fn source(id: u32, state: &str, reason: Option<&str>) -> Value {
        json!({
            "source_id": id, "instance_id": "box", "session": "a1", "state": state, "since": "2025-10-25T10:30:00Z",
            "uri": "rtsp://camera", "reason": reason.map(|message| json!({"code": "unreachable", "message": message})),
        })
    }

    #[test]
    fn a_processor_is_well_ill_or_stuck() {
        let live = source(0, "live", None);
        let processor = json!({"role": "processor", "version": VERSION, "broker": "connected", "sources": [live], "stuck": []});
        let well = format!("version {VERSION}, 1 of 1 camera live, broker: connected");
        let expected = Line::ok("processor-box", well)
            .with_figure("cameras_live", 1.0)
            .with_figure("cameras", 1.0);
        assert_eq!(line("processor-box", &processor), expected);
        let failed = source(3, "failed", Some("no route"));
        let table = r#"
{"sources": [LIVE, FAILED]} → Warning | processor-box | version VERSION, 1 of 2 cameras live, broker: connected; source 3: no route
{"refused_sources": {"0": "b"}} → Warning | processor-box | version VERSION, 1 of 1 camera live, broker: connected; source 0 is not published: b
{"stuck": ["detect"]} → Fault | processor-box | version VERSION, 1 of 1 camera live, broker: connected; stuck: detect
{"version": "0"} → Warning | processor-box | version 0, 1 of 1 camera live, broker: connected; this program is version VERSION"#;
        let table = table
            .replace("LIVE", &live.to_string())
            .replace("VERSION", VERSION);
        for (more, expected) in cases(&table.replace("FAILED", &failed.to_string())) {
            let status = with(processor.clone(), more);
            assert_eq!(short(&line("processor-box", &status)), expected);
        }
    }

    #[test]
    fn a_wall_is_well_ill_or_stuck() {
        let well = json!({"broker": {"connected": true}, "stuck": [], "tiles": [
            {"source_id": 4, "text": "", "video": {"state": "live", "message": null}},
        ]});
        let table = r#"
{} → Ok | wall-box | version VERSION, 1 of 1 camera live, broker: connected
{"tiles": [{"source_id": 4, "text": "NO CAMERA", "video": {"state": "no-camera", "message": "no route"}}]} → Warning | wall-box | version VERSION, 0 of 1 camera live, broker: connected; camera 4: NO CAMERA: no route
{"broker": {"connected": false, "reason": "refused"}, "tiles": [{"source_id": 4, "text": "NO BROKER", "video": {"state": "live", "message": null}}]} → Warning | wall-box | version VERSION, 1 of 1 camera live, broker: refused
{"stuck": ["composer"]} → Fault | wall-box | version VERSION, 1 of 1 camera live, broker: connected; stuck: composer"#;
        for (more, expected) in cases(&table.replace("VERSION", VERSION)) {
            let state = with(well.clone(), more);
            let displays = json!({"heads": [], "trouble": null});
            let status =
                json!({"role": "wall", "version": VERSION, "displays": displays, "state": state});
            let line = line("wall-box", &status);
            assert_eq!(short(&line), expected);
            assert_eq!(line.figures["cameras"], 1.0);
        }
    }

    #[test]
    fn an_unknown_form_is_refused() {
        for value in [
            json!(null),
            json!({"version": "9"}),
            json!({"role": "wall", "version": "9"}),
        ] {
            assert!(control::Status::deserialize(&value).is_err(), "{value}");
        }
    }
}

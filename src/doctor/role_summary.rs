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
    use super::super::fixture::short;
    use super::*;
    use serde::Deserialize as _;
    use serde_json::{Value, json};

    // `tests/suite/doctor_roles.rs` tests the answers of real roles. These tests have answers that are rare.
    fn line(name: &str, value: &Value) -> Line {
        let answer = control::Status::deserialize(value).expect("a known form");
        RoleSummary::of(&answer).line(name)
    }

    /// `value` with the fields of `more`.
    fn with(mut value: Value, more: &Value) -> Value {
        for (key, field) in more.as_object().into_iter().flatten() {
            value[key] = field.clone();
        }
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
        let of = |more: Value| {
            let processor = json!({"role": "processor", "version": VERSION, "broker": "connected", "sources": [live], "stuck": []});
            line("processor-box", &with(processor, &more))
        };
        let well = format!("version {VERSION}, 1 of 1 camera live, broker: connected");
        let expected = Line::ok("processor-box", well.clone())
            .with_figure("cameras_live", 1.0)
            .with_figure("cameras", 1.0);
        assert_eq!(of(json!({})), expected);
        let failed = source(3, "failed", Some("no route"));
        let half = well.replace("1 of 1 camera", "1 of 2 cameras");
        for (more, state, found) in [
            (
                json!({"sources": [live, failed]}),
                "Warning",
                format!("{half}; source 3: no route"),
            ),
            (
                json!({"refused_sources": {"0": "box-2 has it"}}),
                "Warning",
                format!("{well}; source 0 is not published: box-2 has it"),
            ),
            (
                json!({"stuck": ["detect"]}),
                "Fault",
                format!("{well}; stuck: detect"),
            ),
            (
                json!({"version": "0.0.1"}),
                "Warning",
                format!(
                    "{}; this program is version {VERSION}",
                    well.replace(VERSION, "0.0.1")
                ),
            ),
        ] {
            let expected = format!("{state} | processor-box | {found}");
            assert_eq!(short(&of(more)), expected);
        }
    }

    #[test]
    fn a_wall_is_well_ill_or_stuck() {
        let of = |text: &str, video: &Value, state: Value| {
            let tile = json!({"source_id": 4, "text": text, "video": video});
            let state = with(
                json!({"tiles": [tile], "broker": {"connected": true}, "stuck": []}),
                &state,
            );
            let displays = json!({"heads": [], "trouble": null});
            line(
                "wall-box",
                &json!({"role": "wall", "version": VERSION, "displays": displays, "state": state}),
            )
        };
        let live = json!({"state": "live", "message": null});
        let well = of("", &live, json!({}));
        assert_eq!(well.state, State::Ok, "{well:?}");
        assert_eq!(well.figures["cameras_live"], 1.0);
        let gone = json!({"state": "no-camera", "message": "no route"});
        let away = json!({"broker": {"connected": false, "reason": "refused"}});
        for (text, video, state, expected, found) in [
            (
                "NO CAMERA",
                &gone,
                json!({}),
                State::Warning,
                "; camera 4: NO CAMERA: no route",
            ),
            (
                "NO BROKER",
                &live,
                away,
                State::Warning,
                "1 of 1 camera live, broker: refused",
            ),
            (
                "",
                &live,
                json!({"stuck": ["composer"]}),
                State::Fault,
                "; stuck: composer",
            ),
        ] {
            let line = of(text, video, state);
            assert_eq!(line.state, expected);
            assert!(line.found.ends_with(found), "{line:?}");
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

//! The status of a role, from its control socket, as one line of the report.

use super::{Line, State};
use crate::base::counted;
use crate::control::wall_state::{Tile, VideoState};
use crate::control::{self, ProcessorStatus, WallStatus};
use crate::event::{SourceState, SourceStatus};

/// The reported parts of a status.
struct Summary<'a> {
    version: &'a str,
    /// Stages without progress.
    stuck: &'a [String],
    /// Why there is no connection to the broker; none if there is one.
    broker: Option<&'a str>,
    cameras: usize,
    live: usize,
    troubles: Vec<String>,
}

/// The version of this program.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The line of the role `name`, for example `processor-dock`.
pub(super) fn line(name: &str, status: &control::Status) -> Line {
    let role = match status {
        control::Status::Processor(processor) => of_processor(processor),
        control::Status::Wall(wall) => of_wall(wall),
    };
    let (version, cameras) = (role.version, counted(role.cameras, "camera"));
    let (live, broker) = (role.live, role.broker.unwrap_or("connected"));
    let found = format!("version {version}, {live} of {cameras} live, broker: {broker}");
    let unit = name.split('-').next().unwrap_or_default();
    let log = format!("`journalctl -u nvr-{unit}` shows more");
    let (state, more, remedy) = if !role.stuck.is_empty() {
        let stuck = format!("stuck: {}", role.stuck.join(", "));
        (State::Fault, vec![stuck], log)
    } else if role.broker.is_some() || !role.troubles.is_empty() {
        let remedy = format!("test a camera with `nvr camera probe URI`; {log}");
        (State::Warning, role.troubles, remedy)
    } else if version != VERSION {
        let restart = format!("`systemctl restart nvr-{unit}`");
        let remedy = format!("restart it to run the installed version: {restart}");
        let newer = format!("this program is version {VERSION}");
        (State::Warning, vec![newer], remedy)
    } else {
        (State::Ok, Vec::new(), log)
    };
    let found = [vec![found], more].concat().join("; ");
    Line::new(state, name, found, remedy)
        .with_figure("cameras_live", live as f64)
        .with_figure("cameras", role.cameras as f64)
}

fn of_processor(processor: &ProcessorStatus) -> Summary<'_> {
    let sources = &processor.sources;
    let is_live = |source: &&SourceStatus| source.state == SourceState::Live;
    let is_well = |source: &&SourceStatus| is_live(source) || source.state == SourceState::Paused;
    let failed = sources.iter().filter(|source| !is_well(source));
    let failed = failed.map(|source| {
        let reason = source.reason.as_ref();
        let reason = reason.map_or("no frame yet", |reason| &reason.message);
        format!("source {}: {reason}", source.source_id)
    });
    let refused = processor.refused_sources.iter();
    let refused = refused.map(|(id, holder)| format!("source {id} is not published: {holder}"));
    Summary {
        version: &processor.version,
        stuck: &processor.stuck,
        broker: Some(processor.broker.as_str()).filter(|broker| *broker != "connected"),
        cameras: sources.len(),
        live: sources.iter().filter(is_live).count(),
        troubles: failed.chain(refused).collect(),
    }
}

fn of_wall(wall: &WallStatus) -> Summary<'_> {
    let (broker, tiles) = (&wall.state.broker, &wall.state.tiles);
    let is_live = |tile: &&Tile| tile.video.state == VideoState::Live;
    let displays = wall.displays.as_ref();
    let display = displays.and_then(|displays| displays.trouble.as_ref());
    let display = display.map(|reason| format!("display: {reason}"));
    // A tile without a fault has no text. Without a broker all live tiles have the same text; the broker's reason is shown once.
    let failed = |tile: &&Tile| !tile.text.is_empty() && (broker.connected || !is_live(tile));
    let failed = tiles.iter().filter(failed).map(|tile| {
        let reason = tile.video.message.as_ref();
        let reason = reason.map(|reason| format!(": {reason}"));
        let reason = reason.unwrap_or_default();
        format!("camera {}: {}{reason}", tile.source_id, tile.text)
    });
    let reason = || broker.reason.as_deref().unwrap_or("connecting");
    Summary {
        version: &wall.version,
        stuck: &wall.state.stuck,
        broker: (!broker.connected).then(reason),
        cameras: tiles.len(),
        live: tiles.iter().filter(is_live).count(),
        troubles: display.into_iter().chain(failed).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{cases, full, short};
    use super::*;
    use serde::Deserialize as _;
    use serde_json::{Value, json};

    // `tests/suite/doctor_roles.rs` tests the answers of real roles. These tests have answers that are rare.
    fn line_of(name: &str, status: &Value) -> Line {
        let status = control::Status::deserialize(status).expect("a known form");
        line(name, &status)
    }

    /// `value` with the fields of the JSON object `more`.
    fn with(value: &Value, more: &str) -> Value {
        let more: serde_json::Map<String, Value> = serde_json::from_str(more).expect("JSON");
        let mut value = value.as_object().expect("an object").clone();
        value.extend(more);
        value.into()
    }

    #[test]
    fn a_processor_is_well_ill_or_stuck() {
        let source = |id: u32, state: &str| {
            let reason = json!({"code": "unreachable", "message": "no route"});
            json!({
                "source_id": id, "instance_id": "box", "session": "a1", "state": state, "since": "2025-10-25T10:30:00Z",
                "uri": "rtsp://camera", "reason": if state == "failed" { reason } else { Value::Null },
            })
        };
        let (live, failed) = (source(0, "live"), source(3, "failed"));
        let processor = json!({"role": "processor", "version": VERSION, "broker": "connected", "sources": [live], "stuck": []});
        let expected = format!(
            r#"Ok | processor-box | version {VERSION}, 1 of 1 camera live, broker: connected {{"cameras": 1.0, "cameras_live": 1.0}}"#
        );
        assert_eq!(full(&line_of("processor-box", &processor)), expected);
        let table = r#"
{"sources": [LIVE, FAILED]} → Warning | processor-box | version VERSION, 1 of 2 cameras live, broker: connected; source 3: no route
{"refused_sources": {"0": "b"}} → Warning | processor-box | version VERSION, 1 of 1 camera live, broker: connected; source 0 is not published: b
{"stuck": ["detect"]} → Fault | processor-box | version VERSION, 1 of 1 camera live, broker: connected; stuck: detect
{"version": "0"} → Warning | processor-box | version 0, 1 of 1 camera live, broker: connected; this program is version VERSION"#;
        let table = table.replace("LIVE", &live.to_string());
        let table = table.replace("FAILED", &failed.to_string());
        for (more, expected) in cases(&table.replace("VERSION", VERSION)) {
            let line = line_of("processor-box", &with(&processor, more));
            assert_eq!(short(&line), expected);
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
            let displays = json!({"heads": [], "trouble": null});
            let status = json!({"role": "wall", "version": VERSION, "displays": displays, "state": with(&well, more)});
            let line = line_of("wall-box", &status);
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

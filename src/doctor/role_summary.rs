//! The status of a role, from its control socket, as a line of the report.

use super::report::{Line, counted};
use crate::control::wall_state::{Tile, VideoState, WallState};
use crate::control::{self, ProcessorStatus, WallStatus};
use crate::event::{SourceState, SourceStatus};

/// What a role says of itself.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Status {
    version: String,
    /// Stages without progress.
    stuck: Vec<String>,
    /// Why the broker can't be spoken to; nothing where it can.
    broker: Option<String>,
    cameras: usize,
    live: usize,
    /// What is not as it should be, in words.
    troubles: Vec<String>,
}

/// What this program is.
const OURS: &str = env!("CARGO_PKG_VERSION");

impl Status {
    /// Takes from an answer what the report tells.
    pub(super) fn of(answer: &control::Status) -> Self {
        match answer {
            control::Status::Processor(processor) => Self::of_processor(processor),
            control::Status::Wall(wall) => Self::of_wall(wall),
        }
    }

    fn of_processor(processor: &ProcessorStatus) -> Self {
        let sources = &processor.sources;
        let failed = sources
            .iter()
            .filter(|source| !matches!(source.state, SourceState::Live | SourceState::Paused));
        let failed = failed.map(|source| {
            let reason = source.reason.as_ref().map(|reason| &*reason.message);
            let reason = reason.unwrap_or("no frame yet");
            format!("source {}: {reason}", source.source_id)
        });
        let refused = processor.refused_sources.iter();
        let refused = refused.map(|(id, holder)| format!("source {id} is not published: {holder}"));
        let is_live = |source: &&SourceStatus| source.state == SourceState::Live;
        Self {
            version: processor.version.clone(),
            stuck: processor.stuck.clone(),
            broker: (processor.broker != "connected").then(|| processor.broker.clone()),
            cameras: sources.len(),
            live: sources.iter().filter(is_live).count(),
            troubles: failed.chain(refused).collect(),
        }
    }

    fn of_wall(wall: &WallStatus) -> Self {
        let WallState {
            broker,
            tiles,
            stuck,
            ..
        } = &wall.state;
        let is_live = |tile: &Tile| tile.video.state == VideoState::Live;
        let trouble = wall
            .displays
            .as_ref()
            .and_then(|displays| displays.trouble.as_deref());
        let trouble = trouble.map(|reason| format!("display: {reason}"));
        let of_tiles = tiles
            .iter()
            // A tile that is well says nothing. What every tile says without a broker is said once, below.
            .filter(|tile| !tile.text.is_empty() && (broker.connected || !is_live(tile)))
            .map(|tile| {
                let reason = tile.video.message.as_ref();
                let reason = reason
                    .map(|reason| format!(": {reason}"))
                    .unwrap_or_default();
                format!("camera {}: {}{reason}", tile.source_id, tile.text)
            });
        Self {
            version: wall.version.clone(),
            stuck: stuck.clone(),
            broker: (!broker.connected).then(|| {
                broker
                    .reason
                    .clone()
                    .unwrap_or_else(|| "connecting".to_owned())
            }),
            cameras: tiles.len(),
            live: tiles.iter().filter(|tile| is_live(tile)).count(),
            troubles: trouble.into_iter().chain(of_tiles).collect(),
        }
    }

    /// The line of the role `name`, `processor-dock` for one.
    pub(super) fn judge(self, name: &str) -> Line {
        let Self { version, live, .. } = &self;
        let broker = self.broker.as_deref().unwrap_or("connected");
        let mut found = format!(
            "version {version}, {live} of {} live, broker: {broker}",
            counted(self.cameras, "camera")
        );
        let unit = name.split('-').next().unwrap_or_default();
        let log = format!("`journalctl -u nvr-{unit}` tells more");
        if !self.stuck.is_empty() {
            let stuck = self.stuck.join(", ");
            return self.figures(Line::fault(name, format!("{found}; stuck: {stuck}"), log));
        }
        let is_well = self.broker.is_none() && self.troubles.is_empty();
        for trouble in &self.troubles {
            found += &format!("; {trouble}");
        }
        let line = if !is_well {
            let remedy = format!("look at a camera with `nvr camera probe URI`; {log}");
            Line::warning(name, found, remedy)
        } else if version == OURS {
            Line::ok(name, found)
        } else {
            let found = format!("{found}; this program is version {OURS}");
            let remedy = format!(
                "start it again, so that the installed version runs: `systemctl restart nvr-{unit}`"
            );
            Line::warning(name, found, remedy)
        };
        self.figures(line)
    }

    fn figures(&self, line: Line) -> Line {
        line.with_figure("cameras_live", self.live as f64)
            .with_figure("cameras", self.cameras as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::super::report::State;
    use super::*;
    use serde::Deserialize as _;
    use serde_json::{Value, json};

    // What real roles answer is held by the suite: `doctor_roles`. Here is what they seldom say.
    fn line(name: &str, value: &Value) -> Line {
        let answer = control::Status::deserialize(value).expect("a known form");
        Status::of(&answer).judge(name)
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
        let status = |sources: &[&Value], more: Value| {
            let mut status = json!({"role": "processor", "version": OURS, "broker": "connected", "sources": sources, "stuck": []});
            for (key, value) in more.as_object().into_iter().flatten() {
                status[key] = value.clone();
            }
            line("processor-box", &status)
        };
        let well = status(&[&live], json!({}));
        let words = format!("version {OURS}, 1 of 1 camera live, broker: connected");
        let expected = Line::ok("processor-box", words.clone())
            .with_figure("cameras_live", 1.0)
            .with_figure("cameras", 1.0);
        assert_eq!(well, expected);
        let failed = source(3, "failed", Some("no route"));
        let ill = status(&[&live, &failed], json!({}));
        assert_eq!(ill.state, State::Warning);
        assert!(ill.found.ends_with("; source 3: no route"), "{}", ill.found);
        let refused = status(&[&live], json!({"refused_sources": {"0": "box-2 has it"}}));
        assert_eq!(refused.state, State::Warning);
        assert!(
            refused
                .found
                .ends_with("; source 0 is not published: box-2 has it")
        );
        let stuck = status(&[&live], json!({"stuck": ["detect"]}));
        assert_eq!(
            (stuck.state, stuck.found),
            (State::Fault, format!("{words}; stuck: detect"))
        );
        let old = status(&[&live], json!({"version": "0.0.1"}));
        assert_eq!(old.state, State::Warning);
        assert!(
            old.found
                .ends_with(&format!("; this program is version {OURS}"))
        );
    }

    #[test]
    fn a_wall_is_well_ill_or_stuck() {
        let status = |tile: Value, state: Value| {
            let mut state = state;
            state["tiles"] = json!([tile]);
            let status = json!({"role": "wall", "version": OURS, "displays": {"heads": [], "trouble": null}, "state": state});
            line("wall-box", &status)
        };
        let live =
            || json!({"source_id": 4, "text": "", "video": {"state": "live", "message": null}});
        let connected = || json!({"broker": {"connected": true}, "stuck": []});
        let well = status(live(), connected());
        assert_eq!(well.state, State::Ok, "{well:?}");
        assert_eq!(well.figures["cameras_live"], 1.0);
        let gone = json!({"source_id": 4, "text": "NO CAMERA", "video": {"state": "no-camera", "message": "no route"}});
        let ill = status(gone, connected());
        assert!(
            ill.found.ends_with("; camera 4: NO CAMERA: no route"),
            "{ill:?}"
        );
        let away = json!({"source_id": 4, "text": "NO BROKER", "video": {"state": "live", "message": null}});
        let away = status(
            away,
            json!({"broker": {"connected": false, "reason": "refused"}, "stuck": []}),
        );
        assert_eq!(away.state, State::Warning);
        assert!(
            away.found.ends_with("1 of 1 camera live, broker: refused"),
            "{away:?}"
        );
        let stuck = status(
            live(),
            json!({"broker": {"connected": true}, "stuck": ["composer"]}),
        );
        assert_eq!(stuck.state, State::Fault);
        assert!(stuck.found.ends_with("; stuck: composer"), "{stuck:?}");
    }

    #[test]
    fn another_form_is_not_guessed_at() {
        for value in [
            json!(null),
            json!({"version": "9"}),
            json!({"role": "wall", "version": "9"}),
        ] {
            assert!(control::Status::deserialize(&value).is_err(), "{value}");
        }
    }
}

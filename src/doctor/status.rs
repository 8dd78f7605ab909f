//! A role's status as its control socket gives it, read into what this page tells: the two roles write theirs in two forms.
//!
//! The process may be of another version than this program; so what is missing is no error, and what is not known is left out.

use serde_json::Value;

use super::report::{Line, counted};

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
    /// Reads a status; nothing where it is of a form that this program does not know.
    pub(super) fn read(value: &Value) -> Option<Self> {
        match value["role"].as_str()? {
            "processor" => Self::of_processor(value),
            "wall" => Self::of_wall(value),
            _ => None,
        }
    }

    fn of_processor(value: &Value) -> Option<Self> {
        let sources = value["sources"].as_array()?;
        let mut troubles: Vec<String> = sources
            .iter()
            .filter(|source| source["state"] != "live" && source["state"] != "paused")
            .map(|source| {
                let reason = text(&source["reason"]["message"]).unwrap_or("no frame yet");
                format!("source {}: {reason}", source["source_id"])
            })
            .collect();
        let refused = value["refused_sources"].as_object();
        for (id, reason) in refused.into_iter().flatten() {
            let reason = text(reason).unwrap_or("another processor has it");
            troubles.push(format!("source {id} is not published: {reason}"));
        }
        let broker = text(&value["broker"]).unwrap_or("unknown");
        Some(Self {
            broker: (broker != "connected").then(|| broker.to_owned()),
            cameras: sources.len(),
            live: live(sources.iter().map(|source| &source["state"])),
            troubles,
            ..Self::common(value, &value["stuck"])
        })
    }

    fn of_wall(value: &Value) -> Option<Self> {
        let state = &value["state"];
        let tiles = state["tiles"].as_array()?;
        let broker = &state["broker"];
        let is_connected = broker["connected"] == true;
        let display =
            text(&value["displays"]["trouble"]).map(|reason| format!("display: {reason}"));
        let of_tiles = tiles.iter().filter_map(|tile| {
            // A tile that is well says nothing. What every tile says without a broker is said once, below.
            let is_live = tile["video"]["state"] == "live";
            let says = text(&tile["text"]).filter(|_| is_connected || !is_live)?;
            let reason = text(&tile["video"]["message"]).map(|reason| format!(": {reason}"));
            let reason = reason.unwrap_or_default();
            Some(format!("camera {}: {says}{reason}", tile["source_id"]))
        });
        Some(Self {
            broker: (!is_connected)
                .then(|| text(&broker["reason"]).unwrap_or("connecting").to_owned()),
            cameras: tiles.len(),
            live: live(tiles.iter().map(|tile| &tile["video"]["state"])),
            troubles: display.into_iter().chain(of_tiles).collect(),
            ..Self::common(value, &state["stuck"])
        })
    }

    fn common(value: &Value, stuck: &Value) -> Self {
        let stages = stuck.as_array().into_iter().flatten();
        Self {
            version: text(&value["version"]).unwrap_or("unknown").to_owned(),
            stuck: stages.filter_map(text).map(str::to_owned).collect(),
            broker: None,
            cameras: 0,
            live: 0,
            troubles: Vec::new(),
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

fn live<'a>(states: impl Iterator<Item = &'a Value>) -> usize {
    states.filter(|state| **state == "live").count()
}

/// A text that says something.
fn text(value: &Value) -> Option<&str> {
    value.as_str().filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::super::report::State;
    use super::*;
    use serde_json::json;

    // What real roles answer is held by the suite: `doctor_roles`. Here is what they seldom say.
    fn line(name: &str, value: &Value) -> Line {
        Status::read(value).expect("a known form").judge(name)
    }

    #[test]
    fn a_processor_is_well_ill_or_stuck() {
        let live = json!({"source_id": 0, "state": "live"});
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
        let failed = json!({"source_id": 3, "state": "failed", "reason": {"message": "no route"}});
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
            assert_eq!(Status::read(&value), None);
        }
    }
}

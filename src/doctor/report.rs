//! What was found: sections of lines, each of them well, a warning or a fault; the last two with a remedy.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::{Deserialize, Serialize};

/// How something is.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// As it should be, or not needed.
    Ok,
    /// It works, and worse than it could; or it will not work for long.
    Warning,
    /// What the program is for does not work because of this.
    Fault,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Line {
    /// How it is.
    pub state: State,
    /// What was looked at.
    pub what: String,
    /// What was found.
    pub found: String,
    /// What to do about it; there where the state is not `ok`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
    /// What was measured, as numbers for programs; the unit stands in the name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub figures: BTreeMap<String, f64>,
}

/// Lines about one part of the machine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Section {
    /// Its name for programs, `decoders` for one; does not change between versions.
    pub id: String,
    /// Its name for people.
    pub title: String,
    /// How long it took.
    pub took_ms: u64,
    /// What was looked at, in the order in which it was.
    pub lines: Vec<Line>,
}

/// The page.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Report {
    /// Version of this form; another number where a reader would have to change.
    pub schema: u32,
    /// The program's version.
    pub version: String,
    /// When it was made, RFC 3339 in UTC, by this machine's clock.
    pub at: String,
    /// The worst of all lines.
    pub state: State,
    /// How many lines are warnings.
    pub warnings: usize,
    /// How many lines are faults.
    pub faults: usize,
    /// The parts of the machine, in a fixed order.
    pub sections: Vec<Section>,
}

/// [`Report::schema`] of what is written here.
const SCHEMA: u32 = 1;

/// `1 fault`, `2 faults`.
pub(super) fn counted(count: usize, one: &str) -> String {
    match count {
        1 => format!("1 {one}"),
        count => format!("{count} {one}s"),
    }
}

/// An error of this program in two: what was found, and behind a semicolon what to do about it. Semicolons in brackets
/// separate details.
pub(super) fn split(error: &str) -> (&str, Option<&str>) {
    let mut depth = 0_u32;
    for (at, letter) in error.char_indices() {
        match letter {
            '(' | '[' => depth += 1,
            ')' | ']' => depth = depth.saturating_sub(1),
            ';' if depth == 0 => {
                if let Some(remedy) = error[at..].strip_prefix("; ") {
                    return (&error[..at], Some(remedy));
                }
            }
            _ => {}
        }
    }
    (error, None)
}

impl Line {
    /// Well.
    pub fn ok(what: impl Into<String>, found: impl Into<String>) -> Self {
        Self::new(State::Ok, what, found, None)
    }

    /// Worse than it could be.
    pub fn warning(
        what: impl Into<String>,
        found: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self::new(State::Warning, what, found, Some(remedy.into()))
    }

    /// Broken.
    pub fn fault(
        what: impl Into<String>,
        found: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self::new(State::Fault, what, found, Some(remedy.into()))
    }

    /// What an error of this program says. By their common form the remedy stands behind a semicolon; `otherwise` is the
    /// remedy of one that has none.
    pub fn of_error(
        state: State,
        what: impl Into<String>,
        error: &impl std::fmt::Display,
        otherwise: &str,
    ) -> Self {
        let error = error.to_string();
        let (found, remedy) = split(&error);
        let remedy = remedy.unwrap_or(otherwise);
        Self::new(state, what, found, Some(remedy.to_owned()))
    }

    fn new(
        state: State,
        what: impl Into<String>,
        found: impl Into<String>,
        remedy: Option<String>,
    ) -> Self {
        Self {
            state,
            what: what.into(),
            found: found.into(),
            remedy: remedy.filter(|_| state != State::Ok),
            figures: BTreeMap::new(),
        }
    }

    /// Adds a number for programs.
    #[must_use]
    pub fn with_figure(mut self, name: &str, value: f64) -> Self {
        self.figures.insert(name.to_owned(), value);
        self
    }
}

impl Report {
    /// The page of these sections, made now.
    pub fn new(sections: Vec<Section>) -> Self {
        let count = |state: State| {
            let lines = sections.iter().flat_map(|section| &section.lines);
            lines.filter(|line| line.state == state).count()
        };
        let (warnings, faults) = (count(State::Warning), count(State::Fault));
        Self {
            schema: SCHEMA,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            at: format!("{:.0}", jiff::Timestamp::now()),
            state: match (faults, warnings) {
                (0, 0) => State::Ok,
                (0, _) => State::Warning,
                _ => State::Fault,
            },
            warnings,
            faults,
            sections,
        }
    }

    /// The section of that name.
    pub fn section(&self, id: &str) -> Option<&Section> {
        self.sections.iter().find(|section| section.id == id)
    }

    /// JSON, for people's eyes too.
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self)
            .expect("invariant: texts, numbers and lists of them are JSON")
    }
}

/// The JSON Schema of [`Report`], draft 2020-12: `docs/schema/doctor.schema.json`.
pub fn schema_json() -> String {
    let schema = SchemaSettings::draft2020_12()
        .for_deserialize()
        .into_generator()
        .into_root_schema_for::<Report>();
    let text = serde_json::to_string_pretty(&schema)
        .expect("invariant: a schema of a struct of texts is JSON");
    text + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_s_remedy_is_told_from_what_was_found() {
        let line = Line::of_error(
            State::Fault,
            "broker",
            &"can't reach it: refused; start one",
            "",
        );
        assert_eq!(
            line,
            Line::fault("broker", "can't reach it: refused", "start one")
        );
        let line = Line::of_error(
            State::Fault,
            "CUDA",
            &"not opened (no a; no b); install it; or not",
            "",
        );
        assert_eq!(
            line,
            Line::fault("CUDA", "not opened (no a; no b)", "install it; or not")
        );
        let line = Line::of_error(State::Warning, "broker", &"no answer", "wait");
        assert_eq!(line, Line::warning("broker", "no answer", "wait"));
    }

    #[test]
    fn the_worst_line_is_the_state_of_all() {
        let report = |lines: Vec<Line>| {
            let section = Section {
                id: "a".to_owned(),
                title: "A".to_owned(),
                took_ms: 1,
                lines,
            };
            Report::new(vec![section])
        };
        let (ok, warning, fault) = (
            Line::ok("a", "b"),
            Line::warning("a", "b", "c"),
            Line::fault("a", "b", "c"),
        );
        let found = report(vec![warning.clone(), fault, ok.clone(), warning.clone()]);
        assert_eq!(
            (found.state, found.warnings, found.faults),
            (State::Fault, 2, 1)
        );
        assert_eq!(report(vec![ok.clone(), warning]).state, State::Warning);
        assert_eq!(report(vec![ok]).state, State::Ok);
        assert_eq!(report(Vec::new()).state, State::Ok);
    }

    #[test]
    fn the_committed_schema_is_that_of_the_report() {
        let path = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/docs/schema/doctor.schema.json"
        );
        let generated = schema_json();
        if std::env::var_os("NVR_UPDATE").is_some() {
            std::fs::write(path, &generated).expect("docs/schema is writable");
        }
        let committed = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            committed == generated,
            "{path} is not the schema of the type; write it anew with NVR_UPDATE=1"
        );
    }
}

//! The report: sections of lines. Each line is ok, a warning or a fault; warnings and faults have a remedy.

use std::collections::BTreeMap;
use std::fmt::Display;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::event::schema_of;

/// State of a line, and of the whole report.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// No fault, or not needed on this machine.
    Ok,
    /// It works, but not at its best or not for long.
    Warning,
    /// A main function does not work.
    Fault,
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Line {
    /// Its state.
    pub state: State,
    /// The examined thing.
    pub what: String,
    /// The finding.
    pub found: String,
    /// The remedy; present if the state is not `ok`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
    /// Measured numbers, with the unit in the name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub figures: BTreeMap<String, f64>,
}

/// The lines of one part of the machine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Section {
    /// Its name for programs, for example `decoders`; it does not change between versions.
    pub id: String,
    /// Its name for people.
    pub title: String,
    /// Duration of the check.
    pub took_ms: u64,
    /// The findings, in the order of the examination.
    pub lines: Vec<Line>,
}

/// The report of the doctor.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Report {
    /// Version of this schema; it changes when readers must change.
    pub schema: u32,
    /// The program's version.
    pub version: String,
    /// Time of the report by this machine's clock, RFC 3339 in UTC.
    pub at: String,
    /// The worst state of all lines.
    pub state: State,
    /// Number of warnings.
    pub warnings: usize,
    /// Number of faults.
    pub faults: usize,
    /// One section per part of the machine, in a fixed order.
    pub sections: Vec<Section>,
}

/// The [`Report::schema`] of this version.
const SCHEMA: u32 = 1;

/// Splits an error of this program into finding and remedy at the first `; ` outside of brackets. Semicolons in brackets
/// separate details.
fn split_remedy(error: &str) -> (&str, Option<&str>) {
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

/// The finding of an error of this program.
pub(super) fn without_remedy(error: &impl Display) -> String {
    split_remedy(&error.to_string()).0.to_owned()
}

impl State {
    /// The worse of two findings about one thing.
    pub(super) fn of(is_fault: bool, is_warning: bool) -> Self {
        match (is_fault, is_warning) {
            (true, _) => Self::Fault,
            (false, true) => Self::Warning,
            (false, false) => Self::Ok,
        }
    }
}

impl Line {
    /// A line in any state. The remedy is left out if the state is ok.
    pub(super) fn new(
        state: State,
        what: impl Display,
        found: impl Display,
        remedy: impl Display,
    ) -> Self {
        Self {
            state,
            what: what.to_string(),
            found: found.to_string(),
            remedy: (state != State::Ok).then(|| remedy.to_string()),
            figures: BTreeMap::new(),
        }
    }

    /// A line without a fault.
    pub fn ok(what: impl Display, found: impl Display) -> Self {
        Self::new(State::Ok, what, found, "")
    }

    /// A warning.
    pub fn warning(what: impl Display, found: impl Display, remedy: impl Display) -> Self {
        Self::new(State::Warning, what, found, remedy)
    }

    /// A fault.
    pub fn fault(what: impl Display, found: impl Display, remedy: impl Display) -> Self {
        Self::new(State::Fault, what, found, remedy)
    }

    /// The line of an error of this program, whose message has its remedy after a semicolon. `remedy` is that of a message
    /// without one.
    pub fn of_error(state: State, what: impl Display, error: impl Display, remedy: &str) -> Self {
        let error = error.to_string();
        let (found, own) = split_remedy(&error);
        Self::new(state, what, found, own.unwrap_or(remedy))
    }

    /// Adds a number for programs.
    #[must_use]
    pub fn with_figure(mut self, name: &str, value: f64) -> Self {
        self.figures.insert(name.to_owned(), value);
        self
    }
}

impl Report {
    /// The report of these sections, with the current time.
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
            state: State::of(faults > 0, warnings > 0),
            warnings,
            faults,
            sections,
        }
    }

    /// The section with the name `id`.
    pub fn section(&self, id: &str) -> Option<&Section> {
        self.sections.iter().find(|section| section.id == id)
    }

    /// Indented JSON.
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self)
            .expect("invariant: texts, numbers and lists of them are JSON")
    }
}

/// The JSON Schema of [`Report`], draft 2020-12: `docs/schema/doctor.schema.json`.
pub fn schema_json() -> String {
    schema_of::<Report>()
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{cases, full, report_of};
    use super::*;
    use crate::event::assert_committed;

    #[test]
    fn the_remedy_of_an_error_is_separated_from_the_finding() {
        let table = "
can't reach it: refused; start one → Fault | broker | can't reach it: refused | start one
not opened (no a; no b); install it; or not → Fault | broker | not opened (no a; no b) | install it; or not
no answer → Fault | broker | no answer | wait";
        for (error, expected) in cases(table) {
            let line = Line::of_error(State::Fault, "broker", error, "wait");
            assert_eq!(full(&line), expected);
        }
    }

    #[test]
    fn the_worst_line_gives_the_state_of_the_report() {
        let report = |states: &[State]| {
            let lines = states.iter().map(|state| Line::new(*state, "a", "b", "c"));
            let report = report_of(lines.collect());
            (report.state, report.faults, report.warnings)
        };
        use State::{Fault, Ok, Warning};
        assert_eq!(report(&[Warning, Fault, Ok, Warning]), (Fault, 1, 2));
        assert_eq!(report(&[Ok, Warning]), (Warning, 0, 1));
        assert_eq!(report(&[Ok]), (Ok, 0, 0));
        assert_eq!(report(&[]), (Ok, 0, 0));
    }

    #[test]
    fn the_committed_schema_is_that_of_the_report() {
        assert_committed("doctor", &schema_json());
    }
}

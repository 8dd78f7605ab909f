//! The problems of a configuration, each with key, origin and remedy. All are reported at once.

use std::fmt;

use serde::Serialize;

/// One problem.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// The key, `camera[2].uri`; empty if the problem concerns the whole file.
    pub path: String,
    /// Origin of the value: `nvr.toml:14:7`, `--mqtt-port`, `NVR_MODEL`; absent for defaults and documents.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origin: Option<String>,
    /// Names the value, the limit and the remedy; never contains a secret.
    pub message: String,
    /// Its kind, for programs.
    #[serde(skip)]
    pub kind: ProblemKind,
}

/// The kind of a problem.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProblemKind {
    /// A value out of its range or form, or one that contradicts another.
    Value,
    /// A key that does not exist.
    UnknownKey,
    /// A value of another type.
    Type,
    /// An address with an unsupported scheme.
    Scheme,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.message)?;
        match &self.origin {
            Some(origin) => write!(f, " [{origin}]"),
            None => Ok(()),
        }
    }
}

/// Every problem of a configuration; never empty. Displayed with one problem per line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(transparent)]
pub struct ConfigProblems(Vec<Problem>);

impl ConfigProblems {
    /// The problems: first values that could not be read, then values that failed a check.
    pub fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.0.iter()
    }

    /// Adds those problems of `other` that are not yet in the list.
    pub fn with(mut self, other: Self) -> Self {
        for problem in other.0 {
            if !self.0.contains(&problem) {
                self.0.push(problem);
            }
        }
        self
    }
}

impl fmt::Display for ConfigProblems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            problem.fmt(f)?;
        }
        Ok(())
    }
}

/// Collects problems while a configuration is read.
#[derive(Debug, Default)]
pub(super) struct Problems {
    found: Vec<Problem>,
    suppressed: Vec<String>,
}

/// Limit of reported problems. A file with more is probably no configuration.
const MOST_PROBLEMS: usize = 200;

impl Problems {
    /// Adds a problem, unless its path is suppressed: the value was removed from the tree and its problem is reported.
    pub(super) fn add(&mut self, path: &str, origin: Option<&str>, message: impl Into<String>) {
        self.add_kind(ProblemKind::Value, path, origin, message);
    }

    /// As [`Problems::add`], with the kind of the problem.
    pub(super) fn add_kind(
        &mut self,
        kind: ProblemKind,
        path: &str,
        origin: Option<&str>,
        message: impl Into<String>,
    ) {
        if self.is_full()
            || self
                .suppressed
                .iter()
                .any(|suppressed| covers(suppressed, path))
        {
            return;
        }
        let problem = Problem {
            path: path.to_owned(),
            origin: origin.map(str::to_owned),
            message: message.into().replace('\n', "; "),
            kind,
        };
        if !self.found.contains(&problem) {
            self.found.push(problem);
        }
    }

    /// Ignores further problems at or under `path`.
    pub(super) fn suppress(&mut self, path: String) {
        self.suppressed.push(path);
    }

    pub(super) fn is_full(&self) -> bool {
        self.found.len() >= MOST_PROBLEMS
    }

    /// All problems. The caller has added at least one.
    pub(super) fn into_error(self) -> ConfigProblems {
        ConfigProblems(self.found)
    }

    /// `value` if there is no problem.
    pub(super) fn or<T>(self, value: T) -> Result<T, ConfigProblems> {
        if self.found.is_empty() {
            Ok(value)
        } else {
            Err(self.into_error())
        }
    }
}

/// Whether `path` is `ancestor` or a key below it.
fn covers(ancestor: &str, path: &str) -> bool {
    path.strip_prefix(ancestor)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_reads_as_path_message_and_origin() {
        let mut problems = Problems::default();
        problems.add(
            "mqtt.port",
            Some("--mqtt-port"),
            "must be 1 to 65535, got 0",
        );
        problems.add("", None, "no cameras");
        let error = problems.or(()).expect_err("there are problems");
        assert_eq!(
            error.to_string(),
            "mqtt.port: must be 1 to 65535, got 0 [--mqtt-port]\nno cameras"
        );
    }

    #[test]
    fn nothing_is_told_under_a_struck_path_but_beside_it() {
        let mut problems = Problems::default();
        problems.suppress("camera[1]".to_owned());
        problems.add("camera[1].uri", None, "missing");
        problems.add("camera[10].uri", None, "missing");
        let error = problems.or(()).expect_err("one is left");
        assert_eq!(error.to_string(), "camera[10].uri: missing");
    }
}

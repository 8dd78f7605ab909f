//! What is wrong with a configuration: every problem at once, each with its place and its remedy.

use std::fmt;

use serde::Serialize;

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// The key, `camera[2].uri`; empty where the file as a whole is meant.
    pub path: String,
    /// Where the value came from: `nvr.toml:14:7`, `--mqtt-port`, `NVR_MODEL`; absent for defaults and documents.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origin: Option<String>,
    /// The value, the limit and the remedy; never a secret.
    pub message: String,
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

/// Every problem of a configuration, one a line; never empty.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(transparent)]
pub struct ConfigProblems(Vec<Problem>);

impl ConfigProblems {
    /// The problems: first what could not be read, then what was read and is wrong.
    pub fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.0.iter()
    }

    /// These, and those of `other` that are not among them.
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

/// Gathers problems while a configuration is read.
#[derive(Debug, Default)]
pub(super) struct Problems {
    found: Vec<Problem>,
    struck: Vec<String>,
}

/// More than this is a file of another kind: nobody reads the thousandth line.
const MOST_PROBLEMS: usize = 200;

impl Problems {
    /// Adds a problem, unless its value was struck out already: then what is missing there was there, and told.
    pub(super) fn add(&mut self, path: &str, origin: Option<&str>, message: impl Into<String>) {
        if self.is_full() || self.struck.iter().any(|struck| covers(struck, path)) {
            return;
        }
        let problem = Problem {
            path: path.to_owned(),
            origin: origin.map(str::to_owned),
            message: message.into().replace('\n', "; "),
        };
        if !self.found.contains(&problem) {
            self.found.push(problem);
        }
    }

    /// Tells no more problems at or under `path`.
    pub(super) fn strike(&mut self, path: String) {
        self.struck.push(path);
    }

    pub(super) fn is_full(&self) -> bool {
        self.found.len() >= MOST_PROBLEMS
    }

    /// Everything found; at least one problem was.
    pub(super) fn into_error(self) -> ConfigProblems {
        ConfigProblems(self.found)
    }

    /// `value` where nothing was wrong.
    pub(super) fn or<T>(self, value: T) -> Result<T, ConfigProblems> {
        if self.found.is_empty() {
            Ok(value)
        } else {
            Err(self.into_error())
        }
    }
}

/// Whether `path` is `ancestor` or lies under it.
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
        problems.strike("camera[1]".to_owned());
        problems.add("camera[1].uri", None, "missing");
        problems.add("camera[10].uri", None, "missing");
        let error = problems.or(()).expect_err("one is left");
        assert_eq!(error.to_string(), "camera[10].uri: missing");
    }
}

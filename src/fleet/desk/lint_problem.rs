//! The problems of a fleet's documents.

use std::fmt;

use serde_json::{Value, json};

/// Maximum number of problems that are shown.
const MOST_SHOWN: usize = 100;

/// One problem, of one or more devices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LintProblem {
    /// The devices that have it.
    pub devices: Vec<String>,
    /// The place in the document.
    pub path: String,
    /// A word for programs.
    pub code: String,
    /// The fault and its remedy.
    pub message: String,
    /// `file:line:column`.
    pub origin: Option<String>,
}

/// Every problem of a fleet; never empty.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct LintProblems(Vec<LintProblem>);

impl LintProblem {
    /// Fields for programs.
    pub fn to_json(&self) -> Value {
        json!({
            "devices": self.devices, "path": self.path, "code": self.code, "message": self.message, "origin": self.origin,
        })
    }
}

impl fmt::Display for LintProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((first, others)) = self.devices.split_first() {
            write!(f, "{first}")?;
            match others {
                [] => {}
                [other] => write!(f, " and {other}")?,
                others => write!(f, " and {} others", others.len())?,
            }
            f.write_str(": ")?;
        }
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        write!(f, "{} ({})", self.message, self.code)?;
        match &self.origin {
            Some(origin) => write!(f, " [{origin}]"),
            None => Ok(()),
        }
    }
}

impl LintProblems {
    pub(super) fn new(problems: Vec<LintProblem>) -> Self {
        Self(problems)
    }

    /// The problems in the order of the file.
    pub fn iter(&self) -> impl Iterator<Item = &LintProblem> {
        self.0.iter()
    }
}

impl fmt::Display for LintProblems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().take(MOST_SHOWN).enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            problem.fmt(f)?;
        }
        match self.0.len().checked_sub(MOST_SHOWN) {
            Some(more @ 1..) => write!(f, "\nand {more} more"),
            _ => Ok(()),
        }
    }
}

//! The audit file beside `fleet.toml`: a line of JSON for each act of an operator.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::DeskError;
use crate::event::unix_time;
use crate::fleet::DocumentHash;

/// Appends to the audit file. Several desks may append at once.
#[derive(Debug, Clone)]
pub struct Audit {
    path: PathBuf,
    who: String,
}

/// An act.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Act {
    /// `apply`, `pause`, `resume`, `publish`, `halt`, `take-back`, `clear`, `end`, `command`, `remove` or
    /// `rollback`.
    pub act: &'static str,
    /// The rollout.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rollout: Option<String>,
    /// The device.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// The generation that the device gets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub generation: Option<u64>,
    /// The hash of the document that the device gets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha256: Option<DocumentHash>,
    /// More, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

impl Act {
    /// An act about the rollout with this id.
    pub fn of_rollout(act: &'static str, id: &str) -> Self {
        Self {
            act,
            rollout: Some(id.to_owned()),
            ..Self::default()
        }
    }
}

#[derive(Serialize)]
struct AuditLine<'a> {
    at: String,
    who: &'a str,
    #[serde(flatten)]
    act: &'a Act,
}

impl Audit {
    /// The audit file beside a file: `fleet-audit.jsonl` for `fleet.toml`. `who` is the operator, as in the documents.
    pub fn beside(fleet: &Path, who: impl Into<String>) -> Self {
        let stem = fleet.file_stem().unwrap_or_default().to_string_lossy();
        Self {
            path: fleet.with_file_name(format!("{stem}-audit.jsonl")),
            who: who.into(),
        }
    }

    /// Who acts.
    pub fn who(&self) -> &str {
        &self.who
    }

    /// Appends a line for each act, durably.
    ///
    /// # Errors
    /// When the file can't be written.
    pub fn write(&self, acts: &[Act]) -> Result<(), DeskError> {
        let at = unix_time(crate::base::unix_now()).to_string();
        let mut text = String::new();
        for act in acts {
            let who = &*self.who;
            let line = AuditLine {
                at: at.clone(),
                who,
                act,
            };
            text += &serde_json::to_string(&line).unwrap_or_default();
            text.push('\n');
        }
        let written = File::options()
            .append(true)
            .create(true)
            .open(&self.path)
            .and_then(|mut file| {
                file.write_all(text.as_bytes())?;
                file.sync_data()
            });
        written.map_err(|cause| DeskError::Audit {
            path: self.path.display().to_string(),
            cause,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_act_is_a_line_with_time_and_operator() {
        let dir = tempfile::tempdir().expect("a folder");
        let audit = Audit::beside(&dir.path().join("site.toml"), "op@desk");
        let hash = DocumentHash::of(b"x");
        let act = Act {
            act: "publish",
            device: Some("a".to_owned()),
            sha256: Some(hash.clone()),
            ..Act::default()
        };
        for _ in 0..2 {
            audit.write(std::slice::from_ref(&act)).expect("written");
        }
        let text = std::fs::read_to_string(dir.path().join("site-audit.jsonl")).expect("text");
        let lines: Vec<serde_json::Value> = text
            .lines()
            .map(|line| serde_json::from_str(line).expect("JSON"))
            .collect();
        assert_eq!(lines.len(), 2);
        assert_eq!(
            (&lines[0]["who"], &lines[0]["act"]),
            (&"op@desk".into(), &"publish".into())
        );
        assert_eq!(lines[0]["sha256"], hash.as_str());
        assert!(
            lines[0]["at"].as_str().is_some_and(|at| at.ends_with('Z')),
            "{text}"
        );
        assert!(lines[0].get("rollout").is_none());
    }
}

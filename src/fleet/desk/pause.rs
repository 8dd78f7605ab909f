//! A pause that another desk asks for: a file beside the journal, which the desk that works on the rollout reads before each stage.
//!
//! The journal itself is locked by that desk. The file names the rollout, so that one that is left over holds up no other rollout.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::JournalError;
use super::journal_error::{failed, sync_folder};

/// A pause that is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PauseRequest {
    /// Id of the rollout.
    pub rollout: String,
    /// The operator who asks.
    pub by: String,
}

/// The file of a pause.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PauseFile(PathBuf);

impl PauseFile {
    pub(super) fn new(path: PathBuf) -> Self {
        Self(path)
    }

    /// Asks the desk that works on a rollout to wait before its next stage.
    ///
    /// # Errors
    /// When the file can't be written.
    pub fn ask(&self, request: &PauseRequest) -> Result<(), JournalError> {
        let new = self.0.with_extension("pause.new");
        let failed_write = failed("write", &new);
        let text = serde_json::to_string(request).unwrap_or_default();
        let mut file = File::create(&new).map_err(&failed_write)?;
        file.write_all(text.as_bytes()).map_err(&failed_write)?;
        file.sync_all().map_err(&failed_write)?;
        fs::rename(&new, &self.0).map_err(failed("write", &self.0))?;
        sync_folder(&self.0)
    }

    /// Withdraws the pause of a rollout. False if none was asked for.
    ///
    /// # Errors
    /// When the file can't be read or removed.
    pub fn withdraw(&self, rollout: &str) -> Result<bool, JournalError> {
        if self.asked(rollout)?.is_none() {
            return Ok(false);
        }
        remove(&self.0)?;
        Ok(true)
    }

    /// The pause that is asked for this rollout.
    pub(super) fn asked(&self, rollout: &str) -> Result<Option<PauseRequest>, JournalError> {
        let text = match fs::read_to_string(&self.0) {
            Err(err) if err.kind() == io::ErrorKind::NotFound => return Ok(None),
            read => read.map_err(failed("read", &self.0))?,
        };
        let request: PauseRequest =
            serde_json::from_str(&text).map_err(|err| JournalError::Damaged {
                path: self.0.clone(),
                detail: err.to_string(),
            })?;
        Ok(Some(request).filter(|request| request.rollout == rollout))
    }
}

fn remove(path: &Path) -> Result<(), JournalError> {
    match fs::remove_file(path) {
        Err(err) if err.kind() != io::ErrorKind::NotFound => Err(failed("remove", path)(err)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_is_for_one_rollout_and_can_be_withdrawn_once() {
        let dir = tempfile::tempdir().expect("a folder");
        let file = PauseFile::new(dir.path().join("fleet-rollout.pause"));
        assert_eq!(file.asked("one").expect("read"), None);
        let request = PauseRequest {
            rollout: "one".to_owned(),
            by: "ann@desk".to_owned(),
        };
        file.ask(&request).expect("written");
        assert_eq!(file.asked("one").expect("read"), Some(request));
        assert_eq!(file.asked("two").expect("read"), None);
        assert!(!file.withdraw("two").expect("read"));
        assert!(file.withdraw("one").expect("removed"));
        assert!(!file.withdraw("one").expect("read"));
        let left: Vec<_> = fs::read_dir(dir.path()).expect("listed").collect();
        assert!(left.is_empty(), "{left:?}");
        fs::write(dir.path().join("fleet-rollout.pause"), "{").expect("written");
        let damaged = file.asked("one").expect_err("no request").to_string();
        assert!(
            damaged.contains("fleet-rollout.pause is damaged"),
            "{damaged}"
        );
    }
}

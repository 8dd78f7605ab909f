//! The journal of a rollout, beside `fleet.toml`. A rollout goes on after a crash of the desk, and former documents are kept.
//!
//! A journal is written whole under another name and renamed before the first document is published. From then on it only grows:
//! the devices of a stage are written and synced before their documents are published. A finished journal moves to the history.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

use super::journal_error::{failed, sync_folder};
pub(super) use super::journal_lines::{Entry, JournalEnd};
use super::journal_lines::{Head, Line, begun, parse, written};
use super::{JournalError, Limits, Outcome, PauseFile, PauseRequest, Plan, State};

/// The places of the journals of a fleet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalFolder {
    current: PathBuf,
    history: PathBuf,
    pause: PauseFile,
}

/// A rollout's journal.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    folder: JournalFolder,
    file: File,
    head: Head,
    entries: Vec<Entry>,
    published: BTreeSet<String>,
    outcomes: BTreeMap<String, Outcome>,
    stage: u32,
    is_halting: bool,
    end: Option<JournalEnd>,
}

/// What a desk finds of a rollout.
#[derive(Debug)]
pub enum Found {
    /// Nothing is unfinished.
    Nothing,
    /// It is unfinished, and no desk works on it.
    Left(Box<Journal>),
    /// Another desk works on the rollout with this id.
    Running(String),
}

impl JournalFolder {
    /// The journals beside a file: `fleet-rollout.jsonl` and `fleet-history/` for `fleet.toml`; `fleet-rollout.pause` asks for a
    /// pause.
    pub fn beside(fleet: &Path) -> Self {
        let stem = fleet.file_stem().unwrap_or_default().to_string_lossy();
        Self {
            current: fleet.with_file_name(format!("{stem}-rollout.jsonl")),
            history: fleet.with_file_name(format!("{stem}-history")),
            pause: PauseFile::new(fleet.with_file_name(format!("{stem}-rollout.pause"))),
        }
    }

    /// The rollout that is not finished.
    ///
    /// # Errors
    /// When its journal can't be read.
    pub fn find(&self) -> Result<Found, JournalError> {
        match self.unfinished() {
            Ok(None) => Ok(Found::Nothing),
            Ok(Some(journal)) => Ok(Found::Left(Box::new(journal))),
            Err(JournalError::Busy { .. }) => Ok(match self.unfinished_id()? {
                Some(id) => Found::Running(id),
                // It has ended since.
                None => Found::Nothing,
            }),
            Err(error) => Err(error),
        }
    }

    /// The file with which another desk asks for a pause.
    pub fn pause(&self) -> &PauseFile {
        &self.pause
    }

    /// The journal of the rollout that is not finished; absent if there is none.
    ///
    /// # Errors
    /// When it can't be read, or another process works on it.
    pub fn unfinished(&self) -> Result<Option<Journal>, JournalError> {
        if !self.current.exists() {
            return Ok(None);
        }
        let journal = Journal::open(&self.current, self.clone())?;
        // The desk may have died between the last line and the move.
        match journal.end {
            Some(_) => journal.archive().map(|_| None),
            None => Ok(Some(journal)),
        }
    }

    /// The id in the current journal, which another desk may hold; absent if there is none.
    fn unfinished_id(&self) -> Result<Option<String>, JournalError> {
        let text = match fs::read_to_string(&self.current) {
            Err(err) if err.kind() == io::ErrorKind::NotFound => return Ok(None),
            read => read.map_err(failed("read", &self.current))?,
        };
        // The other desk may be writing the last line.
        let first = text.split_inclusive('\n').next().unwrap_or_default();
        let (lines, _) = parse(first).map_err(|detail| JournalError::Damaged {
            path: self.current.clone(),
            detail,
        })?;
        Ok(lines.into_iter().find_map(|line| match line {
            Line::Rollout(head) => Some(head.id),
            _ => None,
        }))
    }

    /// Checks that no rollout is unfinished.
    ///
    /// # Errors
    /// When one is, or it can't be read.
    pub fn check_free(&self) -> Result<(), JournalError> {
        match self.unfinished()? {
            None => Ok(()),
            Some(other) => Err(JournalError::Unfinished {
                id: other.head.id,
                path: self.current.clone(),
            }),
        }
    }

    /// The journal of a finished rollout: the one with this id, or the last one.
    ///
    /// # Errors
    /// When there is none, or it can't be read.
    pub fn finished(&self, id: Option<&str>) -> Result<Journal, JournalError> {
        let path = match id {
            Some(id) => Some(self.history.join(format!("{id}.jsonl"))).filter(|path| path.exists()),
            None => self
                .ids()?
                .last()
                .map(|id| self.history.join(format!("{id}.jsonl"))),
        };
        let absent = || JournalError::Absent {
            what: id.map_or_else(
                || "finished rollout".to_owned(),
                |id| format!("rollout {id}"),
            ),
            path: self.history.clone(),
        };
        Journal::open(&path.ok_or_else(absent)?, self.clone())
    }

    /// The ids of finished rollouts, oldest first.
    ///
    /// # Errors
    /// When the folder can't be read.
    pub fn ids(&self) -> Result<Vec<String>, JournalError> {
        let listed = match fs::read_dir(&self.history) {
            Err(err) if err.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            listed => listed.map_err(failed("read", &self.history))?,
        };
        let mut ids: Vec<String> = listed
            .flatten()
            .filter_map(|file| {
                let name = file.file_name().into_string().ok()?;
                Some(name.strip_suffix(".jsonl")?.to_owned())
            })
            .collect();
        ids.sort_unstable();
        Ok(ids)
    }

    /// Writes the journal of a new rollout.
    ///
    /// # Errors
    /// When another one is not finished, or the file can't be written.
    pub fn begin(&self, plan: &Plan, limits: &Limits, who: &str) -> Result<Journal, JournalError> {
        self.check_free()?;
        let text = begun(plan, limits, who);
        let new = self.current.with_extension("jsonl.new");
        let failed_write = failed("write", &new);
        // Bodies may hold logins, if the operator insists.
        let mut file = File::options()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&new)
            .map_err(&failed_write)?;
        file.write_all(text.as_bytes()).map_err(&failed_write)?;
        file.sync_all().map_err(&failed_write)?;
        fs::rename(&new, &self.current).map_err(&failed_write)?;
        sync_folder(&self.current)?;
        Journal::open(&self.current, self.clone())
    }
}

impl Journal {
    fn open(path: &Path, folder: JournalFolder) -> Result<Self, JournalError> {
        let mut file = File::options()
            .read(true)
            .write(true)
            .open(path)
            .map_err(failed("read", path))?;
        flock(&file, FlockOperation::NonBlockingLockExclusive).map_err(
            |err| match io::Error::from(err) {
                cause if cause.kind() == io::ErrorKind::WouldBlock => JournalError::Busy {
                    path: path.to_owned(),
                },
                cause => failed("lock", path)(cause),
            },
        )?;
        let mut text = String::new();
        file.read_to_string(&mut text)
            .map_err(failed("read", path))?;
        let damaged = |detail: String| JournalError::Damaged {
            path: path.to_owned(),
            detail,
        };
        let (lines, whole) = parse(&text).map_err(damaged)?;
        file.set_len(whole as u64).map_err(failed("write", path))?;
        file.seek(SeekFrom::End(0)).map_err(failed("read", path))?;
        let mut lines = lines.into_iter();
        let Some(Line::Rollout(head)) = lines.next() else {
            return Err(damaged("it has no head".to_owned()));
        };
        let mut journal = Self {
            path: path.to_owned(),
            folder,
            file,
            head,
            entries: Vec::new(),
            published: BTreeSet::new(),
            outcomes: BTreeMap::new(),
            stage: 0,
            is_halting: false,
            end: None,
        };
        lines.for_each(|line| journal.take(line));
        let (found, all) = (journal.entries.len(), journal.head.devices);
        if found != all {
            return Err(damaged(format!("it has {found} of {all} devices")));
        }
        Ok(journal)
    }

    fn take(&mut self, line: Line) {
        match line {
            Line::Rollout(_) => {}
            Line::Device(entry) => self.entries.push(entry),
            Line::Stage { stage, devices } => {
                self.stage = stage;
                self.published.extend(devices);
            }
            Line::Outcome { device, outcome } => {
                self.outcomes.insert(device, outcome);
            }
            Line::Halting => self.is_halting = true,
            Line::Ended { end } => self.end = Some(end),
        }
    }

    fn append(&mut self, lines: Vec<Line>) -> Result<(), JournalError> {
        let text: String = lines.iter().map(written).collect();
        let written = self.file.write_all(text.as_bytes());
        let synced = written.and_then(|()| self.file.sync_data());
        synced.map_err(failed("write", &self.path))?;
        lines.into_iter().for_each(|line| self.take(line));
        Ok(())
    }

    /// The rollout's id.
    pub fn id(&self) -> &str {
        &self.head.id
    }

    /// Who began the rollout.
    pub fn who(&self) -> &str {
        &self.head.who
    }

    /// The rollout's limits.
    pub fn limits(&self) -> &Limits {
        &self.head.limits
    }

    /// The devices in the order of the plan.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Number of the last stage that was begun.
    pub fn stage(&self) -> u32 {
        self.stage
    }

    /// Whether a halt was begun.
    pub fn is_halting(&self) -> bool {
        self.is_halting
    }

    /// Whether the document of a device was, or was about to be, published.
    pub fn is_published(&self, device: &str) -> bool {
        self.published.contains(device)
    }

    /// The devices with their states, to go on with.
    pub fn states(&self) -> Vec<(String, State)> {
        let state = |entry: &Entry| match self.outcomes.get(&entry.device) {
            Some(outcome) => State::Finished(*outcome),
            None if self.is_published(&entry.device) => State::InFlight,
            None => State::Pending,
        };
        let states = self.entries.iter();
        states
            .map(|entry| (entry.device.clone(), state(entry)))
            .collect()
    }

    /// Records a stage, before its documents are published.
    ///
    /// # Errors
    /// When the file can't be written.
    pub fn begin_stage(&mut self, stage: u32, devices: &[String]) -> Result<(), JournalError> {
        let devices = devices.to_vec();
        self.append(vec![Line::Stage { stage, devices }])
    }

    /// Records results.
    ///
    /// # Errors
    /// When the file can't be written.
    pub fn finish(&mut self, outcomes: &[(String, Outcome)]) -> Result<(), JournalError> {
        let line = |(device, outcome): &(String, Outcome)| Line::Outcome {
            device: device.clone(),
            outcome: *outcome,
        };
        self.append(outcomes.iter().map(line).collect())
    }

    /// The pause that another desk asks for.
    pub(super) fn pause(&self) -> Result<Option<PauseRequest>, JournalError> {
        self.folder.pause.asked(&self.head.id)
    }

    /// Records that the rollout is taken back from now on.
    ///
    /// # Errors
    /// When the file can't be written.
    pub fn begin_halt(&mut self) -> Result<(), JournalError> {
        self.append(vec![Line::Halting])
    }

    /// Records the end and moves the journal to the history. Returns its new path.
    ///
    /// # Errors
    /// When a file can't be written.
    pub(super) fn end(mut self, end: JournalEnd) -> Result<PathBuf, JournalError> {
        // One that stays names this rollout, and holds up no other.
        let _ = self.folder.pause.withdraw(&self.head.id);
        self.append(vec![Line::Ended { end }])?;
        self.archive()
    }

    fn archive(self) -> Result<PathBuf, JournalError> {
        let history = &self.folder.history;
        let to = history.join(format!("{}.jsonl", self.head.id));
        if to != self.path {
            fs::create_dir_all(history).map_err(failed("write", history))?;
            fs::rename(&self.path, &to).map_err(failed("write", &to))?;
            sync_folder(&to)?;
            sync_folder(&self.path)?;
        }
        Ok(to)
    }
}

#[cfg(test)]
#[path = "journal_tests.rs"]
mod tests;

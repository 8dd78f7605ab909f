//! The lines of a journal: a head, a line per device, and the events in their order. A torn last line, which a crash may leave, is
//! ignored.

use serde::{Deserialize, Serialize};

use super::{Limits, Outcome, Plan, RetainedDocument};
use crate::event::unix_time;
use crate::fleet::DocumentHash;

/// One line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "line", rename_all = "kebab-case")]
pub(super) enum Line {
    Rollout(Head),
    Device(Entry),
    Stage { stage: u32, devices: Vec<String> },
    Outcome { device: String, outcome: Outcome },
    Halting,
    Ended { end: JournalEnd },
}

/// What a rollout is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Head {
    pub(super) id: String,
    /// RFC 3339.
    pub(super) began: String,
    /// The operator who began it.
    pub(super) who: String,
    /// Number of the following lines of devices.
    pub(super) devices: usize,
    pub(super) limits: Limits,
}

/// A device of a rollout: its new document, and the one before.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// The device.
    pub device: String,
    /// Generation of the new document.
    pub generation: u64,
    /// Hash of the new document.
    #[serde(rename = "sha256")]
    pub hash: DocumentHash,
    document: String,
    former: Option<String>,
}

/// How a rollout ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum JournalEnd {
    Done,
    Halted,
}

impl Entry {
    /// A device. Messages are JSON and therefore text; a former message that is none counts as absent.
    fn new(
        device: String,
        generation: u64,
        hash: DocumentHash,
        message: &[u8],
        former: Option<&[u8]>,
    ) -> Self {
        let text = |message: &[u8]| String::from_utf8(message.to_vec()).ok();
        Self {
            device,
            generation,
            hash,
            document: text(message).unwrap_or_default(),
            former: former.and_then(text),
        }
    }

    /// The message of the new document.
    pub fn message(&self) -> &[u8] {
        self.document.as_bytes()
    }

    /// The generation of the firmware that the new document orders; absent if it is that of the former document, or none.
    pub(super) fn ordered_firmware(&self) -> Option<u64> {
        let generation = |document: RetainedDocument| document.firmware_generation;
        let former = self.former().and_then(generation);
        let next = generation(RetainedDocument::new(self.message().to_vec()));
        next.filter(|_| next != former)
    }

    /// The document before the rollout; absent if there was none.
    pub fn former(&self) -> Option<RetainedDocument> {
        let former = self.former.as_ref().filter(|text| !text.is_empty())?;
        Some(RetainedDocument::new(former.as_bytes().to_vec()))
    }
}

/// The first lines of a new journal.
pub(super) fn begun(plan: &Plan, limits: &Limits, who: &str) -> String {
    let now = unix_time(crate::base::unix_now());
    // Milliseconds keep the order of ids that of time: the last rollout is found by it.
    let stamp = now.strftime("%Y%m%dT%H%M%S-%3f");
    let mut text = written(&Line::Rollout(Head {
        id: format!("{stamp}-{:04x}", fastrand::u16(..)),
        began: now.to_string(),
        who: who.to_owned(),
        devices: plan.changes.len(),
        limits: limits.clone(),
    }));
    for change in &plan.changes {
        let former = change.former.as_ref().map(|former| &*former.message);
        let next = &change.next;
        let (generation, hash) = (next.generation, next.hash.clone());
        let device = change.device.clone();
        let entry = Entry::new(device, generation, hash, &next.message, former);
        text += &written(&Line::Device(entry));
    }
    text
}

/// The lines of a text, and the length in bytes of the whole ones.
pub(super) fn parse(text: &str) -> Result<(Vec<Line>, usize), String> {
    let whole = text.rfind('\n').map_or(0, |end| end + 1);
    let lines = text[..whole].lines().enumerate().map(|(index, line)| {
        serde_json::from_str(line).map_err(|err| format!("line {}: {err}", index + 1))
    });
    Ok((lines.collect::<Result<_, _>>()?, whole))
}

/// A line with its end.
pub(super) fn written(line: &Line) -> String {
    let text = serde_json::to_string(line);
    text.expect("invariant: lines have string keys and no failing field") + "\n"
}

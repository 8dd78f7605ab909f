//! What the box can do, from five places: the kernel, the board file, what the roles tell of their build, what they tell while they
//! run, and what was measured before. It is published as `capabilities`, and documents are checked against it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::board::Board;
use super::codes;
use super::outputs::outputs;
use super::preflight::Capacity;
use super::publish::{add, capabilities};
use super::rates::Rates;
use crate::config::{Backend, ProcessorSettings, Settings};
use crate::control::{Capabilities, DetectorStatus};
use crate::detect::ModelStore;
use crate::fleet::{DeviceCapabilities, DocumentError, InferenceRate};

/// The abilities of the box.
#[derive(Debug)]
pub(super) struct Abilities {
    known: DeviceCapabilities,
    board: Board,
    /// What is wrong with the board file.
    pub(super) warnings: Vec<DocumentError>,
    rates: Rates,
    /// `/sys`.
    sys: PathBuf,
    /// The number of planes that the wall uses on each of its outputs.
    planes: BTreeMap<String, u32>,
}

impl Abilities {
    /// What is known without a role. `board` is the file that the operator names.
    pub(super) fn new(state_dir: &Path, board: Option<&Path>, sys: &Path) -> Self {
        let mut warnings = Vec::new();
        let board = Board::read(board).unwrap_or_else(|err| {
            tracing::error!(%err, "the board file is not used");
            warnings.push(DocumentError::new("", codes::BOARD_FILE, err.to_string()));
            Board::default()
        });
        let mut new = Self {
            known: capabilities(),
            board,
            warnings,
            rates: Rates::open(state_dir),
            sys: sys.to_owned(),
            planes: BTreeMap::new(),
        };
        new.known.inference = new.rates.list();
        new.board.add_to(&mut new.known);
        new.look();
        new
    }

    /// All that is known.
    pub(super) fn known(&self) -> &DeviceCapabilities {
        &self.known
    }

    /// A role has told what its build can do here.
    pub(super) fn told(&mut self, of_role: &Capabilities) {
        add(&mut self.known, of_role);
        self.board.add_to(&mut self.known);
    }

    /// A role has told its state at `now`: its detector, or the planes of its outputs. True if something is new.
    pub(super) fn observed(
        &mut self,
        detector: Option<&DetectorStatus>,
        planes: Option<&BTreeMap<String, u32>>,
        now: Duration,
    ) -> bool {
        let is_measured = detector.is_some_and(|detector| self.rates.note(detector, now));
        if is_measured {
            self.known.inference = self.rates.list();
        }
        let is_other = planes.is_some_and(|planes| *planes != self.planes);
        if let Some(planes) = planes.filter(|_| is_other) {
            self.planes = planes.clone();
        }
        (is_other && self.look()) || is_measured
    }

    /// Looks which outputs there are, and which have a monitor. True if it has changed.
    pub(super) fn look(&mut self) -> bool {
        let mut found = outputs(&self.sys);
        for output in &mut found {
            output.planes = self.planes.get(&output.connector).copied().unwrap_or(0);
        }
        let is_other = found != self.known.outputs;
        self.known.outputs = found;
        is_other
    }

    /// Maximum number of monitors at once; `None` if it is unknown.
    pub(super) fn heads(&self) -> Option<u32> {
        self.board.display.as_ref().map(|display| display.heads)
    }

    /// The LED for identify, if the board file names one.
    pub(super) fn led(&self) -> Option<String> {
        let identify = self.board.identify.as_ref();
        identify.map(|identify| identify.led.clone())
    }

    /// What the box has for the detector of a document.
    pub(super) fn capacity(&self, processor: Option<&Settings>) -> Capacity {
        let model = processor.and_then(model);
        let backend = processor.map(|settings| &settings.processor);
        let is_meant = |rate: &&InferenceRate| {
            Some(&rate.model) == model.as_ref()
                && backend.is_some_and(|wanted| is_backend(wanted, &rate.backend))
        };
        let rates = self.known.inference.iter().filter(is_meant);
        let sessions = self.board.decoder.as_ref().map(|decoder| decoder.sessions);
        let of_decoders = Capacity::of(&self.known);
        Capacity {
            inference_fps: rates.map(|rate| rate.fps).reduce(f64::max),
            decoder_sessions: sessions.or(of_decoders.decoder_sessions),
            ..of_decoders
        }
    }
}

/// The id of the model that a processor with these settings would load.
fn model(settings: &Settings) -> Option<String> {
    let processor = &settings.processor;
    if matches!(processor.backend, Backend::Scripted | Backend::None) {
        // It has no model, and is named by itself.
        return name(processor.backend).map(str::to_owned);
    }
    let store = ModelStore::new(settings.models_dirs.clone());
    // A model that is missing is refused by the role, which names the remedy.
    Some(store.choose(&processor.model).ok()?.model.id)
}

fn is_backend(wanted: &ProcessorSettings, measured: &str) -> bool {
    name(wanted.backend).is_none_or(|name| name == measured)
}

/// The backend as its processor names it; `None` if it chooses one itself.
fn name(backend: Backend) -> Option<&'static str> {
    match backend {
        Backend::Auto => None,
        Backend::Tensorrt => Some("tensorrt"),
        Backend::TensorrtRtx => Some("tensorrt-rtx"),
        Backend::Openvino => Some("openvino"),
        Backend::Onnxruntime => Some("onnxruntime"),
        Backend::Rten => Some("rten"),
        Backend::Scripted => Some("scripted"),
        Backend::None => Some("none"),
    }
}

#[cfg(test)]
#[path = "abilities_tests.rs"]
mod tests;

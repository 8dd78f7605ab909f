//! Which pictures of a source are wanted from its decoder: those of the detector, and those that people ask for.

use std::sync::{Mutex, MutexGuard};

use crate::base::sync::lock;
use crate::config::DecodeChoice;
use crate::media::{Output, OutputControl};

/// Pictures per second that are decoded without a detector and without viewers: the first one of a session, and then one every 15 minutes.
/// Decoding is most of what a camera costs, and recording does not need it.
const IDLE_FPS: f64 = 0.001;

/// What is wanted of one source.
#[derive(Default)]
pub(super) struct Demand {
    output: OutputControl,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    of_detector: Output,
    is_idle: bool,
    /// Those who wait for a picture.
    asking: usize,
}

/// Somebody waits for a picture, until it is dropped.
pub(super) struct Asking<'a>(&'a Demand);

impl Demand {
    /// The control of the decoder.
    pub(super) fn output(&self) -> OutputControl {
        self.output.clone()
    }

    /// What the detector needs. `is_idle`: there is none for this source.
    pub(super) fn set(&self, of_detector: Output, is_idle: bool) {
        let mut state = lock(&self.state);
        (state.of_detector, state.is_idle) = (of_detector, is_idle);
        self.request(&state);
    }

    /// Whether no detector needs pictures.
    pub(super) fn is_idle(&self) -> bool {
        lock(&self.state).is_idle
    }

    /// Makes sure that pictures come while somebody waits for one.
    pub(super) fn ask(&self) -> Asking<'_> {
        let mut state = lock(&self.state);
        state.asking += 1;
        self.request(&state);
        Asking(self)
    }

    fn request(&self, state: &MutexGuard<'_, State>) {
        self.output.set(state.output());
    }
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        let mut state = lock(&self.0.state);
        state.asking -= 1;
        self.0.request(&state);
    }
}

impl State {
    fn output(&self) -> Output {
        let mut output = self.of_detector.clone();
        if self.is_idle {
            output.decode = DecodeChoice::Key;
            output.max_fps = (self.asking == 0).then_some(IDLE_FPS);
        }
        output
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_detector_pictures_come_while_somebody_asks() {
        let demand = Demand::default();
        let wanted = || {
            let output = demand.output().wanted();
            (output.max_fps, output.decode)
        };
        let of_detector = Output {
            max_fps: Some(5.0),
            ..Output::default()
        };
        demand.set(of_detector.clone(), false);
        assert_eq!(wanted(), (Some(5.0), DecodeChoice::Auto));
        demand.set(of_detector, true);
        assert_eq!(wanted(), (Some(IDLE_FPS), DecodeChoice::Key));
        let (first, second) = (demand.ask(), demand.ask());
        assert_eq!(wanted(), (None, DecodeChoice::Key));
        drop(first);
        assert_eq!(wanted(), (None, DecodeChoice::Key), "one still waits");
        drop(second);
        assert_eq!(wanted(), (Some(IDLE_FPS), DecodeChoice::Key));
    }
}

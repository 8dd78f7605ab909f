//! Codes of the problems of a model, besides those of its download.

use crate::fetch::{Fault, Retry};

/// The file is no model that this program accepts.
pub(super) const BAD_MODEL: &str = "bad-model";
/// The processor refuses the model, or ends with it.
pub(super) const NOT_LOADED: &str = "not-loaded";
/// The engine could not be built.
pub(super) const NO_ENGINE: &str = "engine-not-built";
/// The processor runs another model until this one is there.
pub(super) const NOT_READY: &str = "model-not-ready";

/// The file is no model.
pub(super) fn bad_model(message: impl Into<String>) -> Fault {
    Fault::new(BAD_MODEL, message, Retry::Never)
}

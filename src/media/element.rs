//! Helpers for GStreamer elements: creation by name, properties that may be missing, and pads.

use gstreamer as gst;
use gstreamer::prelude::*;

use super::session_state::Failure;

/// Why a pipeline, or a part of it, can't be built.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum PipelineError {
    /// No plug-in has the element.
    #[error("GStreamer has no element `{0}`; install the plug-in that holds it")]
    NoElement(String),
    /// The element has no such pad.
    #[error("{element} has no pad `{pad}`")]
    NoPad { element: String, pad: String },
    /// The element has no sink pad.
    #[error("{0} has no input")]
    NoInput(String),
    /// The element has no source pad.
    #[error("{0} has no output")]
    NoOutput(&'static str),
    /// The element does not reach the state of the pipeline.
    #[error("{0} does not start")]
    NotStarted(String),
    /// Elements or pads do not link.
    #[error("{what} can't be linked: {reason}")]
    Link { what: String, reason: String },
    /// The sink for an unused stream can't be added.
    #[error("{what} can't be discarded: {reason}")]
    Discard { what: &'static str, reason: String },
    /// The pipeline does not accept the element.
    #[error("{element} can't be used: {reason}")]
    Add { element: String, reason: String },
    /// Caps that can't be parsed.
    #[error("GStreamer does not understand {0}")]
    Caps(String),
    /// No decoder works; the message of [`super::fallback::Fallback::choose`].
    #[error("{0}")]
    NoDecoder(String),
    /// The RTSP extension was refused.
    #[error("the RTSP extension can't be registered: {0}")]
    Extension(String),
    /// rtspsrc made no RTSP extension.
    #[error("rtspsrc does not use the RTSP extension of nvr")]
    ExtensionUnused,
}

impl PipelineError {
    pub(super) fn link(what: impl Into<String>, reason: impl ToString) -> Self {
        Self::Link {
            what: what.into(),
            reason: reason.to_string(),
        }
    }

    pub(super) fn discard(what: &'static str, reason: impl ToString) -> Self {
        Self::Discard {
            what,
            reason: reason.to_string(),
        }
    }
}

impl From<PipelineError> for Failure {
    fn from(error: PipelineError) -> Self {
        Self::new("no-decoder", error.to_string())
    }
}

/// Makes an element of an installed plug-in.
///
/// # Errors
/// If the element is missing.
pub(super) fn element(name: &str) -> Result<gst::Element, PipelineError> {
    gst::ElementFactory::make(name)
        .build()
        .map_err(|_| PipelineError::NoElement(name.to_owned()))
}

/// Sets a property if the element has it.
pub(super) fn set(element: &gst::Element, property: &str, value: &str) {
    if element.find_property(property).is_some() {
        element.set_property_from_str(property, value);
    }
}

pub(super) fn pad(element: &gst::Element, name: &str) -> Result<gst::Pad, PipelineError> {
    element
        .static_pad(name)
        .ok_or_else(|| PipelineError::NoPad {
            element: element.name().into(),
            pad: name.to_owned(),
        })
}

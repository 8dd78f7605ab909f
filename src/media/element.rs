//! Helpers for GStreamer elements: creation by name, properties that may be missing, and pads.

use gstreamer as gst;
use gstreamer::prelude::*;

/// Makes an element of an installed plug-in.
///
/// # Errors
/// If the element is missing.
pub(super) fn element(name: &str) -> Result<gst::Element, String> {
    gst::ElementFactory::make(name).build().map_err(|_| {
        format!("GStreamer has no element `{name}`; install the plug-in that holds it")
    })
}

/// Sets a property if the element has it.
pub(super) fn set(element: &gst::Element, property: &str, value: &str) {
    if element.find_property(property).is_some() {
        element.set_property_from_str(property, value);
    }
}

pub(super) fn pad(element: &gst::Element, name: &str) -> Result<gst::Pad, String> {
    element
        .static_pad(name)
        .ok_or_else(|| format!("{} has no pad `{name}`", element.name()))
}

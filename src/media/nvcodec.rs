//! GStreamer's registry, for the doctor: the elements that it has, and those that a plug-in would register now.
//!
//! `nvcodec`, the plug-in for NVIDIA cards, registers decoders only if NVIDIA's driver is there, and scalers only if NVRTC is.
//! GStreamer keeps the result in a file and asks a plug-in again only after a change of the plug-in's own file: elements whose
//! libraries came later stay hidden.

use std::path::PathBuf;

use gstreamer as gst;

use super::plan::{Elements, Registry};

/// Whether an element is registered.
pub fn has_element(name: &str) -> bool {
    Registry.has(name)
}

/// Loads the plug-in that gives NVIDIA's elements; it registers those that it can give now. Does nothing if the plug-in is not
/// installed. Opens NVIDIA's driver, which may crash or hang.
pub fn load_nvcodec() {
    if let Some(plugin) = gst::Registry::get().find_plugin("nvcodec")
        && let Err(err) = plugin.load()
    {
        tracing::debug!(%err, "the plug-in nvcodec could not be loaded");
    }
}

/// The file in which GStreamer keeps the registry of this user.
pub fn registry_file() -> PathBuf {
    let named = |name| std::env::var_os(name).map(PathBuf::from);
    named("GST_REGISTRY_1_0")
        .or_else(|| named("GST_REGISTRY"))
        .unwrap_or_else(|| {
            let name = format!("gstreamer-1.0/registry.{}.bin", std::env::consts::ARCH);
            gst::glib::user_cache_dir().join(name)
        })
}

//! One CUDA context for all pipelines of the process.
//!
//! Each CUDA element of GStreamer makes a separate context unless the application provides one. Measured on an NVIDIA
//! H100 with GStreamer 1.22: 0.55 GB of GPU memory for each camera's decoder, and with 32 of them the GPU switches
//! between contexts instead of working. So the first context that an element makes is given to all later ones.
//!
//! A CUDA error can make a context unusable for all its users. After the failure of a hardware element the context is
//! forgotten, and the next element makes a new one. The functions are called on the threads that change a pipeline's
//! state, and do not block.

use std::sync::Mutex;

use gstreamer as gst;
use gstreamer::prelude::*;

use crate::base::sync::lock;

/// `GST_CUDA_CONTEXT_TYPE` of gstreamer-cuda, the same in all releases.
const KIND: &str = "gst.cuda.context";

static SHARED: Mutex<Option<gst::Context>> = Mutex::new(None);

/// Handles the messages by which elements ask for and announce contexts. Call it for each message of a bus, on the
/// thread that posts it: elements ask once, and look for the context when the call returns.
pub(super) fn handle_message(message: &gst::Message) {
    let source = message
        .src()
        .and_then(|source| source.downcast_ref::<gst::Element>());
    let shared = || lock(&SHARED);
    match message.view() {
        gst::MessageView::NeedContext(need) if need.context_type() == KIND => {
            let lent = shared().clone();
            if let (Some(context), Some(element)) = (lent, source) {
                element.set_context(&context);
            }
        }
        gst::MessageView::HaveContext(have) => {
            let context = have.context();
            if context.context_type() == KIND {
                // If two elements started at the same time, the context of the first one is kept.
                shared().get_or_insert(context);
            }
        }
        gst::MessageView::Error(_) if source.is_some_and(is_hardware) => *shared() = None,
        _ => {}
    }
}

fn is_hardware(element: &gst::Element) -> bool {
    element
        .metadata("klass")
        .is_some_and(|class| class.split('/').any(|part| part == "Hardware"))
}

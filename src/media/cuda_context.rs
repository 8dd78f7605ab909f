//! One CUDA context for all pipelines of the process.
//!
//! Each CUDA element of GStreamer makes a separate context unless the application provides one. Measured on an NVIDIA
//! H100 with GStreamer 1.22: 0.55 GB of GPU memory for each camera's decoder, and with 32 of them the GPU switches
//! between contexts instead of working. So the first context that an element makes is given to all later ones.
//!
//! Elements that start at the same time make one context, too: from 1.22 on GStreamer holds a lock of the process from an
//! element's question to its announcement. A wait for another element's context would therefore end by its time limit only. An
//! older GStreamer may make two; both work, the first is kept, and the other one goes with its pipeline.
//!
//! A CUDA error can make a context unusable for all its users. After the failure of a hardware element its context is
//! forgotten, and the next element makes a new one. The functions are called on the threads that change a pipeline's
//! state, and do not block.

use std::sync::Mutex;

use gstreamer as gst;
use gstreamer::glib;
use gstreamer::prelude::*;

use crate::base::sync::lock;

/// `GST_CUDA_CONTEXT_TYPE` of gstreamer-cuda, the same in all releases. Also the name of the field that holds CUDA's context.
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
                shared().get_or_insert(context);
            }
        }
        gst::MessageView::Error(_) => {
            let element = source.filter(|element| is_hardware(element));
            if let Some(failed) = element.and_then(|element| element.context(KIND)) {
                // All users of a context fail with it. Only the first of them may take the context away that is lent: the next
                // element has made a new one when the others fail.
                shared().take_if(|lent| cuda_of(lent) == cuda_of(&failed));
            }
        }
        _ => {}
    }
}

/// CUDA's context. Elements that find it at a neighbour wrap it in a [`gst::Context`] of their own.
fn cuda_of(context: &gst::ContextRef) -> Option<glib::Object> {
    context.structure().get(KIND).ok()
}

fn is_hardware(element: &gst::Element) -> bool {
    element
        .metadata("klass")
        .is_some_and(|class| class.split('/').any(|part| part == "Hardware"))
}

#[cfg(test)]
mod tests {
    use super::super::session::filter_bus;
    use super::*;
    use gstreamer::subclass::prelude::*;

    mod imp {
        use super::*;

        #[derive(Default)]
        pub(super) struct HardwareDecoder;

        #[glib::object_subclass]
        impl ObjectSubclass for HardwareDecoder {
            const NAME: &'static str = "NvrTestHardwareDecoder";
            type Type = super::HardwareDecoder;
            type ParentType = gst::Element;
        }

        impl ObjectImpl for HardwareDecoder {}
        impl GstObjectImpl for HardwareDecoder {}
        impl ElementImpl for HardwareDecoder {
            fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
                static METADATA: std::sync::LazyLock<gst::subclass::ElementMetadata> =
                    std::sync::LazyLock::new(|| {
                        let class = "Codec/Decoder/Video/Hardware";
                        gst::subclass::ElementMetadata::new("decoder", class, "a test's", "nvr")
                    });
                Some(&METADATA)
            }
        }
    }

    glib::wrapper! {
        struct HardwareDecoder(ObjectSubclass<imp::HardwareDecoder>) @extends gst::Element, gst::Object;
    }

    /// A decoder in a pipeline as sessions make it.
    fn decoder() -> (gst::Pipeline, HardwareDecoder) {
        let (pipeline, decoder) = (gst::Pipeline::new(), glib::Object::new::<HardwareDecoder>());
        filter_bus(&pipeline);
        pipeline.add(&decoder).expect("it is added");
        (pipeline, decoder)
    }

    /// What an element has in its context after its question.
    fn answer(decoder: &HardwareDecoder, kind: &str) -> Option<glib::Object> {
        let question = gst::message::NeedContext::builder(kind).src(decoder);
        decoder.post_message(question.build()).expect("posted");
        decoder.context(kind).and_then(|context| cuda_of(&context))
    }

    /// A context around `cuda`, which may be any object.
    fn context(kind: &str, cuda: &gst::Bus) -> gst::Context {
        let mut context = gst::Context::new(kind, true);
        let made = context.get_mut().expect("it is new");
        made.structure_mut().set(KIND, cuda.clone());
        context
    }

    fn announce(decoder: &HardwareDecoder, context: &gst::Context) {
        decoder.set_context(context);
        let news = gst::message::HaveContext::builder(context.clone()).src(decoder);
        decoder.post_message(news.build()).expect("posted");
    }

    fn fail(decoder: &HardwareDecoder) {
        gst::element_error!(decoder, gst::StreamError::Decode, ["broken"]);
    }

    // One test, because the context is that of the process.
    #[test]
    fn the_first_context_is_lent_to_all_pipelines_until_a_user_of_it_fails() {
        super::super::init().expect("GStreamer starts");
        let (cuda, other) = (gst::Bus::new(), gst::Bus::new());
        let (first, second) = (context(KIND, &cuda), context(KIND, &other));
        let is = |found: Option<glib::Object>, cuda: &gst::Bus| {
            assert_eq!(found.as_ref(), Some(cuda.upcast_ref()));
        };
        let (_one, maker) = decoder();
        assert_eq!(answer(&maker, KIND), None);
        announce(&maker, &first);
        let (_two, user) = decoder();
        is(answer(&user, KIND), &cuda);

        let gl = context("gst.gl.GLDisplay", &other);
        announce(&maker, &gl);
        assert_eq!(answer(&user, "gst.gl.GLDisplay"), None);

        // Another one that was made at the same time is used by its maker alone.
        let (_three, late) = decoder();
        announce(&late, &second);
        is(answer(&decoder().1, KIND), &cuda);
        fail(&late);
        is(answer(&decoder().1, KIND), &cuda);

        // Its element found it at a neighbour.
        let (_four, neighbour) = decoder();
        neighbour.set_context(&context(KIND, &cuda));
        fail(&neighbour);
        assert_eq!(answer(&decoder().1, KIND), None);
        announce(&late, &second);
        fail(&maker);
        fail(&user);
        is(answer(&decoder().1, KIND), &other);
        fail(&late);
    }
}

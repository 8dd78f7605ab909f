//! The error of a demuxer that `parsebin` has discarded.
//!
//! `parsebin` discards what an element reports while it is being added, because it might try another one, and then waits for
//! its streams forever. A demuxer reads on its own thread. On a busy machine it often has failed by then. Here the same demuxer
//! gets the file once more, alone.

use std::path::Path;
use std::sync::{Arc, Mutex};

use gstreamer as gst;
use gstreamer::prelude::*;

use super::element::element;
use super::session::{ElementError, element_error};
use super::teardown::teardown;
use crate::base::sync::lock;

/// Longest wait for the error of a demuxer.
const LIMIT: gst::ClockTime = gst::ClockTime::from_seconds(5);
/// Limit for stopping the pipeline before it is abandoned.
const CLOSE_LIMIT: std::time::Duration = std::time::Duration::from_secs(3);

/// The last demuxer that `parsebin` has tried.
#[derive(Debug, Default)]
pub(super) struct Demuxer(Mutex<Option<gst::ElementFactory>>);

impl Demuxer {
    /// Follows the choice of `parse`.
    pub(super) fn watch(self: &Arc<Self>, parse: &gst::Element) {
        let Some(bin) = parse.downcast_ref::<gst::Bin>() else {
            return;
        };
        let demuxer = self.clone();
        bin.connect_element_added(move |_, added| {
            let factory = added.factory();
            if let Some(factory) =
                factory.filter(|it| it.has_type(gst::ElementFactoryType::DEMUXER))
            {
                *lock(&demuxer.0) = Some(factory);
            }
        });
    }

    /// The error with which the demuxer refuses the file. None if it finds streams, or reports nothing for some seconds.
    /// Blocks.
    pub(super) fn refusal(&self, path: &Path) -> Option<ElementError> {
        let factory = lock(&self.0).clone()?;
        let pipeline = gst::Pipeline::new();
        let source = element("filesrc").ok()?;
        source.set_property("location", path);
        let demuxer = factory.create().build().ok()?;
        pipeline.add_many([&source, &demuxer]).ok()?;
        source.link(&demuxer).ok()?;
        // If it fails, its reason is on the bus.
        let _ = pipeline.set_state(gst::State::Paused);
        let message = pipeline
            .bus()?
            .timed_pop_filtered(LIMIT, &[gst::MessageType::Error]);
        let error = message.as_ref().and_then(element_error);
        // One that has streams fails as well: nothing takes them.
        let has_streams = !demuxer.src_pads().is_empty();
        teardown(pipeline, &factory.name(), CLOSE_LIMIT);
        error.filter(|_| !has_streams)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn mp4_demuxer() -> Demuxer {
        Demuxer(Mutex::new(gst::ElementFactory::find("qtdemux")))
    }

    #[test]
    fn a_demuxer_that_refuses_a_file_says_so_again() {
        gst::init().expect("GStreamer is installed");
        let mut file = tempfile::NamedTempFile::new().expect("a file");
        // A file type box, then media without an index.
        file.write_all(b"\0\0\0\x14ftypisom\0\0\0\0isom\0\0\x10\0mdat")
            .and_then(|()| file.write_all(&[7; 2000]))
            .expect("written");
        let error = mp4_demuxer().refusal(file.path()).expect("it is refused");
        assert_eq!(error.element, "qtdemux");
        assert!(error.error.matches(gst::StreamError::Demux), "{error:?}");
        assert!(Demuxer::default().refusal(file.path()).is_none());
    }
}

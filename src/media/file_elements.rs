//! Elements of a file's pipeline that come and go while it runs: added, linked, discarded and removed.
//!
//! Runs on the streaming thread of the file's parser. What still is in a decoder when it is removed is drained, not shown.

use gstreamer as gst;
use gstreamer::prelude::*;

use super::element::{PipelineError, element};

/// The name of a stream's caps: `video/x-h264`.
pub(super) fn kind_of(pad: &gst::Pad) -> String {
    let caps = pad.current_caps().unwrap_or_else(|| pad.query_caps(None));
    caps.structure(0)
        .map_or("", |caps| caps.name().as_str())
        .to_owned()
}

/// Links a stream to a sink that drops it.
pub(super) fn discard(
    pipeline: &gst::Pipeline,
    pad: &gst::Pad,
) -> Result<gst::Element, PipelineError> {
    let sink = element("fakesink")?;
    // It must not delay the start or the end of the pipeline.
    sink.set_property("sync", false);
    sink.set_property("async", false);
    pipeline
        .add(&sink)
        .and_then(|()| sink.sync_state_with_parent())
        .map_err(|error| PipelineError::discard("a stream", error))?;
    link(pad, &sink)?;
    Ok(sink)
}

/// Drains a decoder's elements and removes them.
pub(super) fn take_down(pipeline: &gst::Pipeline, head: &gst::Element) {
    let mut chain = vec![head.clone()];
    while let Some(next) = chain.last().and_then(behind) {
        chain.push(next);
    }
    // The sink would report the end of the stream to the pipeline.
    if let Some(input) = chain.last().and_then(|sink| sink.static_pad("sink")) {
        input.add_probe(gst::PadProbeType::EVENT_DOWNSTREAM, |_, info| {
            match info.event().map(|event| event.type_()) {
                Some(gst::EventType::Eos) => gst::PadProbeReturn::Handled,
                _ => gst::PadProbeReturn::Ok,
            }
        });
    }
    if let Some(input) = head.static_pad("sink") {
        input.send_event(gst::event::Eos::new());
    }
    remove(pipeline, &chain);
}

fn behind(element: &gst::Element) -> Option<gst::Element> {
    let output = element.src_pads().into_iter().next()?;
    output.peer()?.parent_element()
}

/// Removes elements from the pipeline and stops them.
pub(super) fn remove(pipeline: &gst::Pipeline, elements: &[gst::Element]) {
    for element in elements {
        let removed = pipeline.remove(element);
        if removed.is_err() || element.set_state(gst::State::Null).is_err() {
            tracing::debug!(element = %element.name(), "an element could not be removed");
        }
    }
}

/// Makes an element in the pipeline, in the pipeline's state.
pub(super) fn add(pipeline: &gst::Pipeline, name: &str) -> Result<gst::Element, PipelineError> {
    let added = element(name)?;
    pipeline
        .add(&added)
        .and_then(|()| added.sync_state_with_parent())
        .map_err(|error| PipelineError::Add {
            element: name.to_owned(),
            reason: error.to_string(),
        })?;
    Ok(added)
}

/// Links a stream to the input of an element.
pub(super) fn link(pad: &gst::Pad, to: &gst::Element) -> Result<(), PipelineError> {
    let input = to
        .static_pad("sink")
        .ok_or_else(|| PipelineError::NoInput(to.name().into()))?;
    pad.link(&input)
        .map(|_| ())
        .map_err(|error| PipelineError::link(to.name(), error))
}

//! The second half of every pipeline: coded pictures → parser → decoder → sink, or raw pictures → sink.
//!
//! The sink never waits and holds one picture at most: each is handed over on the decoder's thread as soon as it is
//! decoded. Times are read off before the decoder. Pictures stay in the decoder's buffers; formats that frames don't
//! have (10 bits, 4:2:2) are converted on the way, others pass through.

use std::sync::Arc;
use std::time::Duration;

use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;
use gstreamer_video as gst_video;

use super::decoder::{self, Codec, Decoder, element, set};
use super::host_frame::FORMATS;
use super::hub::{Admit, Hub};

/// Tells the NTP time, as Unix nanoseconds, of an access unit that leaves the parser.
pub(super) type ReferenceOf = Box<dyn Fn(&gst::BufferRef) -> Option<u64> + Send + Sync>;

/// Adds parser, decoder and sink to `pipeline` and brings them to its state. The caller links its elementary stream to
/// the sink pad of the element that is returned.
///
/// # Errors
/// Names the element that is missing or refused to be linked.
pub(super) fn add_coded(
    pipeline: &gst::Pipeline,
    hub: &Arc<Hub>,
    codec: Codec,
    line: &'static Decoder,
    reference: ReferenceOf,
) -> Result<gst::Element, String> {
    let parser = element(codec.parser())?;
    // Parameter sets before every key frame: a hardware decoder that lost its state finds them again.
    set(&parser, "config-interval", "-1");
    let (decoder, after) = decoder::make(line)?;
    watch_units(&parser, pipeline, hub, reference)?;
    tune_by_caps(&decoder, hub)?;
    let mut chain = vec![parser.clone(), decoder];
    chain.extend(after);
    chain.extend(sink(hub)?);
    hub.describe(|facts| {
        codec.name().clone_into(&mut facts.codec);
        line.element.clone_into(&mut facts.decoder);
    });
    add(pipeline, &chain)?;
    Ok(parser)
}

/// Adds a sink of raw pictures to `pipeline`, as [`add_coded`] does for coded ones. Each picture counts as an access unit.
///
/// # Errors
/// Names the element that is missing or refused to be linked.
pub(super) fn add_raw(pipeline: &gst::Pipeline, hub: &Arc<Hub>) -> Result<gst::Element, String> {
    let chain = sink(hub)?;
    watch_units(&chain[0], pipeline, hub, Box::new(|_| None))?;
    hub.describe(|facts| "raw".clone_into(&mut facts.codec));
    add(pipeline, &chain)?;
    Ok(chain[0].clone())
}

fn add(pipeline: &gst::Pipeline, chain: &[gst::Element]) -> Result<(), String> {
    pipeline
        .add_many(chain)
        .and_then(|()| gst::Element::link_many(chain))
        .map_err(|err| format!("the decoding elements can't be linked: {err}"))?;
    // The sink first: no element may push into one that is not ready yet.
    for element in chain.iter().rev() {
        element
            .sync_state_with_parent()
            .map_err(|_| format!("{} does not start", element.name()))?;
    }
    Ok(())
}

/// Converter (which passes through what needs no conversion) and sink.
fn sink(hub: &Arc<Hub>) -> Result<Vec<gst::Element>, String> {
    let convert = element("videoconvert")?;
    let caps = gst_video::VideoCapsBuilder::new()
        .format_list(FORMATS)
        .build();
    let receiver = hub.clone();
    let sink = gst_app::AppSink::builder()
        .caps(&caps)
        .sync(false)
        .async_(false)
        .qos(false)
        // The hardware decoder's few buffers: neither a queue nor "the last sample" may hold them.
        .max_buffers(1)
        .drop(true)
        .enable_last_sample(false)
        .wait_on_eos(false)
        .callbacks(
            gst_app::AppSinkCallbacks::builder()
                .new_sample(move |sink| {
                    if let Ok(sample) = sink.pull_sample() {
                        receiver.frame(&sample);
                    }
                    Ok(gst::FlowSuccess::Ok)
                })
                .build(),
        )
        .build();
    let pad = pad(sink.upcast_ref(), "sink")?;
    // appsink itself does not say that it reads strides from the buffer; libav then copies every picture into a
    // tightly packed one.
    pad.add_probe(gst::PadProbeType::QUERY_DOWNSTREAM, |_, info| {
        match info.query_mut().map(gst::QueryRef::view_mut) {
            Some(gst::QueryViewMut::Allocation(allocation)) => {
                allocation.add_allocation_meta::<gst_video::VideoMeta>(None);
                gst::PadProbeReturn::Handled
            }
            _ => gst::PadProbeReturn::Ok,
        }
    });
    Ok(vec![convert, sink.upcast()])
}

/// Reads time and kind of every buffer that leaves `element`, and drops what a slow decoder could not catch up with.
fn watch_units(
    element: &gst::Element,
    pipeline: &gst::Pipeline,
    hub: &Arc<Hub>,
    reference: ReferenceOf,
) -> Result<(), String> {
    let hub = hub.clone();
    let pipeline = pipeline.downgrade();
    pad(element, "src")?.add_probe(gst::PadProbeType::BUFFER, move |pad, info| {
        let Some(buffer) = info.buffer() else {
            return gst::PadProbeReturn::Ok;
        };
        let age = pipeline
            .upgrade()
            .and_then(|pipeline| age_of(pad, buffer, pipeline.current_running_time()?));
        match hub.unit(buffer, age, reference(buffer)) {
            Admit::Decode => gst::PadProbeReturn::Ok,
            Admit::Skip => gst::PadProbeReturn::Drop,
        }
    });
    Ok(())
}

/// How long ago a buffer's media time was present: live sources stamp buffers with the time of their arrival.
fn age_of(pad: &gst::Pad, buffer: &gst::BufferRef, now: gst::ClockTime) -> Option<Duration> {
    let segment = pad.sticky_event::<gst::event::Segment>(0)?;
    let at = segment
        .segment()
        .downcast_ref::<gst::ClockTime>()?
        .to_running_time(buffer.pts()?)?;
    Some(Duration::from_nanos(
        now.nseconds().saturating_sub(at.nseconds()),
    ))
}

/// Learns size and rate from the parser's caps just before the decoder does.
fn tune_by_caps(decoder: &gst::Element, hub: &Arc<Hub>) -> Result<(), String> {
    let (hub, weak) = (hub.clone(), decoder.downgrade());
    pad(decoder, "sink")?.add_probe(gst::PadProbeType::EVENT_DOWNSTREAM, move |_, info| {
        if let Some(gst::EventView::Caps(event)) = info.event().map(|event| event.view())
            && let Some(caps) = event.caps().structure(0)
            && let Some(decoder) = weak.upgrade()
        {
            let dimension = |name| {
                caps.get::<i32>(name)
                    .ok()
                    .and_then(|value| u32::try_from(value).ok())
            };
            if let (Some(width), Some(height)) = (dimension("width"), dimension("height")) {
                decoder::tune(&decoder, width, height);
            }
            let rate = caps.get::<gst::Fraction>("framerate").ok();
            let rate = rate.filter(|rate| rate.numer() > 0 && rate.denom() > 0);
            hub.describe(|facts| {
                facts.nominal_fps =
                    rate.map(|rate| f64::from(rate.numer()) / f64::from(rate.denom()));
            });
        }
        gst::PadProbeReturn::Ok
    });
    Ok(())
}

fn pad(element: &gst::Element, name: &str) -> Result<gst::Pad, String> {
    element
        .static_pad(name)
        .ok_or_else(|| format!("{} has no pad `{name}`", element.name()))
}

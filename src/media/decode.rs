//! The second half of every pipeline: coded pictures → parser → decoder → sink, or raw pictures → sink.
//!
//! The sink never waits and holds one picture at most. The decoder's thread passes each picture on as soon as it is
//! decoded. Times are read before the decoder. Pictures stay in the decoder's buffers; formats that frames do not have
//! (10 bits, 4:2:2) are converted, others pass through.

use std::sync::Arc;
use std::time::Duration;

use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;
use gstreamer_video as gst_video;

use super::backlog::UnitAction;
use super::codec::Codec;
use super::declared_shape::DeclaredShape;
use super::decoder_rest::DecoderRest;
use super::display_orientation;
use super::element::{PipelineError, element, pad, set};
use super::host_frame::FORMATS;
use super::output::OutputControl;
use super::plan::{DecoderPlan, HardwareScaler, Tuning};
use super::scaling::Scaling;
use super::session_state::SessionState;
use super::stream_decoder::StreamDecoder;
use super::unit_filter::UnitFilter;

/// Returns the NTP time of an access unit that leaves the parser, as Unix nanoseconds.
pub(super) type ReferenceOf = Box<dyn Fn(&gst::BufferRef) -> Option<u64> + Send + Sync>;

/// Adds parser, decoder and sink to `pipeline` and brings them to its state. The caller links its elementary stream to
/// the sink pad of the returned element.
///
/// # Errors
/// If an element is missing or can't be linked.
pub(super) fn add_coded(
    pipeline: &gst::Pipeline,
    session: &Arc<SessionState>,
    codec: Codec,
    plan: DecoderPlan,
    output: &OutputControl,
    reference: ReferenceOf,
) -> Result<gst::Element, PipelineError> {
    let parser = element(codec.parser())?;
    // Parameter sets before every key frame, so that a hardware decoder that lost its state can continue.
    set(&parser, "config-interval", "-1");
    let decoder = element(plan.decoder.element)?;
    // First, because access units may be dropped by the next probe, and their messages apply to others.
    display_orientation::watch_units(codec, &pad(&parser, "src")?);
    let stream = StreamDecoder::new(codec, plan, output, session);
    let rest = (plan.decoder.tuning == Tuning::Libav)
        .then(|| Ok(DecoderRest::new(&pad(&parser, "src")?, &decoder)))
        .transpose()?;
    let filter = UnitFilter::new(codec, output, &stream, rest);
    watch_units(&parser, pipeline, session, Some(filter.clone()), reference)?;
    stream.tune_by_caps(&decoder)?;
    let pictures = pad(&decoder, "src")?;
    let declared = Arc::new(DeclaredShape::default());
    declared.watch_parser(&pad(&decoder, "sink")?);
    let mut chain = vec![parser.clone(), decoder];
    let scaling = add_scaler(&mut chain, plan.scaler, &pictures, output, &declared)?;
    chain.extend(sink(session, scaling, declared, Some((stream, filter)))?);
    session.describe(|facts| {
        codec.name().clone_into(&mut facts.codec);
        plan.decoder.element.clone_into(&mut facts.decoder);
    });
    add(pipeline, &chain)?;
    Ok(parser)
}

/// Adds a sink of raw pictures to `pipeline`, as [`add_coded`] does for coded ones. They come from `pictures`, which
/// the caller links, and pass the scaler `hardware` if there is one. Each picture counts as an access unit.
///
/// # Errors
/// If an element is missing or can't be linked.
pub(super) fn add_raw(
    pipeline: &gst::Pipeline,
    session: &Arc<SessionState>,
    pictures: &gst::Pad,
    hardware: Option<&'static HardwareScaler>,
    output: &OutputControl,
) -> Result<gst::Element, PipelineError> {
    let mut chain = Vec::new();
    let declared = Arc::new(DeclaredShape::default());
    let scaling = add_scaler(&mut chain, hardware, pictures, output, &declared)?;
    chain.extend(sink(session, scaling, declared, None)?);
    // The converter, which is just before the sink.
    watch_units(
        &chain[chain.len() - 2],
        pipeline,
        session,
        None,
        Box::new(|_| None),
    )?;
    session.describe(|facts| "raw".clone_into(&mut facts.codec));
    add(pipeline, &chain)?;
    Ok(chain[0].clone())
}

/// Adds the elements of `hardware` behind `pictures`, and the control of its output size.
fn add_scaler(
    chain: &mut Vec<gst::Element>,
    hardware: Option<&'static HardwareScaler>,
    pictures: &gst::Pad,
    output: &OutputControl,
    declared: &Arc<DeclaredShape>,
) -> Result<Option<Arc<Scaling>>, PipelineError> {
    let Some(hardware) = hardware else {
        return Ok(None);
    };
    let (scaler, filter, after) = hardware.elements()?;
    let scaling = Scaling::new(hardware, &scaler, &filter, pictures, output, declared);
    chain.extend([scaler, filter]);
    chain.extend(after);
    Ok(Some(scaling))
}

fn add(pipeline: &gst::Pipeline, chain: &[gst::Element]) -> Result<(), PipelineError> {
    pipeline
        .add_many(chain)
        .and_then(|()| gst::Element::link_many(chain))
        .map_err(|err| PipelineError::link("the decoding elements", err))?;
    // The sink first: no element may push into one that is not ready yet.
    for element in chain.iter().rev() {
        element
            .sync_state_with_parent()
            .map_err(|_| PipelineError::NotStarted(element.name().into()))?;
    }
    Ok(())
}

/// Converter (which passes through the formats of frames) and sink. `stream`, the decoder with the filter before it, is kept for as long
/// as the sink.
fn sink(
    session: &Arc<SessionState>,
    scaling: Option<Arc<Scaling>>,
    declared: Arc<DeclaredShape>,
    stream: Option<(Arc<StreamDecoder>, Arc<UnitFilter>)>,
) -> Result<Vec<gst::Element>, PipelineError> {
    let convert = element("videoconvert")?;
    let caps = gst_video::VideoCapsBuilder::new()
        .format_list(FORMATS)
        .build();
    let (receiver, shape) = (session.clone(), declared.clone());
    let sink = gst_app::AppSink::builder()
        .caps(&caps)
        .sync(false)
        .async_(false)
        .qos(false)
        // A hardware decoder has few buffers: neither a queue nor the "last sample" may hold them.
        .max_buffers(1)
        .drop(true)
        .enable_last_sample(false)
        .wait_on_eos(false)
        .callbacks(
            gst_app::AppSinkCallbacks::builder()
                .new_sample(move |sink| {
                    if let Ok(sample) = sink.pull_sample() {
                        if let Some((_, filter)) = &stream {
                            filter.picture(sample.buffer().and_then(gst::BufferRef::pts));
                        }
                        let picture = scaling.as_ref().and_then(|scaling| scaling.picture());
                        receiver.frame(&sample, picture, &shape);
                    }
                    Ok(gst::FlowSuccess::Ok)
                })
                .build(),
        )
        .build();
    let pad = pad(sink.upcast_ref(), "sink")?;
    declared.watch_orientation(&pad);
    // appsink does not announce that it reads strides from the buffer; libav would then copy every picture into a
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

/// Reads time and kind of every buffer that leaves `element`, and drops those that `filter` refuses, and those with which a slow decoder
/// could not keep up.
fn watch_units(
    element: &gst::Element,
    pipeline: &gst::Pipeline,
    session: &Arc<SessionState>,
    filter: Option<Arc<UnitFilter>>,
    reference: ReferenceOf,
) -> Result<(), PipelineError> {
    let session = session.clone();
    let pipeline = pipeline.downgrade();
    pad(element, "src")?.add_probe(gst::PadProbeType::BUFFER, move |pad, info| {
        let Some(buffer) = info.buffer() else {
            return gst::PadProbeReturn::Ok;
        };
        let age = pipeline
            .upgrade()
            .and_then(|pipeline| age_of(pad, buffer, pipeline.current_running_time()?));
        let is_wanted = filter
            .as_ref()
            .is_none_or(|filter| filter.admits(pad, buffer, session.now()));
        match session.unit(buffer, age, reference(buffer), is_wanted) {
            UnitAction::Decode => gst::PadProbeReturn::Ok,
            UnitAction::Skip => gst::PadProbeReturn::Handled,
        }
    });
    Ok(())
}

/// The time since the media time of a buffer: live sources stamp buffers with the time of their arrival.
pub(super) fn age_of(
    pad: &gst::Pad,
    buffer: &gst::BufferRef,
    now: gst::ClockTime,
) -> Option<Duration> {
    let segment = pad.sticky_event::<gst::event::Segment>(0)?;
    let at = segment
        .segment()
        .downcast_ref::<gst::ClockTime>()?
        .to_running_time(buffer.pts()?)?;
    Some(Duration::from_nanos(
        now.nseconds().saturating_sub(at.nseconds()),
    ))
}

//! The times of a file's pictures: they go on from round to round and from stream to stream.
//!
//! A file that is played again, or that changes its streams in the middle, starts its times anew; here they are shifted to
//! the session's. Runs in probes on the streaming threads; drops no buffer.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use gstreamer as gst;
use gstreamer::prelude::*;

/// Keeps media time continuous from round to round, and from stream to stream within a round.
#[derive(Debug, Default)]
pub(super) struct Timeline {
    /// The start of this round.
    round_ns: AtomicU64,
    /// The start of the selected stream: that of its round, or the end of the previous stream.
    offset_ns: AtomicU64,
    /// The end of the buffers so far.
    end_ns: AtomicU64,
    /// A new stream starts, whose times count from its first picture.
    begins: AtomicBool,
}

impl Timeline {
    pub(super) fn next_round(&self) {
        let end = self.end_ns.load(Ordering::Acquire);
        self.round_ns.store(end, Ordering::Release);
        self.offset_ns.store(end, Ordering::Release);
    }

    /// Another stream of the same round follows. Its times may start anywhere.
    pub(super) fn next_stream(&self) {
        let end = self.end_ns.load(Ordering::Acquire);
        self.offset_ns.store(end, Ordering::Release);
        self.begins.store(true, Ordering::Release);
    }

    /// Shifts the times of buffers that leave `pad` to this round's position in the session.
    pub(super) fn shift(self: &Arc<Self>, pad: &gst::Pad) {
        let timeline = self.clone();
        let start = AtomicU64::new(0);
        let wanted = gst::PadProbeType::BUFFER | gst::PadProbeType::EVENT_DOWNSTREAM;
        pad.add_probe(wanted, move |_, info| {
            let offset = timeline.offset_ns.load(Ordering::Acquire);
            match &mut info.data {
                Some(gst::PadProbeData::Event(event)) => {
                    if let gst::EventView::Segment(segment) = event.view()
                        && let Some(segment) = segment.segment().downcast_ref::<gst::ClockTime>()
                    {
                        let begins = segment.start().map_or(0, gst::ClockTime::nseconds);
                        start.store(begins, Ordering::Release);
                        let mut moved = gst::FormattedSegment::<gst::ClockTime>::new();
                        moved.set_start(gst::ClockTime::from_nseconds(offset));
                        moved.set_time(gst::ClockTime::from_nseconds(offset));
                        // The pipeline's clock started with the round.
                        let round = timeline.round_ns.load(Ordering::Acquire);
                        let base = gst::ClockTime::from_nseconds(offset.saturating_sub(round));
                        moved.set_base(base);
                        *event = gst::event::Segment::new(&moved);
                    }
                }
                Some(gst::PadProbeData::Buffer(buffer)) => {
                    if timeline.begins.swap(false, Ordering::AcqRel)
                        && let Some(first) = buffer.dts_or_pts()
                    {
                        start.store(first.nseconds(), Ordering::Release);
                    }
                    timeline.shift_buffer(buffer.make_mut(), offset, start.load(Ordering::Acquire));
                }
                _ => {}
            }
            gst::PadProbeReturn::Ok
        });
    }

    fn shift_buffer(&self, buffer: &mut gst::BufferRef, offset: u64, start: u64) {
        let moved = |time: gst::ClockTime| {
            gst::ClockTime::from_nseconds(offset + time.nseconds().saturating_sub(start))
        };
        buffer.set_dts(buffer.dts().map(moved));
        if let Some(pts) = buffer.pts().map(moved) {
            buffer.set_pts(pts);
            let end = pts.nseconds() + buffer.duration().map_or(0, gst::ClockTime::nseconds);
            self.end_ns.fetch_max(end, Ordering::AcqRel);
        }
    }
}
